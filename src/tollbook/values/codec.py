"""Records to JSON and back; decimals travel as strings, so nothing is lost on the way."""

import hashlib
import re
from collections.abc import Hashable
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar, cast

import msgspec

T = TypeVar("T")

# A field that is not stated, and not written in JSON either: a field that records gained later does
# not change what they hash to.
Absent = msgspec.UnsetType
ABSENT: Final = msgspec.UNSET

_ENCODER: Final = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_PATH: Final = re.compile(r" - at `\$?\.?(?P<path>[^`]*)`")


def to_json(record: object) -> bytes:
    """Encode a record as JSON with sorted keys: equal records give equal bytes."""
    return _ENCODER.encode(record)


def to_builtins(record: object) -> Any:
    """Turn a record into dicts, lists and strings, as JSON would show it."""
    return msgspec.json.decode(to_json(record))


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Decode JSON into a record of that kind; ValueError tells the field that is wrong."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(readable(error)) from error


def from_exact_json(data: bytes | str, kind: type[T]) -> T:
    """Decode JSON as `from_json`, with every number exact where the record takes anything."""
    try:
        found: T = _decoder(cast("Hashable", kind)).decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(readable(error)) from error
    return found


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, float_hook=Decimal)


def from_builtins(value: object, kind: type[T]) -> T:
    """Build a record from plain dicts and lists (YAML, database); ValueError as `from_json`."""
    try:
        return msgspec.convert(value, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise ValueError(readable(error)) from error


def content_hash(record: object) -> str:
    """Return the SHA-256 of the record's canonical JSON, in hex."""
    return hashlib.sha256(to_json(record)).hexdigest()


def readable(error: Exception) -> str:
    """Rewrite a decoding error as a sentence that names the field first."""
    text = str(error)
    match = _PATH.search(text)
    if match is None:
        return text
    return f"{match['path'] or 'value'}: {text[: match.start()]}"
