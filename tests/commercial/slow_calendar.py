"""Billing calendars written again, slowly: every day is asked whether a period begins on it."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Written = Mapping[str, Any]
Window = tuple[date, date]

DAY = timedelta(days=1)
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}
LENGTHS = {
    "4-4-5": [4, 4, 5] * 4,
    "4-5-4": [4, 5, 4] * 4,
    "5-4-4": [5, 4, 4] * 4,
    "13x4": [4] * 13,
}


def windows(
    calendar: Written, first: date, until: date, start: date, end: date | None
) -> list[Window]:
    """Return the windows of a contract that have a day in [first, until)."""
    begins = beginning(calendar, start)
    horizon = min(end, until + timedelta(days=6000)) if end else until + timedelta(days=6000)
    edges = [start]
    whole = [begins(start)]
    day = start + DAY
    found_after = 0
    while day < horizon and found_after < 3:
        if begins(day):
            edges.append(day)
            found_after += day >= until
        day += DAY
    is_cut = end is not None and day >= end
    if is_cut:
        assert end is not None
        edges.append(end)
        if calendar.get("last") == "merged" and not begins(end) and len(edges) > 2:
            del edges[-2]
    if calendar.get("first") == "merged" and not whole[0] and len(edges) > 2:
        del edges[1]
    pairs = [(edges[at], edges[at + 1]) for at in range(len(edges) - 1)]
    return [(a, b) for a, b in pairs if a < until and b > first]


def beginning(calendar: Written, start: date) -> Callable[[date], bool]:
    """Return whether a period of the calendar begins on a day."""
    every, count = calendar.get("every", "month"), int(calendar.get("count", 1))
    if every == "custom":
        days = [date.fromisoformat(str(one)) for one in calendar["days"]]
        return lambda day: day in days
    if every in LENGTHS:
        return _week_years(calendar, every, count)
    if every in {"day", "week"}:
        base = _base(calendar, start) or (date(2000, 1, 3) if every == "week" else date(2000, 1, 1))
        while calendar.get("anchor_weekday", WEEKDAYS[base.weekday()]) != WEEKDAYS[base.weekday()]:
            base += DAY
        length = count * (7 if every == "week" else 1)
        return lambda day: (day - base).days % length == 0
    return _months(calendar, start, MONTHS[every] * count)


def starts(day: date, zone: str) -> datetime:
    """Return the first quarter of an hour at which a clock in a zone shows a day, or a later one."""
    local = ZoneInfo(zone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=30)
    while moment.astimezone(local).date() < day:
        moment += timedelta(minutes=15)
    return moment


def _base(calendar: Written, start: date) -> date | None:
    anchor = calendar.get("anchor", "calendar")
    if anchor == "calendar":
        return None
    return start if anchor == "contract_start" else date.fromisoformat(str(anchor))


def _last(year: int, month: int) -> int:
    after = date(year + month // 12, month % 12 + 1, 1)
    return (after - DAY).day


def _plus(year: int, month: int, months: int) -> tuple[int, int]:
    while months > 0:
        year, month, months = (
            (year + 1, 1, months - 1) if month == 12 else (year, month + 1, months - 1)
        )
    while months < 0:
        year, month, months = (
            (year - 1, 12, months + 1) if month == 1 else (year, month - 1, months + 1)
        )
    return year, month


def _days_of(year: int, month: int, day: int, rule: str) -> date:
    length = _last(year, month)
    if day <= length:
        return date(year, month, day)
    if rule == "first_of_next":
        return date(year, month, length) + DAY
    if rule == "overflow":
        return date(year, month, length) + (day - length) * DAY
    return date(year, month, length)


def _months(calendar: Written, start: date, step: int) -> Callable[[date], bool]:
    rule = calendar.get("end_of_month", "last_day")
    base = _base(calendar, start)
    asked_day = int(calendar["anchor_day"]) if "anchor_day" in calendar else None
    asked_month = int(calendar["anchor_month"]) if "anchor_month" in calendar else None
    if calendar.get("month_days"):
        wanted = [int(one) for one in calendar["month_days"]]
        return lambda day: any(_days_of(day.year, day.month, one, rule) == day for one in wanted)
    if base is None:
        year, month, anchor = 2000, asked_month or 1, asked_day or 1
    else:
        year, month, anchor = base.year, base.month, asked_day or base.day
        if rule == "always_last" and asked_day is None and base.day == _last(year, month):
            anchor = 31
        while True:
            fits = asked_month is None or month == asked_month
            if asked_month is not None and 12 % step == 0:
                fits = any(_plus(2000, asked_month, n * step)[1] == month for n in range(12))
            if fits and _days_of(year, month, anchor, rule) >= base:
                break
            year, month = _plus(year, month, 1)
    known: dict[int, set[date]] = {}

    def begins(day: date) -> bool:
        if day.year not in known:
            known[day.year] = _edges_near(day.year, year, month, anchor, step, rule)
        return day in known[day.year]

    return begins


def _edges_near(near: int, year: int, month: int, anchor: int, step: int, rule: str) -> set[date]:
    """Walk period by period from the anchor, both ways, to all edges about a year."""
    found = set()
    for direction in (step, -step):
        at, day = (year, month), anchor
        while (at[0] <= near + 1) if direction > 0 else (at[0] >= near - 1):
            if rule == "clamped_stays" and direction > 0:
                day = min(day, _last(*at))
            edge = _days_of(*at, day, rule)
            if abs(edge.year - near) <= 1:
                found.add(edge)
            at = _plus(*at, direction)
    return found


def _week_years(calendar: Written, every: str, count: int) -> Callable[[date], bool]:
    known: dict[int, set[date]] = {}

    def begins(day: date) -> bool:
        if day.year not in known:
            known[day.year] = _week_edges(calendar.get("year_end", {}), every, count, day.year)
        return day in known[day.year]

    return begins


def _week_edges(said: Written, every: str, count: int, near: int) -> set[date]:
    """Walk from the end of one year of weeks to the next, day by day, about a calendar year."""
    long = int(said.get("week_53_in", len(LENGTHS[every]))) - 1
    day = date(near - 2, 1, 1)
    while not _is_year_end(said, day):
        day += DAY
    found = set()
    while day.year <= near + 1:
        first = end = day + DAY
        while not _is_year_end(said, end):
            end += DAY
        weeks = list(LENGTHS[every])
        weeks[long] += (end - day).days == 371
        for at, length in enumerate(weeks):
            found |= {first} if at % count == 0 else set()
            first += 7 * length * DAY
        assert first == end + DAY
        day = end
    return found


def _is_year_end(said: Written, day: date) -> bool:
    month = int(said.get("month", 12))
    if day.weekday() != WEEKDAYS.index(said.get("weekday", "saturday")):
        return False
    if said.get("rule", "last") == "last":
        return day.month == month and (day + 7 * DAY).month != month
    near = [day + n * DAY for n in range(-3, 4)]
    return any(one.month == month and (one + DAY).month != month for one in near)
