"""When the amount of an invoice line becomes revenue.

Usage is revenue of the month in which it was used, whenever it is billed (ASC 606-10-55-18 sets how
much, not when). A fee for a period is earned evenly by days. Prepaid credits are owed service
until usage draws them down, at what was paid for them; that usage carries the revenue.
"""

from typing import Final

from tollbook.ledger.chart import CONTRACT_LIABILITY, revenue_role
from tollbook.records.charge import ChargeKind
from tollbook.records.commercial import RevenueMethod
from tollbook.records.invoice import Invoice, InvoiceLine
from tollbook.records.revenue import RevenueSchedule, ScheduleLine
from tollbook.values.ids import ScheduleId, derive
from tollbook.values.money import Money, split
from tollbook.values.period import Month, Period

_CREDITS: Final[frozenset[ChargeKind]] = frozenset({"credit_purchase", "credit_applied"})


def schedule_of(invoice: Invoice, line: InvoiceLine) -> RevenueSchedule:
    """Return the schedule of an issued line; its lines sum to the line's amount, to the cent.

    The method is the one that the line was billed by: what was billed in advance is ratable. A
    negative line of a credit memo takes revenue back in the months in which it was earned.
    """
    method = _method(line)
    if method == "on_drawdown" or line.amount.minor == 0:
        parts: tuple[ScheduleLine, ...] = ()
    elif method == "ratable":
        parts = by_days(line.amount, line.period)
    else:
        parts = (ScheduleLine(invoice.service_month, line.amount),)
    if method != "on_drawdown":
        assert sum(part.amount.minor for part in parts) == line.amount.minor, "no cent is lost"
    return RevenueSchedule(
        schedule_id=ScheduleId(derive("sch", invoice.invoice_id, str(line.line_no))),
        invoice_id=invoice.invoice_id,
        line_no=line.line_no,
        method=method,
        period=line.period,
        amount=line.amount,
        from_role=line.role,
        to_role=revenue_role(line.product_id or line.kind),
        lines=parts,
    )


def by_days(amount: Money, period: Period) -> tuple[ScheduleLine, ...]:
    """Divide an amount over the months of a period by the days that each has in it.

    A negative amount is divided as its mirror image, so that a full credit undoes each month.
    """
    if amount.minor < 0:
        mirror = by_days(-amount, period)
        return tuple(ScheduleLine(line.month, -line.amount) for line in mirror)
    months = _months(period)
    overlaps = [month.period.overlap(period) for month in months]
    parts = split(amount, [overlap.days if overlap else 0 for overlap in overlaps])
    return tuple(
        ScheduleLine(month, part)
        for month, part in zip(months, parts, strict=True)
        if part.minor != 0
    )


def _method(line: InvoiceLine) -> RevenueMethod:
    if line.kind in _CREDITS:
        return "on_drawdown"
    return "ratable" if line.role == CONTRACT_LIABILITY else "usage"


def _months(period: Period) -> list[Month]:
    first = Month.of(period.start.date())
    months = [first]
    while months[-1].plus(1).period.start < period.end:
        months.append(months[-1].plus(1))
    return months
