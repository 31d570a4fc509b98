"""What was refused waits until somebody corrects, replays or discards it, and all of it is audited."""

import pytest

from door import SUBJECTS, add_record, data, raw, set_subjects
from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.capture import step, store
from tollbook.flow.capture.quarantine.step import replay_pages
from tollbook.flow.capture.quarantine.store import Which, causes
from tollbook.records.commercial import EventType
from tollbook.runtime.intake import Desk
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import FixedClock
from tollbook.values.ids import event_id
from tollbook.worklist.store import list_items

WHO = {"by": "ana", "reason": "sender corrected"}


@pytest.fixture
def refused(desk: Desk) -> str:
    """Give the id of a refused event: its subject is missing."""
    return desk.take([raw(1, subject=None)], door="file").answers[0].kept_as


def _replay(database: Database, desk: Desk, clock: FixedClock, quarantined: str) -> step.Answer:
    with database.transaction() as connection:
        return step.replay(
            connection,
            quarantined=quarantined,
            admission=desk.admission(at_once=True),
            at=clock.now(),
            **WHO,
        )


def _correct(database: Database, clock: FixedClock, quarantined: str, corrected: bytes) -> None:
    with database.transaction() as connection:
        step.correct(
            connection, quarantined=quarantined, corrected=corrected, at=clock.now(), **WHO
        )


def _held(database: Database, quarantined: str) -> store.Quarantined:
    with database.transaction() as connection:
        held = store.get_quarantined(connection, quarantined)
    assert held is not None
    return held


def _open_codes(database: Database) -> list[str]:
    with database.transaction() as connection:
        return [item.code for item in list_items(connection)]


def _actions(connection: Connection) -> list[tuple[str, str]]:
    return [(entry.action, entry.actor) for entry in audit.all_records(connection)]


def test_a_corrected_event_gets_through_and_its_original_is_kept(
    database: Database, desk: Desk, clock: FixedClock, refused: str
) -> None:
    _correct(database, clock, refused, raw(1))

    answer = _replay(database, desk, clock, refused)

    held = _held(database, refused)
    assert answer.status == "accepted"
    assert (held.state, held.closed_by, held.reason) == ("replayed", "ana", "sender corrected")
    assert (held.raw, held.corrected) == (raw(1, subject=None), raw(1))
    assert _open_codes(database) == []
    with database.transaction() as connection:
        assert _actions(connection) == [("capture.correct", "ana"), ("capture.replay", "ana")]
        assert audit.first_broken(audit.all_records(connection)) is None


def test_a_correction_that_is_wrong_too_stays_with_its_new_reason(
    database: Database, desk: Desk, clock: FixedClock, refused: str
) -> None:
    _correct(database, clock, refused, raw(1, subject="nobody"))

    answer = _replay(database, desk, clock, refused)

    assert (answer.status, answer.code) == ("rejected", "capture.unknown_subject")
    assert _held(database, refused).code == "capture.unknown_subject"
    assert _held(database, refused).state == "open"
    assert _open_codes(database) == ["capture.unknown_subject"]


def test_a_correction_that_reuses_a_taken_id_is_a_conflict_and_stays(
    database: Database, desk: Desk, clock: FixedClock, refused: str
) -> None:
    desk.take([raw(1, data=data(77))], door="file")
    _correct(database, clock, refused, raw(1))

    answer = _replay(database, desk, clock, refused)

    assert answer.status == "conflict"
    assert _held(database, refused).state == "open"


def test_a_closed_refusal_cannot_be_changed_and_its_bytes_stay_closed(
    database: Database, desk: Desk, clock: FixedClock, refused: str
) -> None:
    with database.transaction() as connection:
        step.discard(connection, quarantined=refused, at=clock.now(), **WHO)

    again = desk.take([raw(1, subject=None)], door="file").answers[0]

    assert (again.status, again.kept_as) == ("rejected", refused)
    assert _held(database, refused).state == "discarded"
    assert _open_codes(database) == []
    with pytest.raises(Rejected, match="was discarded by ana"):
        _correct(database, clock, refused, raw(1))


def test_all_events_of_a_subject_replay_when_it_becomes_known(
    database: Database, desk: Desk, clock: FixedClock
) -> None:
    lost = [raw(n, subject="new" if n % 2 else "other") for n in range(10)]
    desk.take(lost, door="file")
    set_subjects(database, [*SUBJECTS, "new"])
    add_record(database, "event_type", "more", EventType("more", {}), at=clock.now())

    with database.transaction() as connection:
        answers, _ = replay_pages(
            connection,
            Which(code="capture.unknown_subject", cause="new"),
            admission=desk.admission(at_once=True),
            at=clock.now(),
            **WHO,
        )
        items = [(item.cause, item.object_count) for item in list_items(connection)]

    assert [answer.status for answer in answers] == ["accepted"] * 5
    assert items == [("other", 5)]


def test_new_master_data_counts_for_the_next_event(
    database: Database, desk: Desk, clock: FixedClock
) -> None:
    before = desk.take([raw(1, type="more")], door="file").answers[0]
    add_record(database, "event_type", "more", EventType("more", {}), at=clock.now())

    after = desk.take([raw(2, type="more")], door="file").answers[0]

    assert (before.code, after.status) == ("capture.unknown_event_type", "accepted")


def test_a_voided_event_is_not_counted_and_its_day_is_summarized_again(
    database: Database, desk: Desk, clock: FixedClock
) -> None:
    desk.take([raw(1)], door="file")
    mistake = event_id("/inference/us", "e-1")
    with database.transaction() as connection:
        connection.execute("delete from dirty_day")

        step.void_event(connection, event_id=mistake, at=clock.now(), **WHO)

        assert step.find_event(connection, mistake).voided_for == "sender corrected"
        assert connection.execute("select day::text from dirty_day").fetchall() == [("2023-11-16",)]
        assert connection.execute("select known_receipt from event_exclusion").fetchone() == (2,)
        with pytest.raises(Rejected, match="already voided"):
            step.void_event(connection, event_id=mistake, at=clock.now(), **WHO)
    assert desk.take([raw(1)], door="file").answers[0].status == "duplicate"


def test_a_dismissed_conflict_leaves_the_worklist(
    database: Database, desk: Desk, clock: FixedClock
) -> None:
    conflict = desk.take([raw(1), raw(1, data=data(9))], door="file").answers[1].kept_as

    with database.transaction() as connection:
        step.dismiss_conflict(connection, conflict=conflict, at=clock.now(), **WHO)

    desk.take([raw(1, data=data(9))], door="file")
    assert _open_codes(database) == []


def test_nothing_is_decided_without_a_reason(
    database: Database, clock: FixedClock, refused: str
) -> None:
    with database.transaction() as connection, pytest.raises(Rejected, match="Say why"):
        step.discard(connection, quarantined=refused, by="ana", reason=" ", at=clock.now())


def test_the_list_can_be_narrowed_and_paged(desk: Desk, database: Database) -> None:
    desk.take([raw(n, subject="nobody") for n in range(5)] + [raw(9, time=None)], door="file")

    with database.transaction() as connection:
        first = store.list_quarantine(connection, cause="nobody", limit=3)
        rest = store.list_quarantine(
            connection, cause="nobody", after=first[-1].quarantine_id, limit=3
        )
        counted = [(one.code, one.cause, one.count) for one in causes(connection, Which())]

    assert (len(first), len(rest)) == (3, 2)
    assert counted == [
        ("capture.unknown_subject", "nobody", 5),
        ("capture.missing_time", "/inference/us", 1),
    ]
