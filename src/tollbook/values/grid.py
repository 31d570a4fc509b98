"""The days on which billing periods begin, numbered without end in both directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Final, Literal, Protocol

from tollbook.values.period import Month

EndOfMonth = Literal["last_day", "clamped_stays", "always_last", "first_of_next", "overflow"]

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEKDAYS: Final[tuple[Weekday, ...]] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)

# Every month has these; only a later day can be missing.
SAFE_DAY: Final = 28


class Grid(Protocol):
    """The first days of periods: `edge(n)` begins the n-th, `guess` is near the n of a day."""

    def edge(self, number: int) -> date:
        """Return the first day of a period; ValueError when there is none of that number."""
        ...

    def guess(self, day: date) -> int:
        """Return a number whose period is the day's or a few away from it."""
        ...


def number_of(grid: Grid, day: date) -> int:
    """Return the number of the period that a day falls in."""
    number = grid.guess(day)
    while grid.edge(number) > day:
        number -= 1
    while grid.edge(number + 1) <= day:
        number += 1
    return number


@dataclass(frozen=True, slots=True)
class DayGrid:
    """Periods of so many days, one of which begins on `origin`."""

    origin: date
    step: int

    def edge(self, number: int) -> date:
        """Return the first day of a period."""
        return self.origin + timedelta(days=number * self.step)

    def guess(self, day: date) -> int:
        """Return the number of a day's period."""
        return (day - self.origin).days // self.step


@dataclass(frozen=True, slots=True)
class MonthGrid:
    """Periods of so many months, counted from `origin`, that begin on these days of a month."""

    origin: Month
    step: int
    days: tuple[int, ...]
    end_of_month: EndOfMonth = "last_day"

    def edge(self, number: int) -> date:
        """Return the first day of a period; counted from the origin, so it never drifts."""
        step, which = divmod(number, len(self.days))
        day = self.days[which]
        if self.end_of_month == "clamped_stays":
            day = self._shortest(day, step)
        return placed(self.origin.plus(step * self.step), day, self.end_of_month)

    def guess(self, day: date) -> int:
        """Return the number of a period that begins in the month of a day, or before."""
        return Month.of(day).minus(self.origin) // self.step * len(self.days)

    def _shortest(self, day: int, steps: int) -> int:
        """Return the anchor day after that many periods, each of which may have shortened it."""
        for step in range(1, steps + 1):
            if day <= SAFE_DAY:
                break
            day = min(day, self.origin.plus(step * self.step).last.day)
        return day


@dataclass(frozen=True, slots=True)
class ListGrid:
    """Periods between stated days, in order; the last of them only ends a period."""

    days: tuple[date, ...]

    def edge(self, number: int) -> date:
        """Return the first day of a period; ValueError beyond the list."""
        if not 0 <= number < len(self.days):
            raise ValueError(
                f"the list of days is from {self.days[0]} to {self.days[-1]}: it says nothing "
                "of other days"
            )
        return self.days[number]

    def guess(self, day: date) -> int:
        """Return the number of a day's period."""
        return max(0, sum(1 for one in self.days if one <= day) - 1)


@dataclass(frozen=True, slots=True)
class WeekYearGrid:
    """Periods of whole weeks that make a year of 52 or 53, which ends on a weekday.

    `weeks` are the lengths in a year of 52; `long` is the place of the one that takes the 53rd.
    Year 0 ends in, or nearest to the end of, `month` of the year 2000.
    """

    weeks: tuple[int, ...]
    month: int
    weekday: int
    is_nearest: bool
    long: int

    def edge(self, number: int) -> date:
        """Return the first day of a period."""
        year, place = divmod(number, len(self.weeks))
        start, end = self._year_end(year - 1) + DAY, self._year_end(year) + DAY
        weeks = list(self.weeks)
        weeks[self.long] += (end - start).days // 7 - sum(weeks)
        return start + [0, *accumulate(weeks)][place] * WEEK

    def guess(self, day: date) -> int:
        """Return the number of the first period of the year before a day's, or near it."""
        return (day.year - 2000 - 1) * len(self.weeks)

    def _year_end(self, year: int) -> date:
        last = Month(2000 + year, self.month).last
        back = (last.weekday() - self.weekday) % 7
        is_after = self.is_nearest and back > 3
        return last - timedelta(days=back) + (WEEK if is_after else timedelta())


def placed(month: Month, day: int, rule: EndOfMonth) -> date:
    """Return a day of a month; where the month is too short, what the rule says."""
    if day <= month.last.day:
        return month.first + timedelta(days=day - 1)
    if rule == "first_of_next":
        return month.plus(1).first
    if rule == "overflow":
        return month.first + timedelta(days=day - 1)
    return month.last


def grouped(weeks: Sequence[int], count: int) -> tuple[int, ...]:
    """Add up the weeks of so many periods after each other."""
    return tuple(sum(weeks[at : at + count]) for at in range(0, len(weeks), count))
