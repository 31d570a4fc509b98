"""The SQL of receipts, of the ledger of identities, of conflicts and of the quarantine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from tollbook.flow.capture.admit import Admitted, CrosswalkRow, Refused
from tollbook.flow.capture.identity import conflict_id
from tollbook.flow.capture.json_text import canonical
from tollbook.storage.database import Connection

QuarantineState = Literal["open", "replayed", "discarded"]


@dataclass(frozen=True, slots=True)
class Reused:
    """A stored event whose identity an event of another day took before it."""

    h: UUID
    day: date
    source: str
    event_id: str
    type: str
    subject: str
    occurred_at: datetime
    f1: int
    f2: int
    data: Any


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
    mapping: str | None = None
    metadata: Mapping[str, str] | None = field(default=None, hash=False)


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


def add_tally(
    connection: Connection, process: str, door: str, counts: Iterable[tuple[str, int]]
) -> None:
    """Add how many events had each answer, or were refused with each code, through a door."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into intake_tally (process, door, answer, count) values (%s, %s, %s, %s)
               on conflict (process, door, answer)
               do update set count = intake_tally.count + excluded.count""",
            [(process, door, answer, count) for answer, count in sorted(counts)],
        )


def tallies(connection: Connection) -> dict[tuple[str, str], int]:
    """Return how many events had each answer or refusal code since ever, by door and answer."""
    rows = connection.execute(
        """select door, answer, sum(count)::bigint from intake_tally
           group by door, answer order by door, answer"""
    )
    return {(door, answer): count for door, answer, count in rows}


def mark_dirty(
    connection: Connection, days: Iterable[tuple[str, str]], *, receipt: int = 0
) -> None:
    """Note that the summaries of these (day, event type) are behind the events of a receipt."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into dirty_day (day, type, receipt) values (%s, %s, %s) on conflict do nothing",
            [(day, event_type, receipt) for day, event_type in sorted(days)],
        )


@dataclass(frozen=True, slots=True)
class NewConflict:
    """A conflict to keep; the same content again is the same conflict."""

    conflict_id: str
    h: UUID
    source: str
    event_id: str
    subject: str
    occurred_at: datetime
    raw: bytes


def conflict_of(event: Admitted) -> NewConflict:
    """Return the conflict that an arrival is."""
    return NewConflict(
        conflict_id(event.digest, event.f1, event.f2),
        UUID(bytes=event.digest),
        event.source,
        event.id,
        event.subject,
        event.occurred_at,
        event.raw,
    )


def conflict_of_reused(event: Reused) -> NewConflict:
    """Return the conflict that a stored event is; it is written again from what was stored."""
    raw = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.occurred_at,
        "data": event.data,
    }
    return NewConflict(
        conflict_id(event.h.bytes, event.f1, event.f2),
        event.h,
        event.source,
        event.event_id,
        event.subject,
        event.occurred_at,
        canonical(raw),
    )


def insert_conflicts(
    connection: Connection, conflicts: Sequence[NewConflict], *, at: datetime
) -> list[str]:
    """Keep events that reuse an identity and return the ids of those not kept before."""
    fresh = []
    for one in sorted(conflicts, key=lambda conflict: conflict.conflict_id):
        row = connection.execute(
            """insert into event_conflict (conflict_id, h, source, event_id, subject, occurred_at,
                                           found_at, raw)
               values (%s, %s, %s, %s, %s, %s, %s, %s)
               on conflict do nothing returning conflict_id""",
            [
                one.conflict_id,
                one.h,
                one.source,
                one.event_id,
                one.subject,
                one.occurred_at,
                at,
                one.raw,
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
    by_id = {refusal.quarantine_id: refusal for refusal in refusals}
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into quarantine (quarantine_id, door, received_at, code, message, cause,
                                       source, event_id, event_type, raw, mapping, metadata)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               on conflict do nothing returning quarantine_id""",
            [
                (
                    kept_as,
                    door,
                    at,
                    r.code,
                    r.message,
                    r.cause,
                    r.source,
                    r.id,
                    r.type or None,
                    r.raw,
                )
                + ((r.origin.mapping, Jsonb(r.origin.metadata)) if r.origin else (None, None))
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
                      raw, state, corrected, closed_at, closed_by, reason, mapping, metadata
               from quarantine
               where (%(state)s::text is null or state = %(state)s)
                 and (%(code)s::text is null or code = %(code)s)
                 and (%(cause)s::text is null or cause = %(cause)s)
                 and quarantine_id > %(after)s
               order by quarantine_id limit %(limit)s""",
            {"state": state, "code": code, "cause": cause, "after": after, "limit": limit},
        ).fetchall()


def get_quarantined(
    connection: Connection, quarantine_id: str, *, lock: bool = False
) -> Quarantined | None:
    """Return one refused event, or None; `lock` keeps others from changing it meanwhile."""
    with connection.cursor(row_factory=class_row(Quarantined)) as cursor:
        return cursor.execute(
            """select quarantine_id, door, received_at, code, message, cause, source, event_id,
                      raw, state, corrected, closed_at, closed_by, reason, mapping, metadata
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


def swept_through(connection: Connection) -> int:
    """Return the receipt through which the ledger holds the identity of every event."""
    row = connection.execute("select through_receipt from identity_sweep").fetchone()
    assert row is not None
    return int(row[0])


def known_in_ledger(connection: Connection, digests: Iterable[bytes]) -> dict[bytes, date]:
    """Return on which UTC day these identities were taken, wherever their events are now.

    The door asks it for events of sealed days, whose twins are in no partition.
    """
    rows = connection.execute(
        "select h, day from event_identity where h = any(%s::uuid[])",
        [f"{{{','.join(digest.hex() for digest in digests)}}}"],
    )
    return {row[0].bytes: row[1] for row in rows}


def sealed_days(connection: Connection) -> set[date]:
    """Return the UTC days of which events are in files, and no longer in their partition.

    A door asks after its insert, in the same transaction: the insert keeps a day from being sealed
    until that transaction ends, so what is not sealed then has its twins in the partition.
    """
    rows = connection.execute(
        "select distinct day from sealed_segment where state in ('sealed', 'expiring') order by day"
    )
    return {row[0] for row in rows}


def deleted_days(connection: Connection) -> set[date]:
    """Return the UTC days whose sealed events were deleted by the policy of retention."""
    rows = connection.execute(
        "select distinct day from sealed_segment where state = 'deleted' order by day"
    )
    return {row[0] for row in rows}


def next_to_sweep(
    connection: Connection, *, after: int, through: int, events_max: int
) -> tuple[list[date], int, int]:
    """Return the days and the number of the events to sweep next, and the last of their receipts.

    A receipt is never divided, so that there may be more events by the size of one.
    """
    row = connection.execute(
        """select coalesce(array_agg(distinct d.day), '{}'), coalesce(sum(d.events), 0)::int,
                  max(d.receipt)
           from intake_day d join (
               select receipt, sum(sum(events)) over (order by receipt) - sum(events) as before
               from intake_day where receipt > %(after)s and receipt <= %(through)s
               group by receipt) r using (receipt)
           where r.before < %(events_max)s""",
        {"after": after, "through": through, "events_max": events_max},
    ).fetchone()
    assert row is not None
    return sorted(row[0]), row[1], row[2] or through


def add_to_ledger(connection: Connection, days: Sequence[date], *, after: int, through: int) -> int:
    """Enter the identities of these receipts and return how many were not in the ledger yet."""
    return connection.execute(
        """insert into event_identity (h, day, receipt, ordinal)
           select h, day, receipt, ordinal from usage_event
           where day = any(%s) and receipt > %s and receipt <= %s
           order by h, receipt, ordinal on conflict do nothing""",
        [list(days), after, through],
    ).rowcount


def reused_identities(
    connection: Connection, days: Sequence[date], *, after: int, through: int
) -> list[Reused]:
    """Return the events of these receipts whose identity another day has, in order."""
    with connection.cursor(row_factory=class_row(Reused)) as cursor:
        return cursor.execute(
            """select e.h, e.day, e.source, e.event_id, e.type, e.subject, e.occurred_at,
                      e.f1, e.f2, e.data
               from usage_event e join event_identity i using (h)
               where e.day = any(%s) and e.receipt > %s and e.receipt <= %s and i.day <> e.day
                 and not exists (select from event_exclusion x where x.h = e.h and x.day = e.day)
               order by e.receipt, e.ordinal""",
            [list(days), after, through],
        ).fetchall()


def set_swept(connection: Connection, through: int) -> None:
    """Store through which receipt the ledger is complete."""
    connection.execute("update identity_sweep set through_receipt = %s", [through])


def index_receipts(connection: Connection, days: Iterable[date]) -> None:
    """Let the coarse index of these days know the rows that were added since the last time."""
    for day in sorted(days):
        connection.execute(
            "select brin_summarize_new_values(%s::regclass)",
            [f"usage_event_{day:%Y%m%d}_receipt_idx"],
        )


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
