"""Usage as it was reported, and usage as it was counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tollbook.values.ids import CustomerId, MeterId, UsageId
from tollbook.values.period import Period

EMPTY_DIGEST: Final = "0" * 32


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One reported use. Immutable; identified by its source and its id together (CloudEvents 1.0).

    `occurred_at` is when the customer used it, `received_at` when we first saw it; both in UTC.
    """

    source: str
    id: str
    type: str
    subject: str
    occurred_at: datetime
    received_at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MeteredUsage:
    """What a customer used of one product in a period, as known through one intake receipt.

    `digest` is the order-free sum of the hashes of the events behind the quantity: two usages with
    the same digest were counted from the same events. `product_id` is empty for a plain quantity.
    `period` are days of the calendar, written as midnights in UTC; they begin and end in `zone`.
    """

    usage_id: UsageId
    customer_id: CustomerId
    meter_id: MeterId
    period: Period
    quantity: Decimal
    event_count: int
    meter_version: int = 1
    product_id: str = ""
    contract_id: str = ""
    contract_version: int = 1
    where: Mapping[str, str] | None = None
    digest: str = EMPTY_DIGEST
    through_receipt: int = 0
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class EventUse:
    """What one event counts for: its quantity and its amount in major units."""

    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class CellUse:
    """What was used with these values of its dimensions. Without `amount`, `quantity` is it."""

    values: Mapping[str, str]
    quantity: Decimal
    events: int = 0
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class UsageDetail:
    """All that a price may look at: most prices need the quantity alone.

    `events` is how many there were, `each` what each counts for, in order (None when not known);
    `amount` is the money that the events name, in major units, the quantity itself when None.
    `cells` are quantities by dimensions, `windows` those of each window, in order.
    """

    quantity: Decimal
    events: int = 0
    amount: Decimal | None = None
    each: tuple[EventUse, ...] | None = None
    cells: tuple[CellUse, ...] = ()
    windows: tuple[Decimal, ...] | None = None

    @property
    def money(self) -> Decimal:
        """The amount that was used for."""
        return self.quantity if self.amount is None else self.amount
