"""Fees of billing periods that began earlier, where a contract changed since: the difference."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

from tollbook.errors import Rejected
from tollbook.flow.rate.agreed import contract_charge
from tollbook.flow.rate.fees import (
    Service,
    fees_sold,
    interval_of,
    is_in_arrears,
    service_parts,
    services,
)
from tollbook.flow.rate.fixed import fee_parts
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.terms import Refusal
from tollbook.flow.rate.working import ZERO, total
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import ChargePart
from tollbook.records.commercial import Contract
from tollbook.values.calendar import BillingPeriod, Days, days_of
from tollbook.values.grid import DAY
from tollbook.values.money import EXACT
from tollbook.values.period import Month, Period, midnight

# What a fee is for, as known before and after a change: none where the period was not there.
_Both = tuple[BillingPeriod | None, BillingPeriod | None]


def fee_changes(
    catalog: Catalog, contract_id: str, month: Month
) -> Iterator[RatedCharge | Refusal]:
    """Yield what amendments that take effect in a month change on fees that are charged already.

    A fee is charged when its period begins. Each later month in which a version takes effect owes
    the fee on all terms through that month, less the fee on the terms through the month before.
    """
    now = catalog.contract_through(contract_id, month.plus(1).first)
    before = catalog.contract_through(contract_id, month.first)
    versions = now.versions["contract", contract_id]
    known = before.versions["contract", contract_id]
    if not known or len(known) == len(versions):
        return
    since = min(v.effective_from for v in versions if v.effective_from >= month.first)
    for product_id, (old, new) in sorted(_running(before, now, contract_id, month).items()):
        try:
            charge = _change((before, old), (now, new), contract_id, product_id, since, month)
        except Rejected as failure:
            yield Refusal(contract_id, product_id, failure)
            continue
        if charge is not None:
            yield charge


def fee_again(catalog: Catalog, rated: RatedCharge, quantity: Decimal) -> list[ChargePart]:
    """Return the working of a stored fee, from its pinned price and contract version."""
    charge = rated.charge
    version = catalog.numbered("contract", charge.contract_id, charge.contract_version)
    assert version is not None, "a charge pins a contract version that exists"
    contract = version.record
    assert isinstance(contract, Contract)
    days = Days(charge.period.start.date(), charge.period.end.date())
    if contract.billing is None and contract.proration is None:
        return fee_parts(quantity, rated.price)
    for change in fee_changes(catalog, charge.contract_id, rated.month):
        if isinstance(change, RatedCharge) and _is_for(change, rated):
            return list(change.charge.parts)
    if contract.billing is None:
        interval = next(
            item.interval_months for item in contract.items if item.product_id == charge.product_id
        )
        # In advance the period begins with the month in which it is due, in arrears it ends with it.
        started = Month.of(catalog.contract_life(charge.contract_id)[0])
        begins = rated.month.plus(-(rated.month.minus(started) % interval))
        wholes: tuple[Days, ...] = (interval_of(begins, interval),)
    else:
        periods = catalog.billing_periods(charge.contract_id, days)
        wholes = next(periods).wholes
    return service_parts(catalog, contract, rated.price, quantity, BillingPeriod(days, wholes))


def _is_for(one: RatedCharge, other: RatedCharge) -> bool:
    left, right = one.charge, other.charge
    return (left.product_id, left.period) == (right.product_id, right.period)


def _running(before: Catalog, now: Catalog, contract_id: str, month: Month) -> dict[str, _Both]:
    """Return each fee whose period began before a month and lasted into it, then and now."""
    days = days_of(month)
    around = Days(days.start - DAY, days.until)
    products = {**fees_sold(now, contract_id, around), **fees_sold(before, contract_id, around)}
    found: dict[str, _Both] = {}
    for product_id, interval in products.items():
        if is_in_arrears(now, contract_id, product_id, around):
            # Not charged yet: all that is known of it counts when it is.
            continue
        both = [_begun(known, contract_id, interval, month) for known in (before, now)]
        if any(one is not None for one in both):
            found[product_id] = both[0], both[1]
    return found


def _begun(
    catalog: Catalog, contract_id: str, interval_months: int, month: Month
) -> BillingPeriod | None:
    """Return the billing period that began before a month and has its first day, or the day before.

    The day before, as a period that ended there may go on by an amendment, or the other way round.
    """
    first = month.first
    if catalog.billing(contract_id) is not None:
        for period in catalog.billing_periods(contract_id, Days(first - DAY, first + DAY)):
            if period.days.start < first and period.wholes[-1].until > first:
                return period
        return None
    start, until = catalog.contract_life(contract_id)
    elapsed = month.minus(Month.of(start)) % interval_months
    whole = interval_of(month.plus(-elapsed), interval_months)
    days = whole.overlap(Days(start, until or date.max))
    return BillingPeriod(days, (whole,)) if elapsed and days is not None else None


def _change(
    before: tuple[Catalog, BillingPeriod | None],
    now: tuple[Catalog, BillingPeriod | None],
    contract_id: str,
    product_id: str,
    since: date,
    month: Month,
) -> RatedCharge | None:
    old, new = (
        [(one, period) for one in services(catalog, contract_id, product_id, period)]
        if period is not None
        else []
        for catalog, period in (before, now)
    )
    gone = [one for one in old if not any(_is_same(one[0], other[0]) for other in new)]
    come = [one for one in new if not any(_is_same(one[0], other[0]) for other in old)]
    if not gone and not come:
        return None
    parts = [_given_back(part) for one in gone for part in _working(before[0], *one)]
    parts += [part for one in come for part in _working(now[0], *one)]
    if total(part.amount for part in parts) == ZERO:
        return None
    last = (come or gone)[-1][0]
    until = max(one.days.until for one, _ in (*gone, *come))
    return contract_charge(
        last.contract,
        replace(last.terms.price, product_id=product_id),
        parts,
        kind="fixed",
        period=Period(midnight(since), midnight(until)),
        month=month,
        quantity=last.terms.item.quantity if come else ZERO,
    )


def _working(catalog: Catalog, service: Service, period: BillingPeriod) -> list[ChargePart]:
    terms = service.terms
    served = BillingPeriod(service.days, period.wholes)
    return service_parts(catalog, service.contract, terms.price, terms.item.quantity, served)


def _given_back(part: ChargePart) -> ChargePart:
    """Return a part of the working as what is taken back of it."""
    return replace(
        part,
        label=f"before the change, {part.label}",
        unit_price=EXACT.minus(part.unit_price),
        amount=EXACT.minus(part.amount),
    )


def _is_same(left: Service, right: Service) -> bool:
    return (left.days, left.terms.price, left.terms.item.quantity) == (
        right.days,
        right.terms.price,
        right.terms.item.quantity,
    )
