"""Reads the JSON of an event without losing or guessing anything, and writes it canonically."""

import json
import re
from decimal import Context, Decimal
from itertools import accumulate
from typing import Any, Final

import msgspec

from tollbook.errors import Rejected

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# Far outside every quantity, well inside what a jsonb number can hold.
NUMBER_DIGITS_MAX: Final = 1000
_INTEGER_DIGITS: Final = 40
_WIDE: Final = Context(prec=NUMBER_DIGITS_MAX)

# Far deeper than any usage, far from where a decoder gives up.
DEPTH_MAX: Final = 64
# A string that is never closed goes to the end: looking for its end once more for each of its
# quotes would take a hostile megabyte most of an hour.
_STRINGS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
# As signed bytes: an opening bracket is 1, a closing one -1.
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")

# An escaped NUL that is not itself behind an escaped backslash.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def read_object(raw: bytes) -> dict[str, Any]:
    """Decode one JSON object with exact numbers; Rejected when it is no JSON or not an object.

    Numbers that mean the same become the same: 1.0 and 1e0 are 1, 0.10 is 0.1.
    """
    if may_be_deep(raw) and _depth(raw) > DEPTH_MAX:
        raise Rejected(
            "capture.too_deep", f"The JSON is nested more than {DEPTH_MAX} deep: flatten it."
        )
    try:
        value = _DECODER.decode(raw.removeprefix(BYTE_ORDER_MARK))
    except (msgspec.ValidationError, ArithmeticError):
        raise Rejected(
            "capture.number_out_of_range",
            f"A number has more than {NUMBER_DIGITS_MAX} digits: send it within that range.",
        ) from None
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except ValueError as error:
        raise _malformed(str(error)) from None
    if not isinstance(value, dict):
        raise Rejected(
            "capture.not_an_object", "An event is a JSON object; this is another JSON value."
        )
    return value


def may_be_deep(raw: bytes) -> bool:
    """Tell, at little cost, whether there are enough brackets for too deep a nesting."""
    return raw.count(b"{") + raw.count(b"[") > DEPTH_MAX


def _depth(raw: bytes) -> int:
    brackets = _STRINGS.sub(b"", raw).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0)


def canonical(value: Any) -> bytes:
    """Encode a decoded value with sorted names and exact numbers: equal values, equal bytes."""
    return _SORTED.encode(value)


def holds_nul(canonical_json: bytes) -> bool:
    """Tell whether a string in this JSON holds the character U+0000, which no database text can."""
    return b"\\u0000" in canonical_json and _NUL.search(canonical_json) is not None


def _malformed(why: str) -> Rejected:
    return Rejected(
        "capture.malformed_json", f"The event is not valid JSON ({why}): correct it and replay."
    )


def exact_number(text: str) -> int | Decimal:
    """Read a JSON number; ArithmeticError when it is too long or too far from zero."""
    number = Decimal(text)
    if len(text) > NUMBER_DIGITS_MAX or abs(number.adjusted()) >= NUMBER_DIGITS_MAX:
        raise ArithmeticError(text)
    if number.adjusted() < _INTEGER_DIGITS and number == int(number):
        return int(number)
    return number.normalize(_WIDE)


def refuse_repeated_names(raw: bytes) -> None:
    """Refuse an object with two members of one name.

    A decoder keeps the last, another sender's tool the first: the amount billed would depend on
    who reads.
    """
    text = raw.removeprefix(BYTE_ORDER_MARK)
    json.loads(text, object_pairs_hook=_unrepeated, parse_int=len, parse_float=len)


def _unrepeated(pairs: list[tuple[str, Any]]) -> None:
    names = set()
    for name, _ in pairs:
        if name in names:
            raise Rejected(
                "capture.duplicate_key",
                f"The name {name[:100]!r} stands twice in one object: send each name once.",
            )
        names.add(name)


_DECODER: Final = msgspec.json.Decoder(float_hook=exact_number)
_SORTED: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")
