"""Recounts a month from its raw events, beside what metering stored."""

from dataclasses import dataclass
from decimal import Decimal

from tollbook.flow.meter.sealed.store import Engine
from tollbook.flow.meter.store import latest_usages, recount_as_known
from tollbook.storage.database import Connection
from tollbook.values.period import Month


@dataclass(frozen=True, slots=True)
class Recounted:
    """A usage as stored, and as its events come to now; `is_same` also compares which events."""

    usage_id: str
    customer_id: str
    product_id: str
    stored: Decimal
    recounted: Decimal
    event_count: int
    digest: str
    is_same: bool


def recount_month(
    connection: Connection, month: Month, *, engine: Engine | None = None
) -> list[Recounted]:
    """Return each usage of a month counted again, by customer, product and start.

    Without `engine`, sealed days are counted in their files and all others in the database.
    """
    found = recount_as_known(connection, latest_usages(connection, month), engine=engine)
    return sorted(
        (
            Recounted(
                usage_id=usage.usage_id,
                customer_id=usage.customer_id,
                product_id=usage.product_id,
                stored=usage.quantity,
                recounted=counted.quantity,
                event_count=counted.event_count,
                digest=counted.digest,
                is_same=(counted.quantity, counted.event_count, counted.digest)
                == (usage.quantity, usage.event_count, usage.digest),
            )
            for usage, counted in found
        ),
        key=lambda one: (one.customer_id, one.product_id, one.usage_id),
    )
