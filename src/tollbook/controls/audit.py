"""The audit trail: a chain of records in which a change to any one of them shows."""

from collections.abc import Iterable
from dataclasses import astuple, replace
from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from tollbook.records.control import AuditRecord
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.codec import content_hash

GENESIS: Final = "0" * 64


def record(  # noqa: PLR0913 - an audit record has this many facts, each named by its caller
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    object_id: str,
    reason: str,
    before: str | None = None,
    after: str | None = None,
) -> AuditRecord:
    """Append who did what to the chain, in the caller's transaction."""
    hold_lock(connection, Lock.APPEND_AUDIT)
    row = connection.execute(
        "select sequence, hash from audit_record order by sequence desc limit 1"
    ).fetchone()
    sequence, previous = (row[0] + 1, row[1]) if row else (1, GENESIS)
    entry = AuditRecord(
        sequence, at, actor, action, object_id, before, after, reason, previous, hash=""
    )
    entry = _sealed(entry)
    connection.execute(
        """insert into audit_record (sequence, at, actor, action, object_id, before, after, reason,
                                     previous_hash, hash)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        astuple(entry),
    )
    return entry


def first_broken(entries: Iterable[AuditRecord]) -> int | None:
    """Return the sequence number of the first record that does not fit the chain, or None."""
    previous, expected = GENESIS, 1
    for entry in entries:
        if entry.sequence != expected or entry.previous_hash != previous:
            return expected
        if _sealed(entry).hash != entry.hash:
            return entry.sequence
        previous, expected = entry.hash, expected + 1
    return None


def all_records(connection: Connection) -> Iterable[AuditRecord]:
    """Read the whole chain, oldest first."""
    with connection.cursor(row_factory=class_row(AuditRecord)) as cursor:
        yield from cursor.execute(
            """select sequence, at, actor, action, object_id, before, after, reason,
                      previous_hash, hash
               from audit_record order by sequence"""
        )


def _sealed(entry: AuditRecord) -> AuditRecord:
    """Return the record with the hash of everything else in it."""
    return replace(entry, hash=content_hash(replace(entry, hash="")))
