"""Looks at the configured sources, and lets a person pause one, let it go on, or move a lane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from tollbook.config import SystemSettings
from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.capture.sources import store
from tollbook.flow.capture.sources.store import Lanes, Pause, Report
from tollbook.storage.database import Connection
from tollbook.worklist.store import clear_object

# A reader that said nothing for this long is taken to be gone.
SILENT: Final = timedelta(seconds=90)

ViewState = Literal["reading", "idle", "paused", "failing", "not running"]


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source as its readers last described it.

    `lanes` and `records` are what is stored of a source with positions; `backlog_records` and
    `oldest_seconds` are None when it cannot tell; `read_at` is when records last came. `code` and
    `message` are the last failure, at `failed_at`.
    """

    name: str
    connector: str
    state: ViewState
    readers: int
    lanes: int
    records: int
    backlog_records: int | None
    oldest_seconds: int | None
    read_at: datetime | None
    code: str
    message: str
    failed_at: datetime | None
    paused_by: str
    paused_for: str


def list_sources(
    connection: Connection, configured: Mapping[str, SystemSettings], *, at: datetime
) -> list[SourceView]:
    """Return the configured sources in the order of the configuration, as of an instant."""
    lanes = store.count_lanes(connection)
    pauses = store.list_pauses(connection)
    reports: dict[str, list[Report]] = {}
    for report in store.list_reports(connection):
        reports.setdefault(report.source, []).append(report)
    return [
        _view(
            settings,
            reports.get(name, []),
            lanes.get(name, store.Lanes(name, 0, 0, None)),
            pauses.get(name),
            at,
        )
        for name, settings in configured.items()
    ]


def pause(connection: Connection, *, source: str, by: str, reason: str, at: datetime) -> None:
    """Have a source left alone by all workers, within seconds, until somebody lets it go on."""
    _require_reason(reason)
    if not store.insert_pause(connection, Pause(source, at, by, reason)):
        raise Rejected("capture.source_paused", f"{source} is paused already.")
    audit.record(
        connection, at=at, actor=by, action="capture.pause_source", object_id=source, reason=reason
    )


def resume(connection: Connection, *, source: str, by: str, reason: str, at: datetime) -> None:
    """Let a paused source go on where it stands."""
    _require_reason(reason)
    if not store.delete_pause(connection, source):
        raise Rejected("capture.source_not_paused", f"{source} is not paused.")
    audit.record(
        connection, at=at, actor=by, action="capture.resume_source", object_id=source, reason=reason
    )


def seek(
    connection: Connection,
    *,
    source: str,
    lane: str,
    position: int,
    by: str,
    reason: str,
    at: datetime,
) -> int | None:
    """Let a lane of a paused source go on from another position, and return where it stood, if it did.

    Going back does no harm: what was stored is known. Going forward skips records for good.
    """
    _require_reason(reason)
    if not store.is_paused(connection, source):
        raise Rejected(
            "capture.source_not_paused",
            f"{source} is not paused: pause it first, so that no reader moves the lane meanwhile.",
        )
    stood = store.positions_of(connection, source, [lane]).get(lane)
    store.set_position(connection, source, lane, position, at=at)
    # If the lane is stuck there too, its reader says so again.
    clear_object(
        connection,
        store.stuck_object(source, lane),
        by=by,
        resolution=f"it goes on at {position}: {reason}",
        at=at,
    )
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.seek_source",
        object_id=f"{source} {lane}",
        reason=reason,
        before=None if stood is None else str(stood[0]),
        after=str(position),
    )
    return None if stood is None else stood[0]


def _view(
    settings: SystemSettings,
    reports: Sequence[Report],
    lanes: Lanes,
    paused: Pause | None,
    at: datetime,
) -> SourceView:
    here = [one for one in reports if one.state != "ended" and at - one.reported_at <= SILENT]
    backlogs = [one.backlog_records for one in here if one.backlog_records is not None]
    ages = [one.oldest_seconds for one in here if one.oldest_seconds is not None]
    reads = [one for one in (lanes.updated_at, *(one.read_at for one in reports)) if one]
    failures = [one for one in reports if one.failed_at is not None]
    failed = max(failures, key=lambda one: (one.failed_at or at, one.process), default=None)
    return SourceView(
        name=settings.name,
        connector=settings.connector,
        state="paused" if paused else _state(here),
        readers=len(here),
        lanes=lanes.lanes,
        records=lanes.records or sum(one.records for one in reports),
        backlog_records=sum(backlogs) if backlogs else None,
        oldest_seconds=max(ages, default=None),
        read_at=max(reads, default=None),
        code=failed.code if failed else "",
        message=failed.message if failed else "",
        failed_at=failed.failed_at if failed else None,
        paused_by=paused.paused_by if paused else "",
        paused_for=paused.reason if paused else "",
    )


def _state(here: Sequence[Report]) -> ViewState:
    states = {one.state for one in here}
    for state in ("failing", "reading", "idle"):
        if state in states:
            return state
    return "not running"


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Rejected("capture.reason_missing", "Say why: the reason goes into the audit trail.")
