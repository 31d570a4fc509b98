"""Has an object judged again that was not taken, when what stopped it was not in the object."""

from datetime import datetime

from tollbook.controls import audit
from tollbook.errors import Rejected
from tollbook.flow.capture.objects import store
from tollbook.storage.database import Connection


def retry_object(
    connection: Connection, *, source: str, key: str, by: str, reason: str, at: datetime
) -> int:
    """Let the next look at the place judge an object again; returns how many versions of it."""
    if not reason.strip():
        raise Rejected("capture.reason_missing", "Say why: the reason goes into the audit trail.")
    reopened = store.reopen_objects(connection, source, key)
    if not reopened:
        raise Rejected(
            "capture.no_such_object", f"{source} has no object {key} that was not taken."
        )
    audit.record(
        connection,
        at=at,
        actor=by,
        action="capture.retry_object",
        object_id=f"{source}:{key}",
        reason=reason,
        before=", ".join(reopened),
    )
    return len(reopened)
