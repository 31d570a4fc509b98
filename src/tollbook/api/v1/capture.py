"""Events that were taken: look, void, amend; and files of old events that are back-filled."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, ExactJson, Identifier, InTransaction, raw_body
from tollbook.api.typed import many, one
from tollbook.app import App
from tollbook.errors import Rejected
from tollbook.flow.capture import step
from tollbook.flow.capture.corrections.step import (
    amend_event,
    get_backfill,
    revert_backfill,
    void_events,
)
from tollbook.flow.capture.corrections.store import Which, list_backfills
from tollbook.reports.arrival import seen
from tollbook.runtime.backfill import Order, apply_backfill, try_backfill, try_revert
from tollbook.runtime.voiding import try_void
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["capture"])

_AMENDABLE = frozenset({"data", "time", "subject", "id"})
_AMENDMENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["reason"],
                    "properties": {
                        "data": {"type": "object", "description": "The data as it should be."},
                        "time": {"type": "string", "format": "date-time"},
                        "subject": {"type": "string"},
                        "id": {"type": "string", "description": "Id of the new event."},
                        "reason": {"type": "string"},
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}
_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One CloudEvent a line."}
            }
        },
    }
}

_PREVIEW = "Show what it brings and does to the money; do nothing."

RawBody = Annotated[bytes, Depends(raw_body)]


class Reason(BaseModel):
    """Why; it goes into the audit trail."""

    reason: str


class Revert(Reason):
    """Why a back-fill is taken back. With `preview` nothing is stored."""

    preview: bool = False


class Voiding(BaseModel):
    """Which events to void: those of some UTC days that satisfy all the rest that is given."""

    first: date = Field(description="The first UTC day.")
    until: date | None = Field(default=None, description="The day after the last (default: one).")
    source: str | None = None
    subject: str | None = None
    type: str | None = None
    door: str | None = Field(default=None, description="How they came: http, file, kafka, ...")
    reason: str
    preview: bool = Field(default=False, description="Show what it does to the money; do nothing.")


@router.post("/v1/events/void", summary="Stop counting many events")
def void_many(body: Voiding, app: AppHere, by: Actor) -> Any:
    """Stop counting all events that are meant; with `preview` show the effect and undo it."""
    which = Which(
        body.first,
        body.until or body.first + timedelta(days=1),
        source=body.source,
        subject=body.subject,
        type=body.type,
        door=body.door,
    )
    if body.preview:
        return to_builtins(app.preview(try_void(which, at=app.clock.now())))
    with app.database.transaction() as connection:
        voided = void_events(connection, which, by=by, reason=body.reason, at=app.clock.now())
    return to_builtins(voided)


@router.get("/v1/events/{event_id}", summary="Show a captured event", responses=one("StoredEvent"))
def show_event(event_id: Identifier, connection: InTransaction) -> Any:
    """Return a captured event by our `evt_` id: how it came, and what became of it."""
    (found,) = seen(connection, [step.find_event(connection, event_id)])
    return to_builtins(found)


@router.post("/v1/events/{event_id}/void", summary="Stop counting an event", status_code=204)
def void_event(
    event_id: Identifier, body: Reason, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Stop counting an event reported by mistake; what it was billed is corrected."""
    step.void_event(connection, event_id=event_id, by=by, reason=body.reason, at=app.clock.now())


@router.post(
    "/v1/events/{event_id}/amend",
    summary="Let a new event stand for it",
    responses=one("Amended"),
    openapi_extra=_AMENDMENT,
)
def amend(
    event_id: Identifier, body: ExactJson, app: AppHere, connection: InTransaction, by: Actor
) -> Any:
    """Take a new event that stands for this one, which no longer counts; both are kept."""
    changes = {name: value for name, value in body.items() if name != "reason"}
    strange = sorted(changes.keys() - _AMENDABLE)
    if strange or not changes.keys() - {"id"}:
        raise Rejected(
            "api.invalid_amendment",
            f"An amendment has a reason and one or more of data, time and subject; perhaps an id"
            f"{'; not ' + ', '.join(strange) if strange else ''}.",
        )
    amended = amend_event(
        connection,
        event_id=event_id,
        changes=changes,
        admission=app.admission(connection, takes_any_age=True),
        by=by,
        reason=str(body.get("reason", "")),
        at=app.clock.now(),
    )
    return to_builtins(amended)


@router.post("/v1/backfills", summary="Back-fill old events", openapi_extra=_FILE)
def backfill(
    raw: RawBody,
    app: AppHere,
    by: Actor,
    id: Annotated[str, Query(max_length=100, description="Under which id; used once.")],  # noqa: A002 - the name in the URL
    reason: Annotated[str, Query(description="Why, for the audit.")] = "",
    preview: Annotated[bool, Query(description=_PREVIEW)] = False,  # noqa: FBT002 - in the URL
) -> Any:
    """Take a file of events, of whatever age, under an id that it can be reverted by."""
    with _as_file(raw) as file:
        if preview:
            return to_builtins(_previewed(app, file))
        done = apply_backfill(
            app.database,
            app.backfill_desk(),
            file,
            order=Order(id, by, reason),
            clock=app.clock,
        )
    return to_builtins(done)


@router.get("/v1/backfills", summary="List back-fills", responses=many("Backfill"))
def backfills(connection: InTransaction) -> Any:
    """Return all back-fills, the latest first."""
    return to_builtins(list_backfills(connection))


@router.get("/v1/backfills/{backfill_id}", summary="Show a back-fill", responses=one("Backfill"))
def show_backfill(backfill_id: Identifier, connection: InTransaction) -> Any:
    """Return one back-fill."""
    return to_builtins(get_backfill(connection, backfill_id))


@router.post("/v1/backfills/{backfill_id}/revert", summary="Take a back-fill back")
def revert(backfill_id: Identifier, body: Revert, app: AppHere, by: Actor) -> Any:
    """Stop counting exactly what a back-fill brought; with `preview` show the effect only."""
    at = app.clock.now()
    if body.preview:
        return to_builtins(app.preview(try_revert(backfill_id, by=by, at=at)))
    with app.database.transaction() as connection:
        voided = revert_backfill(connection, backfill_id, by=by, reason=body.reason, at=at)
    return to_builtins(voided)


def _previewed(app: App, file: Path) -> Any:
    return app.preview(
        try_backfill(
            file,
            admission_of=lambda connection: app.admission(connection, takes_any_age=True),
            at=app.clock.now(),
        )
    )


@contextmanager
def _as_file(raw: bytes) -> Iterator[Path]:
    """Give a body as a file, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tollbook-backfill-") as directory:
        file = Path(directory) / "body.ndjson"
        file.write_bytes(raw)
        yield file
