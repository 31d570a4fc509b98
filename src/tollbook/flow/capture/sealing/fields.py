"""Which fields of an event's data get a column of their own in sealed files."""

from collections.abc import Iterable
from dataclasses import dataclass

from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Meter


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields kept as text, and fields kept as exact numbers; paths such as `usage.tokens`."""

    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


def fields_of_meters(meters: Iterable[Meter]) -> Fields:
    """Return what meters read of events: a scan of sealed days need then not parse JSON."""
    texts: set[str] = set()
    numbers: set[str] = set()
    for meter in meters:
        texts.update(meter.dimensions, meter.where)
        if meter.value is not None:
            (texts if meter.aggregation == "unique_count" else numbers).add(meter.value)
    return Fields(tuple(sorted(texts)), tuple(sorted(numbers)))


def fields_known(catalog: Catalog) -> Fields:
    """Return what any version of any meter reads."""
    return fields_of_meters(
        version.record
        for key in catalog.keys("meter")
        for version in catalog.versions["meter", key]
        if isinstance(version.record, Meter)
    )
