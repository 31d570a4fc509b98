"""One event is counted once, for ever, in whatever order and however often it arrives."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from door import admission, data, event, raw
from tollbook.flow.capture.admit import Admitted, admit_all
from tollbook.flow.capture.events.store import get_event
from tollbook.flow.capture.identity import identify
from tollbook.flow.capture.store import intake_watermark, swept_through
from tollbook.flow.capture.sweep import step
from tollbook.runtime.intake import Desk, Intake
from tollbook.runtime.street import sweep_all
from tollbook.storage.database import Connection, Database, decode_json
from tollbook.values.clock import FixedClock
from tollbook.values.ids import derive, event_digest, event_id, read_event_id
from tollbook.worklist.store import list_items

Count = Callable[[str], int]
AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
DAYS = ["2023-11-15", "2023-11-16", "2023-11-17"]


def _statuses(desk: Desk, *arrivals: bytes) -> list[str]:
    return [answer.status for answer in desk.take(arrivals, door="file").answers]


def test_key_order_white_space_and_number_form_do_not_make_another_event(desk: Desk) -> None:
    first = raw(1, data=data(20, minutes=0.1))
    reordered = msgspec.json.encode(dict(reversed(event(1, data=data(20, minutes=0.1)).items())))
    spaced = first.replace(b":", b" : ").replace(b"2023-11-16T18 : 17 : 03", b"2023-11-16T18:17:03")
    rewritten = first.replace(b'"minutes":0.1', b'"minutes":1.00e-1').replace(b":20,", b":2e1,")
    zoned = first.replace(b"18:17:03.979960Z", b"20:17:03.97996+02:00")

    assert _statuses(desk, first, reordered, spaced, rewritten, zoned) == [
        "accepted",
        *["duplicate"] * 4,
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"data": data(2)},
        {"subject": "cus_002"},
        {"time": "2023-11-16T18:17:03.979961Z"},
    ],
    ids=["data", "subject", "moment"],
)
def test_a_reused_id_with_other_content_is_a_conflict_and_the_first_stands(
    desk: Desk, database: Database, count: Count, changes: dict[str, Any]
) -> None:
    other = raw(1, **changes)

    apart = [_statuses(desk, raw(1)), _statuses(desk, other)]
    again = _statuses(desk, other, raw(1), other)

    assert apart == [["accepted"], ["conflict"]]
    assert again == ["conflict", "duplicate", "conflict"]
    assert count("usage_event") == count("event_conflict") == 1
    with database.transaction() as connection:
        row = connection.execute("select raw from event_conflict").fetchone()
        (item,) = list_items(connection)
    assert row == (other,)
    assert item.code == "capture.conflict"


@pytest.mark.parametrize("day", ["2023-11-17", "2023-10-01"])
def test_an_id_reused_on_another_day_is_taken_out_by_the_sweep_and_the_first_stands(
    desk: Desk, database: Database, clock: FixedClock, day: str
) -> None:
    other = raw(1, time=f"{day}T18:17:03.979960Z")

    assert _statuses(desk, raw(1)) == _statuses(desk, other) == ["accepted"]
    swept = sweep_all(database, clock)
    again = _statuses(desk, other, raw(1))

    assert (swept.identities, swept.reused) == (2, 1)
    assert sweep_all(database, clock).reused == 0
    assert again == ["duplicate", "duplicate"]
    with database.transaction() as connection:
        counted = connection.execute(
            """select day::text from usage_event e where not exists (
                   select from event_exclusion x where (x.h, x.day) = (e.h, e.day))"""
        ).fetchall()
        dirty = connection.execute("select distinct day::text from dirty_day").fetchall()
        held = connection.execute("select raw from event_conflict").fetchall()
        (item,) = list_items(connection)
    assert counted == [("2023-11-16",)]
    assert (day,) in dirty
    assert [decode_json(row[0]) for row in held] == [
        {name: value for name, value in decode_json(other).items() if name != "datacontenttype"}
    ]
    assert item.code == "capture.conflict"


def test_a_sweep_goes_on_where_the_last_one_ended_in_pieces_of_whole_receipts(
    desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "SWEEP_EVENTS_MAX", 3)
    for start in range(0, 20, 2):
        desk.take([raw(start), raw(start + 1, time=f"{DAYS[0]}T00:00:00Z")], door="file")

    pieces = []
    with database.transaction() as connection:
        while (swept := step.sweep(connection, at=AT)).identities:
            pieces.append(swept.identities)

    assert pieces == [4] * 5
    with database.transaction() as connection:
        assert swept_through(connection) == intake_watermark(connection)


def test_an_event_is_found_by_its_id_before_and_after_the_sweep(
    desk: Desk, database: Database, clock: FixedClock
) -> None:
    desk.take([raw(1)], door="file")
    digest = event_digest("/inference/us", "e-1")

    with database.transaction() as connection:
        before = get_event(connection, digest)
    sweep_all(database, clock)
    with database.transaction() as connection:
        after = get_event(connection, digest)
        nothing = get_event(connection, event_digest("/inference/us", "e-2"))

    assert before is not None
    assert before == after
    assert nothing is None


def test_the_same_id_from_another_source_is_another_event(desk: Desk) -> None:
    assert _statuses(desk, raw(1), raw(1, source="/inference/eu")) == ["accepted", "accepted"]


def test_source_and_id_do_not_run_into_each_other() -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("", "abc"), ("a\x1f", "b"), ("ä", "b")]

    digests = [event_digest(*pair) for pair in pairs]

    assert len(set(digests)) == len(pairs)
    assert [event_id(*pair) for pair in pairs] == [derive("evt", *pair) for pair in pairs]
    assert [read_event_id(event_id(*pair)) for pair in pairs] == digests


def test_the_fingerprint_is_128_bits_in_two_signed_halves() -> None:
    digest, f1, f2 = identify("s", "i", b"t\n", b"{}")

    assert len(digest) == 16
    assert all(-(2**63) <= half < 2**63 for half in (f1, f2))


def test_many_senders_of_the_same_events_are_each_answered_and_counted_once(
    intake: Intake, count: Count
) -> None:
    batches = [
        [raw(number) for number in range(start, start + 200)] for start in range(0, 1000, 50)
    ]

    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(intake.submit, batches))
    answers = [answer for future in futures for answer in future.result(30).answers]

    distinct = {line for batch in batches for line in batch}
    accepted = [answer.id for answer in answers if answer.status == "accepted"]
    assert len(answers) == sum(map(len, batches))
    assert {answer.status for answer in answers} == {"accepted", "duplicate"}
    assert len(accepted) == len(set(accepted)) == len(distinct) == count("usage_event")


def test_of_two_that_conflict_at_the_same_time_exactly_one_stands(
    intake: Intake, count: Count
) -> None:
    senders = [[raw(n, data=data(amount)) for n in range(300)] for amount in range(6)]

    with ThreadPoolExecutor(6) as pool:
        futures = list(pool.map(intake.submit, senders))
    statuses = [answer.status for future in futures for answer in future.result(30).answers]

    assert statuses.count("accepted") == count("usage_event") == 300
    assert statuses.count("conflict") == count("event_conflict") == 300 * 5


arrivals = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from(DAYS),
        st.integers(0, 2),
    ),
    max_size=12,
)


@given(arrivals, st.lists(st.integers(0, 12), max_size=4))
@example([(1, DAYS[0], 0), (1, DAYS[1], 0), (1, DAYS[0], 0)], [1])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_arrivals_in_any_groups_keep_the_first_of_each_identity(
    desk: Desk,
    database: Database,
    clock: FixedClock,
    found: list[tuple[int, str, int]],
    cuts: list[int],
) -> None:
    with database.transaction() as connection:
        connection.execute("truncate usage_event, event_identity, event_conflict, event_exclusion")
    events = [raw(n, time=f"{day}T12:00:00Z", data=data(amount)) for n, day, amount in found]
    bounds = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})

    statuses = [_statuses(desk, *events[start:end]) for start, end in pairwise(bounds)]
    sweep_all(database, clock)

    assert statuses == _door([found[start:end] for start, end in pairwise(bounds)])
    first = {
        number: line for (number, _, _), line in reversed(list(zip(found, events, strict=True)))
    }
    with database.transaction() as connection:
        counted = connection.execute(
            """select f1, f2 from usage_event e where not exists (
                   select from event_exclusion x where (x.h, x.day) = (e.h, e.day))
               order by f1, f2"""
        ).fetchall()
    admitted = admit_all(first.values(), admission(), at=AT)
    assert counted == sorted((e.f1, e.f2) for e in admitted if isinstance(e, Admitted))


def _door(groups: list[list[tuple[int, str, int]]]) -> list[list[str]]:
    """Answer as the door must: an identity once a day."""
    stored: dict[tuple[int, str], tuple[int, str, int]] = {}
    answers = []
    for group in groups:
        told = []
        for arrival in group:
            number, day, _ = arrival
            if (number, day) not in stored:
                told.append("accepted")
            else:
                told.append("duplicate" if stored[number, day] == arrival else "conflict")
            stored.setdefault((number, day), arrival)
        answers.append(told)
    return answers


def _impatient_watermark(connection: Connection) -> int:
    connection.execute("set local lock_timeout = '50ms'")
    return intake_watermark(connection)


def test_the_watermark_waits_for_what_is_not_committed(desk: Desk, database: Database) -> None:
    desk.take([raw(1)], door="file")
    with database.transaction() as writing:
        writing.execute("insert into intake_receipt (door, received_at) values ('x', now())")
        with pytest.raises(psycopg.errors.LockNotAvailable), database.transaction() as reading:
            _impatient_watermark(reading)

    with database.transaction() as connection:
        assert intake_watermark(connection) == 2


def test_each_day_that_changed_is_marked_for_its_summary(desk: Desk, database: Database) -> None:
    desk.take([raw(n, time=f"{day}T00:00:00Z") for n, day in enumerate(DAYS)], door="file")

    desk.take([raw(0, time=f"{DAYS[0]}T00:00:00Z")], door="file")

    with database.transaction() as connection:
        rows = connection.execute("select day::text, type from dirty_day order by day").fetchall()
    assert rows == [(day, "llm.request") for day in DAYS]
