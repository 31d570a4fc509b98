"""Events that were taken, and events that were refused: look, correct, replay, discard, void."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, Limit
from tollbook.api.typed import many, one
from tollbook.errors import Rejected
from tollbook.flow.capture import step, store
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["capture"])


class Correction(BaseModel):
    """Corrected bytes for a refused event, and why."""

    corrected: str = Field(description="The whole event as it should have been sent, as text.")
    reason: str


class Reason(BaseModel):
    """Why; it goes into the audit trail."""

    reason: str


@router.get("/v1/events/{event_id}", summary="Show a captured event", responses=one("StoredEvent"))
def show_event(event_id: Identifier, connection: InTransaction) -> Any:
    """Return a captured event by our `evt_` id."""
    return to_builtins(step.find_event(connection, event_id))


@router.post("/v1/events/{event_id}/void", summary="Stop counting an event", status_code=204)
def void_event(
    event_id: Identifier, body: Reason, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Stop counting an event reported by mistake; what it was billed is corrected."""
    step.void_event(connection, event_id=event_id, by=by, reason=body.reason, at=app.clock.now())


@router.get("/v1/quarantine", summary="List refused events", responses=many("Quarantined"))
def list_quarantine(
    connection: InTransaction,
    code: Annotated[str | None, Query(description="Only this refusal code.")] = None,
    cause: Annotated[str | None, Query(description="Only this cause.")] = None,
    after: Annotated[str, Query(description="Continue after this id.")] = "",
    limit: Limit = 100,
) -> Any:
    """Return open refusals, in order of id; pass the last id as `after` for the next page."""
    found = store.list_quarantine(connection, code=code, cause=cause, after=after, limit=limit)
    return [_shown(each) for each in found]


@router.get(
    "/v1/quarantine/{quarantine_id}",
    summary="Show a refused event",
    responses=one("Quarantined"),
)
def show_quarantined(quarantine_id: Identifier, connection: InTransaction) -> Any:
    """Return a refused event with its raw bytes."""
    found = store.get_quarantined(connection, quarantine_id)
    if found is None:
        raise Rejected("capture.no_such_refusal", f"There is no refused event {quarantine_id}.")
    return _shown(found)


@router.post("/v1/quarantine/{quarantine_id}/correct", summary="Correct it", status_code=204)
def correct(
    quarantine_id: Identifier,
    body: Correction,
    app: AppHere,
    connection: InTransaction,
    by: Actor,
) -> None:
    """Keep corrected bytes beside the original; replay takes them."""
    step.correct(
        connection,
        quarantined=quarantine_id,
        corrected=body.corrected.encode(),
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )


@router.post("/v1/quarantine/{quarantine_id}/replay", summary="Try it again")
def replay(
    quarantine_id: Identifier, body: Reason, app: AppHere, connection: InTransaction, by: Actor
) -> Any:
    """Bring a refused event to the door again; it is closed only when it gets through."""
    answer = step.replay(
        connection,
        quarantined=quarantine_id,
        admission=app.admission(connection),
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )
    return answer._asdict()


@router.post("/v1/quarantine/{quarantine_id}/discard", summary="Close it", status_code=204)
def discard(
    quarantine_id: Identifier, body: Reason, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Close a refused event that will never be counted; its bytes are kept."""
    step.discard(
        connection, quarantined=quarantine_id, by=by, reason=body.reason, at=app.clock.now()
    )


def _shown(held: store.Quarantined) -> dict[str, Any]:
    shown: dict[str, Any] = {
        name: getattr(held, name) for name in held.__slots__ if name not in {"raw", "corrected"}
    }
    shown["raw"] = held.raw.decode(errors="backslashreplace")
    shown["corrected"] = held.corrected and held.corrected.decode(errors="backslashreplace")
    return shown
