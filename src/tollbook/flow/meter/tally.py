"""Counts a group of arrivals at the door, in plain Python: what the summaries must be raised by."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from tollbook.flow.capture.admit import Admitted, CrosswalkRow
from tollbook.flow.meter.deltas import Deltas
from tollbook.flow.meter.layout import basis, event_types, generation, stretches
from tollbook.flow.meter.sheet import Sheet, Spans, escaped
from tollbook.masterdata.catalog import Catalog
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
                    stretch.first.isoformat(),
                    (stretch.until - timedelta(days=stretch.until != date.max)).isoformat(),
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
            deltas.days |= {(day, event_type) for day in {e.occurred_at[:10] for e in events}}
            for days in self.types.get(event_type, ()):
                inside = days.part(events)
                for sheet in days.sheets if inside else ():
                    sheet.add(inside, deltas)
        return deltas


@dataclass(frozen=True, slots=True)
class _Days:
    """The sheets of the days from `first` through `last`, as texts that compare like days."""

    first: str
    last: str
    sheets: Sequence[Sheet]

    def part(self, events: list[Admitted]) -> list[Admitted]:
        """Return the events that occurred on these days."""
        first, last = self.first, self.last
        if first == date.min.isoformat() and last == date.max.isoformat():
            return events
        return [event for event in events if first <= event.occurred_at[:10] <= last]
