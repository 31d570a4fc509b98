"""Turns a JetStream message into a source record."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from nats.aio.msg import Msg

from tollbook.errors import Rejected
from tollbook.sdk.cloudevents import carried
from tollbook.sdk.source import SourceRecord

PREFIX: Final = "ce-"
_ESCAPED: Final = re.compile(r"\\(.)")


def record_of(message: Msg, *, sequence: int) -> SourceRecord:
    """Return the record of a message; `sequence` is its number in the stream."""
    headers = message.headers or {}
    metadata = {f"header.{name.lower()}": value for name, value in headers.items()}
    metadata |= {"subject": message.subject, "sequence": str(sequence)}
    metadata["stream"] = message.metadata.stream
    if "Nats-Msg-Id" in headers:
        metadata["message_id"] = headers["Nats-Msg-Id"]
    try:
        attributes = _attributes(headers)
    except Rejected as refusal:
        return SourceRecord(message.data, metadata=metadata, refusal=refusal)
    return SourceRecord(message.data, attributes, metadata)


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    # Header names have no case; the content type of a binary event may stand under two names.
    lower = [(name.lower(), value) for name, value in headers.items()]
    content_type = next((value for name, value in lower if name == "content-type"), "")
    attributes = carried(lower, prefix=PREFIX, content_type=content_type)
    return {
        name: value if name == "datacontenttype" else _decoded(name, value)
        for name, value in attributes.items()
    }


def _decoded(name: str, value: str) -> str:
    """Undo quoting, then one round of percent-encoding, as the binding asks (3.1.3.2)."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])
    try:
        return unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        raise Rejected(
            "capture.unreadable_record",
            f"The header {PREFIX}{name} is not UTF-8 behind its percent-encoding: have the sender "
            "encode it.",
        ) from None
