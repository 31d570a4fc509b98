"""When days, hours and months begin in a time zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tollbook.values.period import Month, Period

WindowKind = Literal["minute", "hour", "day", "month"]

# Since 1972 no zone has been off UTC by anything but a multiple of this.
QUARTER: Final = timedelta(minutes=15)


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name; ValueError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}: write one like Europe/Paris") from error


def day_start(day: date, zone: str) -> datetime:
    """Return the first instant of a day in a zone, in UTC.

    Where clocks jump over midnight the day begins with the jump; where midnight comes twice, with
    the first.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone_named(zone)).astimezone(UTC)


def instants(period: Period, zone: str) -> Period:
    """Return when the days of a period, given as midnights in UTC, begin and end in a zone."""
    if zone == "UTC":
        return period
    return Period(day_start(period.start.date(), zone), day_start(period.end.date(), zone))


def hours_of(period: Period) -> Fraction:
    """Return how many hours a period has: a day on which clocks change has 23 or 25."""
    return Fraction((period.end - period.start) // timedelta(microseconds=1), 3_600_000_000)


def bucket_minutes(zones: frozenset[str]) -> int:
    """Return the longest span, up to an hour, at whose multiples every day of the zones begins.

    60 where all are off UTC by whole hours, in summer and winter, since the year 2000; else 15.
    """
    return 60 if all(_is_on_the_hour(zone) for zone in zones) else 15


def windows_of(kind: WindowKind, span: Period, zone: str) -> Iterator[Period]:
    """Yield the windows of a kind that tile a span; the first and last are cut to it.

    A day on which clocks change has 23 or 25 hours. A window of an hour begins whenever the
    minutes of a clock there are 00.
    """
    # A day that a zone skipped begins and ends with the one after it: it has no window.
    found = dict.fromkeys(_edges(kind, span, zone))
    edges = [edge for edge in found if span.start < edge < span.end]
    for start, end in pairwise([span.start, *edges, span.end]):
        yield Period(start, end)


def _edges(kind: WindowKind, span: Period, zone: str) -> Iterator[datetime]:
    local = zone_named(zone)
    first = span.start.astimezone(local).date()
    last = span.end.astimezone(local).date()
    if kind == "month":
        month = Month.of(first)
        while month.first <= last:
            yield day_start(month.first, zone)
            month = month.plus(1)
    elif kind == "day":
        for offset in range((last - first).days + 1):
            yield day_start(first + timedelta(days=offset), zone)
    else:
        step = QUARTER if kind == "hour" else timedelta(minutes=1)
        instant = span.start.replace(minute=0, second=0, microsecond=0)
        while instant < span.end:
            if kind == "minute" or instant.astimezone(local).minute == 0:
                yield instant
            instant += step


@cache
def _is_on_the_hour(zone: str) -> bool:
    local = zone_named(zone)
    weeks = (datetime(2000, 1, 1, tzinfo=UTC) + timedelta(weeks=n) for n in range(52 * 60))
    hour = timedelta(hours=1)
    return all((week.astimezone(local).utcoffset() or hour) % hour == timedelta() for week in weeks)
