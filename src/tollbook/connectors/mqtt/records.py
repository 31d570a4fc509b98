"""Turns an MQTT message into a source record."""

from collections.abc import Mapping

from paho.mqtt.client import MQTTMessage

from tollbook.errors import Rejected
from tollbook.sdk.cloudevents import carried
from tollbook.sdk.source import SourceRecord


def record_of(message: MQTTMessage, levels: Mapping[int, str]) -> SourceRecord:
    """Return the record of a message; `levels` names levels of its topic, counted from 0."""
    properties = message.properties
    content_type: str = getattr(properties, "ContentType", "")
    pairs: list[tuple[str, str]] = getattr(properties, "UserProperty", [])
    body = bytes(message.payload)
    try:
        metadata = _metadata(message, pairs, levels)
    except UnicodeDecodeError:
        words = "The topic of the message is no UTF-8: have the device publish under another."
        return SourceRecord(body, refusal=Rejected("capture.unreadable_record", words))
    if content_type:
        metadata["content_type"] = content_type
    try:
        # An attribute is a user property of the same name, without prefix.
        attributes = carried(pairs, prefix="", content_type=content_type)
    except Rejected as refusal:
        return SourceRecord(body, metadata=metadata, refusal=refusal)
    return SourceRecord(body, attributes, metadata)


def _metadata(
    message: MQTTMessage, pairs: list[tuple[str, str]], levels: Mapping[int, str]
) -> dict[str, str]:
    parts = message.topic.split("/")
    metadata = {f"property.{name}": value for name, value in pairs}
    metadata |= {name: parts[at] for at, name in levels.items() if at < len(parts)}
    metadata |= {"topic": message.topic, "qos": str(message.qos)}
    metadata["retain"] = "true" if message.retain else "false"
    correlation: bytes | None = getattr(message.properties, "CorrelationData", None)
    if correlation is not None:
        metadata["correlation_data"] = correlation.hex()
    return metadata
