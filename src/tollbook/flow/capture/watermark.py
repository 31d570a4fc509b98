"""The event by which a source says that it has sent everything up to an instant."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tollbook.errors import Rejected

# A control event: taken and kept like any other, with any subject, and counted by no meter.
CONTROL_TYPE: Final = "tollbook.watermark"

CONTROL_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["complete_until"],
    "properties": {"complete_until": {"type": "string"}},
}


def read_complete_until(data: Mapping[str, Any]) -> datetime:
    """Return up to when (not included) the source is complete; Rejected when that is no instant."""
    try:
        moment = msgspec.convert(data.get("complete_until"), datetime)
        if moment.tzinfo is None:
            raise ValueError("it has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(
            "capture.invalid_time",
            "data.complete_until must be an RFC 3339 instant with its zone, like "
            "2023-12-01T00:00:00Z.",
        ) from None
