"""What a meter comes to, by brute force and fractions: shares no code with the product."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Any

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True)
class Use:
    """One event: when, its hash as bytes, and its data."""

    at: datetime
    h: bytes
    data: Mapping[str, Any]


def number(value: Any) -> Fraction | None:
    """Read a number, or None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return Fraction(value) if NUMBER.fullmatch(value) else None
    return Fraction(value) if isinstance(value, int | Decimal) else None


def text(value: Any) -> str | None:
    """Read a text, or None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def counted(
    meter: Mapping[str, Any], uses: Sequence[Use], start: datetime, end: datetime
) -> tuple[Decimal, int]:
    """Count a meter written as in master data: quantity, and how many events are behind it."""
    kept = [(use, value(meter, use.data)) for use in uses if selected(meter, use.data)]
    usable = [(use, found) for use, found in kept if found is not None]
    if meter["aggregation"] == "time_weighted_sum":
        return held(meter, usable, start, end)
    inside = [(use, found) for use, found in usable if start <= use.at < end]
    if not inside:
        return Decimal(0), 0
    numbers = [found for _, found in inside]
    ordered = sorted(inside, key=lambda pair: (pair[0].at, pair[0].h))
    results: dict[str, Callable[[], Fraction]] = {
        "count": lambda: Fraction(len(inside)),
        "sum": lambda: sum(numbers, Fraction(0)),
        "min": lambda: min(numbers),
        "max": lambda: max(numbers),
        "average": lambda: sum(numbers, Fraction(0)) / len(numbers),
        "latest": lambda: ordered[-1][1],
        "unique_count": lambda: Fraction(len(set(numbers))),
        "percentile": lambda: percentile(meter, inside, start, end),
    }
    return rounded(results[meter["aggregation"]]()), len(inside)


def value(meter: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """Return what an event counts for, or None when it lacks it."""
    if meter["aggregation"] == "count":
        return Fraction(1)
    if meter["aggregation"] == "unique_count":
        return text(data.get(meter["value"]))
    if "expression" in meter:
        return computed(meter["expression"], data)
    return number(data.get(meter["value"]))


def computed(expression: str, data: Mapping[str, Any]) -> Fraction | None:
    """Compute an expression by Python itself, which only a test may do."""
    names = set(re.findall(r"[a-z_]+", expression)) - {"min", "max"}
    values = {name: number(data.get(name)) for name in names}
    if None in values.values():
        return None
    exact = re.sub(r"(?<![a-z\d.])(\d+(?:\.\d+)?)", r"Fraction('\1')", expression)
    known = {"Fraction": Fraction, "min": min, "max": max, **values}
    found: Fraction = eval(exact, {"__builtins__": {}}, known)
    return found


def selected(meter: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Tell whether an event passes the conditions."""
    return all(passes(rule, data.get(name)) for name, rule in meter.get("where", {}).items())


def passes(rule: Any, found: Any) -> bool:
    """Tell whether one field passes one condition."""
    if isinstance(rule, str):
        return text(found) == rule
    if isinstance(rule, list):
        return text(found) in rule
    size = number(found)
    checks: dict[str, Callable[[Any], bool]] = {
        "not": lambda limit: text(found) not in limit,
        "exists": lambda wanted: (found is not None) == (str(wanted).lower() == "true"),
        "at_least": lambda limit: size is not None and size >= Fraction(str(limit)),
        "more_than": lambda limit: size is not None and size > Fraction(str(limit)),
        "at_most": lambda limit: size is not None and size <= Fraction(str(limit)),
        "less_than": lambda limit: size is not None and size < Fraction(str(limit)),
    }
    return all(checks[name](limit) for name, limit in rule.items())


def percentile(
    meter: Mapping[str, Any], inside: Sequence[tuple[Use, Any]], start: datetime, end: datetime
) -> Fraction:
    """Walk up the sorted values until enough of them are below or at one."""
    values = [found for _, found in inside]
    if "sample_minutes" in meter:
        length = timedelta(minutes=int(meter["sample_minutes"]))
        first = datetime(2000, 1, 1, tzinfo=UTC)
        sums: dict[int, Fraction] = {}
        for use, found in inside:
            place = (use.at - first) // length
            sums[place] = sums.get(place, Fraction(0)) + found
        if meter.get("empty_samples") == "zero":
            last = (end - timedelta(microseconds=1) - first) // length
            for place in range((start - first) // length, last + 1):
                sums.setdefault(place, Fraction(0))
        values = list(sums.values())
    values.sort()
    share = Fraction(str(meter["percentile"])) / 100
    ranked: Fraction = next(
        v for n, v in enumerate(values, start=1) if Fraction(n, len(values)) >= share
    )
    return ranked


def held(
    meter: Mapping[str, Any], usable: Sequence[tuple[Use, Any]], start: datetime, end: datetime
) -> tuple[Decimal, int]:
    """Follow each series through its own events, one after the other."""
    total, behind = Fraction(0), 0
    names = {text(use.data.get(meter.get("series", ""))) or "" for use, _ in usable}
    for name in names:
        mine = sorted(
            (use.at, use.h, found)
            for use, found in usable
            if (text(use.data.get(meter.get("series", ""))) or "") == name and use.at < end
        )
        for place, (at, _, found) in enumerate(mine):
            until = mine[place + 1][0] if place + 1 < len(mine) else end
            if at < start and until <= start:
                continue
            behind += 1
            seconds = Fraction((until - max(at, start)) // timedelta(microseconds=1), 10**6)
            total += found * seconds
    return rounded(total / UNITS[meter.get("time_unit", "hour")]), behind


def rounded(exact: Fraction) -> Decimal:
    """Write with 12 decimals, half to even."""
    with localcontext() as context:
        context.prec = 200
        quotient = Decimal(exact.numerator) / Decimal(exact.denominator)
        return quotient.quantize(Decimal(1).scaleb(-12), rounding=ROUND_HALF_EVEN)
