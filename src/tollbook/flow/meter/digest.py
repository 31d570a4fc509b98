"""The digest of a set of events: a sum, so that neither order nor grouping matters."""

from datetime import datetime
from typing import Final

from tollbook.flow.capture.identity import identify, instant_text
from tollbook.flow.capture.json_text import canonical, read_object

_MODULUS: Final = 1 << 64


def digest(first: int, second: int) -> str:
    """Write the sums of the two 64-bit halves of event hashes as 32 hexadecimal digits."""
    return f"{first % _MODULUS:016x}{second % _MODULUS:016x}"


def fingerprint(
    source: str, event_id: str, event_type: str, subject: str, occurred_at: datetime, data: str
) -> tuple[int, int]:
    """Return the two halves of an event's hash, computed from what is stored of it."""
    _, first, second = identify(
        source,
        event_id,
        f"{event_type}\n{subject}\n".encode() + instant_text(occurred_at),
        canonical(read_object(data.encode())),
    )
    return first, second
