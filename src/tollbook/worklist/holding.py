"""A stage's refusals, kept in step with the worklist: new ones are put on it, cured ones taken off."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tollbook.storage.database import Connection
from tollbook.worklist.store import clear_object, held_objects, open_item


@dataclass(frozen=True, slots=True, order=True)
class Held:
    """An object that waits, and why; `cause` is what one correction would cure."""

    code: str
    cause: str
    message: str
    object_id: str


def hold(connection: Connection, found: Sequence[Held], *, scope: str, at: datetime) -> None:
    """Make the worklist hold exactly these objects of a scope.

    Object ids of a scope begin with it, so a run over one month leaves the other months alone.
    """
    assert all(one.object_id.startswith(scope) for one in found), "an object of another scope"
    waiting = {(one.object_id, one.code, one.cause) for one in found}
    for held in held_objects(connection, scope):
        if held not in waiting:
            clear_object(connection, held[0], by="tollbook", resolution="it got through", at=at)
    by_cause = sorted(found)
    for (code, cause, message), objects in groupby(
        by_cause, key=lambda one: (one.code, one.cause, one.message)
    ):
        open_item(
            connection,
            code=code,
            cause=cause,
            message=message,
            objects=[one.object_id for one in objects],
            at=at,
        )
