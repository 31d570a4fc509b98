"""Proration written again, slowly: days and months are walked one by one, all in fractions."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from commercial.slow_calendar import starts

Written = Mapping[str, Any]
Span = tuple[datetime, datetime]

DAY = timedelta(days=1)
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day_elapsed": 86400}


def policy_of(said: Any) -> Written:
    """Return a policy with its keys, where it may be a single word."""
    return {"by": said} if isinstance(said, str) else said


def moment(said: Any, zone: str) -> datetime:
    """Return the instant of a day's beginning in a zone, or the instant that is written."""
    text = str(said)
    return (
        starts(date.fromisoformat(text), zone) if len(text) == 10 else datetime.fromisoformat(text)
    )


def spans(given: Written, policy: Written, zone: str) -> tuple[Span, Span]:
    """Return what was served, and the period."""
    period, served = given["period"], given.get("served", {})
    whole = moment(period["from"], zone), _end(period, zone)
    start = moment(served["from"], zone) if "from" in served else whole[0]
    if policy.get("by") == "day_inclusive" and "through" in served:
        end = moment(served["through"], zone)
    else:
        end = _end(served, zone) if served.keys() & {"until", "through"} else whole[1]
    return (start, end), whole


def counts(served: Span, whole: Span, policy: Written, zone: str) -> tuple[Fraction, Fraction]:
    """Return how much of how much was served."""
    by, of = policy.get("by", "day"), str(policy.get("of", "period"))
    part = max(served[0], whole[0]), min(served[1], whole[1])
    is_touching = part[0] < part[1] or (by == "day_inclusive" and part[0] == part[1] < whole[1])
    if by in {"none", "full_period"}:
        yes = part == whole if by == "none" else part[0] < part[1]
        return Fraction(int(yes)), Fraction(1)
    if not is_touching:
        return Fraction(0), Fraction(1)
    total = _count(whole, whole, policy, zone)
    if by != "month_day" and of == "year":
        year = _day(part[0], zone).year
        total = Fraction(sum(1 for _ in _days(date(year, 1, 1), date(year + 1, 1, 1))))
        total = Fraction(360) if "360" in by else total
    elif by != "month_day" and of != "period":
        total = Fraction(int(of))
    counted = _count(part, whole, policy, zone)
    if part == whole and policy.get("full_is_whole", "yes") in {True, "yes"} and of != "year":
        counted = total
    if policy.get("cap", "yes") in {True, "yes"}:
        counted = min(counted, total)
    return counted, total


def amount(
    served: Fraction, whole: Fraction, policy: Written, quantity: Fraction, price: Fraction
) -> Fraction:
    """Return quantity x price for the fraction, with the roundings of the policy."""
    factor = served / whole
    if served != whole:
        if "factor" in policy:
            factor = rounded(factor, policy["factor"])
        if "quantity" in policy:
            result = rounded(quantity * factor, policy["quantity"]) * price
        else:
            result = carried(quantity * price * factor)
    else:
        result = quantity * price
    return rounded(result, policy["amount"]) if "amount" in policy else result


def carried(value: Fraction) -> Fraction:
    """Return a fraction as it is when it has an end, else at 12 decimals, half to even."""
    if 10**100 % value.denominator == 0:
        return value
    return rounded(value, {"decimals": 12, "rounding": "half_even"})


def rounded(value: Fraction, to: Written) -> Fraction:
    """Round by looking for the two neighbours and choosing one."""
    unit = Fraction(1, 10 ** int(to["decimals"]))
    below = (value // unit) * unit
    above = below + unit
    if value == below:
        return value
    rule = to.get("rounding", "half_up")
    if rule in {"floor", "ceiling"}:
        return below if rule == "floor" else above
    nearer_zero, farther = (below, above) if value > 0 else (above, below)
    if rule == "down":
        return nearer_zero
    if value - below != above - value:
        return below if value - below < above - value else above
    if rule == "half_up":
        return farther
    return below if (below / unit) % 2 == 0 else above


def _end(said: Written, zone: str) -> datetime:
    if "through" in said:
        return starts(date.fromisoformat(said["through"]) + DAY, zone)
    return moment(said["until"], zone)


def _day(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def _days(start: date, until: date) -> Iterator[date]:
    while start < until:
        yield start
        start += DAY


def _count(part: Span, whole: Span, policy: Written, zone: str) -> Fraction:
    by = policy.get("by", "day")
    if by in SECONDS:
        return _clock(part, whole, SECONDS[by], policy.get("whole_units", "up"))
    start, end = _day(part[0], zone), _day(part[1], zone)
    if by == "day":
        return Fraction(sum(1 for _ in _days(start, end)))
    if by == "day_inclusive":
        period = list(_days(_day(whole[0], zone), _day(whole[1], zone)))
        return Fraction(sum(1 for day in period if start <= day <= end))
    if by == "month_day":
        return _months(start, end, whole, policy, zone)
    return Fraction(_thirty(start, end, is_us=by.endswith("us")))


def _clock(part: Span, whole: Span, length: int, rule: str) -> Fraction:
    epoch = datetime(2000, 1, 1, tzinfo=UTC)
    micro = [(at - epoch) // timedelta(microseconds=1) for at in part]
    exact = Fraction(micro[1] - micro[0], 1_000_000 * length)
    if length == 1 or part == whole:
        return exact
    rules = {"up": "ceiling", "down": "floor", "nearest": "half_up"}
    return rounded(exact, {"decimals": 0, "rounding": rules[rule]})


def _thirty(start: date, end: date, *, is_us: bool) -> int:
    """Walk month by month, each of thirty days, between two days that are placed in them."""
    first, last = start.day, end.day
    if is_us:
        ends_february = [day.month == 2 and (day + DAY).month == 3 for day in (start, end)]
        last = 30 if all(ends_february) else last
        first = 30 if ends_february[0] else first
        last = 30 if last == 31 and first in {30, 31} else last
        first = 30 if first == 31 else first
    else:
        first, last = min(first, 30), min(last, 30)
    counted, at = last - first, (start.year, start.month)
    while at != (end.year, end.month):
        counted += 30
        at = (at[0] + 1, 1) if at[1] == 12 else (at[0], at[1] + 1)
    return counted


def _months(start: date, end: date, whole: Span, policy: Written, zone: str) -> Fraction:
    first, until = _day(whole[0], zone), _day(whole[1], zone)
    month, year, number = first, first, Fraction(0)
    while month < until:
        ahead = (year.replace(day=28) + 4 * DAY).replace(day=1)
        last = (ahead.replace(day=28) + 4 * DAY).replace(day=1) - DAY
        after = ahead.replace(day=min(first.day, last.day))
        days = list(_days(month, after))
        served = [day for day in days if start <= day < end]
        of = len(days) if policy.get("of", "period") == "period" else int(policy["of"])
        whole_month = len(served) == len(days)
        number += 1 if whole_month else min(Fraction(1), Fraction(len(served), of))
        month, year = after, ahead
    return number
