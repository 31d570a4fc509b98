"""Counts the events behind one usage by dimension, or lists what each of them counted for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tollbook.flow.meter.definition import Counted, finish
from tollbook.flow.meter.events import store as events
from tollbook.flow.meter.events.store import Group
from tollbook.flow.meter.window import Question, question
from tollbook.masterdata.catalog import Catalog
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.values.zone import instants


@dataclass(frozen=True, slots=True)
class Value:
    """What one event counted for, and when it occurred."""

    occurred_at: datetime
    quantity: Decimal


def counted_by(
    connection: Connection, catalog: Catalog, usage: MeteredUsage, group_by: Sequence[str]
) -> dict[Group, Counted]:
    """Count a usage by dimensions, from the events that were known through its receipt."""
    asked = _asked(catalog, usage)
    if asked is None:
        return {}
    [found] = events.parts_of(connection, [asked], through=usage.through_receipt, group_by=group_by)
    period = asked.period
    return {
        group: finish(asked.meter, parts, period.start, period.end)
        for group, parts in sorted(found.items())
    }


def values_of(connection: Connection, catalog: Catalog, usage: MeteredUsage) -> list[Value]:
    """Return each event behind a usage, in the order in which they occurred; a count is of ones."""
    asked = _asked(catalog, usage)
    if asked is None:
        return []
    found = events.values(connection, asked, through=usage.through_receipt)
    return [Value(occurred_at, quantity) for occurred_at, quantity in found]


def _asked(catalog: Catalog, usage: MeteredUsage) -> Question | None:
    period = instants(usage.period, usage.zone)
    return question(catalog, usage.customer_id, usage.meter_id, period, dict(usage.where or {}))
