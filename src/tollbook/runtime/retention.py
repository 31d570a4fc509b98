"""Deletes the events of sealed days that nothing needs any more: one person asks, another confirms."""

from datetime import date, datetime, timedelta
from typing import Any

from tollbook.controls import audit
from tollbook.errors import Blocked, Rejected
from tollbook.flow.capture.sealing import store
from tollbook.flow.capture.sealing.step import require_reason
from tollbook.flow.capture.segments import store as segments
from tollbook.flow.capture.segments.manifest import Segment
from tollbook.flow.reconcile.store import kept
from tollbook.storage.database import Connection
from tollbook.values.ids import derive
from tollbook.values.period import Month


def expire(
    connection: Connection, day: date, *, keep_raw_days: int, by: str, reason: str, at: datetime
) -> list[Segment]:
    """Ask for the deletion of a sealed day; its events are read until another person confirms.

    Blocked while the policy, its month or a hold needs them.
    """
    require_reason(reason)
    _require_unneeded(connection, day, keep_raw_days=keep_raw_days, at=at)
    found = _of_day(connection, day, "sealed")
    for segment in found:
        segments.set_state(connection, segment, "expiring", by=by)
        _audit(connection, segment, "capture.expire", by=by, reason=reason, at=at)
    return found


def keep_after_all(
    connection: Connection, day: date, *, by: str, reason: str, at: datetime
) -> list[Segment]:
    """Take back the request to delete a day."""
    require_reason(reason)
    found = _of_day(connection, day, "expiring")
    for segment in found:
        segments.set_state(connection, segment, "sealed")
        _audit(connection, segment, "capture.keep", by=by, reason=reason, at=at)
    return found


def delete(
    connection: Connection, day: date, *, keep_raw_days: int, by: str, reason: str, at: datetime
) -> list[Segment]:
    """Confirm the deletion of a day and return its segments; their manifests stay for ever.

    The files are to be removed with `remove_files` after the commit: before it, they still count.
    """
    require_reason(reason)
    segments.hold_day_lock(connection)
    _require_unneeded(connection, day, keep_raw_days=keep_raw_days, at=at)
    found = _of_day(connection, day, "expiring")
    if any(segment.expiring_by == by for segment in found):
        raise Rejected(
            "capture.same_person",
            f"{by} asked for the deletion of {day}: another person confirms it.",
        )
    if store.held_in_partition(connection, day).event_count:
        raise Blocked(
            "capture.day_has_late_events",
            f"Late events of {day} are in the database: seal the day again first.",
        )
    for segment in found:
        segments.set_state(connection, segment, "deleted", by=segment.expiring_by)
        _audit(connection, segment, "capture.delete", by=by, reason=reason, at=at)
    return found


def remove_files(connection: Connection) -> list[str]:
    """Remove the files of deleted segments, also those of a process that did not come to it."""
    archive = segments.archive_of(connection)
    gone = {one.path for one in segments.list_segments(connection, states=("deleted",))}
    found = sorted(gone & {*archive.names()})
    for path in found:
        archive.remove(path)
    return found


def hold_days(
    connection: Connection, first: date, last: date, *, by: str, reason: str, at: datetime
) -> store.Hold:
    """Keep the events of some days (both included) from being deleted, for instance in a dispute."""
    require_reason(reason)
    if last < first:
        raise Rejected("capture.hold_backwards", f"A hold from {first} cannot end on {last}.")
    hold_id = derive("hld", first.isoformat(), last.isoformat(), reason, at.isoformat())
    hold = store.Hold(hold_id, first, last, reason, by, at)
    store.insert_hold(connection, hold)
    audit.record(
        connection, at=at, actor=by, action="capture.hold", object_id=hold_id, reason=reason
    )
    return hold


def release_hold(
    connection: Connection, hold_id: str, *, by: str, reason: str, at: datetime
) -> None:
    """End a hold."""
    require_reason(reason)
    if not store.release_hold(connection, hold_id, at=at):
        raise Rejected("capture.no_such_hold", f"There is no hold {hold_id} that stands.")
    audit.record(
        connection, at=at, actor=by, action="capture.release", object_id=hold_id, reason=reason
    )


def _of_day(connection: Connection, day: date, state: Any) -> list[Segment]:
    found = segments.list_segments(
        connection, first=day, until=day + timedelta(days=1), states=(state,)
    )
    if not found:
        raise Rejected("capture.no_such_segment", f"{day} has no segment that is {state}.")
    return found


def _require_unneeded(
    connection: Connection, day: date, *, keep_raw_days: int, at: datetime
) -> None:
    if keep_raw_days == 0 or day > at.date() - timedelta(days=keep_raw_days):
        allowed = f"{keep_raw_days} days" if keep_raw_days else "for ever"
        raise Blocked(
            "capture.policy_keeps",
            f"Events are kept {allowed} (keep_raw_days): {day} may not be deleted now.",
        )
    for hold in store.holds(connection, day):
        raise Blocked(
            "capture.day_held",
            f"{day} is held by {hold.held_by} ({hold.reason}): release {hold.hold_id} first.",
        )
    month = Month(day.year, day.month)
    results = kept(connection, month)
    if not results or _has_variances(results[0][3]):
        raise Blocked(
            "capture.month_not_reconciled",
            f"{month} is not reconciled without a variance: its events are still needed.",
        )


def _has_variances(result: object) -> bool:
    assert isinstance(result, dict)
    return bool(result.get("variances"))


def _audit(
    connection: Connection, segment: Segment, action: str, *, by: str, reason: str, at: datetime
) -> None:
    audit.record(
        connection,
        at=at,
        actor=by,
        action=action,
        object_id=f"segment {segment.name}",
        reason=reason,
        after=f"{segment.path} sha256 {segment.sha256}",
    )
