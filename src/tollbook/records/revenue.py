"""When revenue is recognized: the obligation behind an invoice line, and its schedule."""

from dataclasses import dataclass

from tollbook.records.commercial import RevenueMethod
from tollbook.values.ids import InvoiceId, ScheduleId
from tollbook.values.money import Money
from tollbook.values.period import Month, Period


@dataclass(frozen=True, slots=True)
class ScheduleLine:
    """The amount of revenue that belongs to one accounting month."""

    month: Month
    amount: Money


@dataclass(frozen=True, slots=True)
class RevenueSchedule:
    """How one invoice line becomes revenue; its lines sum to the allocated price, to the cent.

    `from_role` is the balance account the revenue is taken from, `to_role` the revenue account.
    An `on_drawdown` obligation has no lines: its revenue is that of the usage that draws it down.
    """

    schedule_id: ScheduleId
    invoice_id: InvoiceId
    line_no: int
    method: RevenueMethod
    period: Period
    amount: Money
    from_role: str
    to_role: str
    lines: tuple[ScheduleLine, ...]
