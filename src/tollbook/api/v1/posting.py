"""Postings: documents on their way into the ERP."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, Limit, MonthMaybe
from tollbook.errors import Rejected
from tollbook.flow.post import store
from tollbook.flow.post.machine import State
from tollbook.flow.post.step import Released, hold, release, replay
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["posting"])


class Act(BaseModel):
    """Which postings, and why."""

    posting_ids: list[str] = Field(min_length=1)
    reason: str = Field(min_length=1)


@router.get("/v1/postings", summary="List postings")
def postings(
    connection: InTransaction,
    month: MonthMaybe,
    state: Annotated[State | None, Query(description="Only this state.")] = None,
    target: Annotated[str | None, Query(description="Only to this ERP.")] = None,
    limit: Limit = 100,
) -> Any:
    """Return postings, oldest first."""
    found = store.listed(connection, state=state, target=target, month=month, limit=limit)
    return to_builtins(found)


@router.get("/v1/postings/{posting_id}", summary="Show a posting and its history")
def posting(posting_id: Identifier, connection: InTransaction) -> Any:
    """Return what was sent, every attempt, and what the ERP holds."""
    found = store.load(connection, posting_id)
    if found is None:
        raise Rejected("post.unknown", f"There is no posting {posting_id}.")
    history = to_builtins(store.attempts(connection, posting_id))
    return {**to_builtins(found), "history": history}


@router.post("/v1/postings/replay", summary="Send refused postings again")
def replay_postings(body: Act, app: AppHere, connection: InTransaction, by: Actor) -> Any:
    """Let refused postings go again, under the same key, with today's master data."""
    return _act(replay, body, app, connection, by)


@router.post("/v1/postings/hold", summary="Keep postings from being sent")
def hold_postings(body: Act, app: AppHere, connection: InTransaction, by: Actor) -> Any:
    """Keep postings that are ready from being sent."""
    return _act(hold, body, app, connection, by)


@router.post("/v1/postings/release", summary="Let held postings go")
def release_postings(body: Act, app: AppHere, connection: InTransaction, by: Actor) -> Any:
    """Let held postings go; for one in doubt this states that the ERP does not have it."""
    return _act(release, body, app, connection, by)


def _act(
    act: Callable[..., Released], body: Act, app: AppHere, connection: InTransaction, by: str
) -> Any:
    done = act(
        connection,
        posting_ids=body.posting_ids,
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )
    return to_builtins(done)
