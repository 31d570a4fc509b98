"""What each aggregation means, exactly: what an event counts for, and what a window comes to.

This page is the one definition. PostgreSQL (`selection/store.py`), sealed days and the tests follow
it; where they differ from it, they are wrong.

Which events. An event counts for a meter when its type is the meter's, its `where` and `filters`
hold, its subject meant a customer at `occurred_at`, and nothing excluded it. A dimension it lacks is
the empty text. An event without the value its meter needs is *unusable*: not counted, and set aside
on the worklist.

The value of an event. A number is a JSON number, or a text that is a decimal (`"1.5"`, `"2e3"`), of
at most 26 digits before and 12 after the point; anything else is no number. A text is the value as
text, a number or true/false as JSON writes it; null and absent are none. An expression has no value
when one of its fields has none.

| Aggregation | A window comes to | Of no events | Value absent or null |
| --- | --- | --- | --- |
| count | how many events | 0 | has no value |
| sum | the exact sum | 0 | unusable |
| min, max | the smallest, the largest | 0 | unusable |
| average | sum / count, 12 decimals, half to even | 0 | unusable |
| latest | the value of the last event; of one instant, that of the larger h | 0 | unusable |
| unique_count | how many different texts | 0 | unusable |
| percentile | the value of rank ceil(p / 100 x n) in ascending order | 0 | unusable |
| time_weighted_sum | value x time held, summed; 12 decimals, half to even | what was held | unusable |

A percentile with `sample_minutes` sums the values in samples of that length first, cut at whole
hours in UTC, and ranks the sums; with `empty_samples: zero` a sample of the window without events
counts as 0, else it is left out.

A time-weighted sum follows gauges. A series is a customer, its dimensions and the text of `series`
(the empty text without one). A value holds from its event until the next event of its series, also
across the edges of windows; of events of one instant the one with the largest h holds, the others
for no time. Before the first event of a series there is nothing. At the end of a window a value is
cut off: it goes on in the next one. So a window needs the last event of each series before it, and
its count and digest include these. Microseconds times value is summed exactly; only the result is
divided by the unit of time and written with 12 decimals. The parts of a window may therefore differ
from the whole by half a unit of the twelfth decimal each.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import groupby
from typing import Any, Final

from tollbook.flow.meter.digest import digest
from tollbook.records.commercial import Filter, Meter, TimeUnit
from tollbook.records.usage import EMPTY_DIGEST
from tollbook.values.formula import Node, evaluate, parse_formula
from tollbook.values.quantity import EXACT, TEXT_MAX, parse_quantity, to_quantity

MICROSECOND: Final = timedelta(microseconds=1)
_MICROSECONDS: Final[dict[TimeUnit, int]] = {
    "second": 10**6,
    "minute": 60 * 10**6,
    "hour": 3600 * 10**6,
    "day": 86400 * 10**6,
}
_NUMBER: Final = re.compile(r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?")
_INDEX: Final = re.compile(r"[0-9]{1,9}")
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one event counts for: its number, or the text by which it is told apart."""

    number: Decimal | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in a window."""

    quantity: Decimal = _ZERO
    event_count: int = 0
    digest: str = EMPTY_DIGEST


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a gauge: since when it holds, its event's hash and both halves of its content."""

    series: str
    at: datetime
    h: bytes
    value: Decimal
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What a window is counted from, summed over whatever pieces it was kept in.

    `values` are (number, how often), `samples` the sum of each sample that has events, `points`
    the gauge values up to the window's end, with at least the last of each series before it.
    """

    events: int = 0
    first: int = 0
    second: int = 0
    total: Decimal | None = None
    smallest: Decimal | None = None
    largest: Decimal | None = None
    newest: Decimal | None = None
    members: int = 0
    values: Sequence[tuple[Decimal, int]] = ()
    samples: Sequence[Decimal] = ()
    points: Sequence[Point] = ()


def field_at(values: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path such as `usage.out` or `items.0`; None when nothing does."""
    found: Any = values
    for name in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and _INDEX.fullmatch(name) and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def text_of(value: Any) -> str | None:
    """Return a JSON value as text, as PostgreSQL writes it; None for null."""
    if value is None or isinstance(value, str):
        return value
    return _json_text(value)


def number_of(value: Any) -> Decimal | None:
    """Return the number in a JSON value: a number, or a text that is one; None for all else."""
    if isinstance(value, str) and (len(value) > TEXT_MAX or not _NUMBER.fullmatch(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        return parse_quantity(Decimal(value))
    except ValueError:
        return None


def matches(meter: Meter, values: Mapping[str, Any]) -> bool:
    """Tell whether an event's data passes the meter's conditions."""
    return all(
        text_of(field_at(values, name)) == wanted for name, wanted in meter.where.items()
    ) and all(_passes(condition, field_at(values, condition.field)) for condition in meter.filters)


def dimensions_of(meter: Meter, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the dimensions an event is counted under, by name."""
    return {name: text_of(field_at(values, name)) or "" for name in sorted(meter.dimensions)}


def read(meter: Meter, values: Mapping[str, Any]) -> Reading | None:
    """Return what an event counts for; None when it lacks the value its meter needs."""
    if meter.aggregation == "count":
        return Reading()
    if meter.aggregation == "unique_count":
        member = text_of(field_at(values, meter.value or ""))
        return None if member is None else Reading(text=member)
    number = _number(meter, values)
    if number is None:
        return None
    if meter.aggregation == "time_weighted_sum" and meter.series is not None:
        return Reading(number, text_of(field_at(values, meter.series)) or "")
    return Reading(number)


def finish(meter: Meter, parts: Parts, start: datetime, end: datetime) -> Counted:
    """Return what a window [start, end) comes to, from its parts; every rounding is in here."""
    if meter.aggregation == "time_weighted_sum":
        return _held(meter, parts.points, start, end)
    quantity = _quantity(meter, parts, start, end)
    return Counted(quantity, parts.events, digest(parts.first, parts.second))


@cache
def formula(text: str) -> Node:
    """Return the tree of an expression that master data holds."""
    return parse_formula(text)


def sample_start(at: datetime, minutes: int) -> datetime:
    """Return the start of the sample that an instant is in; samples are cut at whole hours."""
    return at.replace(minute=at.minute - at.minute % minutes, second=0, microsecond=0)


def _quantity(meter: Meter, parts: Parts, start: datetime, end: datetime) -> Decimal:
    if meter.aggregation == "percentile":
        return _percentile(meter, parts, start, end)
    if meter.aggregation == "average":
        total = Fraction(parts.total or 0)
        return to_quantity(total / parts.events) if parts.events else _ZERO
    found = {
        "count": Decimal(parts.events),
        "sum": parts.total,
        "min": parts.smallest,
        "max": parts.largest,
        "latest": parts.newest,
        "unique_count": Decimal(parts.members),
    }
    return found[meter.aggregation] or _ZERO


def _percentile(meter: Meter, parts: Parts, start: datetime, end: datetime) -> Decimal:
    ranked = list(parts.values)
    if meter.sample_minutes is not None:
        ranked = [(sample, 1) for sample in parts.samples]
        if meter.empty_samples == "zero":
            first = sample_start(start, meter.sample_minutes)
            whole = -((first - end) // timedelta(minutes=meter.sample_minutes))
            ranked.append((_ZERO, max(0, whole - len(parts.samples))))
    ranked.sort()
    share = Fraction(meter.percentile or 0) / 100 * sum(count for _, count in ranked)
    rank = -(-share.numerator // share.denominator)
    for value, count in ranked:
        rank -= count
        if rank <= 0:
            return value
    return _ZERO


def _held(meter: Meter, points: Iterable[Point], start: datetime, end: datetime) -> Counted:
    behind: list[Point] = []
    held = _ZERO
    ordered = sorted(points, key=lambda point: (point.series, point.at, point.h))
    for _, series in groupby(ordered, key=lambda point: point.series):
        found = [point for point in series if point.at < end]
        for point, following in zip(found, [*found[1:], None], strict=True):
            until = following.at if following is not None else end
            if point.at >= start or until > start:
                behind.append(point)
                microseconds = (until - max(point.at, start)) // MICROSECOND
                held = EXACT.add(held, EXACT.multiply(point.value, Decimal(microseconds)))
    return Counted(
        to_quantity(Fraction(held) / _MICROSECONDS[meter.time_unit]),
        len(behind),
        digest(sum(point.first for point in behind), sum(point.second for point in behind)),
    )


def _number(meter: Meter, values: Mapping[str, Any]) -> Decimal | None:
    if meter.expression is not None:
        return evaluate(formula(meter.expression), lambda path: number_of(field_at(values, path)))
    return number_of(field_at(values, meter.value or ""))


def _passes(condition: Filter, value: Any) -> bool:
    text = text_of(value)
    if condition.one_of and text not in condition.one_of:
        return False
    if condition.none_of and text in condition.none_of:
        return False
    if condition.exists is not None and condition.exists != (text is not None):
        return False
    return _in_bounds(condition, value)


def _in_bounds(condition: Filter, value: Any) -> bool:
    least, more = condition.at_least, condition.more_than
    most, less = condition.at_most, condition.less_than
    if least is more is most is less is None:
        return True
    number = number_of(value)
    return number is not None and (
        (least is None or number >= least)
        and (more is None or number > more)
        and (most is None or number <= most)
        and (less is None or number < less)
    )


def _json_text(value: Any) -> str:
    """Write a JSON value as jsonb does: names by length and then by their bytes."""
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return "{" + ", ".join(f"{_quoted(n)}: {_json_text(value[n])}" for n in names) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_json_text, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
