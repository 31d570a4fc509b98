"""How the meters of an event type share rows: one row for all that keep the same dimensions."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Aggregation, Meter
from tollbook.values.codec import content_hash, to_json
from tollbook.values.zone import bucket_minutes

# The columns in which a kind of number is kept. A layout that has no free one is followed by another.
SLOTS: Final[Mapping[Aggregation, tuple[str, ...]]] = {
    "sum": ("total_1", "total_2", "total_3"),
    "average": ("total_1", "total_2", "total_3"),
    "min": ("smallest",),
    "max": ("largest",),
    "latest": ("newest",),
}

# These are only added up, which the door does quickly: they are kept apart from the others.
SUMMED: Final = frozenset({"count", "sum", "average"})

# What a number is not enough for: these keep members, values, samples or points beside the rows.
POINTED: Final = frozenset({"unique_count", "percentile", "time_weighted_sum"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Meters whose numbers stand in one row, each in its slot (empty when it needs none).

    All have the type, the dimensions and the conditions of the first. An event counts in the row
    only if it is usable for all of them; else it counts in a row of each meter `alone`.
    """

    layout: int
    event_type: str
    meters: tuple[Meter, ...]
    slots: tuple[str, ...]

    @property
    def alone(self) -> tuple["Layout", ...]:
        """The layouts of each meter by itself; none when there is only one."""
        return tuple(_layout((meter,)) for meter in self.meters) if self.meters[1:] else ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """UTC days [first, until) on which the same meters of a type count, and their layouts."""

    first: date
    until: date
    layouts: tuple[Layout, ...]


def stretches(catalog: Catalog, event_type: str) -> list[Stretch]:
    """Return the layouts of an event type over all days; days without a meter are left out."""
    versions = [
        version
        for key in catalog.keys("meter")
        for version in catalog.versions["meter", key]
        if isinstance(version.record, Meter) and version.record.event_type == event_type
    ]
    keys = sorted({version.key for version in versions})
    cuts = sorted(
        {date.min, date.max}
        | {version.effective_from for key in keys for version in catalog.versions["meter", key]}
    )
    found = []
    for first, until in pairwise(cuts):
        in_force = [catalog.meter(key, first) for key in keys]
        meters = [meter for meter in in_force if meter and meter.event_type == event_type]
        if meters:
            found.append(Stretch(first, until, tuple(_layouts(meters))))
    return found


def event_types(catalog: Catalog) -> list[str]:
    """Return the event types that any version of a meter counts, in order."""
    found = [
        version.record.event_type
        for key in catalog.keys("meter")
        for version in catalog.versions["meter", key]
        if isinstance(version.record, Meter)
    ]
    return sorted(set(found))


def basis(catalog: Catalog, event_type: str) -> str:
    """Return a hash of all by which a type is summarized: other meters or buckets, another hash."""
    found = []
    for key in catalog.keys("meter"):
        versions = catalog.versions["meter", key]
        meters = [version.record for version in versions if isinstance(version.record, Meter)]
        if event_type in {meter.event_type for meter in meters}:
            found.append([(v.version, v.effective_from, v.record) for v in versions])
    return content_hash([bucket_minutes(catalog.zones), found])


def generation(catalog: Catalog) -> int:
    """Return how many versions of master data are known: it only ever grows."""
    return sum(len(versions) for versions in catalog.versions.values())


def _layouts(meters: Sequence[Meter]) -> Iterator[Layout]:
    alike: dict[bytes, list[Meter]] = defaultdict(list)
    for meter in meters:
        alike[
            to_json(
                [
                    meter.aggregation in SUMMED,
                    sorted(meter.dimensions),
                    sorted(meter.where.items()),
                    meter.filters,
                ]
            )
        ].append(meter)
    for _, found in sorted(alike.items()):
        together: list[Meter] = []
        for meter in found:
            if _slots([*together, meter]) is None:
                yield _layout(tuple(together))
                together = []
            together.append(meter)
        yield _layout(tuple(together))


def _layout(meters: tuple[Meter, ...]) -> Layout:
    slots = _slots(meters)
    assert slots is not None, "as many as fit"
    identity = blake2b(to_json([meters, slots]), digest_size=8).digest()
    number = int.from_bytes(identity, "big", signed=True)
    return Layout(number, meters[0].event_type, meters, slots)


def _slots(meters: Sequence[Meter]) -> tuple[str, ...] | None:
    """Return the column of each meter's number, or None when there are not enough."""
    taken: list[str] = []
    for meter in meters:
        columns = SLOTS.get(meter.aggregation, ())
        free = [column for column in columns if column not in taken]
        if columns and not free:
            return None
        taken.append(free[0] if columns else "")
    return tuple(taken)
