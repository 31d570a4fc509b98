"""Billing calendars: which days are one billing period, and which period an instant falls into."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final, Literal

from tollbook.values.grid import (
    DAY,
    SAFE_DAY,
    WEEKDAYS,
    DayGrid,
    EndOfMonth,
    Grid,
    ListGrid,
    MonthGrid,
    Weekday,
    WeekYearGrid,
    grouped,
    number_of,
    placed,
)
from tollbook.values.period import Month, Period
from tollbook.values.zone import day_start, zone_named

Every = Literal[
    "day",
    "week",
    "month",
    "quarter",
    "half_year",
    "year",
    "4-4-5",
    "4-5-4",
    "5-4-4",
    "13x4",
    "custom",
]

PartialPeriod = Literal["own", "merged"]

Over = Literal[
    "contract_month",
    "contract_quarter",
    "contract_half_year",
    "contract_year",
    "contract_life",
    "calendar_month",
    "calendar_quarter",
    "calendar_half_year",
    "calendar_year",
]

MONTHS: Final[dict[Every, int]] = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}

WEEKS: Final[dict[Every, tuple[int, ...]]] = {
    "4-4-5": (4, 4, 5) * 4,
    "4-5-4": (4, 5, 4) * 4,
    "5-4-4": (5, 4, 4) * 4,
    "13x4": (4,) * 13,
}

_SPAN_UNITS: Final[dict[str, Every]] = {
    "month": "month",
    "quarter": "quarter",
    "half_year": "half_year",
    "year": "year",
}

COUNT_MAX: Final = 120

# Where calendars that nothing else anchors begin to count: a January, and a Monday in it.
EPOCH: Final = Month(2000, 1)
MONDAY: Final = date(2000, 1, 3)


@dataclass(frozen=True, slots=True)
class YearEnd:
    """When a year of whole weeks ends: on a weekday, the last in a month or nearest its last day.

    A 53rd week belongs to the period of this number within the year; the last one by default.
    """

    month: int = 12
    weekday: Weekday = "saturday"
    rule: Literal["last", "nearest"] = "last"
    week_53_in: int | None = None


@dataclass(frozen=True, slots=True)
class BillingCalendar:
    """When billing periods begin, as a contract states it.

    Periods are `count` times `every`, and one begins at the `anchor`: `calendar` (1 January, a
    Monday), `contract_start` or a day like 2024-01-31. `anchor_day`, `anchor_month` and
    `anchor_weekday` move it to the first such day. `month_days` begins several periods a month,
    `days` lists them (custom). `first` and `last` say whether what a contract has of a period at
    its start and end is a period of its `own`, or is `merged` with the one beside it.
    """

    every: Every = "month"
    count: int = 1
    anchor: str = "calendar"
    anchor_day: int | None = None
    anchor_month: int | None = None
    anchor_weekday: Weekday | None = None
    end_of_month: EndOfMonth = "last_day"
    month_days: tuple[int, ...] = ()
    days: tuple[date, ...] = ()
    year_end: YearEnd | None = None
    first: PartialPeriod = "own"
    last: PartialPeriod = "own"


@dataclass(frozen=True, slots=True, order=True)
class Days:
    """Days from `start` until another day, which is not among them."""

    start: date
    until: date

    def __post_init__(self) -> None:
        if not self.start < self.until:
            raise ValueError(f"{self.start} until {self.until} has no days")

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.until

    def __len__(self) -> int:
        return (self.until - self.start).days

    @property
    def last(self) -> date:
        """The last day."""
        return self.until - DAY

    def overlap(self, other: "Days") -> "Days | None":
        """Return the days that both have, or None."""
        start, until = max(self.start, other.start), min(self.until, other.until)
        return Days(start, until) if start < until else None

    def instants(self, zone: str) -> Period | None:
        """Return when the days begin and end in a zone; None for a day that it skipped."""
        start, end = day_start(self.start, zone), day_start(self.until, zone)
        return Period(start, end) if start < end else None


def days_of(month: Month) -> Days:
    """Return the days of a calendar month."""
    return Days(month.first, month.plus(1).first)


@dataclass(frozen=True, slots=True)
class BillingPeriod:
    """The days of one billing period of a contract, and the calendar's periods they are of.

    `wholes` has one period, of which the contract may have a part; or two where a part is merged.
    """

    days: Days
    wholes: tuple[Days, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the contract has all of the calendar's period."""
        return self.wholes == (self.days,)

    @property
    def shares(self) -> tuple[tuple[Days, Days], ...]:
        """What the contract has of each of the calendar's periods, and that period."""
        found = ((self.days.overlap(whole), whole) for whole in self.wholes)
        return tuple((part, whole) for part, whole in found if part is not None)


def grid_of(calendar: BillingCalendar, start: date) -> Grid:
    """Return the days on which periods begin, for a contract that starts on a day.

    The calendar must be sound (`calendar_problems`).
    """
    if calendar.every == "custom":
        return ListGrid(calendar.days)
    if calendar.every in WEEKS:
        return _week_years(calendar)
    if calendar.every == "week":
        return DayGrid(_weekday_anchor(calendar, start), 7 * calendar.count)
    if calendar.every == "day":
        return DayGrid(_base(calendar, start) or EPOCH.first, calendar.count)
    return _months(calendar, start)


def billing_periods(
    calendar: BillingCalendar, *, start: date, until: date | None, within: Days
) -> Iterator[BillingPeriod]:
    """Yield the billing periods of a contract that have a day within some days, in order.

    The contract starts on `start` and ends before `until`, if it ends; its periods tile its days.
    """
    wanted = within.overlap(Days(start, until or date.max))
    if wanted is None:
        return
    grid = grid_of(calendar, start)
    skipped = _merged_edges(calendar, grid, start, until)
    edges = [start]
    # One more on either side: a part that is merged lies in the period beside it.
    for edge in _edges(grid, number_of(grid, wanted.start) - 1):
        if until is not None and edge >= until:
            edges.append(until)
            break
        if edge > start and edge not in skipped:
            edges.append(edge)
            if edge > wanted.last:
                break
    for first, end in pairwise(edges):
        days = Days(first, end)
        if days.overlap(wanted) is not None:
            yield BillingPeriod(days, tuple(_wholes(grid, days)))


def period_of(
    calendar: BillingCalendar, moment: datetime, *, start: date, until: date | None, zone: str
) -> BillingPeriod | None:
    """Return the billing period that an instant falls in, in a zone; None outside the contract."""
    day = moment.astimezone(zone_named(zone)).date()
    # Clocks that went back over midnight may show a day again after the next one has begun.
    around = Days(day - DAY, day + 2 * DAY)
    for found in billing_periods(calendar, start=start, until=until, within=around):
        instants = found.days.instants(zone)
        if instants is not None and moment in instants:
            return found
    return None


def calendar_problems(calendar: BillingCalendar) -> Iterator[tuple[str, str]]:
    """Yield (field, sentence) for what of a calendar makes no sense."""
    every = calendar.every
    if not 1 <= calendar.count <= COUNT_MAX:
        yield "count", f"count is {calendar.count}: it is 1 to {COUNT_MAX}."
    yield from _foreign_fields(calendar)
    try:
        _base(calendar, EPOCH.first)
    except ValueError:
        message = f"anchor is {calendar.anchor!r}: it is calendar, contract_start or a day."
        yield "anchor", message
    for name, most in (("anchor_day", 31), ("anchor_month", 12)):
        value = getattr(calendar, name)
        if value is not None and not 1 <= value <= most:
            yield name, f"{name} is {value}: it is 1 to {most}."
    yield from _month_days_problems(calendar)
    if every == "custom" and (len(calendar.days) < 2 or not _is_rising(calendar.days)):
        yield "days", "days are two or more, each later than the one before."
    if every in WEEKS:
        yield from _year_problems(calendar)


@dataclass(frozen=True, slots=True)
class Accumulation:
    """Over what tiers and commitments count before they start again.

    Calendar spans begin on 1 January, contract spans on the day the contract started; `reset` is
    another day on which one begins. `contract_life` never starts again.
    """

    over: Over = "contract_year"
    reset: date | None = None


def accumulation_span(
    accumulation: Accumulation, day: date, *, start: date, until: date | None
) -> tuple[date, date | None]:
    """Return from when until when it accumulates what falls on a day of a contract's life.

    The span is cut to the contract; a contract without end has a life without end (None).
    """
    over = accumulation.over
    if over == "contract_life":
        return start, until
    whose, _, unit = over.partition("_")
    anchor = accumulation.reset or (start if whose == "contract" else EPOCH.first)
    grid = MonthGrid(Month.of(anchor), MONTHS[_SPAN_UNITS[unit]], (anchor.day,))
    number = number_of(grid, day)
    end = grid.edge(number + 1)
    return max(start, grid.edge(number)), end if until is None else min(end, until)


def _merged_edges(
    calendar: BillingCalendar, grid: Grid, start: date, until: date | None
) -> set[date]:
    """Return the edges at which no period begins, as the part beside them is merged."""
    merged = set()
    number = number_of(grid, start)
    if calendar.first == "merged" and grid.edge(number) != start:
        merged.add(grid.edge(number + 1))
    if calendar.last == "merged" and until is not None:
        edge = grid.edge(number_of(grid, until - DAY))
        if grid.edge(number_of(grid, until - DAY) + 1) != until:
            merged.add(edge)
    return merged


def _edges(grid: Grid, number: int) -> Iterator[date]:
    while True:
        if not isinstance(grid, ListGrid) or number >= 0:
            yield grid.edge(number)
        number += 1


def _wholes(grid: Grid, days: Days) -> Iterator[Days]:
    number = number_of(grid, days.start)
    while grid.edge(number) < days.until:
        yield Days(grid.edge(number), grid.edge(number + 1))
        number += 1


def _base(calendar: BillingCalendar, start: date) -> date | None:
    """Return the day from which an anchor is looked for; None for the calendar's own."""
    if calendar.anchor == "calendar":
        return None
    return start if calendar.anchor == "contract_start" else date.fromisoformat(calendar.anchor)


def _months(calendar: BillingCalendar, start: date) -> MonthGrid:
    step = calendar.count * MONTHS[calendar.every]
    base, rule = _base(calendar, start), calendar.end_of_month
    if calendar.month_days:
        return MonthGrid(Month.of(base or EPOCH.first), step, calendar.month_days, rule)
    if base is None:
        first = Month(EPOCH.year, calendar.anchor_month or 1)
        return MonthGrid(first, step, (calendar.anchor_day or 1,), rule)
    day, month = calendar.anchor_day or base.day, Month.of(base)
    if rule == "always_last" and base == month.last and calendar.anchor_day is None:
        day = 31
    while not _is_anchor_month(calendar, month, step) or placed(month, day, rule) < base:
        month = month.plus(1)
    return MonthGrid(month, step, (day,), rule)


def _is_anchor_month(calendar: BillingCalendar, month: Month, step: int) -> bool:
    """Tell whether a period may begin in a month: a quarter from February on also begins in May."""
    if calendar.anchor_month is None:
        return True
    return (month.number - calendar.anchor_month) % (step if 12 % step == 0 else 12) == 0


def _weekday_anchor(calendar: BillingCalendar, start: date) -> date:
    base = _base(calendar, start) or MONDAY
    if calendar.anchor_weekday is None:
        return base
    return base + timedelta(days=(WEEKDAYS.index(calendar.anchor_weekday) - base.weekday()) % 7)


def _week_years(calendar: BillingCalendar) -> WeekYearGrid:
    year_end, weeks = calendar.year_end or YearEnd(), WEEKS[calendar.every]
    long = (year_end.week_53_in or len(weeks)) - 1
    return WeekYearGrid(
        grouped(weeks, calendar.count),
        year_end.month,
        WEEKDAYS.index(year_end.weekday),
        year_end.rule == "nearest",
        long // calendar.count,
    )


def _foreign_fields(calendar: BillingCalendar) -> Iterator[tuple[str, str]]:
    """Yield the fields that say nothing about these periods."""
    every, in_months = calendar.every, calendar.every in MONTHS
    of_its_own = every in WEEKS or every == "custom"
    for name, belongs in (
        ("anchor_day", in_months and not calendar.month_days),
        ("anchor_month", in_months and not calendar.month_days),
        ("anchor_weekday", every == "week"),
        ("month_days", every == "month" and calendar.count == 1),
        ("days", every == "custom"),
        ("year_end", every in WEEKS),
    ):
        if getattr(calendar, name) and not belongs:
            yield name, f"{name} says nothing about periods of {calendar.count} x {every}."
    if of_its_own and calendar.anchor != "calendar":
        yield "anchor", f"{every} is anchored by itself: leave out anchor."
    if every == "custom" and calendar.count != 1:
        yield "count", "custom periods are listed one by one: leave out count."
    if not in_months and calendar.end_of_month != "last_day":
        yield "end_of_month", f"end_of_month says nothing about periods of {every}."


def _month_days_problems(calendar: BillingCalendar) -> Iterator[tuple[str, str]]:
    found = calendar.month_days
    if not found:
        return
    if not _is_rising(found) or found[0] < 1 or found[-1] > 31:
        yield "month_days", "month_days are days of a month, 1 to 31, each later than the last."
    elif any(day > SAFE_DAY - 1 for day in found[:-1]):
        yield "month_days", "all month_days but the last are at most 27: February has 28."
    if calendar.end_of_month != "last_day":
        yield "end_of_month", "month_days that a month does not have are its last day: last_day."


def _year_problems(calendar: BillingCalendar) -> Iterator[tuple[str, str]]:
    periods = len(WEEKS[calendar.every])
    if periods % calendar.count:
        yield "count", f"a year of {periods} periods cannot be divided by {calendar.count}."
    year_end = calendar.year_end or YearEnd()
    if not 1 <= year_end.month <= 12:
        yield "year_end", f"year_end.month is {year_end.month}: it is 1 to 12."
    if year_end.week_53_in is not None and not 1 <= year_end.week_53_in <= periods:
        yield "year_end", f"week_53_in is {year_end.week_53_in}: it is 1 to {periods}."


def _is_rising(found: Sequence[Any]) -> bool:
    return all(before < after for before, after in pairwise(found))
