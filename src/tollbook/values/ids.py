"""Typed ids, and ids derived from what a record was made of, so that making it twice is once."""

import base64
import hashlib
from typing import Final, NewType

CustomerId = NewType("CustomerId", str)
EntityId = NewType("EntityId", str)
MeterId = NewType("MeterId", str)
EventId = NewType("EventId", str)
UsageId = NewType("UsageId", str)
ChargeId = NewType("ChargeId", str)
InvoiceId = NewType("InvoiceId", str)
PostingId = NewType("PostingId", str)
EntryId = NewType("EntryId", str)
ScheduleId = NewType("ScheduleId", str)
WorkItemId = NewType("WorkItemId", str)

_DIGEST_BYTES: Final = 16
_SEPARATOR: Final = b"\x1f"


def derive(prefix: str, *parts: str) -> str:
    """Return an id made from its parts: the same parts give the same id, always (128 bits)."""
    return f"{prefix}_{_base32(_digest(prefix, *parts))}"


def event_id(source: str, identifier: str) -> EventId:
    """Return our id of a usage event; its identity is its source and its own id."""
    return EventId(derive("evt", source, identifier))


def short_key(*parts: str) -> str:
    """Return a 16-character key (70 bits) that fits the tightest reference field of every ERP."""
    return "TB" + base64.b32encode(_digest("key16", *parts))[:14].decode()


def _digest(*parts: str) -> bytes:
    # Length first: ("a", "bc") and ("ab", "c") must never meet.
    hasher = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        encoded = part.encode()
        hasher.update(str(len(encoded)).encode() + _SEPARATOR + encoded)
    return hasher.digest()


def _base32(digest: bytes) -> str:
    return base64.b32encode(digest).decode().rstrip("=").lower()
