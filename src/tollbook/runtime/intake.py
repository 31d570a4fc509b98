"""Takes events into the database: many waiting requests in one commit, answered after it."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import date, datetime
from typing import Final, Self

import psycopg

from tollbook.errors import Transient
from tollbook.flow.capture import store
from tollbook.flow.capture.admit import (
    Admission,
    Admitted,
    Refused,
    Verdict,
    admit_all,
    build_admission,
)
from tollbook.flow.capture.events import store as events
from tollbook.flow.capture.foreign import judge_records
from tollbook.flow.capture.mapping import ForeignRecord
from tollbook.flow.capture.step import Captured, capture, days_of, join
from tollbook.flow.meter.summary.store import add_deltas
from tollbook.flow.meter.tally import Tally
from tollbook.masterdata.store import load_catalog
from tollbook.runtime.pace import Pace
from tollbook.runtime.recent import Recent
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock

EVENTS_PER_COMMIT_MAX: Final = 20_000
WAITING_BYTES_MAX: Final = 256_000_000
ATTEMPTS_MAX: Final = 5
REPEATS_AHEAD: Final = 50
REPEATS_AHEAD_AT_START: Final = 3
MASTER_DATA_SECONDS: Final = 1.0
STOP_SECONDS: Final = 30.0

# Refusals that a change of master data may cure.
_CURABLE: Final = frozenset(
    {
        "capture.unknown_subject",
        "capture.unknown_event_type",
        "capture.schema_mismatch",
        "capture.schema_unusable",
        "capture.unknown_mapping",
        "capture.unmappable",
    }
)


# The database answered that a value is beyond it.
_CANNOT_HOLD: Final = (
    psycopg.DataError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)


# What else happens in the transaction of the events.
Within = Callable[[Connection], None]
Then = Callable[[Connection, Captured], None]


class Desk:
    """Takes groups of events, one commit each; any number of threads may use one desk."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        future_hours_max: int,
        takes_any_age: bool = False,
    ) -> None:
        self._database = database
        self._takes_any_age = takes_any_age
        self.clock = clock
        self._future_hours_max = future_hours_max
        self._process = f"{os.getpid()} since {clock.now():%Y-%m-%dT%H:%M:%SZ}"
        self._lock = threading.Lock()
        self._admission: Admission | None = None
        self._tally: Tally | None = None
        self._state: tuple[int, datetime | None] | None = None
        self._checked = 0.0
        self._days: frozenset[date] = frozenset()
        self._recent = Recent()
        # Repeats of what others took, or of long ago, seldom come alone: after some, all identities
        # are asked for before they are stored.
        self._repeats_ahead = REPEATS_AHEAD_AT_START

    def admission(self, *, at_once: bool = False) -> Admission:
        """Return what the door knows; a change of master data shows within a second, or at once."""
        with self._lock:
            now = self.clock.monotonic()
            if self._admission is None or at_once or now - self._checked >= MASTER_DATA_SECONDS:
                self._refresh()
                self._checked = now
            assert self._admission is not None
            return self._admission

    def take(
        self,
        raws: Sequence[bytes],
        *,
        door: str,
        within: Within | None = None,
        refused: Sequence[Refused] = (),
        then: Then | None = None,
    ) -> Captured:
        """Judge and store events and return an answer for each, after the commit.

        `refused` are records that never became events; they are kept in quarantine with the rest
        and answered last. `within` is called first in the transaction of the events: a source
        advances its positions there, and whatever it raises leaves everything as it was. `then` is
        called last in it, with the answers.

        Transient when the database did not take them: then none of them is acknowledged, and
        sending them again is safe.
        """
        at = self.clock.now()
        try:
            verdicts = [*self._judge(raws, at), *refused]
            self._prepare(days_of(verdicts))
            captured = self._store(verdicts, door, at, within, then)
        except psycopg.OperationalError as error:
            raise _not_stored() from error
        self._look_ahead(captured)
        return captured

    def take_records(
        self,
        records: Sequence[ForeignRecord],
        *,
        mapping: str,
        door: str,
        within: Within | None = None,
        refused: Sequence[Refused] = (),
        then: Then | None = None,
    ) -> Captured:
        """Map, judge and store records of a foreign system; otherwise as `take`.

        The answers are those of the events that the records became, and of the records that could
        not be mapped; how many were ignored is in `ignored`, and counted with the answers.
        """
        at = self.clock.now()
        try:
            judged = judge_records(records, mapping, self.admission(), at=at)
            if any(isinstance(v, Refused) and v.code in _CURABLE for v in judged.verdicts):
                newest = self.admission(at_once=True)
                judged = judge_records(records, mapping, newest, at=at)

            def within_all(connection: Connection) -> None:
                if within is not None:
                    within(connection)
                if judged.ignored:
                    store.add_tally(connection, self._process, door, [("ignored", judged.ignored)])

            def then_all(connection: Connection, captured: Captured) -> None:
                if then is not None:
                    then(connection, replace(captured, ignored=judged.ignored))

            verdicts = [*judged.verdicts, *refused]
            self._prepare(days_of(verdicts))
            captured = self._store(verdicts, door, at, within_all, then_all)
        except psycopg.OperationalError as error:
            raise _not_stored() from error
        self._look_ahead(captured)
        return replace(captured, ignored=judged.ignored)

    def _look_ahead(self, captured: Captured) -> None:
        self._repeats_ahead = (
            REPEATS_AHEAD if captured.is_surprised else max(0, self._repeats_ahead - 1)
        )

    def _judge(self, raws: Sequence[bytes], at: datetime) -> list[Verdict]:
        admission = self.admission()
        verdicts = admit_all(raws, admission, at=at)
        curable = [
            index
            for index, verdict in enumerate(verdicts)
            if isinstance(verdict, Refused) and verdict.code in _CURABLE
        ]
        if curable:
            newest = self.admission(at_once=True)
            if newest is not admission:
                again = admit_all([raws[index] for index in curable], newest, at=at)
                for index, verdict in zip(curable, again, strict=True):
                    verdicts[index] = verdict
        return verdicts

    def _prepare(self, days: set[date]) -> None:
        missing = days - self._days
        if missing:
            with self._database.transaction() as connection:
                events.ensure_days(connection, missing)
            self._days |= missing

    def _store(
        self,
        verdicts: Sequence[Verdict],
        door: str,
        at: datetime,
        within: Within | None = None,
        then: Then | None = None,
    ) -> Captured:
        repeated = self._recent.meet(v.digest for v in verdicts if isinstance(v, Admitted))
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                with self._database.transaction() as connection:
                    if within is not None:
                        within(connection)
                    captured = capture(
                        connection,
                        verdicts=verdicts,
                        door=door,
                        at=at,
                        is_repeat_likely=self._repeats_ahead > 0,
                        repeated=repeated,
                        counting=self._count,
                    )
                    store.add_tally(connection, self._process, door, captured.tally.items())
                    if then is not None:
                        then(connection, captured)
                    return captured
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                # Certain that nothing was written.
                if attempt == ATTEMPTS_MAX:
                    raise
            except _CANNOT_HOLD as error:
                return self._store_apart(verdicts, door, at, error, within, then)
        raise AssertionError("unreachable")

    def _store_apart(
        self,
        verdicts: Sequence[Verdict],
        door: str,
        at: datetime,
        error: psycopg.Error,
        within: Within | None,
        then: Then | None,
    ) -> Captured:
        # An event passed all our rules and the database still cannot hold it: halve until it is
        # alone, so that it cannot take its neighbours with it.
        if len(verdicts) == 1:
            assert not isinstance(verdicts[0], Refused), "a refusal can always be kept"
            event = verdicts[0]
            message = f"The database cannot hold this event ({str(error).splitlines()[0]})."
            refusal = Refused(
                "capture.not_storable", message, event.source, event.source, event.id, event.raw
            )
            return self._store([refusal], door, at, within, then)
        half = len(verdicts) // 2
        first = self._store(verdicts[:half], door, at)

        # Positions move with the last part: after a crash between the two, all of it comes again.
        def both(connection: Connection, captured: Captured) -> None:
            if then is not None:
                then(connection, join(first, captured))

        return join(first, self._store(verdicts[half:], door, at, within, both))

    def _refresh(self) -> None:
        with self._database.transaction() as connection:
            state = store.master_data_state(connection)
            if state != self._state:
                catalog = load_catalog(connection, known_at=self.clock.now())
                crosswalk = store.read_crosswalk(connection)
                self._admission = build_admission(
                    catalog,
                    crosswalk,
                    future_hours_max=self._future_hours_max,
                    takes_any_age=self._takes_any_age,
                )
                self._tally = Tally.of(catalog, crosswalk)
                self._state = state

    def _count(self, connection: Connection, events: Sequence[Admitted], receipt: int) -> None:
        # Compiled with the admission or later: it knows every type that was let in.
        assert self._tally is not None
        add_deltas(connection, self._tally.add(events), receipt)


def _not_stored() -> Transient:
    return Transient(
        "capture.not_stored",
        "The database did not take the events: send them again.",
        retry_after_seconds=1,
    )


def current_admission(
    connection: Connection, *, at: datetime, future_hours_max: int, takes_any_age: bool = False
) -> Admission:
    """Read what the door knows at an instant."""
    return build_admission(
        load_catalog(connection, known_at=at),
        store.read_crosswalk(connection),
        future_hours_max=future_hours_max,
        takes_any_age=takes_any_age,
    )


class Intake:
    """Collects the events of many requests and commits them in groups; started and stopped once."""

    def __init__(self, desk: Desk, *, door: str = "http") -> None:
        self._desk = desk
        self._door = door
        self._waiting: deque[tuple[Sequence[bytes], int, Future[Captured]]] = deque()
        self._waiting_bytes = 0
        self._stopping = False
        self._pace = Pace()
        self._changed = threading.Condition()
        # One thread: two would fight for the interpreter. Another process of the API prepares its
        # group while the database works on this one's.
        self._flusher = threading.Thread(
            target=self._flush_until_stopped, name="intake", daemon=True
        )

    def start(self) -> None:
        """Start the thread that commits."""
        self._flusher.start()

    def stop(self) -> None:
        """Commit what is waiting, answer it, and stop; new events are refused from now on."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._flusher.join(STOP_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def submit(self, raws: Sequence[bytes]) -> Future[Captured]:
        """Queue events; the future resolves after they are durable.

        Transient when too much is waiting already or the intake is stopping.
        """
        future: Future[Captured] = Future()
        size = sum(map(len, raws))
        with self._changed:
            if self._stopping or self._waiting_bytes + size > WAITING_BYTES_MAX:
                raise Transient(
                    "capture.busy",
                    "Too many events are waiting to be stored: send these again in a second.",
                    retry_after_seconds=1,
                )
            self._waiting.append((raws, size, future))
            self._waiting_bytes += size
            self._changed.notify()
        return future

    def milliseconds_for(self, events: int) -> int:
        """Return how long so many events would take as things went lately; 0 when nobody knows."""
        return self._pace.milliseconds(events, now=self._desk.clock.monotonic())

    def _flush_until_stopped(self) -> None:
        clock = self._desk.clock
        while group := self._next_group():
            begun = clock.monotonic()
            raws = [raw for taken, _ in group for raw in taken]
            try:
                captured = self._desk.take(raws, door=self._door)
            except Exception as error:  # noqa: BLE001 - told to its senders; the next group goes on
                for _, future in group:
                    future.set_exception(error)
                continue
            start = 0
            for taken, future in group:
                future.set_result(captured.part(start, start + len(taken)))
                start += len(taken)
            self._pace.note(len(raws), begun=begun, ended=clock.monotonic())

    def _next_group(self) -> list[tuple[Sequence[bytes], Future[Captured]]]:
        group: list[tuple[Sequence[bytes], Future[Captured]]] = []
        events = 0
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            while self._waiting and events < EVENTS_PER_COMMIT_MAX:
                raws, size, future = self._waiting.popleft()
                self._waiting_bytes -= size
                # A sender that went away meanwhile was told nothing, so nothing need be stored.
                if future.set_running_or_notify_cancel():
                    group.append((raws, future))
                    events += len(raws)
        return group
