"""Half-open periods of time: the start is inside, the end is not."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

# Far from the ends of the calendar, where there is no next month.
_MONTH: Final = re.compile(r"([12][0-9]{3})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A span of time [start, end) between two aware instants, kept in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a period is bounded by instants that carry a time zone")
        if not self.start < self.end:
            raise ValueError(f"a period must end after it starts: {self.start} to {self.end}")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def overlap(self, other: "Period") -> "Period | None":
        """Return the part that both periods share, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None

    @property
    def days(self) -> int:
        """Whole days in the period."""
        return (self.end - self.start).days


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """An accounting month, written 2023-11."""

    year: int
    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 12 or not 1 <= self.year <= 9998:
            raise ValueError(f"there is no month {self.year}-{self.number}")

    @classmethod
    def parse(cls, text: str) -> "Month":
        """Read a month written YYYY-MM; ValueError otherwise."""
        match = _MONTH.fullmatch(text)
        if match is None:
            raise ValueError(f"a period is written YYYY-MM, like 2023-11, not {text!r}")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> "Month":
        """Return the month that a day falls in."""
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def first(self) -> date:
        """First day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """Last day."""
        return self.plus(1).first - timedelta(days=1)

    @property
    def period(self) -> Period:
        """The month as a period in UTC."""
        return Period(midnight(self.first), midnight(self.plus(1).first))

    def plus(self, months: int) -> "Month":
        """Return the month that many months later (earlier if negative)."""
        index = self.year * 12 + self.number - 1 + months
        return Month(index // 12, index % 12 + 1)

    def minus(self, other: "Month") -> int:
        """Return how many months lie between the other month and this one."""
        return (self.year - other.year) * 12 + self.number - other.number


def midnight(day: date) -> datetime:
    """Return the first instant of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
