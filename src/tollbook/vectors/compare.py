"""What was found beside what a vector expects: numbers by value, texts as they are."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from tollbook.values.quantity import plain

_YES: Final = {"true": True, "yes": True, "false": False, "no": False}


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Return a sentence for each thing that is not as expected.

    Only what a vector names is compared; a list must have as many elements. `none` stands for
    nothing.
    """
    if isinstance(expected, Mapping):
        return _of_mapping(expected, found, path)
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        return _of_list(expected, found, path)
    if _is_same(str(expected), found):
        return []
    return [f"{path or 'result'} is {shown(found)}, not {expected}"]


def shown(value: Any) -> str:
    """Write a value as a vector would."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(shown, value)) + "]"
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return plain(value)
        case _:
            return value.isoformat() if isinstance(value, date) else str(value)


def _of_mapping(expected: Mapping[str, Any], found: Any, path: str) -> list[str]:
    if not isinstance(found, Mapping):
        return [f"{path or 'result'} is {shown(found)}, not a mapping"]
    told: list[str] = []
    for key, value in expected.items():
        place = f"{path}.{key}" if path else key
        if key in found:
            told += differences(value, found[key], place)
        elif value != "none":
            told.append(f"{place} is not there: there are {', '.join(map(str, found)) or 'none'}")
    return told


def _of_list(expected: Sequence[Any], found: Any, path: str) -> list[str]:
    if not isinstance(found, list | tuple):
        return [f"{path or 'result'} is {shown(found)}, not a list"]
    told = []
    if len(expected) != len(found):
        told.append(f"{path} has {len(found)} elements, not {len(expected)}: {shown(found)}")
    for at, (wanted, one) in enumerate(zip(expected, found, strict=False)):
        told += differences(wanted, one, f"{path}[{at}]")
    return told


def _is_same(expected: str, found: Any) -> bool:
    if isinstance(found, Decimal) or type(found) is int:
        return _number(expected) == found
    if isinstance(found, datetime):
        return _instant(expected) == found
    if isinstance(found, bool):
        return _YES.get(expected.lower()) is found
    return expected == shown(found)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace("_", ""))
    except InvalidOperation:
        return None


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
