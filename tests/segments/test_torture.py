"""kill -9 at every step of sealing: each event is in the partition or in a registered file, once."""

import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from meter.company import Company
from segments.test_sealing import DAY, events_in_database, seal
from tollbook.errors import Blocked
from tollbook.flow.capture.sealing.step import clean
from tollbook.flow.capture.segments.store import list_segments
from tollbook.flow.meter.store import recount
from tollbook.reports.doctor import examine
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

CLOCK = SystemClock()
SEALER = Path(__file__).with_name("sealer.py")
EVENTS = 50
# At the first four the day stays in the database; a commit that nobody heard of is one all the same.
POINTS = ["noted", "written", "kept", "registered", "emptied", "committed"]


def seal_and_die(company: Company, archive: Path, point: str) -> int:
    given = {
        "dsn": company.database.dsn,
        "archive": str(archive),
        "day": DAY.isoformat(),
        "point": point,
        "events_per_segment": 20,
    }
    ran = subprocess.run([sys.executable, SEALER, json.dumps(given)], check=False)
    return ran.returncode


@pytest.fixture
def company(database: Database) -> Company:
    company = Company(database)
    company.use(*({"tokens": 1} for _ in range(EVENTS)))
    company.meter()
    return company


@pytest.mark.parametrize("point", POINTS)
def test_a_sealer_that_is_killed_leaves_each_event_in_one_place(
    company: Company, archive: Path, point: str
) -> None:
    [usage] = company.usages()

    assert seal_and_die(company, archive, point) == -signal.SIGKILL

    with company.database.transaction() as connection:
        in_files = sum(segment.event_count for segment in list_segments(connection))
        in_database = events_in_database(connection)
        counted = recount(connection, usage)
        findings = [one for one in examine(connection) if not one.holds]
    assert (in_database, in_files) == ((0, EVENTS) if point == "committed" else (EVENTS, 0))
    assert (counted.quantity, counted.digest) == (Decimal(EVENTS), usage.digest)
    assert findings == []


@pytest.mark.parametrize("point", POINTS[:-1])
def test_what_a_killed_sealer_left_is_cleaned_and_the_day_is_sealed_then(
    company: Company, archive: Path, point: str
) -> None:
    seal_and_die(company, archive, point)

    removed = when_free(company)
    found = seal(company)

    files = {path.relative_to(archive).as_posix() for path in archive.rglob("*.parquet")}
    assert bool(removed) == (point != "noted")
    assert files == {segment.path for segment in found}
    assert list((archive / "staging").iterdir()) == []


def when_free(company: Company) -> list[str]:
    """Clean as soon as the server has noticed that the sealer is gone."""
    for _ in range(200):
        try:
            return clean(company.database)
        except Blocked:
            CLOCK.wait(0.05)
    raise AssertionError("the lock of a killed process is never given back")


def test_the_negative_control_emptying_before_registering_loses_events(company: Company) -> None:
    with company.database.transaction() as connection:
        connection.execute("truncate usage_event_20231116")

    with company.database.transaction() as connection:
        broken = [one.invariant for one in examine(connection) if not one.holds]
    assert "every event has one identity and every identity one event" in broken
    assert "metered usage equals a recount of its raw events" in broken
