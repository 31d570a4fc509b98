"""The pump: one transaction for events and positions, what it does when something is in the way."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from door import add_record, furnish, raw
from source_street import Street, eventually
from sources.drops.conftest import BY_ROW
from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.flow.capture.sources import store
from tollbook.flow.capture.store import list_quarantine
from tollbook.records.source_mapping import FieldRule
from tollbook.runtime import sources
from tollbook.runtime.intake import Desk
from tollbook.runtime.pump import Pump, make_batch
from tollbook.sdk.source import (
    LANE_DONE,
    Backlog,
    Chunk,
    Positions,
    SourceCapabilities,
    SourceRecord,
)
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock
from tollbook.worklist.store import list_items

NAME = "tape"


@dataclass
class Tape:
    """A source of one lane that keeps its records, as an outside system of our own making."""

    records: list[SourceRecord]
    capabilities = SourceCapabilities("positions", is_ordered=True, can_rewind=True)
    at: int = 0
    settled: list[int] = field(default_factory=list)
    rewound: list[int] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    on_read: Callable[[], None] = lambda: None
    closed: int = 0

    def open(self, positions: Positions) -> None:
        self.at = positions(["a"]).get("a", 0)

    def read(self, *, records_max: int, wait_seconds: float) -> Sequence[Chunk]:
        if self.failures:
            raise self.failures.pop(0)
        self.on_read()
        found = self.records[self.at : self.at + records_max]
        if not found or self.at == LANE_DONE:
            threading.Event().wait(min(wait_seconds, 0.02))
            return []
        chunk = Chunk("a", found, self.at, self.at + len(found), facts={"side": "A"})
        self.at = chunk.next
        return [chunk]

    def hold(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        return chunks

    def settle(self, chunks: Sequence[Chunk]) -> None:
        self.settled += [chunk.next for chunk in chunks]

    def rewind(self, chunk: Chunk, position: int) -> None:
        del chunk
        self.rewound.append(position)
        self.at = position

    def backlog(self) -> Backlog:
        return Backlog(len(self.records) - self.at, 0.0)

    def close(self) -> None:
        self.closed += 1


def records(count: int) -> list[SourceRecord]:
    return [SourceRecord(raw(number)) for number in range(count)]


@pytest.fixture
def street(database: Database) -> Street:
    furnish(database)
    return Street(database)


def pump_of(
    street: Street,
    tape: Tape,
    *,
    records_max: int = 10,
    mapping: str | None = None,
) -> Pump:
    clock = SystemClock()
    return Pump(
        NAME,
        lambda: tape,
        Desk(street.database, clock, future_hours_max=24),
        street.database,
        clock,
        process="1",
        mapping=mapping,
        records_max=records_max,
    )


def position(street: Street) -> store.Position:
    with street.database.transaction() as connection:
        return store.list_positions(connection, NAME)[0]


def test_events_and_positions_are_stored_together_and_then_settled(street: Street) -> None:
    tape = Tape(records(25))

    pumped = pump_of(street, tape).run(threading.Event(), until_idle=True)

    assert pumped.answers == Counter({"accepted": 25})
    assert pumped.transactions == 3
    assert tape.settled == [10, 20, 25]
    found = position(street)
    assert (found.next, found.records, found.facts) == (25, 25, {"side": "A"})
    assert tape.closed == 1


def test_a_later_run_goes_on_where_the_positions_stand(street: Street) -> None:
    pump_of(street, Tape(records(25))).run(threading.Event(), until_idle=True)

    later = pump_of(street, Tape(records(30))).run(threading.Event(), until_idle=True)

    assert later.answers == Counter({"accepted": 5})


def test_a_lane_that_went_on_elsewhere_is_followed_and_not_stored_twice(street: Street) -> None:
    tape = Tape(records(30))
    moved: list[int] = []

    def other_reader() -> None:
        if tape.at == 10 and not moved:
            moved.append(20)
            step = replace(position(street), next=20, records=10)
            with street.database.transaction() as connection:
                assert store.advance(connection, step, first=10)

    tape.on_read = other_reader

    pumped = pump_of(street, tape).run(threading.Event(), until_idle=True)

    assert tape.rewound == [20]
    assert pumped.fenced == 1
    assert pumped.answers == Counter({"accepted": 20})
    assert position(street).next == 30


def test_a_lane_that_another_reader_ended_is_left_alone(street: Street) -> None:
    tape = Tape(records(10))
    ended = store.Position(
        NAME, "a", 10, is_done=True, records=10, facts={}, updated_at=SystemClock().now()
    )

    def other_reader() -> None:
        with street.database.transaction() as connection:
            store.advance(connection, ended, first=0)

    tape.on_read = other_reader
    pump, stop = pump_of(street, tape), threading.Event()
    thread = threading.Thread(target=pump.run, args=(stop,), daemon=True)
    thread.start()
    eventually(lambda: bool(tape.rewound))
    stop.set()
    thread.join()

    assert tape.rewound == [LANE_DONE]
    assert tape.settled == []


@dataclass
class StuckTape(Tape):
    """A tape with a second lane that is stuck."""

    why: dict[str, Failure] = field(default_factory=dict)

    def stuck(self) -> dict[str, Failure]:
        return self.why


def test_a_stuck_lane_is_work_for_a_person_while_the_others_are_read(street: Street) -> None:
    gone = Blocked("capture.position_gone", "We stand at 9 of b.")
    tape = StuckTape(records(5), why={"b": gone})
    pump, stop = pump_of(street, tape), threading.Event()
    thread = threading.Thread(target=pump.run, args=(stop,), daemon=True)
    thread.start()

    def items() -> list[tuple[str, str]]:
        with street.database.transaction() as connection:
            return [(one.code, one.cause) for one in list_items(connection)]

    def report() -> store.Report:
        with street.database.transaction() as connection:
            return store.list_reports(connection)[0]

    eventually(lambda: bool(items()))
    told, code, numbers = items(), report().code, street.numbers()
    with street.database.transaction() as connection:
        at = SystemClock().now()
        sources.pause(connection, source=NAME, by="ana", reason="look", at=at)
        sources.seek(
            connection, source=NAME, lane="b", position=3, by="ana", reason="compared", at=at
        )
        sought = list_items(connection)
    stop.set()
    thread.join()

    assert told == [("capture.source_blocked", f"{NAME} b")]
    assert code == "capture.position_gone"
    assert numbers == [0, 1, 2, 3, 4]
    assert sought == []


def test_reading_until_idle_tells_of_a_stuck_lane_at_its_end(street: Street) -> None:
    gone = Blocked("capture.position_gone", "We stand at 9 of b.")

    with pytest.raises(Blocked, match="stand at 9"):
        pump_of(street, StuckTape(records(5), why={"b": gone})).run(
            threading.Event(), until_idle=True
        )

    assert street.numbers() == [0, 1, 2, 3, 4]


def test_records_that_cannot_be_mapped_or_read_are_kept_with_the_reason(street: Street) -> None:
    event = replace(BY_ROW.event, id=FieldRule(path="@.n", kind="text"))
    event = replace(event, data={**event.data, "input_tokens": FieldRule(path="@.n")})
    event = replace(event, subject=FieldRule(value="cus_001"))
    readings = replace(BY_ROW, mapping_id="readings", input="json", each="$.r", event=event)
    add_record(street.database, "source_mapping", "readings", readings)
    tape = Tape(
        [
            SourceRecord(b'{"r":[{"n":7},{"n":107}]}'),
            SourceRecord(b"bad"),
            SourceRecord(b"\xff", refusal=Rejected("capture.unreadable_record", "No.")),
            SourceRecord(b'{"r":[{"n":8},{"n":108}]}'),
        ]
    )

    pumped = pump_of(street, tape, mapping="readings").run(threading.Event(), until_idle=True)

    assert pumped.answers == Counter({"accepted": 4, "rejected": 2})
    assert street.numbers() == [7, 8, 107, 108]
    with street.database.transaction() as connection:
        held = sorted((one.code, one.cause, one.raw) for one in list_quarantine(connection))
    assert held == [
        ("capture.malformed_json", "readings", b"bad"),
        ("capture.unreadable_record", NAME, b"\xff"),
    ]
    assert position(street).next == 4


def test_attributes_that_came_beside_the_data_make_an_event(street: Street) -> None:
    del street
    attributes = {"id": "e-1", "source": "/s", "datacontenttype": "application/json"}
    record = SourceRecord(b'{"a": 1.10}', attributes)

    batch = make_batch(NAME, [Chunk("a", [record])])

    assert b'"id":"e-1"' in batch.raws[0]
    assert b'"data":{"a": 1.10}' in batch.raws[0]


def test_what_is_in_the_way_for_a_while_is_waited_for(street: Street) -> None:
    tape = Tape(records(5))
    tape.failures = [Transient("capture.source_unreachable", "Away.")]

    pumped = pump_of(street, tape).run(threading.Event(), until_idle=True)

    assert pumped.answers == Counter({"accepted": 5})
    assert tape.closed == 2
    with street.database.transaction() as connection:
        said = store.list_reports(connection)[0]
    assert (said.state, said.code, said.records) == ("ended", "capture.source_unreachable", 5)


@pytest.mark.parametrize("kind", [Blocked, Rejected])
def test_what_a_person_must_correct_ends_a_run_in_the_foreground(
    street: Street, kind: type[Blocked | Rejected]
) -> None:
    tape = Tape(records(5))
    tape.failures = [kind("capture.source_denied", "Not you.")]

    with pytest.raises(kind):
        pump_of(street, tape).run(threading.Event(), until_idle=True)

    with street.database.transaction() as connection:
        said = store.list_reports(connection)[0]
        (item,) = list_items(connection)
    assert (said.state, said.code) == ("failing", "capture.source_denied")
    assert (item.code, item.cause) == ("capture.source_blocked", NAME)
    assert item.message.endswith("Not you.")
    pump_of(street, tape).run(threading.Event(), until_idle=True)
    with street.database.transaction() as connection:
        assert list_items(connection) == []


def test_a_source_that_is_paused_while_it_runs_is_closed_until_it_goes_on(street: Street) -> None:
    tape = Tape(records(5))
    pump, stop = pump_of(street, tape), threading.Event()
    thread = threading.Thread(target=pump.run, args=(stop,), daemon=True)
    thread.start()
    eventually(lambda: street.numbers() == list(range(5)))

    now = SystemClock().now()
    with street.database.transaction() as connection:
        store.insert_pause(connection, store.Pause(NAME, now, "ann", "a test"))
    eventually(lambda: tape.closed == 1)
    tape.records += [SourceRecord(raw(number)) for number in range(5, 8)]
    with street.database.transaction() as connection:
        store.delete_pause(connection, NAME)
    eventually(lambda: len(street.numbers()) == 8)
    stop.set()
    thread.join()

    assert position(street).next == 8
