"""The usage that the benchmarks send, and the company it is counted for.

Events are about 220 bytes of JSON from 10,000 customers, few of whom send most of it (Pareto). One in a
hundred repeats an event sent shortly before, one in two hundred is of an unknown customer, one in fifty
occurred on one of the five days before.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from tollbook.masterdata.catalog import SINCE_EVER, Record, Version
from tollbook.masterdata.store import insert_version, replace_crosswalk
from tollbook.records.commercial import EventType, Meter
from tollbook.records.parties import Customer, Subject
from tollbook.storage.database import Database
from tollbook.values.codec import content_hash
from tollbook.values.ids import CustomerId, MeterId

CUSTOMERS = 10_000
DUPLICATE_EVERY = 100
INVALID_EVERY = 200
LATE_EVERY = 50
EVENTS_A_DAY = 1_000_000
START = datetime(2023, 11, 16, tzinfo=UTC)
DECIDED_AT = datetime(2023, 1, 1, tzinfo=UTC)
SCHEMA = {
    "type": "object",
    "required": ["model", "region", "input_tokens", "output_tokens"],
    "properties": {
        "model": {"type": "string"},
        "region": {"type": "string"},
        "input_tokens": {"type": "integer", "minimum": 0},
        "output_tokens": {"type": "integer", "minimum": 0},
    },
}
DIMENSIONS = ("model", "region")
RECORDS: dict[tuple[str, str], Record] = {
    ("event_type", "llm.request"): EventType("llm.request", SCHEMA),
    ("meter", "requests"): Meter(
        MeterId("requests"), "llm.request", "count", "request", dimensions=DIMENSIONS
    ),
    **{
        ("meter", field): Meter(
            MeterId(field), "llm.request", "sum", "token", value=field, dimensions=DIMENSIONS
        )
        for field in ("input_tokens", "output_tokens")
    },
}


def furnish(database: Database) -> None:
    """Put ten thousand customers, one event type and three meters in place."""
    with database.transaction() as connection:
        for (kind, key), record in RECORDS.items():
            version = Version(kind, key, 1, SINCE_EVER, record, content_hash(record))
            insert_version(connection, version, decided_at=DECIDED_AT, decided_by="bench")
        names = [f"c{number:05}" for number in range(CUSTOMERS)]
        for name in names:
            customer = Customer(CustomerId(name), name, "US-CA", subjects=(Subject(name),))
            version = Version("customer", name, 1, SINCE_EVER, customer, content_hash(customer))
            insert_version(connection, version, decided_at=DECIDED_AT, decided_by="bench")
        replace_crosswalk(connection, [(name, name, None, None) for name in names])


def lines(events: int, *, seed: int = 7, first: int = 0) -> Iterator[bytes]:
    """Yield so many lines, the same for the same seed; the days go on with the number."""
    random = Random(seed)
    recent = [b""] * 50
    for number in range(first, first + events):
        if number % DUPLICATE_EVERY == DUPLICATE_EVERY - 1 and number - first > 50:
            yield recent[random.randrange(50)]
            continue
        recent[number % 50] = made = _line(number, random)
        yield made


def _line(number: int, random: Random) -> bytes:
    subject = f"c{int(random.paretovariate(0.6)) % CUSTOMERS:05}"
    if number % INVALID_EVERY == INVALID_EVERY // 4:
        subject = f"unknown{number % 7}"
    at = START + timedelta(milliseconds=number * 86_400_000 // EVENTS_A_DAY)
    if number % LATE_EVERY == 0:
        at -= timedelta(days=random.randrange(1, 6))
    return (
        f'{{"specversion":"1.0","id":"{random.getrandbits(122):032x}","source":"/gateway/us",'
        f'"type":"llm.request","subject":"{subject}","time":"{at:%Y-%m-%dT%H:%M:%S.%f}Z",'
        f'"data":{{"model":"code-small","region":"us","input_tokens":{random.randrange(9000)},'
        f'"output_tokens":{random.randrange(900)}}}}}'
    ).encode()


def last_day(events: int) -> date:
    """Return the day of the last of so many events."""
    return (START + timedelta(days=events // EVENTS_A_DAY)).date()


def expected(events: int) -> tuple[int, int, int]:
    """Return how many of so many events from the first on are new, refused, and repeated."""
    repeated = sum(1 for n in range(DUPLICATE_EVERY - 1, events, DUPLICATE_EVERY) if n > 50)
    refused = len(range(INVALID_EVERY // 4, events, INVALID_EVERY))
    return events - repeated - refused, refused, repeated


def prove(database: Database) -> tuple[int, int]:
    """Return the numbers of stored and refused events; stop when anything is stored twice."""
    with database.transaction() as connection:
        row = connection.execute(
            """select (select count(*) from usage_event), (select sum(events) from intake_day),
                      (select count(distinct (source, event_id)) from usage_event),
                      (select count(*) from quarantine)"""
        ).fetchone()
    stored, noted, distinct, refused = row
    assert stored == noted == distinct, row
    return stored, refused


def cpu_seconds(root: int) -> float:
    """Return the processor time of a process and its descendants so far."""
    parents, spent = {}, {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(place.parent.name)
        # Its own, and that of children that have ended.
        parents[pid], spent[pid] = int(fields[1]), sum(map(int, fields[11:15]))

    def descends(pid: int) -> bool:
        return pid == root or (pid in parents and descends(parents[pid]))

    return sum(ticks for pid, ticks in spent.items() if descends(pid)) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """Say on what this runs."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {model}, {memory:.0f} GB, load {os.getloadavg()[0]:.2f}"
