"""The digest of a set of events: a sum, so that neither order nor grouping matters."""

from collections.abc import Iterable
from typing import Final

_MODULUS: Final = 1 << 64


def digest(first: int, second: int) -> str:
    """Write the sums of the two 64-bit halves of event hashes as 32 hexadecimal digits."""
    return f"{first % _MODULUS:016x}{second % _MODULUS:016x}"


def combine(digests: Iterable[str]) -> str:
    """Return the digest of all the events behind these digests together."""
    first = second = 0
    for text in digests:
        first += int(text[:16], 16)
        second += int(text[16:], 16)
    return digest(first, second)
