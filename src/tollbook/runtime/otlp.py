"""Takes the points of OTLP metrics requests: counters become events, each exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tollbook.errors import Rejected, Transient
from tollbook.flow.capture.mapping import OTLP_MAPPING
from tollbook.flow.capture.otlp import store
from tollbook.flow.capture.otlp.points import Point, body_of, read_points
from tollbook.flow.capture.otlp.series import LastPoint, added
from tollbook.flow.capture.step import Captured
from tollbook.runtime.intake import Desk
from tollbook.sdk.source import SourceRecord
from tollbook.storage.database import Connection, Database
from tollbook.values.clock import Clock

ATTEMPTS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class PointsTaken:
    """How many points were refused, and why the first of them was; the rest is stored or ignored."""

    refused: int
    message: str


class _Moved(Exception):
    """Another request has moved a series since we read where it stood."""


class MetricsDoor:
    """Takes decoded requests; any number of threads may use one."""

    def __init__(
        self,
        desk: Desk,
        database: Database,
        clock: Clock,
        *,
        first_hours_max: int,
        mapping: str = OTLP_MAPPING,
    ) -> None:
        self._desk = desk
        self._database = database
        self._clock = clock
        self._first_hours_max = first_hours_max
        self._mapping = mapping

    def take(self, request: Any) -> PointsTaken:
        """Store what the points of a request add; returns after the commit.

        Rejected with `capture.bad_otlp` when it is no request; Transient when nothing was stored
        and sending it again is safe.
        """
        try:
            points = list(read_points(request))
        except (ValueError, RecursionError) as error:
            raise Rejected(
                "capture.bad_otlp", f"This is no OTLP metrics request: {error}."
            ) from None
        for _ in range(ATTEMPTS_MAX):
            try:
                captured = self._take(points)
            except _Moved:
                continue
            refused = [a for a in captured.answers if a.status in {"rejected", "conflict"}]
            return PointsTaken(len(refused), refused[0].message if refused else "")
        raise Transient(
            "capture.busy",
            "Other requests bring points of the same series: send these again in a second.",
            retry_after_seconds=1,
        )

    def _take(self, points: Sequence[Point]) -> Captured:
        totals = {p.series for p in points if p.temporality == "cumulative" and not p.problem}
        before: dict[bytes, LastPoint] = {}
        if totals:
            with self._database.transaction() as connection:
                before = store.last_points(connection, totals)
        after = dict(before)
        records = [SourceRecord(body) for body in _bodies(points, after, self._first_hours_max)]
        moves = {
            series: (before.get(series), last)
            for series, last in after.items()
            if before.get(series) != last
        }

        def within(connection: Connection) -> None:
            if not store.move_series(connection, moves, at=self._clock.now()):
                raise _Moved

        return self._desk.take_records(records, mapping=self._mapping, door="otlp", within=within)


def _bodies(
    points: Sequence[Point], last: dict[bytes, LastPoint], first_hours_max: int
) -> list[bytes]:
    """Write each point as the record that is mapped, moving the series that it belongs to."""
    bodies = []
    for point in sorted(points, key=lambda point: point.time):
        if point.problem or point.temporality != "cumulative":
            bodies.append(body_of(point, start=point.start, value=point.value))
            continue
        found = added(point, last.get(point.series), first_hours_max=first_hours_max)
        last[point.series] = found.last
        if found.problem:
            bodies.append(
                body_of(point, start=found.start, value=point.value, problem=found.problem)
            )
        elif found.value is not None:
            bodies.append(body_of(point, start=found.start, value=found.value))
    return bodies
