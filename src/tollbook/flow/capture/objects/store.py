"""The SQL of the objects that sources of files have seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, get_args

from psycopg.rows import class_row

from tollbook.sdk.drops.register import ObjectState
from tollbook.storage.database import Connection

_ANSWERS: Final = ("accepted", "duplicate", "conflict", "rejected", "ignored")
OBJECT_STATES: Final[tuple[ObjectState, ...]] = get_args(ObjectState)


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One version of an object.

    `rows` is how many of its rows were answered; the other counts are of events, of which a
    mapping makes several from a row, or ignores it. `said_by` is the manifest it was judged by,
    `complete_up_to` the watermark that this declares. `code` and `message` tell why it is not
    done, `notice` what a person may want to know though it is.
    """

    source: str
    lane: str
    place: str
    key: str
    version: str
    size: int
    modified_at: datetime
    sha256: str
    said_by: str
    complete_up_to: datetime | None
    state: ObjectState
    rows: int
    accepted: int
    duplicates: int
    conflicts: int
    rejected: int
    ignored: int
    first_seen_at: datetime
    done_at: datetime | None
    code: str
    message: str
    notice: str


def put_object(connection: Connection, found: SourceObject) -> None:
    """Note what is known of an object now; its counts, and when it was first seen, stay."""
    connection.execute(
        """insert into source_object as known
               (source, lane, place, key, version, size, modified_at, sha256, said_by,
                complete_up_to, state, first_seen_at, code, message, notice)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (source, lane) do update
           set sha256 = coalesce(nullif(excluded.sha256, ''), known.sha256),
               said_by = excluded.said_by, complete_up_to = excluded.complete_up_to,
               state = excluded.state, code = excluded.code, message = excluded.message,
               notice = coalesce(nullif(excluded.notice, ''), known.notice)
           where known.state <> 'done'""",
        [
            found.source,
            found.lane,
            found.place,
            found.key,
            found.version,
            found.size,
            found.modified_at,
            found.sha256,
            found.said_by,
            found.complete_up_to,
            found.state,
            found.first_seen_at,
            found.code,
            found.message,
            found.notice,
        ],
    )


def close_object(connection: Connection, source: str, lane: str, *, at: datetime) -> None:
    """Note that all rows of an object were answered; a second time changes nothing."""
    connection.execute(
        """update source_object set state = 'done', done_at = %s, code = '', message = ''
           where source = %s and lane = %s and state <> 'done'""",
        [at, source, lane],
    )


def add_counts(
    connection: Connection, source: str, lane: str, *, rows: int, counts: Mapping[str, int]
) -> None:
    """Add the answers to some rows of an object; `rows` is how many it then has had answered."""
    connection.execute(
        """update source_object
           set rows = %s, accepted = accepted + %s, duplicates = duplicates + %s,
               conflicts = conflicts + %s, rejected = rejected + %s, ignored = ignored + %s
           where source = %s and lane = %s""",
        [
            rows,
            *(counts.get(answer, 0) for answer in _ANSWERS),
            source,
            lane,
        ],
    )


def objects_with_keys(
    connection: Connection, source: str, keys: Sequence[str]
) -> list[tuple[str, str, str, ObjectState, str]]:
    """Return (key, version, sha256, state, said_by) of every version, the first seen first."""
    return connection.execute(
        """select key, version, sha256, state, said_by from source_object
           where source = %s and key = any(%s) order by seen""",
        [source, list(keys)],
    ).fetchall()


def list_objects(
    connection: Connection,
    source: str,
    *,
    state: ObjectState | None = None,
    after: str = "",
    limit: int = 1000,
) -> list[SourceObject]:
    """Return the objects of a source in the order of their lanes, from the one after `after` on."""
    with connection.cursor(row_factory=class_row(SourceObject)) as cursor:
        return cursor.execute(
            """select source, lane, place, key, version, size, modified_at, sha256, said_by,
                      complete_up_to, state, rows, accepted, duplicates, conflicts, rejected, ignored,
                      first_seen_at, done_at, code, message, notice
               from source_object
               where source = %(source)s and (%(state)s::text is null or state = %(state)s)
                 and lane > %(after)s
               order by lane limit %(limit)s""",
            {"source": source, "state": state, "after": after, "limit": limit},
        ).fetchall()


def count_objects(connection: Connection, source: str) -> dict[str, int]:
    """Return how many objects of a source are in each state."""
    rows = connection.execute(
        """select state, count(*)::int from source_object where source = %s
           group by state order by state""",
        [source],
    )
    return dict(rows.fetchall())


def declared_watermark(connection: Connection, source: str) -> datetime | None:
    """Return up to when a source declared itself complete in manifests whose objects are all done.

    None when none did, or while an object of the manifest that says most is not done.
    """
    row = connection.execute(
        """select max(complete_up_to) from source_object o
           where source = %s and state = 'done' and not exists (
               select 1 from source_object other
               where other.source = o.source and other.complete_up_to <= o.complete_up_to
                 and other.state <> 'done'
                 and not exists (select 1 from source_object later
                                 where later.source = other.source and later.key = other.key
                                   and later.seen > other.seen and later.state = 'done'))""",
        [source],
    ).fetchone()
    return row[0] if row else None


def reopen_objects(connection: Connection, source: str, key: str) -> list[str]:
    """Let the versions of an object that were not taken be judged again; returns their versions."""
    rows = connection.execute(
        """with reopened as (
               update source_object set state = 'open'
               where source = %s and key = %s and state in ('refused', 'damaged', 'held')
               returning version, seen)
           select version from reopened order by seen""",
        [source, key],
    )
    return [row[0] for row in rows]
