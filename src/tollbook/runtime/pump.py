"""Runs one source: reads chunks, stores them with their positions in one transaction, settles."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

import psycopg

from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.flow.capture.admit import Refused
from tollbook.flow.capture.binding import with_data
from tollbook.flow.capture.sources import store
from tollbook.flow.capture.sources.store import Position, Report, State, stuck_object
from tollbook.flow.capture.step import Captured
from tollbook.observe.log import logger
from tollbook.runtime.intake import Then, Within
from tollbook.sdk.source import (
    LANE_DONE,
    Backlog,
    Chunk,
    HearsAnswers,
    Source,
    SourceRecord,
    TellsStuckLanes,
)
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock
from tollbook.worklist.store import clear_object, open_item

# One transaction takes at most this many records; a source is asked for no more.
RECORDS_MAX: Final = 20_000
READ_WAIT_SECONDS: Final = 0.5
REPORT_SECONDS: Final = 2.0
# A process that said nothing for this long is forgotten.
FORGET: Final = timedelta(hours=1)
HOLD_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 1.0
FAILED_SECONDS_MIN: Final = 1.0
FAILED_SECONDS_MAX: Final = 30.0
# `until_idle` ends when nothing came for this long, or for longer if the source cannot tell whether
# something waits.
IDLE_SECONDS: Final = 2.0
IDLE_BLIND_SECONDS: Final = 6.0

_LOG: Final = logger("pump")


class Taker(Protocol):
    """Stores events; the desk."""

    def take(
        self,
        raws: Sequence[bytes],
        *,
        door: str,
        within: Within | None = None,
        refused: Sequence[Refused] = (),
        then: Then | None = None,
    ) -> Captured:
        """Store events and refused records, calling `within` and `then` in their transaction."""
        ...

    def take_records(
        self,
        records: Sequence[SourceRecord],
        *,
        mapping: str,
        door: str,
        within: Within | None = None,
        refused: Sequence[Refused] = (),
        then: Then | None = None,
    ) -> Captured:
        """Store what foreign records become by a mapping; otherwise as `take`."""
        ...


class Fenced(Exception):
    """A lane does not stand where its chunk begins; `stored` is where it goes on, if known."""

    def __init__(self, chunk: Chunk, stored: int) -> None:
        super().__init__(f"{chunk.lane} stands at {stored}, not at {chunk.first}")
        self.chunk = chunk
        self.stored = stored


@dataclass(slots=True)
class Pumped:
    """How many records had each answer, how many transactions, and how many chunks were fenced."""

    answers: Counter[str] = field(default_factory=Counter)
    transactions: int = 0
    fenced: int = 0


class Pump:
    """One source and one thread; `run` may be called again after it returned or raised."""

    def __init__(  # noqa: PLR0913 - each named by its one caller
        self,
        name: str,
        connect: Callable[[], Source],
        desk: Taker,
        database: Database,
        clock: Clock,
        *,
        process: str,
        mapping: str | None = None,
        records_max: int = RECORDS_MAX,
    ) -> None:
        self.name = name
        self._connect = connect
        self._desk = desk
        self._database = database
        self._clock = clock
        self._process = process
        self._mapping = mapping
        self._records_max = records_max
        self._pumped = Pumped()
        self._reporter = _Reporter(name, process, database, clock)

    def run(self, stop: threading.Event, *, until_idle: bool = False) -> Pumped:
        """Read and store until told to stop (or, `until_idle`, until nothing waits).

        A failure closes the source, is reported, and after a while it is opened again; with
        `until_idle` a failure that waiting does not cure is raised instead.
        """
        wait_seconds = FAILED_SECONDS_MIN
        while not stop.is_set():
            before = self._pumped.transactions
            try:
                if self._session(stop, until_idle=until_idle):
                    break
            except (Failure, psycopg.OperationalError) as failure:
                self._reporter.failed(failure)
                if until_idle and isinstance(failure, Blocked | Rejected):
                    raise
                if self._pumped.transactions > before:
                    wait_seconds = FAILED_SECONDS_MIN
                stop.wait(wait_seconds)
                wait_seconds = min(wait_seconds * 2, FAILED_SECONDS_MAX)
            except Exception as bug:
                # The runtime isolates the job and starts it again; whoever looks must see it too.
                self._reporter.failed(
                    Blocked(
                        "capture.source_broke",
                        f"Reading met a bug ({type(bug).__name__}: {bug}): the log tells more.",
                    )
                )
                raise
        self._reporter.say("ended", None)
        return self._pumped

    def _session(self, stop: threading.Event, *, until_idle: bool) -> bool:
        """Open the source and pump; True when the work is over, False to open it again."""
        while self._is_paused():
            self._reporter.say("paused", None)
            if until_idle or stop.wait(PAUSE_SECONDS):
                return True
        source = self._connect()
        try:
            source.open(self._positions)
            return self._pump(source, stop, until_idle=until_idle)
        finally:
            source.close()

    def _pump(self, source: Source, stop: threading.Event, *, until_idle: bool) -> bool:
        looked = came = self._clock.monotonic()
        while not stop.is_set():
            chunks = self._read(source, stop)
            if chunks:
                self._store(source, chunks, stop)
            now = self._clock.monotonic()
            came = now if chunks else came
            if now - looked >= REPORT_SECONDS:
                looked = now
                self._reporter.say("reading" if now - came < IDLE_SECONDS else "idle", source)
                if self._is_paused_now(source, stop):
                    return False
            if until_idle and now - came >= IDLE_SECONDS:
                waiting = source.backlog().records
                if waiting == 0 or (waiting is None and now - came >= IDLE_BLIND_SECONDS):
                    for why in _stuck(source).values():
                        raise why
                    return True
        return True

    def _read(self, source: Source, stop: threading.Event) -> Sequence[Chunk]:
        try:
            return source.read(records_max=self._records_max, wait_seconds=READ_WAIT_SECONDS)
        except Transient as failure:
            # It asked where to go on: that is our outage, for which no connection is given up.
            if self._database.answers(within_seconds=HOLD_SECONDS):
                raise
            self._reporter.note(failure)
            self._hold(source, (), stop)
            return ()

    def _is_paused_now(self, source: Source, stop: threading.Event) -> bool:
        try:
            return self._is_paused()
        except psycopg.OperationalError as failure:
            self._reporter.note(failure)
            self._hold(source, (), stop)
            return False

    def _store(self, source: Source, chunks: Sequence[Chunk], stop: threading.Event) -> None:
        """Store chunks, however long the database is away; what is fenced is given up."""
        # Two readers take the locks of their lanes in one order.
        chunks = sorted(chunks, key=lambda chunk: chunk.lane)
        batch = self._batch(chunks)
        while chunks and not stop.is_set():
            try:
                captured = self._take(
                    batch,
                    lambda connection: self._advance(source, connection, chunks),  # noqa: B023 - called in take
                    _then(source, chunks),
                )
            except Fenced as fenced:
                self._pumped.fenced += 1
                _LOG.info("source_fenced", source=self.name, reason=str(fenced))
                source.rewind(fenced.chunk, fenced.stored)
                chunks = [chunk for chunk in chunks if chunk is not fenced.chunk]
                batch = self._batch(chunks)
            except Transient as failure:
                self._reporter.note(failure)
                held = self._hold(source, chunks, stop)
                if len(held) != len(chunks):
                    chunks, batch = held, self._batch(held)
            else:
                self._pumped.transactions += 1
                self._pumped.answers.update(captured.counts)
                self._pumped.answers["ignored"] += captured.ignored
                self._reporter.stored(sum(len(chunk.records) for chunk in chunks))
                source.settle(chunks)
                return

    def _take(self, batch: "_Batch", within: Within, then: Then | None) -> Captured:
        if self._mapping is None:
            return self._desk.take(
                batch.raws, door=self.name, within=within, refused=batch.refused, then=then
            )
        return self._desk.take_records(
            batch.records,
            mapping=self._mapping,
            door=self.name,
            within=within,
            refused=batch.refused,
            then=then,
        )

    def _hold(
        self, source: Source, chunks: Sequence[Chunk], stop: threading.Event
    ) -> Sequence[Chunk]:
        """Keep the source alive until the database answers, and return the chunks still ours."""
        while True:
            chunks = source.hold(chunks)
            if self._database.answers(within_seconds=HOLD_SECONDS) or stop.is_set():
                return chunks
            stop.wait(HOLD_SECONDS)

    def _advance(self, source: Source, connection: Connection, chunks: Sequence[Chunk]) -> None:
        if source.capabilities.progress != "positions":
            return
        at = self._clock.now()
        for chunk in chunks:
            position = Position(
                self.name,
                chunk.lane,
                chunk.next,
                chunk.is_end,
                len(chunk.records),
                chunk.facts,
                at,
            )
            if not store.advance(connection, position, first=chunk.first):
                found, is_done = store.positions_of(connection, self.name, [chunk.lane])[chunk.lane]
                raise Fenced(chunk, LANE_DONE if is_done else found)

    def _positions(self, lanes: Sequence[str]) -> Mapping[str, int]:
        try:
            with self._database.transaction() as connection:
                found = store.positions_of(connection, self.name, lanes)
        except psycopg.OperationalError as error:
            raise Transient(
                "capture.positions_unknown",
                "The database does not answer where to go on: the source waits for it.",
            ) from error
        return {lane: LANE_DONE if is_done else at for lane, (at, is_done) in found.items()}

    def _is_paused(self) -> bool:
        with self._database.transaction() as connection:
            return store.is_paused(connection, self.name)

    def _batch(self, chunks: Sequence[Chunk]) -> "_Batch":
        return make_batch(self.name, chunks, is_mapped=self._mapping is not None)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Events to bring to the desk, foreign records, and records that never became events."""

    raws: Sequence[bytes]
    records: Sequence[SourceRecord]
    refused: Sequence[Refused]


def _stuck(source: object) -> Mapping[str, Failure]:
    return source.stuck() if isinstance(source, TellsStuckLanes) else {}


def _then(source: Source, chunks: Sequence[Chunk]) -> Then | None:
    if not isinstance(source, HearsAnswers):
        return None

    def answered(connection: Connection, captured: Captured) -> None:
        counts = {str(status): number for status, number in captured.counts.items()}
        source.answered(connection, chunks, {**counts, "ignored": captured.ignored})

    return answered


def make_batch(source: str, chunks: Sequence[Chunk], *, is_mapped: bool = False) -> _Batch:
    """Part the records of chunks; one that its source could not read stops no other."""
    raws: list[bytes] = []
    records: list[SourceRecord] = []
    refused: list[Refused] = []
    for chunk in chunks:
        for record in chunk.records:
            if record.refusal is not None:
                refused.append(_refused(source, record, record.refusal))
            elif is_mapped:
                records.append(record)
            elif record.attributes:
                raws.append(with_data(record.attributes, record.body))
            else:
                raws.append(record.body)
    return _Batch(raws, records, refused)


def _refused(source: str, record: SourceRecord, refusal: Rejected) -> Refused:
    cause = refusal.ids.get("cause") or source
    return Refused(
        refusal.code,
        refusal.message,
        cause,
        refusal.ids.get("source", ""),
        refusal.ids.get("id", ""),
        record.body,
    )


class _Reporter:
    """Tells the database what this process sees of a source; it never stops the source."""

    def __init__(self, source: str, process: str, database: Database, clock: Clock) -> None:
        self._source = source
        self._process = process
        self._database = database
        self._clock = clock
        self._read_at: datetime | None = None
        self._records = 0
        self._failure: tuple[str, str, datetime] | None = None
        # Whether the worklist has this source; unknown until it was read or failed once.
        self._waits_for_person: bool | None = None
        # The lanes that are on the worklist, each for itself.
        self._stuck: frozenset[str] = frozenset()

    def stored(self, records: int) -> None:
        """Note that records came and were stored."""
        self._read_at = self._clock.now()
        self._records += records

    def note(self, failure: Exception) -> None:
        """Remember a failure for the next report; there is no database to tell it to now."""
        if isinstance(failure, Failure):
            code, message = failure.code, failure.message
        else:
            code, message = "storage.unreachable", str(failure).strip()
        self._failure = (code, message, self._clock.now())
        _LOG.warning("source_failed", source=self._source, code=code, reason=message)

    def failed(self, failure: Exception) -> None:
        """Remember a failure and tell it."""
        self.note(failure)
        self.say("failing", None, needs_person=isinstance(failure, Blocked | Rejected))

    def say(self, state: State, source: Source | None, *, needs_person: bool = False) -> None:
        """Write down the state, with the backlog of a source that is open.

        What waiting does not cure is put on the worklist, until the source is read again; so is a
        lane that is stuck while the others are read.
        """
        stuck = _stuck(source)
        for lane, why in stuck.items():
            if lane not in self._stuck:
                self.note(why)
        backlog = source.backlog() if source is not None else Backlog()
        code, message, failed_at = self._failure or ("", "", None)
        at = self._clock.now()
        oldest = backlog.oldest_seconds
        report = Report(
            self._source,
            self._process,
            at,
            state,
            self._read_at,
            self._records,
            backlog.records,
            None if oldest is None else int(oldest),
            code,
            message,
            failed_at,
        )
        try:
            with self._database.transaction() as connection:
                store.put_report(connection, report, forget_before=at - FORGET)
                if needs_person or state in {"reading", "idle"}:
                    self._tell_person(connection, message if needs_person else "", at)
                if source is not None:
                    self._tell_stuck(connection, stuck, at)
        except psycopg.OperationalError as error:
            _LOG.warning("source_not_reported", source=self._source, reason=str(error))

    def _tell_person(self, connection: Connection, message: str, at: datetime) -> None:
        object_id = f"source:{self._source}"
        if message:
            open_item(
                connection,
                code="capture.source_blocked",
                cause=self._source,
                message=f"Source {self._source} cannot be read: {message}",
                objects=[object_id],
                at=at,
            )
        elif self._waits_for_person is not False:
            clear_object(connection, object_id, by="worker", resolution="it is read again", at=at)
        self._waits_for_person = bool(message)

    def _tell_stuck(
        self, connection: Connection, stuck: Mapping[str, Failure], at: datetime
    ) -> None:
        for lane, why in stuck.items():
            open_item(
                connection,
                code="capture.source_blocked",
                cause=f"{self._source} {lane}",
                message=f"{lane} of source {self._source} cannot be read: {why}",
                objects=[stuck_object(self._source, lane)],
                at=at,
            )
        for lane in sorted(self._stuck - stuck.keys()):
            clear_object(
                connection,
                stuck_object(self._source, lane),
                by="worker",
                resolution="it is read again",
                at=at,
            )
        self._stuck = frozenset(stuck)
