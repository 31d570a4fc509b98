"""Turns a Kafka message into a record: its CloudEvents attributes, its data, what a mapping sees."""

from collections.abc import Mapping
from typing import Final, cast

from confluent_kafka import Message

from tollbook.connectors.kafka.avro import Decode
from tollbook.errors import Rejected
from tollbook.sdk.source import NOTHING, SourceRecord

PREFIX: Final = "ce_"
CONTENT_TYPE: Final = "content-type"
STRUCTURED: Final = "application/cloudevents"
_JSON: Final = "application/json"

Headers = list[tuple[str, bytes | None]]


def make_record(
    message: Message, *, is_cloudevents: bool, is_mapped: bool, decode: Decode | None
) -> SourceRecord:
    """Read a message; what cannot be read carries the reason and its body as it came.

    Transient or Blocked when `decode` needs something that is away.
    """
    body = message.value() or b""
    try:
        if not body:
            raise Rejected("capture.empty_record", "The message has no value (a tombstone).")
        # A message that was read has a list; the client's types know those to be written, too.
        headers = cast("Headers", message.headers() or [])
        attributes = _attributes(headers) if is_cloudevents and headers else NOTHING
        metadata = _metadata(message, headers) if is_mapped else NOTHING
        if decode is None:
            return SourceRecord(body, attributes, metadata)
        if attributes:
            attributes = {**attributes, "datacontenttype": _JSON}
        return SourceRecord(decode(body), attributes, metadata)
    except Rejected as refusal:
        return SourceRecord(body, refusal=refusal)


def _attributes(headers: Headers) -> Mapping[str, str]:
    """Return the attributes of binary mode; none in structured mode, or when it is no CloudEvent."""
    found: dict[str, str] = {}
    content_type = ""
    for key, value in headers:
        name = key.lower()
        if name == CONTENT_TYPE:
            content_type = _text(name, value)
        elif name.startswith(PREFIX):
            attribute = name.removeprefix(PREFIX)
            if attribute in found:
                raise Rejected(
                    "capture.unreadable_record", f"The message has the header {name} twice."
                )
            found[attribute] = _text(name, value)
    if content_type.startswith(STRUCTURED) or not found:
        return NOTHING
    if content_type:
        found["datacontenttype"] = content_type
    return found


def _metadata(message: Message, headers: Headers) -> dict[str, str]:
    key = message.key()
    found = {
        "topic": str(message.topic()),
        "partition": str(message.partition()),
        "offset": str(message.offset()),
        "timestamp_ms": str(message.timestamp()[1]),
    }
    if key is not None:
        found["key"] = _text("key", key)
    for name, value in headers:
        found[f"header.{name}"] = (value or b"").decode(errors="replace")
    return found


def _text(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise Rejected("capture.unreadable_record", f"{name} of the message is no UTF-8.") from None
