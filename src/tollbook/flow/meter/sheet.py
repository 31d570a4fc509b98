"""Counts events into the rows of one layout: the inner loop of the door."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import attrgetter, itemgetter
from typing import Any, Final

from tollbook.flow.capture.admit import Admitted
from tollbook.flow.capture.json_text import canonical
from tollbook.flow.meter.definition import (
    Reading,
    dimensions_of,
    matches,
    number_of,
    read,
    sample_start,
)
from tollbook.flow.meter.deltas import Deltas, Number, PointRow, Row
from tollbook.flow.meter.layout import POINTED, Layout
from tollbook.records.commercial import Meter
from tollbook.values.quantity import EXACT

# Who a subject is: (from, until, customer), open where None.
Spans = tuple[tuple[datetime | None, datetime | None, str], ...]

_COLUMNS: Final = ("total_1", "total_2", "total_3", "smallest", "largest", "newest")
_QUARTERS: Final = {f"{minute:02}": f"{minute - minute % 15:02}" for minute in range(60)}
_FIRST: Final = attrgetter("f1")
_SECOND: Final = attrgetter("f2")
_HALF: Final = 1 << 63
_WHOLE: Final = 1 << 64

# (subject, start of the bucket as text, values of the dimensions): what one row is for.
_Key = tuple[str, str, Any]
_Cells = dict[_Key, list[Admitted]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One layout, with what was worked out once so that an event is counted quickly.

    `fields` are the plain fields of data that the slots read, None when a slot needs more.
    """

    layout: Layout
    alone: tuple[Layout, ...]
    customers: Mapping[str, Spans]
    minutes: int
    dimensions: tuple[str, ...]
    fields: tuple[str | None, ...] | None
    has_conditions: bool

    @classmethod
    def of(cls, layout: Layout, customers: Mapping[str, Spans], minutes: int) -> "Sheet":
        """Prepare a layout; buckets are of 60 or of 15 minutes."""
        first = layout.meters[0]
        return cls(
            layout,
            layout.alone,
            customers,
            minutes,
            tuple(sorted(first.dimensions)),
            _plain_fields(layout.meters),
            bool(first.where or first.filters),
        )

    def add(self, events: list[Admitted], deltas: Deltas) -> None:
        """Count events that occurred on the days of this layout."""
        if self.has_conditions:
            first = self.layout.meters[0]
            events = [event for event in events if matches(first, event.values)]
        cells, odd = self._cells(events)
        written: dict[Any, str] = {}
        for (subject, bucket, found), together in cells.items():
            text = written.get(found)
            if text is None:
                text = written[found] = self._written(found)
            columns = self._columns(together) if text else None
            if columns is None:
                odd += together
            else:
                self._write(self.layout, (subject, bucket, text), together, columns, deltas)
        if odd:
            self._add_apart(odd, deltas)

    def _cells(self, events: list[Admitted]) -> tuple[_Cells, list[Admitted]]:
        """Group events by their row; those that lack a plain dimension come back apart."""
        cells: _Cells = defaultdict(list)
        odd: list[Admitted] = []
        if self.minutes != 60 or any("." in name for name in self.dimensions):
            return cells, list(events)
        if not self.dimensions:
            for event in events:
                cells[event.subject, event.occurred_at[:13], ()].append(event)
            return cells, odd
        dimensions = itemgetter(*self.dimensions)
        for event in events:
            try:
                cells[event.subject, event.occurred_at[:13], dimensions(event.values)].append(event)
            except (KeyError, TypeError):
                odd.append(event)
        return cells, odd

    def _written(self, found: Any) -> str:
        """Write dimensions as JSON; empty when one is no text, so that 1 and true stay apart."""
        values = (found,) if len(self.dimensions) == 1 else found
        if not all(type(value) is str for value in values):
            return ""
        return canonical(dict(zip(self.dimensions, values, strict=True))).decode()

    def _columns(self, events: Sequence[Admitted]) -> list[list[Number]] | None:
        """Return the numbers of each slot's field; None when they must be read one by one."""
        if self.fields is None:
            return None
        values = [event.values for event in events]
        columns: list[list[Number]] = []
        for name in self.fields:
            if name is None:
                columns.append([])
                continue
            try:
                numbers = list(map(itemgetter(name), values))
            except KeyError:
                return None
            if set(map(type, numbers)) != {int}:
                exact = [number_of(value) for value in numbers]
                if None in exact:
                    return None
                numbers = exact
            columns.append(numbers)
        return columns

    def _add_apart(self, events: list[Admitted], deltas: Deltas) -> None:
        """Count events one by one: whatever the quick way cannot be sure of."""
        cells: dict[tuple[int, str, str, str], list[tuple[Admitted, list[Reading]]]]
        cells = defaultdict(list)
        layouts = {-1: self.layout, **dict(enumerate(self.alone))}
        first = self.layout.meters[0]
        for event in events:
            text = canonical(dimensions_of(first, event.values)).decode()
            bucket = self._bucket(event.occurred_at)
            readings = [read(meter, event.values) for meter in self.layout.meters]
            usable = [reading for reading in readings if reading is not None]
            if len(usable) == len(readings):
                cells[-1, event.subject, bucket, text].append((event, usable))
                continue
            # Somebody must look at it: the recount puts it on the worklist.
            deltas.dirty.add((bucket[:10], self.layout.event_type))
            for place, reading in enumerate(readings):
                if reading is not None:
                    cells[place, event.subject, bucket, text].append((event, [reading]))
        for (place, subject, bucket, text), found in cells.items():
            layout = layouts[place]
            together = [event for event, _ in found]
            columns: list[list[Number]] = [
                [reading[at].number or 0 for _, reading in found]
                for at in range(len(layout.meters))
            ]
            key = (subject, bucket, text)
            customer = self._write(layout, key, together, columns, deltas)
            if customer is not None:
                for at, meter in enumerate(layout.meters):
                    if meter.aggregation in POINTED:
                        start = PointRow(
                            customer, meter.meter_id, layout.layout, _instant(bucket), text
                        )
                        mine = [(event, readings[at]) for event, readings in found]
                        deltas.points += _points(meter, start, mine)

    def _write(
        self,
        layout: Layout,
        key: tuple[str, str, str],
        events: Sequence[Admitted],
        columns: Sequence[Sequence[Number]],
        deltas: Deltas,
    ) -> str | None:
        """Add a row to the deltas and return its customer; None when no one customer is certain."""
        subject, bucket, dimensions = key
        customer = self._customer(subject, bucket)
        if customer is None:
            deltas.dirty.add((bucket[:10], layout.event_type))
            return None
        numbers: dict[str, Number | None] = dict.fromkeys(_COLUMNS)
        latest: Admitted | None = None
        for slot, column in zip(layout.slots, columns, strict=True):
            if slot.startswith("total"):
                numbers[slot] = _sum(column)
            elif slot == "smallest":
                numbers[slot] = min(column)
            elif slot == "largest":
                numbers[slot] = max(column)
            elif slot == "newest":
                place = max(range(len(events)), key=lambda n: _order(events[n]))
                latest, numbers[slot] = events[place], column[place]
        deltas.layouts[layout.layout] = layout
        deltas.rows.append(
            Row(
                customer,
                layout.layout,
                _instant(bucket),
                dimensions,
                len(events),
                _wrapped(sum(map(_FIRST, events))),
                _wrapped(sum(map(_SECOND, events))),
                **numbers,
                latest_at=latest.occurred_at if latest else None,
                latest_h=latest.digest if latest else None,
            )
        )
        return customer

    def _customer(self, subject: str, bucket: str) -> str | None:
        spans = self.customers.get(subject, ())
        if len(spans) == 1 and spans[0][0] is None and spans[0][1] is None:
            return spans[0][2]
        start = datetime.fromisoformat(_instant(bucket))
        end = start + timedelta(minutes=self.minutes)
        for since, until, customer in spans:
            if (since is None or since <= start) and (until is None or end <= until):
                return customer
        return None

    def _bucket(self, at: str) -> str:
        return at[:13] if self.minutes == 60 else at[:14] + _QUARTERS[at[14:16]]


def _plain_fields(meters: Iterable[Meter]) -> tuple[str | None, ...] | None:
    found: list[str | None] = []
    for meter in meters:
        if meter.aggregation in POINTED or meter.expression is not None:
            return None
        if meter.value is not None and "." in meter.value:
            return None
        found.append(meter.value)
    return tuple(found)


def _points(
    meter: Meter, row: PointRow, found: Sequence[tuple[Admitted, Reading]]
) -> Iterator[PointRow]:
    if meter.aggregation == "unique_count":
        for member in sorted({reading.text for _, reading in found}):
            yield row._replace(key=member)
    elif meter.aggregation == "time_weighted_sum":
        for event, reading in found:
            yield row._replace(
                key=reading.text,
                at=event.occurred_at,
                h=event.digest,
                value=reading.number or 0,
                first=event.f1,
                second=event.f2,
            )
    elif meter.sample_minutes is None:
        counts: dict[Number, int] = defaultdict(int)
        for _, reading in found:
            counts[reading.number or 0] += 1
        for number, count in counts.items():
            yield row._replace(value=number, amount=count)
    else:
        sums: dict[str, Number] = {}
        for event, reading in found:
            at = sample_start(datetime.fromisoformat(event.occurred_at), meter.sample_minutes)
            sums[at.isoformat()] = _sum([sums.get(at.isoformat(), 0), reading.number or 0])
        for start, total in sums.items():
            yield row._replace(at=start, amount=total)


def _sum(numbers: Sequence[Number]) -> Number:
    if set(map(type, numbers)) == {int}:
        return sum(numbers)
    return reduce(EXACT.add, map(Decimal, numbers), Decimal(0))


def _order(event: Admitted) -> tuple[str, bytes]:
    # Without its Z, since "03.5Z" sorts before "03Z".
    return event.occurred_at[:-1], event.digest


def _instant(bucket: str) -> str:
    """Write the start of a bucket, 2023-11-16T18 or 2023-11-16T18:15, as an instant."""
    return f"{bucket}:00:00+00:00" if len(bucket) == 13 else f"{bucket}:00+00:00"


def _wrapped(total: int) -> int:
    """Return a sum as a signed 64-bit number: digests are sums up to multiples of 2^64."""
    return (total + _HALF) % _WHOLE - _HALF
