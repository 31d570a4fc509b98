"""The subledger entry that makes one month of a schedule revenue."""

from dataclasses import dataclass
from datetime import date

from tollbook.ledger.chart import CONTRACT_LIABILITY, revenue_role
from tollbook.ledger.journal import JournalEntry, JournalLine, entry
from tollbook.values.ids import CustomerId, EntityId, ScheduleId
from tollbook.values.money import Money
from tollbook.values.period import Month


@dataclass(frozen=True, slots=True)
class DueRevenue:
    """One line of a schedule whose month has come, with what the entry needs to say."""

    schedule_id: ScheduleId
    month: Month
    amount: Money
    from_role: str
    to_role: str
    product_id: str
    entity_id: EntityId
    customer_id: CustomerId
    number: str
    invoiced_on: date


@dataclass(frozen=True, slots=True)
class DueBreakage:
    """Paid credits that expired, or the correction of such: what was paid for them, signed."""

    movement_id: str
    block_id: str
    amount: Money
    moved_on: date
    product_id: str
    entity_id: EntityId
    customer_id: CustomerId


def breakage_entry(due: DueBreakage, *, month: Month, product: str) -> JournalEntry:
    """Return the entry of credits that nobody used in time: what was owed as service is revenue."""
    memo = f"{product} · {due.block_id} expired on {due.moved_on}"
    return entry(
        entity_id=due.entity_id,
        currency=due.amount.currency,
        booked_on=max(month.last, due.moved_on),
        service_month=Month.of(due.moved_on),
        kind="recognition",
        cause=due.movement_id,
        lines=[
            JournalLine(CONTRACT_LIABILITY, due.amount, due.customer_id, memo),
            JournalLine(revenue_role(due.product_id), -due.amount, due.customer_id, memo),
        ],
    )


def recognition_entry(due: DueRevenue, *, month: Month, product: str) -> JournalEntry:
    """Return the entry: debit the balance account, credit revenue, at the end of `month`.

    Revenue of an earlier month that is known only now is booked now, and never before the document
    that tells of it; the entry keeps the month that it belongs to as its service month.
    """
    assert due.month <= month, "revenue is not booked before it is earned"
    memo = f"{product} · {due.month} · {due.number}"
    return entry(
        entity_id=due.entity_id,
        currency=due.amount.currency,
        booked_on=max(month.last, due.invoiced_on),
        service_month=due.month,
        kind="recognition",
        cause=f"{due.schedule_id}:{due.month}",
        lines=[
            JournalLine(due.from_role, due.amount, due.customer_id, memo),
            JournalLine(due.to_role, -due.amount, due.customer_id, memo),
        ],
    )
