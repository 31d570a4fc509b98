"""Recurring fees: when they fall due, for which service, and how much."""

from datetime import date
from decimal import Decimal

from tollbook.flow.rate.price import price_parts
from tollbook.flow.rate.ruled import ruled_parts
from tollbook.flow.rate.working import part
from tollbook.records.charge import ChargePart, Due, PriceVersion
from tollbook.records.commercial import Contract, ContractItem
from tollbook.records.usage import UsageDetail
from tollbook.values.codec import ABSENT
from tollbook.values.period import Month, Period, midnight


def is_due(
    interval_months: int,
    *,
    month: Month,
    started: Month,
    ends: date | None = None,
    due: Due = "in_advance",
) -> bool:
    """Tell whether a fee falls due in a month; its intervals count from the contract's first month.

    In arrears it falls due in the last month of an interval, or when the contract ends within it.
    """
    elapsed = month.minus(started)
    if elapsed < 0:
        return False
    if due == "in_advance":
        return elapsed % interval_months == 0
    is_last = ends is not None and ends <= month.plus(1).first
    return is_last or (elapsed + 1) % interval_months == 0


def service_period(
    item: ContractItem,
    contract: Contract,
    *,
    month: Month,
    started: date,
    due: Due = "in_advance",
) -> Period:
    """Return what a fee due in a month pays for: whole months, within the life of the contract.

    In advance these begin with the month, in arrears they end with it. The fee is not prorated: a
    contract that starts or ends inside the period owes all of it.
    """
    begins = month
    if due == "in_arrears":
        begins = month.plus(-(month.minus(Month.of(started)) % item.interval_months))
    first = max(begins.first, started)
    end = (month.plus(1) if due == "in_arrears" else month.plus(item.interval_months)).first
    if contract.effective_until is not None:
        end = min(end, contract.effective_until)
    return Period(midnight(first), midnight(end))


def fee_parts(quantity: Decimal, price: PriceVersion) -> list[ChargePart]:
    """Return the working of a fee: a flat price counts once a unit (seat), others as they do."""
    if price.model != "flat":
        return price_parts(quantity, price)
    fee = part("fee", quantity, price.flat_amount)
    if price.rules is ABSENT:
        return [fee]
    return ruled_parts(UsageDetail(quantity), price, model=lambda _detail: [fee])
