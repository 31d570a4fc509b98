"""Segments prove themselves: a flipped byte, a missing file and a swapped file are found."""

from pathlib import Path

import pytest

from meter.company import Company
from segments.test_sealing import flip_a_byte, seal
from tollbook.errors import Blocked
from tollbook.flow.meter.store import recount
from tollbook.reports.doctor import examine
from tollbook.reports.segments import verify_segments
from tollbook.storage.database import Database

INVARIANT = "every sealed segment is in the archive as it was sealed"


@pytest.fixture
def company(database: Database) -> Company:
    company = Company(database)
    company.use(*({"tokens": number} for number in range(200)))
    company.meter()
    return company


def broken(company: Company) -> dict[str, tuple[str, ...]]:
    with company.database.transaction() as connection:
        return {one.invariant: one.offenders for one in examine(connection) if not one.holds}


def wrong(company: Company) -> list[tuple[str, ...]]:
    with company.database.transaction() as connection:
        return [check.wrong for check in verify_segments(connection)]


def test_a_sealed_day_breaks_no_invariant(company: Company) -> None:
    seal(company)
    company.use({"tokens": 7, "id": "late"})
    company.meter()
    seal(company)

    assert broken(company) == {}
    assert wrong(company) == [(), ()]


@pytest.mark.parametrize("place", [0.02, 0.25, 0.5, 0.75, 0.98])
def test_a_flipped_byte_is_found_wherever_it_is(
    company: Company, archive: Path, place: float
) -> None:
    [segment] = seal(company)
    flip_a_byte(archive / segment.path, place)

    [found] = wrong(company)

    assert "the file is not the one that was sealed (sha256)" in found
    assert INVARIANT in broken(company)


def test_a_missing_file_is_found(company: Company, archive: Path) -> None:
    [segment] = seal(company)
    (archive / segment.path).unlink()

    [[found]] = wrong(company)

    assert found.startswith(f"The sealed segment {segment.path} is not in the archive")
    assert INVARIANT in broken(company)


def test_a_damaged_file_is_not_counted(company: Company, archive: Path) -> None:
    [usage] = company.usages()
    [segment] = seal(company)
    path = archive / segment.path
    path.write_bytes(path.read_bytes()[: segment.bytes // 2])

    with company.database.transaction() as connection, pytest.raises(Blocked) as refused:
        recount(connection, usage)

    assert refused.value.code == "capture.segment_unreadable"


def test_another_days_file_in_its_place_is_found_by_its_events(
    company: Company, archive: Path
) -> None:
    [first] = seal(company)
    company.use({"tokens": 7, "id": "late"})
    [second] = seal(company)
    (archive / first.path).write_bytes((archive / second.path).read_bytes())

    found, _ = wrong(company)

    assert "it holds 1 events, not 200" in found
    assert "its events are not those that were sealed (digest)" in found


def test_an_identity_without_its_event_is_found(company: Company) -> None:
    seal(company)
    with company.database.transaction() as connection:
        connection.execute(
            """insert into event_identity (h, day, receipt, ordinal)
               values (gen_random_uuid(), '2023-11-16', 1, 999)"""
        )

    assert broken(company) == {
        "a sealed day has an identity for each of its events, in files and in the database": (
            "2023-11-16",
        )
    }
