"""Proration: which fraction of a billing period was served, by a stated policy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import gcd
from typing import Final, Literal

from tollbook.values.grid import DAY, placed
from tollbook.values.money import EXACT, Rounding
from tollbook.values.period import Month, Period
from tollbook.values.zone import zone_named

ProrationBasis = Literal[
    "second",
    "minute",
    "hour",
    "day_elapsed",
    "day",
    "day_inclusive",
    "day_30_360_us",
    "day_30_360_eu",
    "month_day",
    "full_period",
    "none",
]

WholeUnits = Literal["up", "down", "nearest"]

CreditTiming = Literal["now", "period_end", "none"]

# As many as a price may have: what a division that has no end is carried with.
CARRIED_DECIMALS: Final = 12

# What a period may be taken to have, in the unit of the basis: a century of seconds.
OF_MAX: Final = 3_155_760_000

_SECONDS: Final[dict[ProrationBasis, int]] = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day_elapsed": 86_400,
}


@dataclass(frozen=True, slots=True)
class RoundTo:
    """Round to so many decimals, by a rule."""

    decimals: int
    rounding: Rounding = "half_up"


@dataclass(frozen=True, slots=True)
class Proration:
    """How a part of a billing period is charged.

    `by` is what is counted, `of` what the whole is: `period` (what the period has), `year` (the
    days of the year that the served part begins in, for an amount a year) or a number (30). While
    `cap` holds never more than the whole is served, and while `full_is_whole` holds a period served
    in full costs the whole, whatever `of` says. `factor` rounds the fraction, `quantity` the prorated quantity and
    `amount` the prorated amount; nothing is rounded where they are not given. Elapsed minutes,
    hours and days that are not full count as `whole_units` says. `credit` says when a downgrade gives back what
    is unused.
    """

    by: ProrationBasis = "day"
    of: str = "period"
    cap: bool = True
    full_is_whole: bool = True
    whole_units: WholeUnits = "up"
    factor: RoundTo | None = None
    quantity: RoundTo | None = None
    amount: RoundTo | None = None
    credit: CreditTiming = "now"


# A started period is owed whole: what holds for contracts that say nothing.
WHOLE_FEE: Final = Proration(by="full_period")


@dataclass(frozen=True, slots=True)
class Share:
    """How much of the whole was served: `served` of `whole`, both counted in `unit`."""

    served: Fraction
    whole: Fraction
    unit: str
    factor: RoundTo | None = None

    @property
    def fraction(self) -> Fraction:
        """The exact fraction, before any rounding of it."""
        return self.served / self.whole

    @property
    def counts(self) -> tuple[int, int]:
        """Served and whole as whole numbers in the same ratio; not shortened where they are."""
        scale = _common(self.served.denominator, self.whole.denominator)
        return int(self.served * scale), int(self.whole * scale)

    def __str__(self) -> str:
        served, whole = self.counts
        return f"{served}/{whole}"


@dataclass(frozen=True, slots=True)
class ProratedPart:
    """One line of the working: quantity x unit price / per = amount, and what it is."""

    label: str
    quantity: Decimal
    unit_price: Decimal
    per: Decimal
    amount: Decimal


def share_served(policy: Proration, served: Period, whole: Period, zone: str = "UTC") -> Share:
    """Return how much of a period was served between two instants, which are cut to it.

    Days begin and end in the zone. Raises ValueError where months are counted and the period has
    no whole number of them.
    """
    part = served.overlap(whole)
    if policy.by == "none":
        full = part == whole
        return Share(Fraction(int(full)), Fraction(1), "period")
    if part is None or policy.by == "full_period":
        return Share(Fraction(int(part is not None)), Fraction(1), "period")
    count, unit = _COUNTS[policy.by], _UNITS[policy.by]
    counted = count(policy, part, whole, zone)
    total = _whole(policy, count(policy, whole, whole, zone), part, zone)
    if part == whole and policy.full_is_whole and policy.of != "year":
        counted = total
    if policy.cap:
        counted = min(counted, total)
    return Share(counted, total, unit, policy.factor)


def prorated_parts(
    policy: Proration, share: Share, *, label: str, quantity: Decimal, unit_price: Decimal
) -> list[ProratedPart]:
    """Return the working of quantity x unit price for a share of the period.

    Parts multiply out: quantity x unit price / per = amount, exactly where the division has an
    end, else at 12 decimals, half to even.
    """
    if share.served == share.whole:
        parts = [_part(label, quantity, unit_price)]
    elif policy.quantity is not None:
        exact = Fraction(quantity) * _factor(share)
        rounded_quantity = rounded(exact, policy.quantity)
        parts = [_part(f"{label}, {_said(share)}", rounded_quantity, unit_price)]
    elif share.factor is not None:
        factor = rounded(share.fraction, share.factor)
        amount = EXACT.multiply(quantity, unit_price)
        parts = [_part(f"{label}, {_said(share)}", factor, amount)]
    else:
        served, whole = share.counts
        name = f"{label}, {_said(share)}"
        amount = EXACT.multiply(quantity, unit_price)
        parts = [_part(name, Decimal(served), amount, Decimal(whole))]
    return parts + _rounding_part(policy, parts[0].amount)


def part_amount(quantity: Decimal, unit_price: Decimal, per: Decimal) -> Decimal:
    """Return quantity x unit price / per; at 12 decimals, half to even, if it has no end."""
    product = EXACT.multiply(quantity, unit_price)
    if per == 1:
        return product
    if _always_ends(per):
        return EXACT.divide(product, per)
    exact = Fraction(product) / Fraction(per)
    if _has_end(exact.denominator):
        return EXACT.divide(product, per)
    return rounded(exact, RoundTo(CARRIED_DECIMALS, "half_even"))


def rounded(value: Fraction, to: RoundTo) -> Decimal:
    """Return a fraction at so many decimals; a half goes where the rule says."""
    scaled = value * 10**to.decimals
    below, rest = divmod(scaled.numerator, scaled.denominator)
    half = Fraction(rest, scaled.denominator) - Fraction(1, 2)
    up = {
        "floor": False,
        "ceiling": rest > 0,
        "down": below < 0 and rest > 0,
        "half_up": half > 0 or (half == 0 and below >= 0),
        "half_even": half > 0 or (half == 0 and below % 2 == 1),
    }[to.rounding]
    return EXACT.scaleb(Decimal(below + int(up)), -to.decimals)


@dataclass(frozen=True, slots=True)
class Change:
    """What a change inside a billing period, paid in advance, costs or gives back at once.

    `credit` is for the unused part of the old terms, negative; `charge` for the rest of the period
    on the new ones. Both are empty when the change waits for the end of the period.
    """

    credit: list[ProratedPart] = field(default_factory=list)
    charge: list[ProratedPart] = field(default_factory=list)
    takes_effect: datetime | None = None


def change_inside(
    policy: Proration,
    whole: Period,
    at: datetime,
    *,
    before: tuple[Decimal, Decimal],
    after: tuple[Decimal, Decimal],
    new_period: Period | None = None,
    zone: str = "UTC",
) -> Change:
    """Return what a change of (quantity, unit price) inside a period that was paid ahead means.

    More is always charged now: the rest of the period on the new terms, less the unused rest of
    the old. Less follows `credit`: `now` in the same way, `period_end` once the period is over,
    `none` at once and nothing is given back. `new_period` is that of the new terms, where the change
    begins another one, such as a year from now on.
    """
    is_less = EXACT.multiply(*after) < EXACT.multiply(*before)
    if is_less and policy.credit == "period_end":
        return Change(takes_effect=whole.end)
    if is_less and policy.credit == "none":
        return Change(takes_effect=at)
    new = new_period or whole
    unused, rest = (
        share_served(policy, Period(at, period.end), period, zone) for period in (whole, new)
    )
    credit = prorated_parts(
        policy, unused, label="unused", quantity=before[0], unit_price=EXACT.minus(before[1])
    )
    charge = prorated_parts(policy, rest, label="rest", quantity=after[0], unit_price=after[1])
    return Change(credit if unused.served else [], charge if rest.served else [], at)


def proration_problems(policy: Proration) -> Iterator[tuple[str, str]]:
    """Yield (field, sentence) for what of a policy makes no sense."""
    if policy.of not in {"period", "year"}:
        number = int(policy.of) if policy.of.isascii() and policy.of.isdigit() else 0
        if not 1 <= number <= OF_MAX:
            yield "of", f"of is {policy.of!r}: it is period, year or a whole number such as 30."
    if policy.of == "year" and policy.by in {*_SECONDS, "month_day"}:
        yield "of", f"of: year counts days, and {policy.by} is counted here."
    if policy.of != "period" and policy.by in {"full_period", "none"}:
        yield "of", f"of says nothing about {policy.by}."
    for name in ("factor", "quantity", "amount"):
        to: RoundTo | None = getattr(policy, name)
        if to is not None and not 0 <= to.decimals <= CARRIED_DECIMALS:
            yield name, f"{name}.decimals is {to.decimals}: it is 0 to {CARRIED_DECIMALS}."


def _part(label: str, quantity: Decimal, price: Decimal, per: Decimal = Decimal(1)) -> ProratedPart:
    return ProratedPart(label, quantity, price, per, part_amount(quantity, price, per))


def _factor(share: Share) -> Fraction:
    if share.factor is None:
        return share.fraction
    return Fraction(rounded(share.fraction, share.factor))


def _said(share: Share) -> str:
    served, whole = share.counts
    return f"{served} of {whole} {share.unit}s"


def _rounding_part(policy: Proration, amount: Decimal) -> list[ProratedPart]:
    if policy.amount is None:
        return []
    less = EXACT.subtract(rounded(Fraction(amount), policy.amount), amount)
    label = f"rounded {policy.amount.rounding} to {policy.amount.decimals} decimals"
    return [_part(label, Decimal(1), less)] if less else []


def _whole(policy: Proration, counted: Fraction, part: Period, zone: str) -> Fraction:
    if policy.of == "period" or policy.by == "month_day":
        return counted
    if policy.of == "year":
        year = part.start.astimezone(zone_named(zone)).year
        days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
        return Fraction(360 if policy.by in {"day_30_360_us", "day_30_360_eu"} else days)
    return Fraction(int(policy.of))


def _clock(policy: Proration, part: Period, whole: Period, _zone: str) -> Fraction:
    unit = timedelta(seconds=_SECONDS[policy.by])
    micro = timedelta(microseconds=1)
    exact = Fraction((part.end - part.start) // micro, unit // micro)
    if policy.by == "second" or part == whole:
        return exact
    to: dict[str, Rounding] = {"up": "ceiling", "down": "floor", "nearest": "half_up"}
    return Fraction(rounded(exact, RoundTo(0, to[policy.whole_units])))


def _days(_policy: Proration, part: Period, _whole: Period, zone: str) -> Fraction:
    start, end = _local(part, zone)
    return Fraction((end - start).days)


def _days_inclusive(_policy: Proration, part: Period, whole: Period, zone: str) -> Fraction:
    start, end = _local(part, zone)
    last = _local(whole, zone)[1] - DAY
    return Fraction((min(end, last) - start).days + 1)


def _days_360_us(_policy: Proration, part: Period, _whole: Period, zone: str) -> Fraction:
    start, end = _local(part, zone)
    first, last = start.day, end.day
    is_end_of_february = start.month == 2 and start == Month.of(start).last
    if is_end_of_february:
        if end.month == 2 and end == Month.of(end).last:
            last = 30
        first = 30
    if last == 31 and first >= 30:
        last = 30
    return Fraction(_in_months(start, end) * 30 + last - min(first, 30))


def _days_360_eu(_policy: Proration, part: Period, _whole: Period, zone: str) -> Fraction:
    start, end = _local(part, zone)
    return Fraction(_in_months(start, end) * 30 + min(end.day, 30) - min(start.day, 30))


def _months_and_days(policy: Proration, part: Period, whole: Period, zone: str) -> Fraction:
    """Count each month of the period as one, and a part of it by its days (or of `of` days)."""
    start, end = _local(part, zone)
    first, until = _local(whole, zone)
    edges = [first]
    while edges[-1] < until:
        edges.append(placed(Month.of(first).plus(len(edges)), first.day, "last_day"))
    if edges[-1] != until:
        raise ValueError(f"{first} until {until} is no whole number of months")
    months = Fraction(0)
    for month, after in pairwise(edges):
        days = (min(end, after) - max(start, month)).days
        length = (after - month).days
        if days == length:
            months += 1
        elif days > 0:
            of = length if policy.of == "period" else int(policy.of)
            months += min(Fraction(1), Fraction(days, of))
    return months


def _local(period: Period, zone: str) -> tuple[date, date]:
    local = zone_named(zone)
    return period.start.astimezone(local).date(), period.end.astimezone(local).date()


def _in_months(start: date, end: date) -> int:
    return Month.of(end).minus(Month.of(start))


def _common(left: int, right: int) -> int:
    return left * right // gcd(left, right)


@lru_cache(maxsize=1024)
def _always_ends(per: Decimal) -> bool:
    """Tell whether any finite decimal divided by `per` is one again, as by 1000 and not by 31."""
    return per != 0 and _has_end(abs(per.as_integer_ratio()[0]))


def _has_end(denominator: int) -> bool:
    """Tell whether a fraction with a denominator, in lowest terms, has a finite decimal."""
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator == 1


_COUNTS: Final[dict[ProrationBasis, Callable[[Proration, Period, Period, str], Fraction]]] = {
    "second": _clock,
    "minute": _clock,
    "hour": _clock,
    "day_elapsed": _clock,
    "day": _days,
    "day_inclusive": _days_inclusive,
    "day_30_360_us": _days_360_us,
    "day_30_360_eu": _days_360_eu,
    "month_day": _months_and_days,
}

_UNITS: Final[dict[ProrationBasis, str]] = {
    "second": "second",
    "minute": "minute",
    "hour": "hour",
    "day_elapsed": "day",
    "day": "day",
    "day_inclusive": "day",
    "day_30_360_us": "day",
    "day_30_360_eu": "day",
    "month_day": "month",
}
