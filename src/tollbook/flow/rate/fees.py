"""Fees of billing periods: due when a period begins or ends, prorated as the contract says."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from tollbook.errors import Rejected
from tollbook.flow.rate.agreed import contract_charge
from tollbook.flow.rate.fixed import fee_parts, is_due
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.ruled import rules_of
from tollbook.flow.rate.terms import Refusal, Terms, terms_of
from tollbook.flow.rate.working import ONE, total
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import ChargePart, Due, PriceVersion
from tollbook.records.commercial import Contract, ContractItem
from tollbook.values.calendar import BillingPeriod, Days, days_of
from tollbook.values.codec import ABSENT
from tollbook.values.period import Month, Period, midnight
from tollbook.values.proration import WHOLE_FEE, Proration, prorated_parts, share_served


@dataclass(frozen=True, slots=True)
class Service:
    """Days on which a fee is owed on the same terms, under a version of the contract."""

    contract: Contract
    terms: Terms
    days: Days


def policy_of(contract: Contract) -> Proration:
    """Return how a contract prorates: by days where it states billing, else not at all."""
    if contract.proration is not None:
        return contract.proration
    return WHOLE_FEE if contract.billing is None else Proration()


def period_fees(
    catalog: Catalog, contract_id: str, month: Month
) -> Iterator[RatedCharge | Refusal]:
    """Yield the fees of every billing period that begins in a month, or ends if owed in arrears.

    An amendment in that month divides the fee by what was served on the terms before and after; a
    later one is a change of its own month (`fee_changes`). What cannot be rated is a refusal.
    """
    known = catalog.contract_through(contract_id, month.plus(1).first)
    for product_id, period in _due(known, contract_id, month):
        try:
            for service in services(known, contract_id, product_id, period):
                yield _charge(known, service, period, month)
        except Rejected as failure:
            yield Refusal(contract_id, product_id, failure)


def _due(catalog: Catalog, contract_id: str, month: Month) -> Iterator[tuple[str, BillingPeriod]]:
    """Yield each fee that falls due in a month, and the billing period it is for.

    In advance that is the month of the period's first day, in arrears that of its last.
    """
    within = days_of(month)
    if catalog.billing(contract_id) is not None:
        for period in catalog.billing_periods(contract_id, within):
            for product_id in fees_sold(catalog, contract_id, period.days):
                late = is_in_arrears(catalog, contract_id, product_id, period.days)
                if (period.days.last if late else period.days.start) in within:
                    yield product_id, period
        return
    start, until = catalog.contract_life(contract_id)
    started = Month.of(start)
    for product_id, interval in fees_sold(catalog, contract_id, within).items():
        late = is_in_arrears(catalog, contract_id, product_id, within)
        due: Due = "in_arrears" if late else "in_advance"
        if not is_due(interval, month=month, started=started, ends=until, due=due):
            continue
        begins = month.plus(-(month.minus(started) % interval)) if late else month
        whole = interval_of(begins, interval)
        days = whole.overlap(Days(start, until or date.max))
        if days is not None:
            yield product_id, BillingPeriod(days, (whole,))


def is_in_arrears(catalog: Catalog, contract_id: str, product_id: str, days: Days) -> bool:
    """Tell whether a fee is due when its period ends, as the price in force first has it."""
    for contract, start, _ in catalog.segments(contract_id, days):
        for item in contract.items:
            if item.product_id == product_id:
                try:
                    price = terms_of(catalog, contract, item, start).price
                except Rejected:
                    # What it is due for says why; when is no matter.
                    return False
                return rules_of(price).due == "in_arrears"
    return False


def is_fee(catalog: Catalog, item: ContractItem, on: date) -> bool:
    """Tell whether an item is sold without a meter."""
    product = catalog.product(item.product_id, on)
    return product is not None and product.meter_id is None


def fees_sold(catalog: Catalog, contract_id: str, days: Days) -> dict[str, int]:
    """Return the products sold without a meter on some days, each with its interval in months."""
    found: dict[str, int] = {}
    for contract, start, _ in catalog.segments(contract_id, days):
        for item in contract.items:
            if is_fee(catalog, item, start):
                found.setdefault(item.product_id, item.interval_months)
    return found


def services(
    catalog: Catalog, contract_id: str, product_id: str, period: BillingPeriod
) -> list[Service]:
    """Return on which terms a fee is owed in a billing period, in order.

    Where a downgrade gives nothing back, the terms before it hold until the period ends.
    """
    found: list[Service] = []
    for contract, start, end in catalog.segments(contract_id, period.days):
        days, policy = Days(start, end), policy_of(contract)
        items = [item for item in contract.items if item.product_id == product_id]
        terms = terms_of(catalog, contract, items[0], start) if items else None
        is_next = bool(found) and found[-1].days.until == start
        if is_next and _stays(found[-1].terms, terms, policy):
            found[-1] = replace(found[-1], days=Days(found[-1].days.start, end))
        elif terms is not None:
            found.append(Service(contract, terms, days))
    if not found:
        return []
    policy = policy_of(found[0].contract)
    served = Days(found[0].days.start, found[-1].days.until)
    if policy.by == "full_period":
        return [replace(found[0], days=served)]
    if policy.by == "none":
        is_full = sum(len(one.days) for one in found) == sum(map(len, period.wholes))
        return [replace(found[0], days=served)] if is_full else []
    return found


def _stays(before: Terms, after: Terms | None, policy: Proration) -> bool:
    """Tell whether a fee goes on as it was: the same terms, or less that gives nothing back."""
    if after is None:
        return policy.credit != "now"
    old, new = _price(before), _price(after)
    if old == new and before.item.quantity == after.item.quantity:
        return True
    costs = [
        total(one.amount for one in fee_parts(terms.item.quantity, terms.price))
        for terms in (before, after)
    ]
    return costs[1] < costs[0] and policy.credit != "now"


def _price(terms: Terms) -> PriceVersion:
    """Return a price without its name: an amendment that keeps it names it anew."""
    return replace(terms.price, price_version_id="", product_id="")


def _charge(catalog: Catalog, service: Service, period: BillingPeriod, month: Month) -> RatedCharge:
    contract, terms = service.contract, service.terms
    price = replace(terms.price, product_id=terms.product.product_id)
    served = BillingPeriod(service.days, period.wholes)
    return contract_charge(
        contract,
        price,
        service_parts(catalog, contract, price, terms.item.quantity, served),
        kind="fixed",
        period=Period(midnight(service.days.start), midnight(service.days.until)),
        month=month,
        quantity=terms.item.quantity,
    )


def service_parts(
    catalog: Catalog,
    contract: Contract,
    price: PriceVersion,
    quantity: Decimal,
    served: BillingPeriod,
) -> list[ChargePart]:
    """Return the working of a fee for what was served of a billing period."""
    policy, zone = policy_of(contract), catalog.zone(contract.customer_id, contract)
    if policy.by in {"full_period", "none"}:
        return fee_parts(quantity, price)
    unit_price = price.flat_amount
    if price.model != "flat" or price.rules is not ABSENT:
        if served.is_whole and policy.amount is None:
            return fee_parts(quantity, price)
        # The price of so many units together, of which a share is owed.
        unit_price = total(one.amount for one in fee_parts(quantity, price))
        quantity = ONE
    parts = []
    for days, whole in served.shares:
        part, full = days.instants(zone), whole.instants(zone)
        if part is None or full is None:
            continue
        share = share_served(policy, part, full, zone)
        parts += prorated_parts(
            policy, share, label="fee", quantity=quantity, unit_price=unit_price
        )
    return [
        ChargePart(one.label, one.quantity, one.unit_price, one.amount, one.per) for one in parts
    ]


def interval_of(month: Month, interval_months: int) -> Days:
    """Return the calendar months that a fee due in a month is for."""
    return Days(month.first, month.plus(interval_months).first)
