"""Vectors of billing calendars: which windows there are, and into which one an event falls."""

from collections.abc import Mapping
from datetime import date
from itertools import islice
from typing import Any, Final, get_args

from tollbook.masterdata.check_billing import billing_of
from tollbook.values.calendar import (
    Accumulation,
    BillingCalendar,
    BillingPeriod,
    Days,
    Over,
    accumulation_span,
    billing_periods,
    period_of,
)
from tollbook.values.quantity import to_quantity
from tollbook.values.zone import hours_of, zone_named
from tollbook.vectors.given import (
    choice,
    day,
    exact,
    instant,
    invalid,
    mapping,
    only,
    optional_day,
    text,
)

WINDOWS_MAX: Final = 10_000


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Find the `windows` with a day in [from, until), and the `window` and `span` of an event."""
    only(given, "calendar", "zone", "contract", "from", "until", "event", "accumulate")
    calendar = billing_of(exact(given.get("calendar", {})))
    zone = text(given, "zone", "UTC")
    contract = mapping(given, "contract")
    only(contract, "start", "until")
    until = optional_day(contract, "until")
    try:
        zone_named(zone)
        return _found(given, calendar, zone, _start(given, contract), until)
    except ValueError as error:
        raise invalid(str(error)) from error


def _start(given: Mapping[str, Any], contract: Mapping[str, Any]) -> date:
    """Return the contract's start; long ago where it is not given, but an anchor needs it."""
    start = optional_day(contract, "start")
    calendar = mapping(given, "calendar") if isinstance(given.get("calendar"), Mapping) else {}
    if start is None and calendar.get("anchor") == "contract_start":
        raise invalid("`contract: {start: ...}` is missing: the calendar is anchored on it")
    if start is None and calendar.get("days"):
        return date.fromisoformat(str(calendar["days"][0]))
    return start or date(1900, 1, 1)


def _found(
    given: Mapping[str, Any],
    calendar: BillingCalendar,
    zone: str,
    start: date,
    until: date | None,
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "from" in given:
        within = Days(day(given, "from"), day(given, "until"))
        periods = billing_periods(calendar, start=start, until=until, within=within)
        shown = [shown_period(one, zone) for one in islice(periods, WINDOWS_MAX)]
        found |= {"windows": [one for one in shown if one is not None]}
        found["count"] = len(found["windows"])
        found["days"] = sum(one["days"] for one in found["windows"])
    if "event" in given:
        moment = instant(given, "event")
        local = moment.astimezone(zone_named(zone)).date()
        period = period_of(calendar, moment, start=start, until=until, zone=zone)
        found["day"] = local
        found["window"] = shown_period(period, zone) if period is not None else None
        found["span"] = _span(mapping(given, "accumulate"), local, start, until)
    return found


def shown_period(period: BillingPeriod, zone: str) -> dict[str, Any] | None:
    """Return a billing period as a vector names it; None for a day that the zone skipped."""
    instants = period.days.instants(zone)
    if instants is None:
        return None
    return {
        "start": period.days.start,
        "until": period.days.until,
        "last": period.days.last,
        "days": len(period.days),
        "starts_at": instants.start,
        "ends_at": instants.end,
        "hours": to_quantity(hours_of(instants)),
        "whole": period.is_whole,
    }


def _span(
    accumulate: Mapping[str, Any], local: date, start: date, until: date | None
) -> dict[str, Any] | None:
    if not accumulate:
        return None
    only(accumulate, "over", "reset")
    over: Over = choice(accumulate, "over", get_args(Over))  # type: ignore[assignment]
    first, end = accumulation_span(
        Accumulation(over, optional_day(accumulate, "reset")), local, start=start, until=until
    )
    return {"start": first, "until": end}
