"""A sealed day: its events are in a file that proves itself, and everything still sees them."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from meter.company import NOVEMBER, Company
from tollbook.errors import Blocked, Rejected
from tollbook.flow.capture.corrections.step import void_events
from tollbook.flow.capture.corrections.store import Which
from tollbook.flow.capture.events.store import latest_day, list_events
from tollbook.flow.capture.sealing import step
from tollbook.flow.capture.sealing.fields import fields_known
from tollbook.flow.capture.sealing.step import OnPoint, Sealing, Waiting
from tollbook.flow.capture.segments.manifest import Segment
from tollbook.flow.capture.segments.store import list_segments
from tollbook.flow.capture.step import find_event
from tollbook.flow.capture.store import known_in_ledger, sealed_days
from tollbook.flow.meter.events.store import altered_events
from tollbook.flow.meter.store import events_behind, recount, usages_of_event
from tollbook.records.commercial import Meter
from tollbook.storage.database import Connection, Database
from tollbook.values.ids import MeterId, event_digest

DAY = date(2023, 11, 16)
AT = datetime(2023, 12, 1, 9, tzinfo=UTC)


def seal(company: Company, day: date = DAY, **changes: int) -> list[Segment]:
    """Seal a day as a person would."""
    company.summarize()
    sealing = Sealing(fields_known(company.catalog()), by="test", at=AT, **changes)
    return step.seal_day(company.database, day, sealing)


def events_in_database(connection: Connection) -> int:
    row = connection.execute("select count(*) from usage_event").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def company(database: Database) -> Company:
    company = Company(database)
    company.use({"tokens": 5}, {"tokens": "7.25"}, {"tokens": 11, "who": "beta"})
    return company


def test_the_events_of_a_sealed_day_are_in_the_archive_and_no_longer_in_the_database(
    company: Company, archive: Path
) -> None:
    [segment] = seal(company)

    with company.database.transaction() as connection:
        assert events_in_database(connection) == 0
        assert sealed_days(connection) == {DAY}
        assert list_segments(connection) == [segment]
    assert segment.event_count == 3
    assert segment.types == {"llm.request": 3}
    assert (archive / segment.path).stat().st_size == segment.bytes
    assert list((archive / "staging").iterdir()) == []


def test_metering_after_sealing_says_what_metering_before_it_said(company: Company) -> None:
    company.meter()
    [before] = company.usages()
    seal(company)

    with company.database.transaction() as connection:
        again = recount(connection, before)
        behind = events_behind(connection, before.usage_id, limit=10)

    assert (again.quantity, again.event_count, again.digest) == (
        Decimal("12.25"),
        2,
        before.digest,
    )
    assert {event.id for event in behind} == {"e1", "e2"}
    assert company.meter().written == ()


def test_a_late_event_is_counted_and_sealed_into_a_supplementary_segment(company: Company) -> None:
    company.meter()
    seal(company)

    company.use({"tokens": 100, "id": "late"})
    company.meter()
    [supplement] = seal(company)

    assert (supplement.segment, supplement.event_count) == (2, 1)
    assert [usage.quantity for usage in company.usages()] == [Decimal("112.25")]


def test_a_duplicate_of_a_sealed_event_is_known_at_the_door(company: Company) -> None:
    seal(company)

    company.use({"tokens": 5, "id": "e1"})

    with company.database.transaction() as connection:
        assert events_in_database(connection) == 0
        known = event_digest("/test", "e1")
        assert known_in_ledger(connection, [known, bytes(16)]) == {known: DAY}


def test_other_content_under_the_identity_of_a_sealed_event_is_a_conflict(company: Company) -> None:
    seal(company)

    with pytest.raises(AssertionError, match="conflict"):
        company.use({"tokens": 6, "id": "e1"})

    company.meter()
    assert [usage.quantity for usage in company.usages()] == [Decimal("12.25")]


def test_repeats_and_news_of_a_sealed_day_in_one_group_are_told_apart(company: Company) -> None:
    company.meter()
    seal(company)

    company.use({"tokens": 5, "id": "e1"}, {"tokens": 9, "id": "n"}, {"tokens": 9, "id": "n"})

    company.meter()
    assert [usage.quantity for usage in company.usages()] == [Decimal("21.25")]
    assert [usage.event_count for usage in company.usages()] == [3]


def test_a_sealed_event_that_is_voided_no_longer_counts(company: Company) -> None:
    [first, *_] = company.use({"tokens": 1000, "id": "wrong"})
    seal(company)

    company.void(first)
    company.meter()

    assert [usage.quantity for usage in company.usages()] == [Decimal("12.25")]


def test_sealed_events_are_shown_and_listed_like_others(company: Company) -> None:
    company.meter()
    [usage] = company.usages()
    seal(company)
    [late] = company.use({"tokens": 1, "id": "late", "at": "2023-11-16T01:00:00Z"})

    with company.database.transaction() as connection:
        listed = list_events(connection, on=DAY, limit=3)
        ours = list_events(connection, on=DAY, subject="beta")
        sealed = find_event(connection, listed[-1].event_id)
        newest = latest_day(connection)
        counted = usages_of_event(connection, "/test", "e1")
        altered = list(altered_events(connection))

    assert [event.id for event in listed] == ["late", "e3", "e2"]
    assert listed[0].event_id == late
    assert [event.id for event in ours] == ["e3"]
    assert sealed.data == {"model": "large", "tokens": "7.25"}
    assert newest == DAY
    assert counted == [usage.usage_id]
    assert altered == []


def test_a_day_of_many_events_becomes_several_segments(company: Company) -> None:
    found = seal(company, events_per_segment=2)

    assert [segment.event_count for segment in found] == [2, 1]


def test_a_restored_day_is_in_the_database_again(company: Company, archive: Path) -> None:
    company.meter()
    [segment] = seal(company)

    step.restore_day(company.database, DAY, by="ann", reason="audit", at=AT)

    with company.database.transaction() as connection:
        assert events_in_database(connection) == 3
        assert sealed_days(connection) == set()
        assert [one.state for one in list_segments(connection)] == ["restored"]
    assert (archive / segment.path).exists()
    assert company.meter().written == ()
    assert [one.segment for one in seal(company)] == [2]


def test_a_restored_day_is_refused_when_its_file_was_altered(
    company: Company, archive: Path
) -> None:
    [segment] = seal(company)
    flip_a_byte(archive / segment.path)

    with pytest.raises(Blocked) as refused:
        step.restore_day(company.database, DAY, by="ann", reason="audit", at=AT)

    assert refused.value.code == "capture.segment_altered"
    with company.database.transaction() as connection:
        assert events_in_database(connection) == 0
        assert sealed_days(connection) == {DAY}


def test_a_day_that_is_not_over_is_not_sealed(company: Company) -> None:
    sealing = Sealing(fields_known(company.catalog()), by="test", at=AT.replace(month=11, day=16))

    with pytest.raises(Rejected) as refused:
        step.seal_day(company.database, DAY, sealing)

    assert refused.value.code == "capture.day_open"


def test_a_day_whose_identities_are_not_in_the_ledger_waits(company: Company) -> None:
    sealing = Sealing(fields_known(company.catalog()), by="test", at=AT)

    with pytest.raises(Blocked) as refused:
        step.seal_day(company.database, DAY, sealing)

    assert refused.value.code == "capture.day_not_swept"


def test_all_closed_days_with_events_are_sealed_in_order(company: Company) -> None:
    company.use({"at": "2023-11-15T00:00:00Z"}, {"at": "2023-11-20T00:00:00Z"})
    company.summarize()
    sealing = Sealing(fields_known(company.catalog()), by="test", at=AT)

    found = list(step.seal_through(company.database, date(2023, 11, 19), sealing))

    segments = [segment for day in found if isinstance(day, list) for segment in day]
    assert [segment.name for segment in segments] == ["2023-11-15/1", "2023-11-16/1"]


def test_a_day_that_is_not_ready_waits_and_the_others_go_on(company: Company) -> None:
    company.summarize()
    company.use({"at": "2023-11-15T00:00:00Z"})
    sealing = Sealing(fields_known(company.catalog()), by="test", at=AT)

    waiting, sealed = step.seal_through(company.database, date(2023, 11, 19), sealing)

    assert isinstance(waiting, Waiting)
    assert (waiting.day, waiting.code) == (date(2023, 11, 15), "capture.day_not_swept")
    assert isinstance(sealed, list)
    assert [segment.name for segment in sealed] == ["2023-11-16/1"]


def test_what_a_broken_attempt_left_behind_is_removed(company: Company, archive: Path) -> None:
    company.summarize()
    sealing = Sealing(fields_known(company.catalog()), by="test", at=AT)
    with pytest.raises(KeyboardInterrupt):
        step.seal_day(company.database, DAY, sealing, on_point=interrupt_at("kept"))
    left = [path for path in archive.rglob("*") if path.is_file()]

    removed = step.clean(company.database)

    assert len(left) == len(removed) == 1
    assert [path for path in archive.rglob("*") if path.is_file()] == []
    with company.database.transaction() as connection:
        assert events_in_database(connection) == 3


def interrupt_at(wanted: str) -> OnPoint:
    def on_point(point: str) -> None:
        if point == wanted:
            raise KeyboardInterrupt

    return on_point


def test_metering_november_needs_nothing_but_the_files(company: Company) -> None:
    seal(company)

    company.meter(NOVEMBER)

    assert [usage.quantity for usage in company.usages()] == [Decimal("12.25")]


def flip_a_byte(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


def test_many_sealed_events_are_voided_at_once(company: Company) -> None:
    company.meter()
    seal(company)
    which = Which(DAY, date(2023, 11, 17), subject="acme")

    with company.database.transaction() as connection:
        voided = void_events(connection, which, by="test", reason="mistake", at=AT)
    company.meter()

    assert voided.events == 2
    assert [usage.quantity for usage in company.usages()] == [Decimal(0)]


def test_a_wide_number_in_one_field_and_decimals_in_another_are_sealed_together(
    company: Company,
) -> None:
    company.decide(Meter(MeterId("bytes"), "llm.request", "sum", "byte", value="bytes"))
    company.use({"tokens": "0.25", "bytes": 2**63}, {"tokens": 1, "bytes": 10**25})
    company.meter()
    [before] = company.usages()

    [segment] = seal(company)

    assert segment.event_count == 5
    with company.database.transaction() as connection:
        again = recount(connection, before)
    assert (again.quantity, again.digest) == (Decimal("13.50"), before.digest)
