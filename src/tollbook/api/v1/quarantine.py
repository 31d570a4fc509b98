"""Events that were refused: list, group by cause, correct, replay, discard."""

from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, Limit
from tollbook.api.typed import many, one
from tollbook.errors import Rejected
from tollbook.flow.capture import step, store
from tollbook.flow.capture.quarantine.step import discard_all
from tollbook.flow.capture.quarantine.store import Which, causes, find
from tollbook.reports.estimate import estimate
from tollbook.reports.leakage import ESTIMATED_EVENTS_MAX, refused_events
from tollbook.runtime.replay import try_replay
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["capture"])


class Correction(BaseModel):
    """Corrected bytes for a refused event, and why."""

    corrected: str = Field(description="The whole event as it should have been sent, as text.")
    reason: str


class Reason(BaseModel):
    """Why; it goes into the audit trail."""

    reason: str


class Chosen(BaseModel):
    """Which refused events are meant: those that satisfy all that is given."""

    code: str | None = None
    cause: str | None = None
    door: str | None = None
    source: str | None = None
    event_type: str | None = None
    since: AwareDatetime | None = Field(default=None, description="Received from this on.")
    until: AwareDatetime | None = Field(default=None, description="Received before this.")
    reason: str

    def which(self) -> Which:
        """Return the choice without the reason."""
        return Which(**self.model_dump(include=set(asdict(Which()))))


class Replaying(Chosen):
    """What to bring to the door again. With `preview` it is done, rated, shown and undone."""

    preview: bool = False


def _which(
    code: Annotated[str | None, Query(description="Only this refusal code.")] = None,
    cause: Annotated[str | None, Query(description="Only this cause.")] = None,
    door: Annotated[str | None, Query(description="Only this door.")] = None,
    source: Annotated[str | None, Query(description="Only this source.")] = None,
    event_type: Annotated[str | None, Query(description="Only this event type.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Received from this on.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Received before this.")] = None,
) -> Which:
    return Which(code, cause, door, source, event_type, since, until)


WhichHere = Annotated[Which, Depends(_which)]


@router.get("/v1/quarantine", summary="List refused events", responses=many("Quarantined"))
def list_quarantine(
    connection: InTransaction,
    which: WhichHere,
    after: Annotated[str, Query(description="Continue after this id.")] = "",
    limit: Limit = 100,
) -> Any:
    """Return open refusals, in order of id; pass the last id as `after` for the next page."""
    return [_shown(one) for one in find(connection, which, after=after, limit=limit)]


@router.get(
    "/v1/quarantine/causes", summary="Count refused events by cause", responses=many("RefusedCause")
)
def list_causes(
    app: AppHere,
    connection: InTransaction,
    which: WhichHere,
    worth: Annotated[bool, Query(description="Estimate what each is worth at list price.")] = False,  # noqa: FBT002 - a query parameter
) -> Any:
    """Return the causes of open refusals, the most numerous first."""
    catalog = app.catalog(connection)
    return [
        {
            **to_builtins(one),
            "estimate": to_builtins(
                estimate(catalog, refused_events(connection, one.code, one.cause))
                if worth and one.count <= ESTIMATED_EVENTS_MAX
                else None
            ),
        }
        for one in causes(connection, which)
    ]


@router.post("/v1/quarantine/replay", summary="Try many again")
def replay_many(body: Replaying, app: AppHere, by: Actor) -> Any:
    """Bring all refused events that are meant to the door again; or preview what that does."""
    if body.preview:
        act = try_replay(body.which(), admission_of=app.admission, at=app.clock.now())
        return to_builtins(app.preview(act))
    answers = app.replayer().replay_refused(body.which(), by=by, reason=body.reason)
    return {"result": Counter(answer.status for answer in answers)}


@router.post("/v1/quarantine/discard", summary="Close many")
def discard_many(body: Chosen, app: AppHere, connection: InTransaction, by: Actor) -> Any:
    """Close all refused events that are meant; their bytes are kept."""
    closed = discard_all(connection, body.which(), by=by, reason=body.reason, at=app.clock.now())
    return {"discarded": closed}


@router.get(
    "/v1/quarantine/{quarantine_id}", summary="Show a refused event", responses=one("Quarantined")
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


@router.post(
    "/v1/quarantine/{quarantine_id}/replay", summary="Try it again", responses=one("Answer")
)
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
