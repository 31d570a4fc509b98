"""Counts events into the rows of one layout: the inner loop of the door."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache, reduce
from operator import attrgetter, itemgetter
from typing import Any, Final

from tollbook.flow.capture.admit import DAY_ZERO, Admitted
from tollbook.flow.capture.identity import DAY_MICROSECONDS
from tollbook.flow.capture.json_text import canonical
from tollbook.flow.meter.definition import (
    Reading,
    dimensions_of,
    matches,
    read,
    sample_start,
)
from tollbook.flow.meter.deltas import Deltas
from tollbook.flow.meter.layout import POINTED, SUMMED, Layout
from tollbook.records.commercial import Meter
from tollbook.values.quantity import EXACT

# Who a subject is: (from, until, customer), open where None.
Spans = tuple[tuple[datetime | None, datetime | None, str], ...]

_COLUMNS: Final = ("total_1", "total_2", "total_3", "smallest", "largest", "newest")
HOUR_MICROSECONDS: Final = DAY_MICROSECONDS // 24
_MINUTE_MICROSECONDS: Final = HOUR_MICROSECONDS // 60
_NO_HASH: Final = bytes(16)
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
NULL: Final = "\\N"

Number = int | Decimal

# (subject, number of the hour, values of the dimensions): what one row is for.
_Key = tuple[str, int, Any]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One layout, with what was worked out once so that an event is counted quickly.

    `fields` are the fields of data that are summed, when there is a quick way; else None.
    `always` are the subjects that mean one customer at all times.
    """

    layout: Layout
    alone: tuple[Layout, ...]
    customers: Mapping[str, Spans]
    always: Mapping[str, str]
    minutes: int
    dimensions: tuple[str, ...]
    fields: tuple[str, ...] | None

    @classmethod
    def of(
        cls, layout: Layout, customers: Mapping[str, Spans], always: Mapping[str, str], minutes: int
    ) -> "Sheet":
        """Prepare a layout; buckets are of 60 or of 15 minutes."""
        dimensions = tuple(sorted(layout.meters[0].dimensions))
        is_plain = minutes == 60 and not any("." in name for name in dimensions)
        fields = _summed_fields(layout) if is_plain else None
        return cls(layout, layout.alone, customers, always, minutes, dimensions, fields)

    def add(self, events: list[Admitted], deltas: Deltas) -> None:
        """Count events that occurred on the days of this layout."""
        deltas.layouts[self.layout.layout] = self.layout
        first = self.layout.meters[0]
        if first.where or first.filters:
            events = [event for event in events if matches(first, event.values)]
        odd = events if self.fields is None else self._add_quickly(events, self.fields, deltas)
        if odd:
            self._add_apart(odd, deltas)

    def _add_quickly(
        self, events: list[Admitted], fields: tuple[str, ...], deltas: Deltas
    ) -> list[Admitted]:
        """Count events whose dimensions are texts and whose numbers are whole; return the others.

        This runs for every event that is taken, so it counts into plain lists.
        """
        cells: dict[_Key, list[Any]] = {}
        odd: list[Admitted] = []
        written: dict[Any, str] = {}
        # Three numbers whatever the layout; those it has no field for are not written.
        names = (fields * 3)[:3]
        of_members = _getter(itemgetter, (*names, *self.dimensions))
        of_attributes = _getter(attrgetter, (*names, *self.dimensions))
        one = two = three = 0
        for event in events:
            said = event.said
            try:
                told = of_members(said) if type(said) is dict else of_attributes(said)
                found = told[len(names) :]
                key = (event.subject, event.occurred_us // HOUR_MICROSECONDS, found)
                cell = cells.get(key)
            except (KeyError, AttributeError, TypeError):
                odd.append(event)
                continue
            if names:
                one, two, three = told[0], told[1], told[2]
            if type(one) is not int or type(two) is not int or type(three) is not int:
                odd.append(event)
            elif cell is not None:
                cell[0] += 1
                cell[1] += event.f1
                cell[2] += event.f2
                cell[3] += one
                cell[4] += two
                cell[5] += three
            elif text := written.get(found) or self._written(found, written):
                cells[key] = [1, event.f1, event.f2, one, two, three, text]
            else:
                odd.append(event)
        self._write_quickly(cells, len(fields), deltas)
        return odd

    def _write_quickly(self, cells: Mapping[_Key, list[Any]], fields: int, deltas: Deltas) -> None:
        layout, always, lines = self.layout.layout, self.always, deltas.rows
        for (subject, hour, _), (count, first, second, one, two, three, text) in cells.items():
            bucket = _hour_text(hour)
            customer = always.get(subject) or self._customer(subject, bucket)
            if customer is None:
                deltas.dirty.add((bucket[:10], self.layout.event_type))
                continue
            lines.append(
                f"{customer}\t{layout}\t{bucket}:00Z\t{text}\t{count}\t{first}\t{second}"
                f"\t{one if fields > 0 else NULL}\t{two if fields > 1 else NULL}"
                f"\t{three if fields > 2 else NULL}\t\\N\t\\N\t\\N\t\\N\t\\N"
            )

    def _written(self, found: Any, written: dict[Any, str]) -> str:
        """Write dimensions as JSON; empty when one is no text, so that 1 and true stay apart."""
        if all(type(value) is str for value in found):
            pairs = dict(zip(self.dimensions, found, strict=True))
            written[found] = escaped(canonical(pairs).decode())
        return written.get(found, "")

    def _add_apart(self, events: list[Admitted], deltas: Deltas) -> None:
        """Count events one by one: whatever the quick way cannot be sure of."""
        cells: dict[tuple[int, str, str, str], list[tuple[Admitted, list[Reading]]]]
        cells = defaultdict(list)
        layouts = {-1: self.layout, **dict(enumerate(self.alone))}
        first = self.layout.meters[0]
        for event in events:
            text = canonical(dimensions_of(first, event.values)).decode()
            bucket = self._bucket(event.occurred_us)
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
            customer = self.always.get(subject) or self._customer(subject, bucket)
            if customer is None:
                deltas.dirty.add((bucket[:10], self.layout.event_type))
                continue
            layout = layouts[place]
            deltas.layouts[layout.layout] = layout
            place_text = f"{layout.layout}\t{_instant(bucket)}\t{escaped(text)}"
            deltas.rows.append(f"{customer}\t{place_text}\t{_numbers(layout, found)}")
            for at, meter in enumerate(layout.meters):
                if meter.aggregation in POINTED:
                    start = f"{customer}\t{escaped(meter.meter_id)}\t{place_text}"
                    points = _points(meter, [(event, readings[at]) for event, readings in found])
                    deltas.points += [f"{start}\t{point}" for point in points]

    def _customer(self, subject: str, bucket: str) -> str | None:
        spans = self.customers.get(subject, ())
        start = datetime.fromisoformat(_instant(bucket))
        end = start + timedelta(minutes=self.minutes)
        for since, until, customer in spans:
            if (since is None or since <= start) and (until is None or end <= until):
                return escaped(customer)
        return None

    def _bucket(self, at: int) -> str:
        hour = _hour_text(at // HOUR_MICROSECONDS)
        if self.minutes == 60:
            return hour
        return f"{hour}:{at % HOUR_MICROSECONDS // _MINUTE_MICROSECONDS // 15 * 15:02}"


def escaped(text: str) -> str:
    """Write a text as PostgreSQL's COPY reads it."""
    return text.translate(_ESCAPES) if "\\" in text or not text.isprintable() else text


def _summed_fields(layout: Layout) -> tuple[str, ...] | None:
    """Return the fields that a layout sums, in the order of its columns; None when it does more."""
    found: dict[str, str] = {}
    for meter, slot in zip(layout.meters, layout.slots, strict=True):
        if meter.aggregation not in SUMMED or meter.expression is not None:
            return None
        if meter.value is not None:
            if "." in meter.value:
                return None
            found[slot] = meter.value
    return tuple(found[slot] for slot in sorted(found))


def _getter(
    getter: Callable[..., Callable[[Any], Any]], names: Sequence[str]
) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes these fields out of what an event says, all at once."""
    if not names:
        return lambda _: ()
    if len(names) == 1:
        only = getter(names[0])
        return lambda said: (only(said),)
    return getter(*names)


def day_text(number: int) -> str:
    """Write a day, counted from the beginning of the year 2000, as 2023-11-16."""
    return (DAY_ZERO + timedelta(days=number)).isoformat()


@lru_cache(maxsize=10_000)
def _hour_text(number: int) -> str:
    return f"{day_text(number // 24)}T{number % 24:02}"


def _numbers(layout: Layout, found: Sequence[tuple[Admitted, list[Reading]]]) -> str:
    """Write what events come to in a row of a layout."""
    numbers: dict[str, Number] = {}
    latest: tuple[Admitted, list[Reading]] | None = None
    for at, slot in enumerate(layout.slots):
        column = [readings[at].number or 0 for _, readings in found] if slot else []
        if slot.startswith("total"):
            numbers[slot] = _sum(column)
        elif slot == "smallest":
            numbers[slot] = min(column)
        elif slot == "largest":
            numbers[slot] = max(column)
        elif slot == "newest":
            latest = max(found, key=lambda pair: _order(pair[0]))
            numbers[slot] = latest[1][at].number or 0
    fields = [
        len(found),
        sum(event.f1 for event, _ in found),
        sum(event.f2 for event, _ in found),
        *(numbers.get(slot, NULL) for slot in _COLUMNS),
        latest[0].occurred_at if latest else NULL,
        latest[0].digest.hex() if latest else NULL,
    ]
    return "\t".join(map(str, fields))


def _points(meter: Meter, found: Sequence[tuple[Admitted, Reading]]) -> Iterator[str]:
    """Write the key, at, h, value, amount, first and second of each point."""
    if meter.aggregation == "unique_count":
        for member in sorted({reading.text for _, reading in found}):
            yield _point(key=member)
    elif meter.aggregation == "time_weighted_sum":
        for event, reading in found:
            yield _point(reading.text, event.occurred_at.isoformat(), event.digest, reading.number or 0, 1,
                         event.f1, event.f2)  # fmt: skip
    elif meter.sample_minutes is None:
        counts: dict[Number, int] = defaultdict(int)
        for _, reading in found:
            counts[reading.number or 0] += 1
        for number, count in counts.items():
            yield _point(value=number, amount=count)
    else:
        sums: dict[str, Number] = {}
        for event, reading in found:
            at = sample_start(event.occurred_at, meter.sample_minutes).isoformat()
            sums[at] = _sum([sums.get(at, 0), reading.number or 0])
        for at, total in sums.items():
            yield _point(at=at, amount=total)


def _point(
    key: str = "",
    at: str = "epoch",
    h: bytes = _NO_HASH,
    value: Number = 0,
    amount: Number = 1,
    first: int = 0,
    second: int = 0,
) -> str:
    return f"{escaped(key)}\t{at}\t{h.hex()}\t{value}\t{amount}\t{first}\t{second}"


def _sum(numbers: Sequence[Number]) -> Number:
    if set(map(type, numbers)) == {int}:
        return sum(numbers)
    return reduce(EXACT.add, map(Decimal, numbers), Decimal(0))


def _order(event: Admitted) -> tuple[int, bytes]:
    return event.occurred_us, event.digest


def _instant(bucket: str) -> str:
    """Write the start of a bucket, 2023-11-16T18 or 2023-11-16T18:15, as an instant."""
    return f"{bucket}:00:00+00:00" if len(bucket) == 13 else f"{bucket}:00+00:00"
