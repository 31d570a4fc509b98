"""Turns a Pub/Sub message into a source record."""

from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.sdk.cloudevents import carried
from tollbook.sdk.source import SourceRecord

PREFIX: Final = "ce-"


def record_of(message: Any, *, delivery_attempt: int = 0) -> SourceRecord:
    """Return the record of a PubsubMessage (the protobuf message itself, which is quick to read)."""
    attributes = dict(message.attributes)
    metadata = {f"attribute.{name}": value for name, value in attributes.items()}
    metadata |= {
        "message_id": message.message_id,
        "publish_time": message.publish_time.ToJsonString(),
        "ordering_key": message.ordering_key,
    }
    if delivery_attempt:
        metadata["delivery_attempt"] = str(delivery_attempt)
    try:
        event = carried(
            attributes.items(), prefix=PREFIX, content_type=attributes.get("content-type", "")
        )
    except Rejected as refusal:
        return SourceRecord(message.data, metadata=metadata, refusal=refusal)
    return SourceRecord(message.data, event, metadata)
