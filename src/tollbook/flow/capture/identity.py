"""Who an event is, and what it says: the hashes by which arrivals are told apart."""

import hashlib
import struct
from typing import Final

from tollbook.values.ids import derive, event_digest

_DIGEST_BYTES: Final = 16
_HALVES: Final = struct.Struct(">qq")


def identify(
    *, source: str, event_id: str, attributes: str, data_json: bytes
) -> tuple[bytes, int, int]:
    """Return the digest of the identity, and the two halves of the fingerprint of the whole event.

    `attributes` are type, subject and instant in UTC, each ended by a line feed, which no attribute
    may hold; `data_json` is canonical. Two arrivals with one digest are one event; with one
    fingerprint too they are duplicates, else they are in conflict. Key order, white space and the
    way a number is written never matter.
    """
    digest = event_digest(source, event_id)
    content = digest + attributes.encode() + data_json
    fingerprint = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
    return digest, *_HALVES.unpack(fingerprint)


def conflict_id(digest: bytes, f1: int, f2: int) -> str:
    """Return the id of the conflict that an arrival is: the same content again is the same."""
    return derive("cnf", digest.hex(), _HALVES.pack(f1, f2).hex())


def quarantine_id(raw: bytes) -> str:
    """Return the id under which refused bytes are kept: the same bytes are kept once."""
    return derive("qua", hashlib.sha256(raw).hexdigest())
