"""Sources of usage that are read: how far each is, and pausing one."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, Limit
from tollbook.api.typed import many, one
from tollbook.flow.capture.sources import store
from tollbook.runtime import sources
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["sources"])


class SourceReason(BaseModel):
    """Why; it goes into the audit trail."""

    reason: str


class Seek(BaseModel):
    """Where a lane is to go on, and why."""

    lane: str = Field(description="The lane, as the source's positions name it.")
    position: int = Field(ge=0, le=2**63 - 1, description="The next record to read.")
    reason: str


@router.get("/v1/sources", summary="List sources", responses=many("SourceView"))
def list_sources(app: AppHere, connection: InTransaction) -> Any:
    """Return the configured sources with state, backlog and last failure."""
    return to_builtins(sources.list_sources(connection, app.settings.sources, at=app.clock.now()))


@router.get("/v1/sources/{name}", summary="Show a source", responses=one("Source"))
def show_source(
    name: Identifier,
    app: AppHere,
    connection: InTransaction,
    after: Annotated[str, Query(description="Continue after this lane.")] = "",
    limit: Limit = 100,
) -> Any:
    """Return a source with the positions of its lanes, in order of lane."""
    settings = {name: app.source_settings(name)}
    found = sources.list_sources(connection, settings, at=app.clock.now())[0]
    positions = store.list_positions(connection, name, after=after, limit=limit)
    return {**to_builtins(found), "positions": to_builtins(positions)}


@router.post("/v1/sources/{name}/pause", summary="Pause a source", status_code=204)
def pause_source(
    name: Identifier, body: SourceReason, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Have all workers leave a source alone, within seconds."""
    app.source_settings(name)
    sources.pause(connection, source=name, by=by, reason=body.reason, at=app.clock.now())


@router.post("/v1/sources/{name}/resume", summary="Let it go on", status_code=204)
def resume_source(
    name: Identifier, body: SourceReason, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Let a paused source go on where it stands."""
    app.source_settings(name)
    sources.resume(connection, source=name, by=by, reason=body.reason, at=app.clock.now())


@router.post("/v1/sources/{name}/seek", summary="Move a lane", status_code=204)
def seek_source(
    name: Identifier, body: Seek, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Let a lane of a paused source go on from another position."""
    app.source_settings(name)
    sources.seek(
        connection,
        source=name,
        lane=body.lane,
        position=body.position,
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )
