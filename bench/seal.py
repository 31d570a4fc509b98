"""Measures sealing, and counting sealed days again on DuckDB and Spark.

Fills an embedded PostgreSQL in a temporary home with events by SQL, seals day after day, proves the
digests, and counts what each customer used of each model from the files.
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tollbook.flow.capture.events.store import ensure_days
from tollbook.flow.capture.sealing import step
from tollbook.flow.capture.sealing.fields import Fields
from tollbook.flow.capture.sealing.step import Sealing
from tollbook.flow.capture.segments.store import list_segments
from tollbook.flow.meter.events.store import parts_of
from tollbook.flow.meter.window import Question, Span
from tollbook.masterdata.store import replace_crosswalk
from tollbook.records.commercial import Meter
from tollbook.storage import embedded
from tollbook.storage.database import Database
from tollbook.storage.migrate import migrate
from tollbook.values.ids import MeterId
from tollbook.values.period import Period

FIRST = date(2023, 11, 1)
CUSTOMERS = 1024
MODELS = ("chat-large", "code-small")
AT = datetime(2023, 12, 20, tzinfo=UTC)
METER = Meter(
    MeterId("tokens"),
    "llm.request",
    "sum",
    "token",
    value="input_tokens",
    dimensions=("model", "region"),
)
OTHERS = {
    "count": None,
    "max": "input_tokens",
    "latest": "input_tokens",
    "average": "output_tokens",
    "unique_count": "region",
}
# About 220 bytes an event, as from real traffic: random ids and hashes, few customers and models.
FILL = """
    insert into usage_event (h, day, f1, f2, receipt, ordinal, occurred_at, source, event_id, type,
                             subject, data)
    select md5('/inference/us' || n)::uuid, %(day)s,
           ('x' || substr(md5(n || 'a'), 1, 16))::bit(64)::bigint,
           ('x' || substr(md5(n || 'b'), 1, 16))::bit(64)::bigint,
           1 + n / 5000, n %% 5000,
           %(day)s::timestamptz + (hashint8(n) & 67108863) * interval '1 millisecond',
           '/inference/us', md5(n || 'id'), 'llm.request',
           'cus_' || lpad((hashint8(n + 1) & 1023)::text, 4, '0'),
           jsonb_build_object('model', (array['code-small', 'chat-large'])[1 + (hashint8(n) & 1)],
                              'region', (array['us', 'eu'])[1 + (hashint8(n + 9) & 1)],
                              'input_tokens', hashint8(n + 1) & 8191,
                              'output_tokens', (hashint8(n + 2) & 1023) / 8.0)
    from generate_series(%(from)s::bigint, %(to)s::bigint) n"""


def fill(database: Database, days: int, events: int) -> None:
    for number in range(days):
        day = FIRST + timedelta(days=number)
        with database.transaction() as connection:
            ensure_days(connection, [day])
            values = {"day": day, "from": number * events + 1, "to": (number + 1) * events}
            connection.execute(FILL, values)
    with database.transaction() as connection:
        connection.execute("update identity_sweep set through_receipt = 1000000000")
        names = [f"cus_{number:04}" for number in range(CUSTOMERS)]
        replace_crosswalk(connection, [(name, name, None, None) for name in names])


def seal(database: Database, days: int, events: int) -> None:
    sealing = Sealing(Fields(("model", "region"), ("input_tokens", "output_tokens")), "bench", AT)
    for number in range(days):
        began, spent = time.perf_counter(), time.process_time()
        found = step.seal_day(database, FIRST + timedelta(days=number), sealing)
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
        size = sum(segment.bytes for segment in found)
        print(
            f"sealed day {number + 1}: {events / seconds:>12,.0f} events a second, "
            f"{size / events:.1f} bytes an event, {len(found)} files, "
            f"{spent / events * 1e6:.2f} microseconds of processor an event outside the database",
            flush=True,
        )


def questions(meter: Meter, days: int) -> list[Question]:
    until = FIRST + timedelta(days=days)
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    period = Period(start, start + timedelta(days=days))
    return [
        Question(f"cus_{number:04}", (Span(meter, FIRST, until),), period, {"model": model})
        for number in range(CUSTOMERS)
        for model in MODELS
    ]


def recount(database: Database, engine: str, meter: Meter, days: int) -> tuple[float, list]:
    asked = questions(meter, days)
    began = time.perf_counter()
    with database.transaction() as connection:
        found = parts_of(connection, asked, through=None, engine=engine)
    return time.perf_counter() - began, found


def prove(database: Database, found: list, total: int) -> None:
    with database.transaction() as connection:
        segments = list_segments(connection)
    parts = [one[()] for one in found if one]
    assert sum(one.events for one in parts) == total == sum(s.event_count for s in segments)
    assert sum(one.first for one in parts) == sum(s.digest_1 for s in segments)
    assert sum(one.second for one in parts) == sum(s.digest_2 for s in segments)
    assert sum((one.total for one in parts), Decimal(0)) > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--events", type=int, default=2_000_000, help="events a day")
    parser.add_argument("--spark", action="store_true", help="count on Spark too")
    options = parser.parse_args()
    load, total = os.getloadavg()[0], options.days * options.events
    with tempfile.TemporaryDirectory() as home:
        postgres = embedded.start(Path(home))
        migrate(postgres.dsn)
        database = Database(postgres.dsn, session={"tollbook.archive": f"{home}/archive"})
        try:
            fill(database, options.days, options.events)
            seal(database, options.days, options.events)
            for name, value in {"sum": "input_tokens", **OTHERS}.items():
                meter = Meter(MeterId(name), "llm.request", name, "x", value, {}, ("model",))
                seconds, found = recount(database, "duckdb", meter, options.days)
                if name == "sum":
                    prove(database, found, total)
                print(
                    f"DuckDB, {total:,} events, {len(found)} windows, {name}: {seconds:.2f} s",
                    flush=True,
                )
            if options.spark:
                for turn in ("with its start", "warm"):
                    seconds, again = recount(database, "spark", METER, options.days)
                    print(f"Spark, {total:,} events, sum, {turn}: {seconds:.2f} s", flush=True)
                prove(database, again, total)
        finally:
            database.close()
            embedded.stop(Path(home))
    print(
        f"{sys.platform}, {os.cpu_count()} cores; load before / after "
        f"{load:.2f} / {os.getloadavg()[0]:.2f}"
    )


if __name__ == "__main__":
    main()
