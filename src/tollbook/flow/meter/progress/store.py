"""The SQL of what the summaries hold and what they still lack."""

from collections.abc import Sequence
from datetime import date, datetime

from tollbook.flow.capture.store import intake_watermark
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock


def lock(connection: Connection) -> None:
    """Let one transaction at a time replace or read the summaries."""
    hold_lock(connection, Lock.SUMMARIZE)


def watermark(connection: Connection) -> int:
    """Return the receipt up to which everything is committed.

    The savepoint gives the table lock back at once, so that intake does not wait for a summary.
    """
    with connection.transaction(force_rollback=True):
        return intake_watermark(connection)


def take_dirty_days(connection: Connection, *, through: int) -> set[tuple[date, str]]:
    """Return the (day, event type) touched by receipts up to one, and take them off the list."""
    rows = connection.execute(
        "delete from dirty_day where receipt <= %s returning day, type", [through]
    )
    return {(row[0], row[1]) for row in rows}


def set_basis(connection: Connection, event_type: str, basis: str) -> bool:
    """Store by which meters a type is summarized; tell whether that is new."""
    row = connection.execute(
        """insert into summarized_meters (event_type, basis) values (%s, %s)
           on conflict (event_type) do update set basis = excluded.basis
               where summarized_meters.basis <> excluded.basis
           returning 1""",
        [event_type, basis],
    ).fetchone()
    return row is not None


def set_summarized(connection: Connection, through: int) -> None:
    """Store through which receipt the summaries are complete."""
    connection.execute(
        "update usage_summary set through_receipt = %(through)s where through_receipt <> %(through)s",
        {"through": through},
    )


def known_generations(connection: Connection) -> tuple[int, int]:
    """Return how many versions of master data were known last, and at the last change of a subject."""
    row = connection.execute(
        "select generation, crosswalk_generation from usage_summary"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def set_generations(connection: Connection, known: int, crosswalk: int, minutes: int) -> None:
    """Store what `known_generations` and `bucket_minutes_kept` return from now on."""
    connection.execute(
        """update usage_summary set generation = %s, crosswalk_generation = %s, bucket_minutes = %s""",
        [known, crosswalk, minutes],
    )


def summarized_through(connection: Connection) -> int:
    """Return the receipt whose events, and all earlier ones, the summaries hold."""
    row = connection.execute("select through_receipt from usage_summary").fetchone()
    assert row is not None
    return int(row[0])


def bucket_minutes_kept(connection: Connection) -> int:
    """Return of how many minutes the buckets of the summaries are."""
    row = connection.execute("select bucket_minutes from usage_summary").fetchone()
    assert row is not None
    return int(row[0])


def see_one_moment(connection: Connection) -> None:
    """Let all that this transaction reads from now on be of one moment; it must not have begun."""
    # Room to sum all customers by hashing; by sorting it takes three times as long.
    connection.execute(
        "set transaction isolation level repeatable read; set local work_mem = '64MB'"
    )


def latest_receipt(connection: Connection) -> int:
    """Return the latest receipt that this transaction sees; earlier ones may still be on the way."""
    row = connection.execute("select coalesce(max(receipt), 0) from intake_receipt").fetchone()
    assert row is not None
    return int(row[0])


def recount_waits(
    connection: Connection, event_types: Sequence[str], start: datetime, end: datetime
) -> bool:
    """Tell whether any day of these types between two instants is marked to be counted again."""
    row = connection.execute(
        "select 1 from dirty_day where type = any(%s) and day >= %s::date and day < %s::date limit 1",
        [list(event_types), start, end],
    ).fetchone()
    return row is not None


def waiting_days(connection: Connection) -> set[tuple[date, str]]:
    """Return the (day, event type) that are marked to be counted again."""
    rows = connection.execute("select distinct day, type from dirty_day")
    return {(row[0], row[1]) for row in rows}


def is_basis(connection: Connection, event_type: str, basis: str) -> bool:
    """Tell whether a type is summarized by these meters."""
    row = connection.execute(
        "select 1 from summarized_meters where event_type = %s and basis = %s", [event_type, basis]
    ).fetchone()
    return row is not None
