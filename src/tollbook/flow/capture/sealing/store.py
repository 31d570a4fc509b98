"""The SQL around sealing: what a partition holds, what an attempt may leave behind, who holds days."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from psycopg import sql
from psycopg.rows import class_row

from tollbook.flow.capture.segments.store import partition_of
from tollbook.storage.database import Connection


class Held(NamedTuple):
    """What a partition holds: how many events, the sums of both halves of their hashes, a receipt."""

    event_count: int
    digest_1: int
    digest_2: int
    last_receipt: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Days (both included) whose events must not be deleted, and why."""

    hold_id: str
    first_day: date
    last_day: date
    reason: str
    held_by: str
    held_at: datetime


def days_with_events(connection: Connection, *, through: date) -> list[date]:
    """Return the days up to one whose partition is not empty, in order."""
    rows = connection.execute(
        r"""select to_date(substr(c.relname, 13), 'YYYYMMDD')
            from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhparent = 'public.usage_event'::regclass
              and c.relname ~ '^usage_event_\d{8}$' order by 1"""
    ).fetchall()
    return [day for (day,) in rows if day <= through and _has_events(connection, day)]


def held_in_partition(connection: Connection, day: date) -> Held:
    """Return what the partition of a day holds; nothing when there is none."""
    if not _exists(connection, day):
        return Held(0, 0, 0, 0)
    row = connection.execute(
        sql.SQL(
            """select count(*), coalesce(sum(f1), 0)::numeric, coalesce(sum(f2), 0)::numeric,
                      coalesce(max(receipt), 0) from {}"""
        ).format(partition_of(day))
    ).fetchone()
    assert row is not None
    return Held(int(row[0]), int(row[1]), int(row[2]), int(row[3]))


def lock_partition(connection: Connection, day: date, *, within_seconds: int) -> None:
    """Keep everybody out of a partition; raises LockNotAvailable when that takes too long."""
    connection.execute(
        "select set_config('lock_timeout', %s, true)", [f"{within_seconds * 1000}ms"]
    )
    connection.execute(sql.SQL("lock table {} in access exclusive mode").format(partition_of(day)))


def is_dirty(connection: Connection, day: date) -> bool:
    """Tell whether summaries of a day are behind its events."""
    row = connection.execute("select 1 from dirty_day where day = %s limit 1", [day]).fetchone()
    return row is not None


def insert_attempt(connection: Connection, attempt_id: str, day: date) -> None:
    """Note that files are about to be staged."""
    connection.execute(
        "insert into segment_attempt (attempt_id, day) values (%s, %s) on conflict do nothing",
        [attempt_id, day],
    )


def set_attempt_paths(connection: Connection, attempt_id: str, paths: list[str]) -> None:
    """Note which files are about to be kept."""
    connection.execute(
        "update segment_attempt set paths = %s where attempt_id = %s", [paths, attempt_id]
    )


def attempts(connection: Connection) -> list[tuple[str, list[str]]]:
    """Return attempts that did not come to their end, with the files that nothing registers."""
    return connection.execute(
        """select a.attempt_id, array(
               select p from unnest(a.paths) p
               where not exists (select from sealed_segment s where s.path = p) order by p)
           from segment_attempt a order by a.attempt_id"""
    ).fetchall()


def remove_attempt(connection: Connection, attempt_id: str) -> None:
    """Note that an attempt left nothing behind."""
    connection.execute("delete from segment_attempt where attempt_id = %s", [attempt_id])


def insert_hold(connection: Connection, hold: Hold) -> None:
    """Keep days from being deleted."""
    connection.execute(
        """insert into retention_hold (hold_id, first_day, last_day, reason, held_by, held_at)
           values (%s, %s, %s, %s, %s, %s) on conflict do nothing""",
        [hold.hold_id, hold.first_day, hold.last_day, hold.reason, hold.held_by, hold.held_at],
    )


def release_hold(connection: Connection, hold_id: str, *, at: datetime) -> bool:
    """End a hold; tell whether it stood."""
    return (
        connection.execute(
            "update retention_hold set released_at = %s where hold_id = %s and released_at is null",
            [at, hold_id],
        ).rowcount
        == 1
    )


def holds(connection: Connection, on: date | None = None) -> list[Hold]:
    """Return the holds that stand, all or those on a day, in order."""
    with connection.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(
            """select hold_id, first_day, last_day, reason, held_by, held_at from retention_hold
               where released_at is null
                 and (%(on)s::date is null or %(on)s between first_day and last_day)
               order by first_day, hold_id""",
            {"on": on},
        ).fetchall()


def _exists(connection: Connection, day: date) -> bool:
    row = connection.execute(
        "select to_regclass(%s)", [f"public.usage_event_{day:%Y%m%d}"]
    ).fetchone()
    return row is not None and row[0] is not None


def _has_events(connection: Connection, day: date) -> bool:
    row = connection.execute(
        sql.SQL("select exists (select from {})").format(partition_of(day))
    ).fetchone()
    return row is not None and bool(row[0])
