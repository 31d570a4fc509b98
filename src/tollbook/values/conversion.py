"""Reads foreign values exactly: numbers without loss, instants with their zone, units without guess."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from tollbook.values.quantity import DECIMALS_MAX, INTEGER_DIGITS_MAX, parse_quantity
from tollbook.values.selection import as_text, named

_ZERO: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Units of an epoch, as how many of them are a second.
EPOCHS: Final = {
    "epoch_seconds": 1,
    "epoch_millis": 10**3,
    "epoch_micros": 10**6,
    "epoch_nanos": 10**9,
}
RFC3339: Final = "rfc3339"
_TIMES_KEPT: Final = 4096
_MICROSECONDS: Final = 10**6
_PRECISION: Final = 600
_PLAIN: Final = re.compile(rf"-?[0-9]{{1,{INTEGER_DIGITS_MAX}}}(?:\.[0-9]{{1,{DECIMALS_MAX}}})?")
_FINE: Final = re.compile(r"[-+]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[Ee][-+]?[0-9]{1,2})?")
_FINE_EXPONENT: Final = 40
_DIGITS: Final = re.compile(rf"[0-9]{{1,{INTEGER_DIGITS_MAX}}}")
_BOUND: Final = 10**INTEGER_DIGITS_MAX
# More decimals than any number read, times any factor, can have.
_FINEST: Final = 250
_EXACT: Final = Context(prec=_PRECISION, traps=[InvalidOperation, Inexact])
_TRUE: Final = frozenset({"true", "yes", "1", "t", "y"})
_FALSE: Final = frozenset({"false", "no", "0", "f", "n"})

Conversion = Callable[[Any], Any]


def to_decimal(
    value: Any, *, decimal_mark: str = ".", thousands_mark: str = "", is_fine: bool = False
) -> Decimal:
    """Read a number, or a text that is one as a country writes it; ValueError otherwise.

    `is_fine` takes more decimals than a quantity has: what follows will round or scale them away.
    """
    if type(value) is str:
        if decimal_mark == "." and _PLAIN.fullmatch(value):
            return Decimal(value)
        text = value.strip()
        if thousands_mark:
            text = _without_thousands(text, decimal_mark, thousands_mark)
        if decimal_mark != ".":
            if "." in text:
                raise ValueError(f"{value!r} has a point, but its decimal mark is {decimal_mark!r}")
            text = text.replace(decimal_mark, ".")
        return _bounded(text, value, is_fine=is_fine)
    if type(value) is int or isinstance(value, Decimal):
        return _bounded(value, value, is_fine=is_fine)
    raise ValueError(f"{named(value)} is no number")


def _without_thousands(text: str, decimal_mark: str, thousands_mark: str) -> str:
    whole, mark, rest = text.partition(decimal_mark)
    first, *groups = whole.split(thousands_mark)
    if any(len(group) != 3 for group in groups) or (
        groups and not 1 <= len(first.lstrip("+-")) <= 3
    ):
        raise ValueError(f"{text!r} is not grouped in thousands by {thousands_mark!r}")
    return "".join([first, *groups, mark, rest])


def _bounded(number: str | int | Decimal, found: Any, *, is_fine: bool) -> Decimal:
    try:
        if is_fine and _FINE.fullmatch(str(number)):
            fine = Decimal(number)
            if -_FINE_EXPONENT <= fine.adjusted() < INTEGER_DIGITS_MAX:
                return fine
        return parse_quantity(number)
    except ValueError as error:
        raise ValueError(f"{named(found)} is no number that can be taken: {error}") from None


def to_integer(value: Any) -> int:
    """Read a whole number, or a text that is one; ValueError otherwise."""
    if type(value) is int and -_BOUND < value < _BOUND:
        return value
    if type(value) is str and _DIGITS.fullmatch(value):
        return int(value)
    return to_whole(to_decimal(value))


def to_whole(value: Decimal) -> int:
    """Return a number that is whole; ValueError when it has a fraction."""
    whole = int(value)
    if whole != value:
        raise ValueError(f"{value:f} is not whole: say how to round it")
    return whole


def scaled(value: Decimal, *, multiply: Decimal | None, divide: Decimal | None) -> Decimal:
    """Multiply and divide exactly; ValueError when the result has no end, or none that we keep."""
    try:
        if multiply is not None:
            value = _EXACT.multiply(value, multiply)
        if divide is not None:
            value = _EXACT.divide(value, divide)
    except (Inexact, InvalidOperation):
        raise ValueError(f"{value:f} divided by {divide} has no exact result: round it") from None
    return value


def scaled_and_rounded(
    value: Decimal,
    *,
    multiply: Decimal | None,
    divide: Decimal | None,
    rounding: str,
    decimals: int,
) -> Decimal:
    """Multiply and divide, and round the exact result once, to a number of decimals."""
    numerator = _EXACT.multiply(value, multiply or Decimal(1))
    wanted = Decimal(1).scaleb(-decimals)
    # In whole numbers, because a quotient cut off anywhere could be rounded twice.
    over = _EXACT.multiply(divide or Decimal(1), wanted)
    whole, rest = divmod(_scaled_up(numerator), _scaled_up(over))
    return Decimal(whole + _step_up(whole, rest, _scaled_up(over), rounding)).scaleb(-decimals)


def _scaled_up(value: Decimal) -> int:
    return int(value.scaleb(_FINEST, context=_EXACT))


def _step_up(whole: int, rest: int, over: int, rounding: str) -> int:
    """Return 1 when the floor of a division is to be left for the next whole number."""
    if not rest:
        return 0
    is_negative = whole < 0
    twice = abs(2 * rest) - abs(over)
    match rounding:
        case "up":
            return 0 if is_negative else 1
        case "down":
            return 1 if is_negative else 0
        case "half_up":
            return int(twice > 0 or (twice == 0 and not is_negative))
        case _:
            return int(twice > 0 or (twice == 0 and whole % 2 == 1))


def to_bool(value: Any) -> bool:
    """Read true or false in any usual spelling; ValueError otherwise."""
    word = as_text(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{named(value)} is neither true nor false")


def time_reader(*, pattern: str, zone: str, ambiguous: str) -> Conversion:
    """Return what reads an instant and writes it as RFC 3339; ValueError for a wrong pattern."""
    place = _zone(zone) if zone else None
    if pattern == RFC3339:
        return _rfc3339_reader(place, ambiguous)
    if pattern in EPOCHS:
        if place is not None:
            raise ValueError(f"{pattern} is an instant already: it has no zone")
        return _epoch_reader(EPOCHS[pattern])
    if "%" not in pattern:
        raise ValueError(
            f"{pattern!r} is no format: write rfc3339, {', '.join(EPOCHS)} or a pattern"
        )
    _check_pattern(pattern, has_zone=place is not None)
    return _pattern_reader(pattern, place, ambiguous)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{name!r} is no time zone: write one such as Europe/Berlin") from None


def _check_pattern(pattern: str, *, has_zone: bool) -> None:
    says_zone = "%z" in pattern
    if says_zone == has_zone:
        fault = "says its zone by %z, so it has no `zone`" if says_zone else "needs a `zone`"
        raise ValueError(f"the pattern {pattern!r} {fault}")
    sample = datetime(2001, 12, 13, 14, 15, 16, tzinfo=UTC)
    try:
        datetime.strptime(sample.strftime(pattern), pattern).astimezone(UTC)
    except ValueError as error:
        raise ValueError(f"the pattern {pattern!r} cannot be used ({error})") from None


def _rfc3339_reader(place: ZoneInfo | None, ambiguous: str) -> Conversion:
    convert, kind = msgspec.convert, datetime

    def read(value: Any) -> str:
        try:
            moment = convert(value, kind)
        except ValueError:
            raise ValueError(f"{named(value)} is no RFC 3339 time") from None
        if moment.tzinfo is not None:
            return str(value)
        if place is None:
            raise ValueError(f"{named(value)} has no time zone: say which `zone` it is in")
        return written(_placed(moment, place, ambiguous))

    return read


def _epoch_reader(units: int) -> Conversion:
    per_microsecond = Decimal(units) / _MICROSECONDS

    def read(value: Any) -> str:
        # What is finer than a microsecond is beyond what an event's time can say.
        microseconds = int(to_decimal(value) / per_microsecond)
        try:
            return written(_ZERO + timedelta(microseconds=microseconds))
        except OverflowError:
            raise ValueError(f"{named(value)} is no instant within the calendar") from None

    return read


def _pattern_reader(pattern: str, place: ZoneInfo | None, ambiguous: str) -> Conversion:
    # The rows of a bill name the same hours again and again, and reading by a pattern is slow.
    @lru_cache(_TIMES_KEPT)
    def read_text(text: str) -> str:
        try:
            moment = datetime.strptime(text, pattern)  # noqa: DTZ007 - placed below
        except ValueError:
            raise ValueError(f"{text[:100]!r} is not written as {pattern}") from None
        return written(moment if place is None else _placed(moment, place, ambiguous))

    return lambda value: read_text(as_text(value))


def _placed(moment: datetime, place: ZoneInfo, ambiguous: str) -> datetime:
    """Return a local time as an instant; an hour that a clock shows twice or never is not guessed."""
    earlier = moment.replace(tzinfo=place, fold=0)
    later = moment.replace(tzinfo=place, fold=1)
    if earlier.utcoffset() == later.utcoffset():
        return earlier
    if earlier.astimezone(UTC).astimezone(place).replace(tzinfo=None) != moment:
        raise ValueError(f"there was no {moment} in {place.key}: clocks were put forward")
    if ambiguous == "refuse":
        raise ValueError(
            f"{moment} was twice in {place.key}, when clocks were put back: set `ambiguous`"
        )
    return earlier if ambiguous == "earlier" else later


def written(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
