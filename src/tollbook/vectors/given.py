"""Reads what a vector gives: each value by its name, refused in words when it is not one."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from re import compile as pattern
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.values.quantity import parse_quantity

_WORDS: Final = {"true": True, "yes": True, "false": False, "no": False}
_NUMBER: Final = pattern(r"[-+]?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?")


def only(given: Mapping[str, Any], *names: str) -> None:
    """Refuse what is given beyond these names: a misspelt policy must not be passed over."""
    for name in given:
        if name not in names:
            raise invalid(f"{name!r} is not known here: there are {', '.join(names)}")


def number(given: Mapping[str, Any], name: str, default: Decimal | None = None) -> Decimal:
    """Read an exact number, negative ones too; 1_000 is 1000."""
    value = given.get(name, default)
    if value is None:
        raise invalid(f"`{name}:` is missing")
    if isinstance(value, Decimal):
        return value
    try:
        return parse_quantity(str(value).replace("_", ""))
    except ValueError as error:
        raise invalid(f"{name} is {value!r}: {error}") from error


def text(given: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Read a text."""
    value = given.get(name, default)
    if not isinstance(value, str):
        raise invalid(f"`{name}:` is a text")
    return value


def choice(given: Mapping[str, Any], name: str, of: tuple[str, ...], default: str = "") -> str:
    """Read one of several words."""
    value = text(given, name, default or None)
    if value not in of:
        raise invalid(f"{name} is {value!r}: it is one of {', '.join(of)}")
    return value


def yes(given: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """Read yes or no (true or false)."""
    value = str(given.get(name, "yes" if default else "no")).lower()
    if value not in {"yes", "no", "true", "false"}:
        raise invalid(f"{name} is {value!r}: it is yes or no")
    return value in {"yes", "true"}


def day(given: Mapping[str, Any], name: str) -> date:
    """Read a day, 2023-11-16."""
    value = text(given, name)
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise invalid(f"{name} is {value!r}: write a day as 2023-11-16") from error


def instant(given: Mapping[str, Any], name: str) -> datetime:
    """Read an instant with its offset, 2023-11-16T18:00:00Z."""
    value = text(given, name)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise invalid(f"{name} is {value!r}: write 2023-11-16T18:00:00Z") from error
    if moment.tzinfo is None:
        raise invalid(f"{name} is {value!r}: say the offset, such as Z or +01:00")
    return moment


def items(given: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Read a list of mappings; none when it is not given."""
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise invalid(f"`{name}:` is a list, each element with keys")
    return value


def mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Read a mapping; empty when it is not given."""
    value = given.get(name, {})
    if not isinstance(value, Mapping):
        raise invalid(f"`{name}:` has keys")
    return value


def exact(value: Any) -> Any:
    """Read texts as master data files do: numbers, true and false (or yes and no); else text."""
    if isinstance(value, Mapping):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        plain = value.replace("_", "")
        return Decimal(plain) if "." in plain else int(plain)
    return _WORDS.get(value, value) if isinstance(value, str) else value


def optional_day(given: Mapping[str, Any], name: str) -> date | None:
    """Read a day; none when it is not given."""
    return day(given, name) if name in given else None


def invalid(message: str) -> Rejected:
    """Return the refusal of what a vector gives."""
    return Rejected("vectors.invalid", f"The vector cannot be run: {message}.")
