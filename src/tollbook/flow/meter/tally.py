"""Counts a group of arrivals at the door, in plain Python: what the summaries must be raised by."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

from tollbook.flow.capture.admit import Admitted, CrosswalkRow
from tollbook.flow.capture.identity import DAY_MICROSECONDS, microseconds
from tollbook.flow.meter.deltas import Deltas
from tollbook.flow.meter.layout import basis, event_types, generation, stretches
from tollbook.flow.meter.sheet import Sheet, Spans, day_text, escaped
from tollbook.masterdata.catalog import Catalog
from tollbook.values.period import midnight
from tollbook.values.zone import bucket_minutes


@dataclass(frozen=True, slots=True)
class Tally:
    """All that counting needs to know, compiled once for each state of master data."""

    generation: int
    basis: Mapping[str, str]
    types: Mapping[str, "Sequence[_Days]"]

    @classmethod
    def of(cls, catalog: Catalog, crosswalk: Iterable[CrosswalkRow]) -> Self:
        """Compile the meters and subjects of a state of master data."""
        customers: dict[str, Spans] = {}
        for subject, customer, start, end in crosswalk:
            customers[subject] = (*customers.get(subject, ()), (start, end, customer))
        always = {
            subject: escaped(spans[0][2])
            for subject, spans in customers.items()
            if len(spans) == 1 and spans[0][0] is None and spans[0][1] is None
        }
        minutes = bucket_minutes(catalog.zones)
        types = {
            event_type: [
                _Days(
                    _microseconds(stretch.first),
                    _microseconds(stretch.until),
                    [Sheet.of(layout, customers, always, minutes) for layout in stretch.layouts],
                )
                for stretch in stretches(catalog, event_type)
            ]
            for event_type in event_types(catalog)
        }
        known = {event_type: basis(catalog, event_type) for event_type in types}
        return cls(generation(catalog), known, types)

    def add(self, admitted: Sequence[Admitted]) -> Deltas:
        """Count events that were stored just now, each once; types without a meter cost nothing."""
        deltas = Deltas(self.generation, self.basis)
        by_type: dict[str, list[Admitted]] = defaultdict(list)
        for event in admitted:
            by_type[event.type].append(event)
        for event_type, events in by_type.items():
            numbers = {event.occurred_us // DAY_MICROSECONDS for event in events}
            deltas.days |= {(day_text(number), event_type) for number in numbers}
            for days in self.types.get(event_type, ()):
                inside = days.part(events)
                for sheet in days.sheets if inside else ():
                    sheet.add(inside, deltas)
        return deltas


@dataclass(frozen=True, slots=True)
class _Days:
    """The sheets of the days from `first` until `until`; open where None."""

    first: int | None
    until: int | None
    sheets: Sequence[Sheet]

    def part(self, events: list[Admitted]) -> list[Admitted]:
        """Return the events that occurred on these days."""
        first, until = self.first, self.until
        if first is None and until is None:
            return events
        return [
            event
            for event in events
            if (first is None or first <= event.occurred_us)
            and (until is None or event.occurred_us < until)
        ]


def _microseconds(day: date) -> int | None:
    return None if day in {date.min, date.max} else microseconds(midnight(day))
