"""Vectors of proration: the fraction of a period that is served, and what an amount becomes."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from tollbook.flow.rate.working import total
from tollbook.masterdata.check_billing import proration_of
from tollbook.values.money import Precise, Rounding, Settled, minor_exponent, settle
from tollbook.values.period import Period
from tollbook.values.proration import (
    ProratedPart,
    Proration,
    change_inside,
    prorated_parts,
    share_served,
)
from tollbook.values.quantity import plain, to_quantity
from tollbook.values.zone import day_start, zone_named
from tollbook.vectors.given import (
    choice,
    day,
    exact,
    instant,
    invalid,
    mapping,
    number,
    only,
    text,
)


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Prorate an amount over a period, or find what a change inside it costs or gives back."""
    only(
        given,
        *("amount", "unit_price", "quantity", "currency", "rounding", "proration"),
        *("period", "served", "zone", "change"),
    )
    policy = proration_of(exact(given.get("proration", {})))
    zone = text(given, "zone", "UTC")
    try:
        zone_named(zone)
        minor_exponent(text(given, "currency", "USD"))
        whole = _period(mapping(given, "period"), zone)
        if "change" in given:
            return _change(given, policy, whole, zone)
        return _share(given, policy, whole, zone)
    except ValueError as error:
        raise invalid(str(error)) from error


def _share(given: Mapping[str, Any], policy: Proration, whole: Period, zone: str) -> dict[str, Any]:
    served = _served(mapping(given, "served"), policy, whole, zone)
    share = share_served(policy, served, whole, zone)
    quantity, unit_price = _terms(given)
    parts = prorated_parts(policy, share, label="fee", quantity=quantity, unit_price=unit_price)
    settled = _settled(given, parts)
    return {
        "fraction": str(share),
        "factor": to_quantity(share.fraction),
        "served": to_quantity(share.served),
        "whole": to_quantity(share.whole),
        "unit": share.unit,
        "amount": total(part.amount for part in parts),
        "payable": settled.money.major,
        "residue": settled.residue,
        "parts": [_written(part) for part in parts],
    }


def _change(
    given: Mapping[str, Any], policy: Proration, whole: Period, zone: str
) -> dict[str, Any]:
    change = mapping(given, "change")
    only(change, "at", "amount", "unit_price", "quantity", "period")
    at = _moment(change, "at", zone)
    if at is None or not whole.start <= at < whole.end:
        raise invalid("`change: {at: ...}` is a day or an instant inside the period")
    new_period = _period(mapping(change, "period"), zone) if "period" in change else None
    if new_period is not None and not new_period.start <= at < new_period.end:
        raise invalid("the change is inside its new period too")
    found = change_inside(
        policy,
        whole,
        at,
        before=_terms(given),
        after=_terms(change),
        new_period=new_period,
        zone=zone,
    )
    credit, charge = _settled(given, found.credit), _settled(given, found.charge)
    return {
        "credit": total(part.amount for part in found.credit),
        "charge": total(part.amount for part in found.charge),
        "credit_payable": credit.money.major,
        "charge_payable": charge.money.major,
        "net": (credit.money + charge.money).major,
        "net_amount": total(part.amount for part in (*found.credit, *found.charge)),
        "takes_effect": found.takes_effect,
        "parts": [_written(part) for part in (*found.credit, *found.charge)],
    }


def _terms(given: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    if "amount" in given and "unit_price" in given:
        raise invalid("give `amount:`, or `unit_price:` and `quantity:`")
    if "amount" in given:
        return Decimal(1), number(given, "amount")
    return number(given, "quantity", Decimal(1)), number(given, "unit_price")


def _settled(given: Mapping[str, Any], parts: Sequence[ProratedPart]) -> Settled:
    rounding: Rounding = choice(  # type: ignore[assignment]
        given, "rounding", get_args(Rounding), "half_even"
    )
    amount = total(part.amount for part in parts)
    return settle(Precise(amount, text(given, "currency", "USD")), rounding)


def _period(said: Mapping[str, Any], zone: str) -> Period:
    only(said, "from", "until", "through")
    start, end = _moment(said, "from", zone), _end(said, zone)
    if start is None or end is None:
        raise invalid("`period:` has `from:` and `until:` (excluded) or `through:` (included)")
    return Period(start, end)


def _served(said: Mapping[str, Any], policy: Proration, whole: Period, zone: str) -> Period:
    only(said, "from", "until", "through")
    start = _moment(said, "from", zone) or whole.start
    # Where both ends count, the day on which the service ends is served: it is the last one.
    last = policy.by == "day_inclusive" and "through" in said
    end = day_start(day(said, "through"), zone) if last else _end(said, zone)
    end = whole.end if end is None else end
    if start > end:
        raise invalid("`served:` ends before it starts")
    # Served from midnight to the same midnight is a moment: where both ends count, it is a day.
    return Period(start, max(end, start + timedelta(microseconds=1)))


def _end(said: Mapping[str, Any], zone: str) -> datetime | None:
    if "through" in said:
        return day_start(day(said, "through") + timedelta(days=1), zone)
    return _moment(said, "until", zone)


def _moment(said: Mapping[str, Any], name: str, zone: str) -> datetime | None:
    """Read a day, which begins at midnight in the zone, or an instant."""
    value = said.get(name)
    if value is None:
        return None
    try:
        return day_start(date.fromisoformat(str(value)), zone)
    except ValueError:
        return instant(said, name)


def _written(part: ProratedPart) -> str:
    per = "" if part.per == 1 else f" / {plain(part.per)}"
    sides = f"{plain(part.quantity)} x {plain(part.unit_price)}{per} = {plain(part.amount)}"
    return f"{part.label}: {sides}"
