"""The SQL of sealed segments, and their events beside those of the database for as long as needed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, Final

from psycopg import pq, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tollbook.errors import Blocked
from tollbook.flow.capture.segments.manifest import NumberBounds, Segment, SegmentState
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock, share_lock
from tollbook.storage.segments.archive import Archive, open_archive
from tollbook.storage.segments.columns import COLUMNS, fields_of
from tollbook.storage.segments.extras import part

READ_STATES: Final[tuple[SegmentState, ...]] = ("sealed", "expiring")

_COLUMNS: Final = """
    day, segment, path, event_count, bytes, sha256, digest_1, digest_2, first_receipt, last_receipt,
    first_at, last_at, types, fields, format, sealed_at, sealed_by, state, expiring_by"""


def archive_of(connection: Connection) -> Archive:
    """Return the archive that this session was told of by its settings."""
    row = connection.execute(
        """select coalesce(current_setting('tollbook.archive', true), ''),
                  coalesce(current_setting('tollbook.archive_cache', true), '')"""
    ).fetchone()
    assert row is not None
    return open_archive(*row)


def list_segments(
    connection: Connection,
    *,
    first: date | None = None,
    until: date | None = None,
    states: Sequence[SegmentState] = (),
) -> list[Segment]:
    """Return segments of some days (the last one excluded), in order; no states means all."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"""select {_COLUMNS} from sealed_segment
                where (%(first)s::date is null or day >= %(first)s)
                  and (%(until)s::date is null or day < %(until)s)
                  and (%(states)s::text[] = '{{}}' or state = any(%(states)s))
                order by day, segment""",
            {"first": first, "until": until, "states": list(states)},
        ).fetchall()
    return [_segment(row) for row in rows]


def read_segments(connection: Connection, first: date | None, until: date | None) -> list[Segment]:
    """Return the segments whose events are in files, and keep it so until the transaction ends.

    Blocked when one of the days was deleted by the policy of retention.
    """
    share_lock(connection, Lock.SEAL_DAY)
    found = list_segments(connection, first=first, until=until, states=(*READ_STATES, "deleted"))
    for segment in found:
        if segment.state == "deleted" and first is not None:
            raise Blocked(
                "capture.segment_deleted",
                f"The events of {segment.day} were deleted by the policy of retention: only their "
                "manifest is left.",
            )
    return [segment for segment in found if segment.state != "deleted"]


def insert_segment(connection: Connection, segment: Segment) -> None:
    """Register a segment: the point from which its file counts."""
    fields = {
        "texts": list(segment.texts),
        "numbers": {name: [b.digits, b.scale] for name, b in segment.numbers.items()},
    }
    connection.execute(
        """insert into sealed_segment (day, segment, path, event_count, bytes, sha256, digest_1,
                                       digest_2, first_receipt, last_receipt, first_at, last_at,
                                       types, fields, format, sealed_at, sealed_by)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            segment.day,
            segment.segment,
            segment.path,
            segment.event_count,
            segment.bytes,
            segment.sha256,
            segment.digest_1,
            segment.digest_2,
            segment.first_receipt,
            segment.last_receipt,
            segment.first_at,
            segment.last_at,
            Jsonb(dict(segment.types)),
            Jsonb(fields),
            segment.format,
            segment.sealed_at,
            segment.sealed_by,
        ],
    )


def set_state(
    connection: Connection, segment: Segment, state: SegmentState, *, by: str | None = None
) -> None:
    """Note where the events of a segment are now; `by` asked for its deletion."""
    connection.execute(
        "update sealed_segment set state = %s, expiring_by = %s where day = %s and segment = %s",
        [state, by, segment.day, segment.segment],
    )


def next_number(connection: Connection, day: date) -> int:
    """Return the number of the next segment of a day."""
    row = connection.execute(
        "select coalesce(max(segment), 0) + 1 from sealed_segment where day = %s", [day]
    ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def opened(
    connection: Connection,
    first: date | None,
    until: date | None,
    *,
    event_type: str | None = None,
    subjects: Sequence[str] | None = None,
    digests: Sequence[bytes] | None = None,
    newest: int = 0,
) -> Iterator[None]:
    """Let `usage_event` have the sealed events of some days too, until the block ends.

    Only those of a type, of subjects, with identities, or so many of the newest, where given. Costs
    one question when no day is sealed. Every query of raw events runs in here.
    """
    segments = read_segments(connection, first, until)
    if event_type is not None:
        segments = [segment for segment in segments if event_type in segment.types]
    if not segments:
        yield
        return
    where, values = _condition(event_type, subjects, digests)
    with loaded(connection, segments, where=where, values=values, newest=newest):
        yield


@contextmanager
def loaded(
    connection: Connection,
    segments: Iterable[Segment],
    *,
    where: str = "true",
    values: Sequence[Any] = (),
    newest: int = 0,
) -> Iterator[None]:
    """Let `usage_event` have the events of these segments too, until the block ends.

    A temporary view of that name goes before the table; blocks may lie inside each other.
    """
    is_outermost = _make_place(connection)
    archive = archive_of(connection)
    for segment in segments:
        path = archive.fetch(segment.path, sha256=segment.sha256)
        rows = part("writing").rows_as_csv(path, segment.day, where, values, limit=newest)
        _load(connection, rows)
    try:
        yield
    finally:
        failed = connection.info.transaction_status == pq.TransactionStatus.INERROR
        if is_outermost and not failed:
            connection.execute("drop view pg_temp.usage_event")
            connection.execute("drop table pg_temp.unsealed_event")


def days_with_subjects(connection: Connection, subjects: Sequence[str]) -> set[tuple[date, str]]:
    """Return the (day, event type) on which these subjects have events in files; reads them all."""
    segments = read_segments(connection, None, None)
    if not segments or not subjects:
        return set()
    archive = archive_of(connection)
    return {
        (segment.day, event_type)
        for segment in segments
        for event_type in part("writing").types_of_subjects(
            archive.fetch(segment.path, sha256=segment.sha256), subjects
        )
    }


def copy_rows(
    connection: Connection, where: sql.Composable, *, texts: Iterable[str], numbers: Iterable[str]
) -> Iterator[bytes | memoryview]:
    """Yield events as COPY writes them, a row each: the columns, then the JSON of each field."""
    fields = [
        sql.SQL("content #> {}").format(sql.Literal(field.split(".")))
        # For a name that cannot be a place in a list this says the same, in half the time.
        if "." in field or field.lstrip("-").isdigit()
        else sql.SQL("content -> {}").format(sql.Literal(field))
        for field in fields_of(texts, numbers)
    ]
    columns = sql.SQL(", ").join([*map(sql.Identifier, COLUMNS), *fields])
    # The offset keeps the data from being read anew for each field.
    query = sql.SQL(
        """copy (select {} from (select e.*, {} as content from usage_event e where {} offset 0) e)
           to stdout"""
    ).format(columns, sql.SQL("e.data::jsonb" if fields else "null"), where)
    low = connection.pgconn
    # As psycopg's own iterator, without what that does for every row: it took half the time.
    started = low.exec_(query.as_bytes(connection))
    if started.status != pq.ExecStatus.COPY_OUT:
        raise Blocked("capture.not_readable", started.get_error_message())
    size, row = low.get_copy_data(0)
    while size > 0:
        yield row
        size, row = low.get_copy_data(0)
    while (ended := low.get_result()) is not None:
        if ended.status == pq.ExecStatus.FATAL_ERROR:
            raise Blocked("capture.not_readable", ended.get_error_message())


def empty_partition(connection: Connection, day: date) -> None:
    """Remove the events of a day from the database; late ones may come again."""
    connection.execute(sql.SQL("truncate only {}").format(partition_of(day)))


def partition_of(day: date) -> sql.Identifier:
    """Return the partition that holds the events of a day."""
    return sql.Identifier("public", f"usage_event_{day:%Y%m%d}")


def put_back(connection: Connection, archive: Archive, segment: Segment) -> None:
    """Copy the events of a segment into their partition."""
    path = archive.fetch(segment.path, sha256=segment.sha256)
    _copy_in(
        connection,
        sql.SQL("copy public.usage_event ({}, day) from stdin (format csv)"),
        part("writing").rows_as_csv(path, segment.day, "true", ()),
    )


def hold_day_lock(connection: Connection) -> None:
    """Keep all readers of events out, and be kept out by them, until the transaction ends."""
    hold_lock(connection, Lock.SEAL_DAY)


def _segment(row: dict[str, Any]) -> Segment:
    fields = row.pop("fields")
    row["digest_1"], row["digest_2"] = int(row["digest_1"]), int(row["digest_2"])
    return Segment(
        texts=tuple(fields["texts"]),
        numbers={name: NumberBounds(*found) for name, found in fields["numbers"].items()},
        **row,
    )


def _condition(
    event_type: str | None, subjects: Sequence[str] | None, digests: Sequence[bytes] | None
) -> tuple[str, list[Any]]:
    conditions: list[str] = ["true"]
    values: list[Any] = []
    if event_type is not None:
        conditions.append("type = ?")
        values.append(event_type)
    if subjects is not None:
        conditions.append("list_contains(?::varchar[], subject)")
        values.append(list(subjects))
    if digests is not None:
        conditions.append("list_contains(?::blob[], h)")
        values.append(list(digests))
    return " and ".join(conditions), values


def _make_place(connection: Connection) -> bool:
    """Make the view that goes before the table; tell whether it was not there yet."""
    row = connection.execute("select to_regclass('pg_temp.usage_event')").fetchone()
    if row is not None and row[0] is not None:
        return False
    connection.execute("create temporary table unsealed_event (like public.usage_event)")
    connection.execute("alter table pg_temp.unsealed_event add primary key (h, day)")
    connection.execute(
        """create temporary view usage_event as
           select * from public.usage_event union all select * from pg_temp.unsealed_event"""
    )
    # A statement that was prepared before means the table; it must look again.
    connection.execute("discard plans")
    return True


def _load(connection: Connection, rows: Iterable[bytes]) -> None:
    connection.execute(
        "create temporary table arriving_event (like public.usage_event) on commit drop"
    )
    _copy_in(connection, sql.SQL("copy arriving_event ({}, day) from stdin (format csv)"), rows)
    connection.execute(
        "insert into pg_temp.unsealed_event select * from arriving_event on conflict do nothing"
    )
    connection.execute("drop table arriving_event")
    connection.execute("analyze pg_temp.unsealed_event")


def _copy_in(connection: Connection, statement: sql.SQL, rows: Iterable[bytes]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    with connection.cursor() as cursor, cursor.copy(statement.format(columns)) as copy:
        for block in rows:
            copy.write(block)
