"""Measures current usage: CPU an event of counting, copying and folding, and how fast it is read.

On an embedded PostgreSQL in a temporary home. CPU, not time, so that a busy machine matters less.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tollbook.flow.capture.admit import Admitted
from tollbook.flow.capture.identity import ZERO
from tollbook.flow.meter.current import Ask, view_of
from tollbook.flow.meter.step import current_usage
from tollbook.flow.meter.summary.store import add_deltas, fold
from tollbook.flow.meter.tally import Tally
from tollbook.masterdata.catalog import SINCE_EVER, Catalog, Record, Version
from tollbook.records.commercial import Meter
from tollbook.records.parties import Customer
from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate
from tollbook.values.codec import content_hash
from tollbook.values.ids import CustomerId, MeterId
from tollbook.values.period import Month

EVENTS = 20_000
GROUPS = 10
DIMENSIONS = ("model", "region")
AT = datetime(2023, 12, 1, tzinfo=UTC)
AT_EVENTS = datetime(2023, 11, 16, 18, 17, 3, tzinfo=UTC)
NOVEMBER = Month(2023, 11)
DAYS = """
    insert into {table}
    select 'cus_' || lpad(c::text, 5, '0'), %s, '2023-11-01'::timestamptz + d * interval '{step}',
           jsonb_build_object('model', m, 'region', 'us'), 10, 1, 2, 100, 200
    from generate_series(0, %s) c, generate_series(0, %s) d, unnest(array['small', 'large']) m"""


def version(kind: str, key: str, record: Record) -> Version:
    return Version(kind, key, 1, SINCE_EVER, record, content_hash(record))


def catalog(customers: int) -> Catalog:
    """Give three meters with two dimensions, and customers."""
    meters = [
        Meter(MeterId("in"), "llm", "sum", "token", value="input", dimensions=DIMENSIONS),
        Meter(MeterId("out"), "llm", "sum", "token", value="output", dimensions=DIMENSIONS),
        Meter(MeterId("requests"), "llm", "count", "request", dimensions=DIMENSIONS),
    ]
    versions = {
        ("meter", str(one.meter_id)): (version("meter", one.meter_id, one),) for one in meters
    }
    for name in names(customers):
        customer = Customer(CustomerId(name), name, "US")
        versions["customer", name] = (version("customer", name, customer),)
    return Catalog(AT, versions)


def names(customers: int) -> list[str]:
    return [f"cus_{number:05}" for number in range(customers)]


def group(customers: int) -> list[Admitted]:
    """Give events of one hour, evenly over customers and six combinations of dimensions."""
    random = Random(1)
    return [
        Admitted(
            digest=random.randbytes(16),
            f1=random.getrandbits(64) - 2**63,
            f2=random.getrandbits(64) - 2**63,
            occurred_us=(AT_EVENTS - ZERO) // timedelta(microseconds=1) + number,
            source="/s",
            id=f"e{number}",
            type="llm",
            subject=f"cus_{random.randrange(customers):05}",
            row=b"",
            raw=b"",
            said={
                "model": random.choice(["small", "large"]),
                "region": random.choice(["us", "eu", "asia"]),
                "input": random.randrange(5000),
                "output": random.randrange(900),
            },
        )
        for number in range(EVENTS)
    ]


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def microseconds(cpu: float, groups: int = GROUPS) -> str:
    return f"{cpu / (EVENTS * groups) * 1e6:5.2f} us"


def measure_writing(database: Database, customers: int) -> None:
    known = catalog(customers)
    tally = Tally.of(known, [(name, name, None, None) for name in names(customers)])
    arrivals = group(customers)
    counted = []
    for _ in range(7):
        start = time.process_time()
        deltas = tally.add(arrivals)
        counted.append(time.process_time() - start)
    with database.transaction() as connection:
        connection.execute("truncate usage_delta, usage_delta_day, usage_hour, usage_day")
        server = cpu_of(connection.info.backend_pid)
    start = time.process_time()
    for receipt in range(1, GROUPS + 1):
        with database.transaction() as connection:
            add_deltas(connection, deltas, receipt)
            pid = connection.info.backend_pid
    copied = time.process_time() - start, cpu_of(pid) - server
    with database.transaction() as connection:
        before = cpu_of(connection.info.backend_pid)
        rows = fold(connection, through=GROUPS, skip=set())
        folded = cpu_of(connection.info.backend_pid) - before
    print(
        f"{customers:6} customers, {len(deltas.rows):6} rows a group of {EVENTS}: "
        f"count {microseconds(min(counted), 1)}, copy {microseconds(copied[0])} here and "
        f"{microseconds(copied[1])} in the database, fold {microseconds(folded)} into {rows} rows"
    )


def measure_reading(database: Database, customers: int) -> None:
    view = view_of(catalog(customers))
    tally = Tally.of(view.catalog, [(name, name, None, None) for name in names(customers)])
    deltas = tally.add(group(customers))
    with database.transaction() as connection:
        connection.execute("truncate usage_hour, usage_day, usage_delta, usage_delta_day")
        [layout] = deltas.layouts
        days = DAYS.format(table="usage_day", step="1 day")
        connection.execute(days.encode(), [layout, customers - 1, 29])
        hours = DAYS.format(table="usage_hour", step="1 hour")
        connection.execute(hours.encode(), [layout, 999, 719])
        for receipt in (1, 2, 3):
            add_deltas(connection, deltas, receipt)
        connection.execute("analyze")

    def ask(**words: Any) -> int:
        with database.transaction() as connection:
            found = current_usage(connection, known=lambda _: view, ask=Ask(**words), at=AT)
        return len(found.usages)

    random = Random(2)
    one: list[tuple[str, Callable[[], int]]] = [
        (name, lambda words=words: ask(customer_id=f"cus_{random.randrange(1000):05}", **words))
        for name, words in (
            ("a month", {"meter_id": "in", "month": NOVEMBER}),
            ("a month by dimension", {"meter_id": "in", "month": NOVEMBER, "group_by": ("model",)}),
            ("a month by days", {"meter_id": "in", "month": NOVEMBER, "window": "day"}),
        )
    ]
    for name, act in one:
        times = []
        for _ in range(500):
            start = time.perf_counter()
            act()
            times.append((time.perf_counter() - start) * 1000)
        times.sort()
        print(f"{name} of one customer: p50 {times[250]:.1f} ms, p99 {times[495]:.1f} ms")
    for name, words in (("one meter", {"meter_id": "in"}), ("all three meters", {})):
        start, spent = time.perf_counter(), time.process_time()
        found = ask(month=NOVEMBER, **words)
        seconds, spent = time.perf_counter() - start, time.process_time() - spent
        print(
            f"a month of {customers} customers, {name}: {found} usages, {seconds:.2f} s "
            f"({spent:.2f} s outside the database)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, nargs="*", default=[40, 1_000, 10_000])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        server = embedded.start(Path(home), settings={"max_connections": "20"})
        try:
            migrate(server.dsn)
            database = Database(server.dsn, size=2)
            for customers in asked.customers:
                measure_writing(database, customers)
            measure_reading(database, max(asked.customers))
            database.close()
        finally:
            embedded.stop(Path(home))


if __name__ == "__main__":
    main()
