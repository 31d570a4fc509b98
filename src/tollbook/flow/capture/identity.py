"""Who an event is, and what it says: the hashes by which arrivals are told apart."""

import hashlib
import struct
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

import msgspec

from tollbook.values.ids import derive, event_digest

DAY_MICROSECONDS: Final = 86_400_000_000
# Instants are counted from here, as PostgreSQL does.
ZERO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_DIGEST_BYTES: Final = 16
_ENCODE: Final = msgspec.json.Encoder().encode
_HALVES: Final = struct.Struct(">qq")


def microseconds(moment: datetime) -> int:
    """Return how many microseconds after the beginning of the year 2000 (UTC) an instant is."""
    since = moment - ZERO
    return since.days * DAY_MICROSECONDS + since.seconds * 1_000_000 + since.microseconds


def instant_text(moment: datetime) -> bytes:
    """Write an instant in UTC as it stands in fingerprints, with the line feed that ends it."""
    return _ENCODE(moment)[1:-1] + b"\n"


def identify(
    source: str, event_id: str, attributes: bytes, data_json: bytes
) -> tuple[bytes, int, int]:
    """Return the digest of the identity, and the two halves of the fingerprint of the whole event.

    `attributes` are type, subject and instant, each ended by a line feed, which no attribute may
    hold; `data_json` is canonical. Two arrivals with one digest are one event; with
    one fingerprint too they are duplicates, else they are in conflict. Key order, white space and
    the way a number is written never matter.
    """
    digest = event_digest(source, event_id)
    content = digest + attributes + data_json
    first, second = _HALVES.unpack(blake2b(content, digest_size=_DIGEST_BYTES).digest())
    return digest, first, second


def conflict_id(digest: bytes, f1: int, f2: int) -> str:
    """Return the id of the conflict that an arrival is: the same content again is the same."""
    return derive("cnf", digest.hex(), _HALVES.pack(f1, f2).hex())


def quarantine_id(raw: bytes) -> str:
    """Return the id under which refused bytes are kept: the same bytes are kept once."""
    return derive("qua", hashlib.sha256(raw).hexdigest())
