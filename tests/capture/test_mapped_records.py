"""Foreign records that are refused keep their original bytes, and come in when the cause is cured."""

from typing import Any

import msgspec
import pytest

from door import add_record, set_subjects
from tollbook.errors import Rejected
from tollbook.flow.capture import step, store
from tollbook.flow.capture.foreign import mapping_in_force
from tollbook.flow.capture.quarantine.step import replay_pages
from tollbook.flow.capture.quarantine.store import Which
from tollbook.masterdata.documents import documents_to_versions
from tollbook.masterdata.step import apply_plan, plan_documents
from tollbook.records.commercial import EventType
from tollbook.records.source_mapping import SourceMapping
from tollbook.runtime.intake import Desk
from tollbook.sdk.source import SourceRecord
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock
from tollbook.worklist.store import list_items

WHO = {"by": "ana", "reason": "corrected"}
DOCUMENT: dict[str, Any] = {
    "id": "gateway",
    "input": "json",
    "each": "$.calls",
    "when": [{"path": "@.error", "exists": False}],
    "event": {
        "type": "llm.request",
        "source": {"template": "gw/{meta.topic}"},
        "id": "@.id",
        "subject": "$.tenant",
        "time": "$.at",
        "data": {
            "model": "@.model",
            "region": "us",
            "input_tokens": {"path": "@.in", "as": "integer"},
            "output_tokens": {"path": "@.out", "as": "integer"},
        },
    },
}


def apply(database: Database, clock: FixedClock, document: dict[str, Any]) -> None:
    with database.transaction() as connection:
        planned = plan_documents(connection, {"source_mappings": [document]}, clock.now())
        assert planned.problems == ()
        apply_plan(connection, planned, by="ana", reason="test", at=clock.now())


@pytest.fixture
def gateway(database: Database, desk: Desk, clock: FixedClock) -> Desk:
    """Give a desk that knows the mapping."""
    apply(database, clock, DOCUMENT)
    return desk


def record(*calls: dict[str, Any], tenant: str = "cus_001") -> SourceRecord:
    body = {"tenant": tenant, "at": "2023-11-16T18:17:03Z", "calls": list(calls)}
    return SourceRecord(msgspec.json.encode(body), metadata={"topic": "eu"})


def call(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "model": "m", "in": number, "out": 1} | changes


def take(desk: Desk, *records: SourceRecord) -> step.Captured:
    return desk.take_records(records, mapping="gateway", door="test")


def events_of(desk: Desk, clock: FixedClock, one: SourceRecord) -> list[bytes]:
    return mapping_in_force(desk.admission(), "gateway", clock.now().date())(one)


def held(database: Database) -> list[store.Quarantined]:
    with database.transaction() as connection:
        return store.list_quarantine(connection)


def replay(database: Database, desk: Desk, clock: FixedClock, one: str) -> step.Answer:
    with database.transaction() as connection:
        return step.replay(
            connection,
            quarantined=one,
            admission=desk.admission(at_once=True),
            at=clock.now(),
            **WHO,
        )


def test_one_record_becomes_many_events_and_again_they_are_duplicates(gateway: Desk) -> None:
    whole = record(call(1), call(2), call(3, error="timeout"))

    first, again = take(gateway, whole), take(gateway, whole)

    assert (+first.counts, first.ignored) == ({"accepted": 2}, 1)
    assert (+again.counts, again.ignored) == ({"duplicate": 2}, 1)


def test_ignored_records_are_counted_with_the_answers(database: Database, gateway: Desk) -> None:
    take(gateway, record(call(1), call(2, error="x")), record(call(3, error="x")))

    with database.transaction() as connection:
        told = store.tallies(connection)
    assert {answer: count for (_, answer), count in told.items()} == {"accepted": 1, "ignored": 2}


def test_what_cannot_be_mapped_is_kept_as_it_came(database: Database, gateway: Desk) -> None:
    broken = SourceRecord(b'{"calls": 7}', metadata={"topic": "eu"})

    answers = take(gateway, broken).answers

    (kept,) = held(database)
    assert [answer.code for answer in answers] == ["capture.unmappable"]
    assert kept.quarantine_id == answers[0].kept_as
    assert (kept.raw, kept.mapping, kept.metadata) == (broken.body, "gateway", {"topic": "eu"})
    assert kept.cause == "gateway each"


def test_a_bad_element_waits_with_its_record_and_place_and_its_neighbours_are_taken(
    database: Database, gateway: Desk
) -> None:
    whole = record(call(1), call(2, **{"in": "lots"}), call(3))

    captured = take(gateway, whole)

    (kept,) = held(database)
    assert +captured.counts == {"accepted": 2, "rejected": 1}
    assert (kept.raw, kept.metadata) == (whole.body, {"topic": "eu", "each.item": "1"})
    assert kept.cause == "gateway data.input_tokens"
    assert "in element 1" in kept.message


@pytest.mark.parametrize("as_event", [False, True], ids=["in its record", "as an event"])
def test_each_bad_element_is_corrected_on_its_own_and_nothing_counts_twice(
    database: Database, gateway: Desk, clock: FixedClock, *, as_event: bool
) -> None:
    whole = record(call(1), call(2, **{"in": "lots"}), call(3, **{"in": "few"}))
    take(gateway, whole)
    second = next(one for one in held(database) if (one.metadata or {})["each.item"] == "1")
    right = record(call(1), call(2), call(3, **{"in": "few"}))
    corrected = events_of(gateway, clock, record(call(2)))[0] if as_event else right.body
    with database.transaction() as connection:
        step.correct(
            connection, quarantined=second.quarantine_id, corrected=corrected, at=clock.now(), **WHO
        )

    answer = replay(database, gateway, clock, second.quarantine_id)

    (third,) = held(database)
    assert answer.status == "accepted"
    assert (third.metadata or {})["each.item"] == "2"
    again = take(gateway, record(call(1), call(2), call(3)))
    assert +again.counts == {"duplicate": 2, "accepted": 1}


def test_a_corrected_record_without_the_element_leaves_it_refused(
    database: Database, gateway: Desk, clock: FixedClock
) -> None:
    kept = take(gateway, record(call(1), call(2, **{"in": "lots"}))).answers[1].kept_as
    with database.transaction() as connection:
        shorter = record(call(1)).body
        step.correct(connection, quarantined=kept, corrected=shorter, at=clock.now(), **WHO)

    answer = replay(database, gateway, clock, kept)

    assert answer.code == "capture.unmappable"
    assert "it has no element 1" in answer.message


def test_a_large_record_with_too_many_bad_elements_waits_once_and_whole(
    database: Database, gateway: Desk, clock: FixedClock
) -> None:
    long = "m" * 5_000
    bad = record(call(0), *(call(n, model=long, **{"in": "lots"}) for n in range(1, 60)))

    captured = take(gateway, bad)

    (kept,) = held(database)
    assert +captured.counts == {"accepted": 1, "rejected": 59}
    assert kept.metadata == {"topic": "eu"}
    right = record(call(0), *(call(n) for n in range(1, 60)))
    with database.transaction() as connection:
        step.correct(
            connection,
            quarantined=kept.quarantine_id,
            corrected=right.body,
            at=clock.now(),
            **WHO,
        )
    assert replay(database, gateway, clock, kept.quarantine_id).status == "accepted"
    assert +take(gateway, right).counts == {"duplicate": 60}


def test_many_records_are_mapped_again_at_once_and_each_has_one_answer(
    database: Database, gateway: Desk, clock: FixedClock
) -> None:
    take(gateway, record(call(1), call(2), tenant="newcomer"))
    take(gateway, record(call(4, **{"in": "lots"})))
    set_subjects(database, ["cus_001", "newcomer"])
    add_record(database, "event_type", "other", EventType("other", {}))

    with database.transaction() as connection:
        answers, _ = replay_pages(
            connection,
            Which(),
            admission=gateway.admission(at_once=True),
            at=clock.now(),
            **WHO,
        )

    assert sorted(answer.status for answer in answers) == ["accepted", "accepted", "rejected"]
    assert [one.code for one in held(database)] == ["capture.unmappable"]


def test_what_the_door_refuses_of_a_record_comes_in_when_the_subject_is_known(
    database: Database, gateway: Desk, clock: FixedClock
) -> None:
    whole = record(call(1), call(2), tenant="newcomer")
    refused = take(gateway, whole)
    set_subjects(database, ["cus_001", "newcomer"])
    # What tells the door that master data changed.
    add_record(database, "event_type", "other", EventType("other", {}))

    kept = [answer.kept_as for answer in refused.answers]
    answers = [replay(database, gateway, clock, one) for one in kept]

    assert +refused.counts == {"rejected": 2}
    assert [answer.status for answer in answers] == ["accepted", "accepted"]
    assert held(database) == []
    assert +take(gateway, whole).counts == {"duplicate": 2}


def test_the_same_bytes_from_another_place_are_another_record(
    database: Database, gateway: Desk
) -> None:
    bad = record(call(1, model=None))
    elsewhere = SourceRecord(bad.body, metadata={"topic": "us"})

    take(gateway, bad, bad, elsewhere)

    assert len(held(database)) == 2


def test_a_new_version_of_the_mapping_lets_in_what_the_old_one_refused(
    database: Database, gateway: Desk, clock: FixedClock
) -> None:
    kept = take(gateway, record(call(1, **{"in": 7.5}))).answers[0].kept_as
    event = DOCUMENT["event"]
    rounded = {"path": "@.in", "as": "integer", "round": "up"}
    changed = {**event, "data": {**event["data"], "input_tokens": rounded}}
    apply(database, clock, DOCUMENT | {"version": 2, "event": changed})

    answer = replay(database, gateway, clock, kept)

    assert answer.status == "accepted"
    with database.transaction() as connection:
        assert list_items(connection) == []


@pytest.mark.parametrize("as_event", [False, True], ids=["as a record", "as an event"])
def test_a_person_corrects_the_record_or_the_event_it_should_have_become(
    database: Database, gateway: Desk, clock: FixedClock, *, as_event: bool
) -> None:
    kept = take(gateway, record(call(1, **{"in": "7k"}))).answers[0].kept_as
    right = record(call(1, **{"in": 7000}))
    corrected = events_of(gateway, clock, right)[0] if as_event else right.body
    with database.transaction() as connection:
        step.correct(connection, quarantined=kept, corrected=corrected, at=clock.now(), **WHO)

    answer = replay(database, gateway, clock, kept)

    assert answer.status == "accepted"
    assert +take(gateway, right).counts == {"duplicate": 1}


def test_records_wait_for_a_mapping_that_is_not_applied_yet(
    database: Database, desk: Desk, clock: FixedClock
) -> None:
    kept = take(desk, record(call(1))).answers[0]
    apply(database, clock, DOCUMENT)

    answer = replay(database, desk, clock, kept.kept_as)

    assert kept.code == "capture.unknown_mapping"
    assert answer.status == "accepted"


def test_a_record_that_the_mapping_now_ignores_is_closed(
    database: Database, gateway: Desk, clock: FixedClock
) -> None:
    kept = take(gateway, record(call(1, model=None))).answers[0].kept_as
    wanted = [*DOCUMENT["when"], {"path": "@.model", "exists": True}]
    apply(database, clock, DOCUMENT | {"version": 2, "when": wanted})

    answer = replay(database, gateway, clock, kept)

    assert answer.status == "ignored"
    assert held(database) == []


def test_many_are_replayed_by_their_mapping_too(
    database: Database, gateway: Desk, clock: FixedClock
) -> None:
    take(gateway, record(call(1, **{"in": 7.5}), call(2)), record(call(3, **{"in": "x"})))
    event = DOCUMENT["event"]
    rounded = {"path": "@.in", "as": "integer", "round": "up"}
    changed = {**event, "data": {**event["data"], "input_tokens": rounded}}
    apply(database, clock, DOCUMENT | {"version": 2, "event": changed})

    with database.transaction() as connection:
        answers, _ = replay_pages(
            connection,
            Which(),
            admission=gateway.admission(at_once=True),
            at=clock.now(),
            **WHO,
        )

    assert sorted(answer.status for answer in answers) == ["accepted", "rejected"]
    assert [kept.code for kept in held(database)] == ["capture.unmappable"]


def test_a_mapping_that_cannot_be_used_stops_its_own_records_only(
    database: Database, gateway: Desk
) -> None:
    wanted = documents_to_versions(
        {"source_mappings": [DOCUMENT | {"id": "broken", "each": "$.["}]}
    )
    broken = wanted.versions[0].record
    assert isinstance(broken, SourceMapping)
    add_record(database, "source_mapping", "broken", broken)

    refused = gateway.take_records([record(call(1))], mapping="broken", door="test")

    assert [answer.code for answer in refused.answers] == ["capture.unmappable"]
    assert +take(gateway, record(call(1))).counts == {"accepted": 1}


def test_a_source_maps_its_records_by_the_mapping_in_force(
    gateway: Desk, clock: FixedClock
) -> None:
    events = events_of(gateway, clock, record(call(1), call(2)))

    assert len(events) == 2
    with pytest.raises(Rejected, match="no source mapping 'other'"):
        mapping_in_force(gateway.admission(), "other", clock.now().date())
