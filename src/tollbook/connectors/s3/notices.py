"""Reads what S3 says of new objects: by SQS, through SNS or EventBridge."""

from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

_CREATED: Final = ("ObjectCreated:", "s3:ObjectCreated:")


def named_objects(body: str) -> list[tuple[str, str, str]] | None:
    """Return (bucket, key, version) of the objects that a message says are new.

    Empty for messages that name none: `s3:TestEvent`, which comes once when notifications are set
    up, and deletions. None when the message is not understood.
    """
    try:
        message = msgspec.json.decode(body)
        if isinstance(message, dict) and message.get("Type") == "Notification":
            message = msgspec.json.decode(message["Message"])
        return _named(message)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _named(message: dict[str, Any]) -> list[tuple[str, str, str]] | None:
    if message.get("Event") == "s3:TestEvent":
        return []
    if "detail-type" in message:
        detail = message["detail"]
        if message["detail-type"] != "Object Created":
            return []
        found = detail["object"]
        return [(detail["bucket"]["name"], found["key"], found.get("version-id", ""))]
    if "Records" not in message:
        return None
    return [
        (
            record["s3"]["bucket"]["name"],
            # In these records, unlike in those of EventBridge, keys are encoded as in a form.
            unquote_plus(record["s3"]["object"]["key"]),
            record["s3"]["object"].get("versionId", ""),
        )
        for record in message["Records"]
        if record["eventName"].startswith(_CREATED)
    ]
