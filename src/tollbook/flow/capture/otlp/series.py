"""Turns the running total of a counter into what was added since its last point, guessing nothing."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.capture.otlp.points import Point

GAP: Final = "capture.metric_gap"

_HOUR: Final = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class LastPoint:
    """The last point of a series: start and time in nanoseconds since 1970, and its total."""

    started: int
    time: int
    total: int | Decimal


@dataclass(frozen=True, slots=True)
class Added:
    """What a point adds: from when, how much; nothing when it was taken before.

    `last` is what the series stands at afterwards. `problem` is why what was added is not known.
    """

    start: int
    value: int | Decimal | None
    last: LastPoint
    problem: Rejected | None = None


def added(point: Point, last: LastPoint | None, *, first_hours_max: int) -> Added:
    """Compare a point of a cumulative series with the last one before it.

    The first point we ever see of a series is usage when it counts for no longer than so many hours;
    beyond, a person says what of it was billed elsewhere.
    """
    now = LastPoint(point.start, point.time, point.value)
    if last is None:
        span = point.time - point.start
        if span <= first_hours_max * _HOUR:
            return Added(point.start, point.value, now)
        why = f"its first point here is a total of more than {first_hours_max} hours"
        return _unknown(point, now, why)
    if point.start == last.started:
        return _same_run(point, last, now)
    if point.start >= last.time:
        # It was restarted after its last point, and counts from zero since then.
        return Added(point.start, point.value, now)
    if point.start < last.started:
        return _unknown(point, last, "it counts from before the start of its last point")
    return _unknown(point, now, "it was restarted before the time of its last point")


def _same_run(point: Point, last: LastPoint, now: LastPoint) -> Added:
    if point.time == last.time and point.value == last.total:
        return Added(last.time, None, last)
    if point.time == last.time:
        return _unknown(point, last, f"its total at this time was {last.total} before")
    if point.time < last.time:
        return _unknown(point, last, "a later point was taken before it")
    if point.value < last.total:
        problem = f"its total fell from {last.total} without a new start"
        return _unknown(point, now, problem)
    return Added(last.time, point.value - last.total, now)


def _unknown(point: Point, last: LastPoint, why: str) -> Added:
    problem = Rejected(
        GAP,
        f"What metric {point.metric} added until now is not known: {why} (total {point.value}). "
        "Later points count from the last one; send what is missing as an event, or discard this.",
        cause=point.metric,
    )
    return Added(point.start, None, last, problem)
