"""Sealed days: list and verify their files, seal, restore, hold, ask for and confirm deletion."""

from datetime import date
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, MonthHere
from tollbook.api.typed import many
from tollbook.flow.capture.sealing import step
from tollbook.flow.capture.sealing.store import holds
from tollbook.flow.capture.segments.store import list_segments
from tollbook.flow.meter.sealed.store import Engine
from tollbook.reports.recount import recount_month
from tollbook.reports.segments import verify_segments
from tollbook.runtime import retention
from tollbook.runtime.seal import seal
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["segments"])


class Through(BaseModel):
    """Up to which UTC day (that included) to seal; without it, yesterday."""

    through: date | None = None


class Reason(BaseModel):
    """Why; it goes into the audit trail."""

    reason: str


class Days(BaseModel):
    """UTC days, both included, and why they are held."""

    first: date
    last: date
    reason: str


class Confirmation(BaseModel):
    """Why, and whether the request is taken back instead."""

    reason: str
    take_back: bool = Field(default=False, description="Take the request back.")


@router.get("/v1/segments", summary="List the files of sealed days", responses=many("Segment"))
def list_all(
    connection: InTransaction, first: date | None = None, until: date | None = None
) -> Any:
    """Return the manifests of some days (`until` excluded), in order; deleted ones too."""
    return to_builtins(list_segments(connection, first=first, until=until))


@router.post("/v1/segments/seal", summary="Seal closed days")
def seal_days(body: Through, app: AppHere, by: Actor) -> Any:
    """Move the events of closed days into files of the archive and return their manifests."""
    return to_builtins(seal(app.database, app.clock, through=body.through or date.max, by=by))


@router.get(
    "/v1/segments/verify", summary="Prove the files of sealed days", responses=many("SegmentCheck")
)
def verify(connection: InTransaction, first: date | None = None, until: date | None = None) -> Any:
    """Read each file, compare its SHA-256 and its events hashed anew; `wrong` is empty if right."""
    return to_builtins(list(verify_segments(connection, first=first, until=until)))


@router.post("/v1/segments/{day}/restore", summary="Bring a sealed day back")
def restore(day: date, body: Reason, app: AppHere, by: Actor) -> Any:
    """Bring a day back into the database, proven by its digest; the files stay."""
    at = app.clock.now()
    return to_builtins(step.restore_day(app.database, day, by=by, reason=body.reason, at=at))


@router.post("/v1/segments/{day}/expire", summary="Ask for a deletion, or take that back")
def expire(
    day: date, body: Confirmation, app: AppHere, connection: InTransaction, by: Actor
) -> Any:
    """Ask for the deletion of a day's events; they count until another person confirms."""
    said: dict[str, Any] = {"by": by, "reason": body.reason, "at": app.clock.now()}
    if body.take_back:
        return to_builtins(retention.keep_after_all(connection, day, **said))
    keep = app.settings.keep_raw_days
    return to_builtins(retention.expire(connection, day, keep_raw_days=keep, **said))


@router.post("/v1/segments/{day}/delete", summary="Confirm a deletion")
def delete(day: date, body: Reason, app: AppHere, by: Actor) -> Any:
    """Delete the events of a day that another person asked to delete; manifests stay for ever."""
    with app.database.transaction() as connection:
        found = retention.delete(
            connection,
            day,
            keep_raw_days=app.settings.keep_raw_days,
            by=by,
            reason=body.reason,
            at=app.clock.now(),
        )
    with app.database.transaction() as connection:
        retention.remove_files(connection)
    return to_builtins(found)


@router.get("/v1/retention-holds", summary="List the days that are held", responses=many("Hold"))
def list_holds(connection: InTransaction) -> Any:
    """Return the holds that stand, in order of their first day."""
    return to_builtins(holds(connection))


@router.post("/v1/retention-holds", summary="Hold days")
def hold(body: Days, app: AppHere, connection: InTransaction, by: Actor) -> Any:
    """Keep the events of some days from being deleted."""
    at = app.clock.now()
    return to_builtins(
        retention.hold_days(connection, body.first, body.last, by=by, reason=body.reason, at=at)
    )


@router.post("/v1/retention-holds/{hold_id}/release", summary="End a hold", status_code=204)
def release(
    hold_id: Identifier, body: Reason, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Let the days of a hold be deleted by policy again."""
    retention.release_hold(connection, hold_id, by=by, reason=body.reason, at=app.clock.now())


@router.get(
    "/v1/usage-recount", summary="Recount a month from its events", responses=many("Recounted")
)
def recount(month: MonthHere, connection: InTransaction, engine: Engine | None = None) -> Any:
    """Count each usage of a month again straight from its events, on the engine that is named."""
    return to_builtins(recount_month(connection, month, engine=engine))
