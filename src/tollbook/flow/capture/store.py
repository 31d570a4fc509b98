"""The SQL of captured events, of their identities, of conflicts and of the quarantine."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from tollbook.flow.capture.admit import Admitted, CrosswalkRow, Refused
from tollbook.flow.capture.identity import conflict_id, quarantine_id
from tollbook.flow.capture.segments.store import opened
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.ids import EventId, written_event_id

QuarantineState = Literal["open", "replayed", "discarded"]

_COPY_CHARACTERS: Final = 500_000

_CREATE_CLAIM: Final = """
    create temporary table if not exists identity_claim (
        ordinal integer not null, h uuid not null, day date not null,
        f1 bigint not null, f2 bigint not null
    ) on commit delete rows"""

# In the order of h two writers that bring the same events wait for each other and never in a ring.
_CLAIM_IDENTITIES: Final = """
    insert into event_identity (h, day, receipt, ordinal, f1, f2)
    select h, day, %s, ordinal, f1, f2 from identity_claim order by h
    on conflict do nothing"""

_TAKEN_IDENTITIES: Final = """
    select c.ordinal from identity_claim c join event_identity e using (h)
    where (e.receipt, e.ordinal) <> (%s, c.ordinal) order by c.ordinal"""

# PostgreSQL's binary COPY: a header, then for each row the number of fields and, before each field,
# its length; a date is the number of days since 2000-01-01.
_BINARY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_END: Final = b"\xff\xff"
_BINARY_CLAIM: Final = struct.Struct(">hiii16siiiqiq")
_DAY_ZERO: Final = date(2000, 1, 1).toordinal()


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
    data: Any
    voided_for: str | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """An arrival that reuses the identity of another event; it was not counted."""

    conflict_id: str
    source: str
    event_id: str
    subject: str
    occurred_at: datetime
    found_at: datetime
    raw: bytes


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A refused event with the bytes as they came, and what became of it."""

    quarantine_id: str
    door: str
    received_at: datetime
    code: str
    message: str
    cause: str
    source: str | None
    event_id: str | None
    raw: bytes
    state: QuarantineState
    corrected: bytes | None
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None


def intake_watermark(connection: Connection) -> int:
    """Return the latest receipt below which everything is committed; 0 when there is none.

    Takes part in the caller's transaction and keeps new receipts out until it ends.
    """
    connection.execute("lock table intake_receipt in share mode")
    row = connection.execute("select coalesce(max(receipt), 0) from intake_receipt").fetchone()
    assert row is not None
    return int(row[0])


def insert_receipt(connection: Connection, *, door: str, at: datetime) -> int:
    """Open a group of arrivals; it must be the first write of its transaction (the watermark)."""
    row = connection.execute(
        "insert into intake_receipt (door, received_at) values (%s, %s) returning receipt",
        [door, at],
    ).fetchone()
    assert row is not None
    return int(row[0])


def add_tally(connection: Connection, process: str, counts: Iterable[tuple[str, int]]) -> None:
    """Add how many events had each answer to the row of the process that took them."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into intake_tally (process, answer, count) values (%s, %s, %s)
               on conflict (process, answer)
               do update set count = intake_tally.count + excluded.count""",
            [(process, answer, count) for answer, count in sorted(counts)],
        )


def tallies(connection: Connection) -> dict[str, int]:
    """Return how many events had each answer, since ever, through every door but replay."""
    rows = connection.execute(
        "select answer, sum(count)::bigint from intake_tally group by answer order by answer"
    )
    return dict(rows.fetchall())


def ensure_days(connection: Connection, days: Iterable[date]) -> None:
    """Make the partitions of these days; those that exist are left alone."""
    hold_lock(connection, Lock.MAKE_PARTITIONS)
    for day in sorted(days):
        name = f"usage_event_{day:%Y%m%d}"
        found = connection.execute("select to_regclass(%s)", [name]).fetchone()
        if found is not None and found[0] is not None:
            continue
        # Attaching, unlike `create ... partition of`, does not wait for running intakes.
        partition = sql.Identifier(name)
        connection.execute(
            sql.SQL("create table {} (like usage_event including all)").format(partition)
        )
        connection.execute(
            sql.SQL(
                "alter table usage_event attach partition {} for values from ({}) to ({})"
            ).format(partition, sql.Literal(day), sql.Literal(day + timedelta(days=1)))
        )


def claim_identities(
    connection: Connection, events: Sequence[tuple[int, Admitted]], *, receipt: int
) -> list[int]:
    """Claim the identity of each event and return the positions of those that are taken already.

    Each event comes with its position in the group; no identity stands twice in one claim.
    """
    connection.execute(_CREATE_CLAIM)
    with (
        connection.cursor() as cursor,
        cursor.copy("copy identity_claim from stdin (format binary)") as copy,
    ):
        copy.write(b"".join([_BINARY_HEADER, *_binary_claims(events), _BINARY_END]))
    claimed = connection.execute(_CLAIM_IDENTITIES, [receipt]).rowcount
    if claimed == len(events):
        return []
    return [row[0] for row in connection.execute(_TAKEN_IDENTITIES, [receipt])]


def _binary_claims(events: Iterable[tuple[int, Admitted]]) -> Iterator[bytes]:
    pack = _BINARY_CLAIM.pack
    days: dict[str, int] = {}
    for ordinal, event in events:
        text = event.occurred_at[:10]
        day = days.get(text)
        if day is None:
            day = days[text] = date.fromisoformat(text).toordinal() - _DAY_ZERO
        yield pack(5, 4, ordinal, 16, event.digest, 4, day, 8, event.f1, 8, event.f2)


def insert_events(
    connection: Connection, events: Iterable[tuple[int, Admitted]], *, receipt: int
) -> None:
    """Store events whose identity was just claimed, each with its position in the group."""
    with connection.cursor() as cursor, cursor.copy(_COPY_EVENTS) as copy:
        for chunk in _copy_text(events, receipt):
            copy.write(chunk)


_COPY_EVENTS: Final = """
    copy usage_event (h, day, f1, f2, receipt, ordinal, occurred_at, source, event_id, type,
                      subject, data) from stdin"""


def _copy_text(events: Iterable[tuple[int, Admitted]], receipt: int) -> Iterator[str]:
    lines: list[str] = []
    size = 0
    for ordinal, event in events:
        at = event.occurred_at
        # Attributes hold no control character and JSON escapes them: only backslashes are special.
        line = (
            f"{event.digest.hex()}\t{at[:10]}\t{event.f1}\t{event.f2}\t{receipt}\t{ordinal}\t{at}\t"
            f"{event.source}\t{event.id}\t{event.type}\t{event.subject}\t{event.data}\n"
        ).replace("\\", "\\\\")
        lines.append(line)
        size += len(line)
        if size > _COPY_CHARACTERS:
            yield "".join(lines)
            lines.clear()
            size = 0
    yield "".join(lines)


def known_events(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, Known]:
    """Return what holds these identities."""
    rows = connection.execute(
        "select h, receipt, ordinal, f1, f2 from event_identity where h = any(%s::uuid[])",
        [[digest.hex() for digest in digests]],
    )
    return {row[0].bytes: Known(*row[1:]) for row in rows}


def sealed_days(connection: Connection) -> set[date]:
    """Return the UTC days of which events are in files, and no longer in their partition.

    A door asks after its insert, in the same transaction: the insert keeps a day from being sealed
    until that transaction ends, so what is not sealed then has its twins in the partition.
    """
    rows = connection.execute(
        "select distinct day from sealed_segment where state in ('sealed', 'expiring') order by day"
    )
    return {row[0] for row in rows}


def known_in_ledger(connection: Connection, digests: Iterable[bytes]) -> set[bytes]:
    """Return which of these identities are taken, on whatever day and wherever the events are.

    The door asks it for events of sealed days, whose twins are in no partition.
    """
    return set(known_events(connection, digests))


def mark_dirty(
    connection: Connection, days: Iterable[tuple[str, str]], *, receipt: int = 0
) -> None:
    """Note that the summaries of these (day, event type) are behind the events of a receipt."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into dirty_day (day, type, receipt) values (%s, %s, %s) on conflict do nothing",
            [(day, event_type, receipt) for day, event_type in sorted(days)],
        )


def insert_conflicts(
    connection: Connection, arrivals: Sequence[Admitted], *, at: datetime
) -> list[str]:
    """Keep arrivals that reuse an identity and return the ids of those not kept before."""
    fresh = []
    for event in sorted(arrivals, key=lambda arrival: arrival.digest):
        row = connection.execute(
            """insert into event_conflict (conflict_id, h, source, event_id, subject, occurred_at,
                                           found_at, raw)
               values (%s, %s, %s, %s, %s, %s, %s, %s)
               on conflict do nothing returning conflict_id""",
            [
                conflict_id(event.digest, event.f1, event.f2),
                UUID(bytes=event.digest),
                event.source,
                event.id,
                event.subject,
                event.occurred_at,
                at,
                event.raw,
            ],
        ).fetchone()
        if row is not None:
            fresh.append(str(row[0]))
    return fresh


def insert_quarantine(
    connection: Connection, refusals: Sequence[Refused], *, door: str, at: datetime
) -> set[str]:
    """Keep refused events and return the ids of those whose bytes were not kept before.

    Bytes that were kept before stay as they are, also when a person has already closed them.
    """
    by_id = {quarantine_id(refusal.raw): refusal for refusal in refusals}
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into quarantine (quarantine_id, door, received_at, code, message, cause,
                                       source, event_id, raw)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
               on conflict do nothing returning quarantine_id""",
            [
                (kept_as, door, at, r.code, r.message, r.cause, r.source, r.id, r.raw)
                for kept_as, r in sorted(by_id.items())
            ],
            returning=True,
        )
        return {row[0] for results in cursor.results() for row in results}


def list_quarantine(
    connection: Connection,
    *,
    state: QuarantineState | None = "open",
    code: str | None = None,
    cause: str | None = None,
    after: str = "",
    limit: int = 1000,
) -> list[Quarantined]:
    """Return refused events in the order of their ids, from the one after `after` on."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(
            """select quarantine_id, door, received_at, code, message, cause, source, event_id,
                      raw, state, corrected, closed_at, closed_by, reason
               from quarantine
               where (%(state)s::text is null or state = %(state)s)
                 and (%(code)s::text is null or code = %(code)s)
                 and (%(cause)s::text is null or cause = %(cause)s)
                 and quarantine_id > %(after)s
               order by quarantine_id limit %(limit)s""",
            {"state": state, "code": code, "cause": cause, "after": after, "limit": limit},
        ).fetchall()


def count_quarantine(connection: Connection) -> list[tuple[str, str, int]]:
    """Return (code, cause, number) of the open refusals, most numerous first."""
    return connection.execute(
        """select code, cause, count(*)::int from quarantine where state = 'open'
           group by code, cause order by count(*) desc, code, cause"""
    ).fetchall()


def get_quarantined(
    connection: Connection, quarantine_id: str, *, lock: bool = False
) -> Quarantined | None:
    """Return one refused event, or None; `lock` keeps others from changing it meanwhile."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(
            """select quarantine_id, door, received_at, code, message, cause, source, event_id,
                      raw, state, corrected, closed_at, closed_by, reason
               from quarantine where quarantine_id = %s """
            + ("for update" if lock else ""),
            [quarantine_id],
        ).fetchone()


def set_corrected(connection: Connection, quarantine_id: str, corrected: bytes) -> None:
    """Keep corrected bytes beside the original ones."""
    connection.execute(
        "update quarantine set corrected = %s where quarantine_id = %s", [corrected, quarantine_id]
    )


def set_refusal(connection: Connection, quarantine_id: str, refusal: Refused) -> None:
    """Note why a replay was refused; the reason may differ from the first one."""
    connection.execute(
        """update quarantine set code = %s, message = %s, cause = %s, source = %s, event_id = %s
           where quarantine_id = %s""",
        [refusal.code, refusal.message, refusal.cause, refusal.source, refusal.id, quarantine_id],
    )


def close_quarantined(
    connection: Connection,
    quarantine_id: str,
    state: Literal["replayed", "discarded"],
    *,
    by: str,
    reason: str,
    at: datetime,
) -> None:
    """Close a refused event for good."""
    connection.execute(
        """update quarantine set state = %s, closed_at = %s, closed_by = %s, reason = %s
           where quarantine_id = %s""",
        [state, at, by, reason, quarantine_id],
    )


def list_conflicts(connection: Connection, *, after: str = "", limit: int = 1000) -> list[Conflict]:
    """Return conflicts in the order of their ids, from the one after `after` on."""
    with connection.cursor(row_factory=class_row(Conflict)) as cursor:
        return cursor.execute(
            """select conflict_id, source, event_id, subject, occurred_at, found_at, raw
               from event_conflict where conflict_id > %s order by conflict_id limit %s""",
            [after, limit],
        ).fetchall()


def get_conflict(connection: Connection, conflict_id: str) -> Conflict | None:
    """Return one conflict, or None."""
    with connection.cursor(row_factory=class_row(Conflict)) as cursor:
        return cursor.execute(
            """select conflict_id, source, event_id, subject, occurred_at, found_at, raw
               from event_conflict where conflict_id = %s""",
            [conflict_id],
        ).fetchone()


_EVENTS: Final = """
    select e.h, e.source, e.event_id, e.type, e.subject, e.occurred_at, r.received_at, e.receipt,
           e.data, x.reason
    from usage_event e join intake_receipt r using (receipt)
    left join event_exclusion x on x.h = e.h and x.day = e.day """


def get_event(connection: Connection, digest: bytes) -> StoredEvent | None:
    """Return the event with this identity, or None."""
    place = connection.execute(
        "select day, receipt, ordinal from event_identity where h = %s", [UUID(bytes=digest)]
    ).fetchone()
    if place is None:
        return None
    day = place[0]
    with opened(connection, day, day + timedelta(days=1), digests=[digest]):
        found = _read_events(
            connection, "where (e.day, e.receipt, e.ordinal) = (%s, %s, %s)", list(place)
        )
    return found[0] if found else None


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


def _read_events(connection: Connection, where: str, parameters: Any) -> list[StoredEvent]:
    rows = connection.execute(f"{_EVENTS} {where}", parameters)
    return [StoredEvent(written_event_id(row[0].bytes), *row[1:]) for row in rows]


def insert_exclusion(
    connection: Connection, digest: bytes, *, day: date, reason: str, receipt: int, at: datetime
) -> None:
    """Stop counting an event from a receipt on."""
    connection.execute(
        """insert into event_exclusion (h, day, reason, known_receipt, decided_at)
           values (%s, %s, %s, %s, %s)""",
        [UUID(bytes=digest), day, reason, receipt, at],
    )


def latest_day(connection: Connection) -> date | None:
    """Return the UTC day of the event taken last, or None."""
    row = connection.execute(
        """select day from (
               (select day, receipt from usage_event order by receipt desc, ordinal desc limit 1)
               union all
               (select day, last_receipt from sealed_segment where state in ('sealed', 'expiring')
                order by last_receipt desc limit 1)) newest
           order by receipt desc, day desc limit 1"""
    ).fetchone()
    return row[0] if row else None


def read_crosswalk(connection: Connection) -> list[CrosswalkRow]:
    """Return which customer each subject means and when, in order."""
    return connection.execute(
        """select subject, customer_id, lower(valid), upper(valid) from subject_crosswalk
           order by subject, valid"""
    ).fetchall()


def master_data_state(connection: Connection) -> tuple[int, datetime | None]:
    """Return something that changes whenever master data does; cheap enough to ask each second."""
    row = connection.execute("select count(*), max(decided_at) from master_version").fetchone()
    assert row is not None
    return row[0], row[1]
