"""Turns a protobuf message into what its JSON form decodes to, with numbers exact."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

# Samples of what was measured; nothing of them is ever billed.
_LEFT_OUT: Final = frozenset({"exemplars"})


def plain(message: Any) -> dict[str, Any]:
    """Return the fields of a message that are set, by their names in JSON.

    A double becomes the decimal that it is printed as, and None when it is not finite.
    """
    return {
        field.json_name: _value(value)
        for field, value in message.ListFields()
        if field.name not in _LEFT_OUT
    }


def _value(value: Any) -> Any:
    if isinstance(value, float):
        number = Decimal(repr(value))
        return number if number.is_finite() else None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, Sequence):
        return [_value(item) for item in value]
    return plain(value)
