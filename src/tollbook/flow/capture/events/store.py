"""The SQL of captured events: one row each, kept once a UTC day by the key of their partition."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from tollbook.flow.capture.admit import DAY_ZERO, Admitted, Verdict
from tollbook.flow.capture.identity import DAY_MICROSECONDS
from tollbook.flow.capture.late import not_on
from tollbook.flow.capture.rows import COLUMNS, END, HEADER, place
from tollbook.flow.capture.segments.store import opened
from tollbook.flow.capture.store import deleted_days, known_in_ledger, sealed_days
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.ids import EventId, written_event_id

_COPY_BYTES: Final = 1_000_000

# Rows only ever come to a day, until it is sealed and dropped whole. Vacuum after inserts would read
# each page of it again and write it to the log once more; what stays unsealed is frozen when due.
_PARTITION_STORAGE: Final = sql.SQL("with (autovacuum_vacuum_insert_threshold = -1)")


class Known(NamedTuple):
    """The event that already holds an identity: where it was taken, and its fingerprint."""

    receipt: int
    ordinal: int
    f1: int
    f2: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A captured event as it is kept; `event_id` is our id of it, `id` its sender's."""

    event_id: EventId
    source: str
    id: str
    type: str
    subject: str
    occurred_at: datetime
    received_at: datetime
    receipt: int
    voided_for: str | None
    data: Any


def ensure_days(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions of these days; those that exist are left alone."""
    hold_lock(connection, Lock.MAKE_PARTITIONS)
    for day in sorted(days):
        name = _partition(day)
        found = connection.execute("select to_regclass(%s)", [name]).fetchone()
        if found is not None and found[0] is not None:
            continue
        # Attaching, unlike `create ... partition of`, does not wait for running intakes.
        partition = sql.Identifier(name)
        connection.execute(
            sql.SQL("create table {} (like usage_event including all) {}").format(
                partition, _PARTITION_STORAGE
            )
        )
        connection.execute(
            sql.SQL(
                "alter table usage_event attach partition {} for values from ({}) to ({})"
            ).format(partition, sql.Literal(day), sql.Literal(day + timedelta(days=1)))
        )


def insert_new(
    connection: Connection,
    events: Sequence[tuple[int, Admitted]],
    *,
    receipt: int,
    repeated: AbstractSet[bytes] | None,
) -> dict[tuple[bytes, int], Known]:
    """Store the events whose key is new; return what holds the keys of the others.

    Each event comes with its position in the group, no key stands twice, and all are in the order
    of their digests, in which two writers wait for each other and never in a ring. Those of the
    identities `repeated` are asked for first (all, when it is None); any other that is stored
    already is found by the key itself, which is cheaper as long as there are none.
    """
    if repeated is not None:
        likely = [event for _, event in events if event.digest in repeated] if repeated else []
        known = known_events(connection, likely)
        new = [one for one in events if one[1].key not in known] if known else events
        try:
            with connection.transaction():
                _copy(connection, new, receipt)
        except psycopg.errors.UniqueViolation:
            pass
        else:
            return known
    known = known_events(connection, [event for _, event in events])
    new = [one for one in events if one[1].key not in known] if known else events
    _copy(connection, new, receipt)
    return known


def known_events(
    connection: Connection, events: Iterable[Admitted]
) -> dict[tuple[bytes, int], Known]:
    """Return what holds the keys of these events."""
    by_day: defaultdict[int, list[str]] = defaultdict(list)
    for event in events:
        by_day[event.occurred_us // DAY_MICROSECONDS].append(event.digest.hex())
    known: dict[tuple[bytes, int], Known] = {}
    for number, digests in by_day.items():
        rows = connection.execute(
            sql.SQL(
                """select h, receipt, ordinal, f1, f2 from usage_event
                   where day = {} and h = any(%s::uuid[])"""
            ).format(sql.Literal(DAY_ZERO + timedelta(days=number))),
            # Written as the server reads it: adapting a list costs more than the question.
            [f"{{{','.join(digests)}}}"],
        )
        known |= {(row[0].bytes, number): Known(*row[1:]) for row in rows}
    return known


def not_too_late(connection: Connection, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """Refuse the events of days that were deleted; one question when there are none."""
    gone = deleted_days(connection)
    return [not_on(gone, verdict) for verdict in verdicts] if gone else verdicts


def without_twins(
    connection: Connection,
    stored: list[tuple[int, Admitted]],
    known: dict[tuple[bytes, int], Known],
) -> list[tuple[int, Admitted]]:
    """Take back events that were just stored and that the files of sealed days hold already.

    Returns the others, and adds what holds those keys to `known`.
    """
    twins = _twins_in_files(connection, [event for _, event in stored])
    if not twins:
        return stored
    known |= twins
    return [one for one in stored if one[1].key not in known]


def _twins_in_files(
    connection: Connection, new: Sequence[Admitted]
) -> dict[tuple[bytes, int], Known]:
    """It is asked after the insert, which keeps a day from being sealed until its transaction ends.

    One question when no day is sealed.
    """
    sealed = sealed_days(connection) if new else set()
    late = [event for event in new if event.occurred_at.date() in sealed] if sealed else []
    if not late:
        return {}
    taken = known_in_ledger(connection, [event.digest for event in late])
    known: dict[tuple[bytes, int], Known] = {}
    for day in sorted({*taken.values()} & sealed):
        twins = [
            event
            for event in late
            if event.occurred_at.date() == day and taken.get(event.digest) == day
        ]
        if twins:
            known |= _take_back_twins(connection, twins, day=day)
    return known


def _take_back_twins(
    connection: Connection, events: Iterable[Admitted], *, day: date
) -> dict[tuple[bytes, int], Known]:
    """Remove events that were just stored on a sealed day, as the files of that day hold them.

    Returns what holds their keys.
    """
    twins = list(events)
    digests = [event.digest for event in twins]
    connection.execute(
        "delete from usage_event where day = %s and h = any(%s::uuid[])",
        [day, [digest.hex() for digest in digests]],
    )
    with opened(connection, day, day + timedelta(days=1), digests=digests):
        return known_events(connection, twins)


def _copy(connection: Connection, events: Iterable[tuple[int, Admitted]], receipt: int) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy usage_event ({COLUMNS}) from stdin (format binary)") as copy,
    ):
        rows, size = [HEADER], 0
        for ordinal, event in events:
            rows += (place(receipt, ordinal), event.row)
            size += len(event.row)
            if size > _COPY_BYTES:
                copy.write(b"".join(rows))
                rows, size = [], 0
        copy.write(b"".join([*rows, END]))


def insert_days(connection: Connection, days: Iterable[tuple[date, int]], *, receipt: int) -> None:
    """Note how many new events a receipt brought for each day."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into intake_day (receipt, day, events) values (%s, %s, %s)",
            [(receipt, day, events) for day, events in sorted(days)],
        )


_EVENTS: Final = """
    select e.h, e.source, e.event_id, e.type, e.subject, e.occurred_at, r.received_at, e.receipt,
           x.reason, e.data
    from usage_event e join intake_receipt r using (receipt)
    left join event_exclusion x on x.h = e.h and x.day = e.day """


def get_event(connection: Connection, digest: bytes) -> StoredEvent | None:
    """Return the event with this identity, or None."""
    day = day_of(connection, digest)
    if day is None:
        return None
    with opened(connection, day, day + timedelta(days=1), digests=[digest]):
        found = _read_events(connection, "where e.day = %s and e.h = %s", [day, UUID(bytes=digest)])
    return found[0] if found else None


def day_of(connection: Connection, digest: bytes) -> date | None:
    """Return the UTC day of the event that holds an identity, or None.

    The ledger knows; what came after it was swept is looked for on the days it came for.
    """
    h = UUID(bytes=digest)
    row = connection.execute("select day from event_identity where h = %s", [h]).fetchone()
    if row is not None:
        return row[0]  # type: ignore[no-any-return]
    days = connection.execute(
        """select distinct day from intake_day
           where receipt > (select through_receipt from identity_sweep) order by day"""
    ).fetchall()
    found = [
        found
        for (day,) in days
        if (
            found := connection.execute(
                "select receipt, ordinal, day from usage_event where day = %s and h = %s", [day, h]
            ).fetchone()
        )
    ]
    return min(found)[2] if found else None


def list_events(
    connection: Connection, *, on: date, subject: str | None = None, limit: int = 100
) -> list[StoredEvent]:
    """Return events of one UTC day, the latest taken first."""
    subjects = None if subject is None else [subject]
    with opened(connection, on, on + timedelta(days=1), subjects=subjects, newest=limit):
        return _read_events(
            connection,
            """where e.day = %(on)s and (%(subject)s::text is null or e.subject = %(subject)s)
               order by e.receipt desc, e.ordinal desc limit %(limit)s""",
            {"on": on, "subject": subject, "limit": limit},
        )


def latest_day(connection: Connection) -> date | None:
    """Return the newest UTC day of the events taken last, or None."""
    row = connection.execute(
        "select day from intake_day order by receipt desc, day desc limit 1"
    ).fetchone()
    return row[0] if row else None


def insert_exclusion(
    connection: Connection, digest: bytes, *, day: date, reason: str, receipt: int, at: datetime
) -> None:
    """Stop counting an event from a receipt on."""
    connection.execute(
        """insert into event_exclusion (h, day, reason, known_receipt, decided_at)
           values (%s, %s, %s, %s, %s)""",
        [UUID(bytes=digest), day, reason, receipt, at],
    )


def _read_events(connection: Connection, where: str, parameters: Any) -> list[StoredEvent]:
    rows = connection.execute(f"{_EVENTS} {where}", parameters)
    return [StoredEvent(written_event_id(row[0].bytes), *row[1:]) for row in rows]


def _partition(day: date) -> str:
    return f"usage_event_{day:%Y%m%d}"
