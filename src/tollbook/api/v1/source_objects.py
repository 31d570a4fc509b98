"""Objects that sources of files have seen."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, Limit
from tollbook.api.typed import one
from tollbook.flow.capture.objects import store
from tollbook.runtime import object_register
from tollbook.sdk.drops.register import ObjectState
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["sources"])


class ObjectRetry(BaseModel):
    """Which object is to be judged again, and why."""

    key: str = Field(description="Its name in the place.")
    reason: str


@router.get(
    "/v1/sources/{name}/objects",
    summary="List the objects of a source",
    responses=one("SourceObjects"),
)
def list_objects(
    name: Identifier,
    app: AppHere,
    connection: InTransaction,
    state: Annotated[ObjectState | None, Query(description="Only those in this state.")] = None,
    after: Annotated[str, Query(description="Continue after this lane.")] = "",
    limit: Limit = 100,
) -> Any:
    """Return the objects with what became of each, in order of lane, and how many are in each state."""
    app.source_settings(name)
    return {
        "counts": store.count_objects(connection, name),
        "complete_up_to": to_builtins(store.declared_watermark(connection, name)),
        "objects": to_builtins(
            store.list_objects(connection, name, state=state, after=after, limit=limit)
        ),
    }


@router.post("/v1/sources/{name}/objects/retry", summary="Judge an object again", status_code=204)
def retry_object(
    name: Identifier, body: ObjectRetry, app: AppHere, connection: InTransaction, by: Actor
) -> None:
    """Have an object judged again that was not taken."""
    app.source_settings(name)
    object_register.retry_object(
        connection, source=name, key=body.key, by=by, reason=body.reason, at=app.clock.now()
    )
