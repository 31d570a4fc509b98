"""The charges of a contract's items: metered usage at a price, and recurring fees."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from tollbook.errors import Rejected
from tollbook.flow.rate.agreed import contract_charge
from tollbook.flow.rate.detail.need import Known, known_or_refused, with_known
from tollbook.flow.rate.fee_changes import fee_changes
from tollbook.flow.rate.fees import is_fee, period_fees
from tollbook.flow.rate.fixed import fee_parts, is_due, service_period
from tollbook.flow.rate.price import price_usage
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.ruled import rules_of
from tollbook.flow.rate.terms import Refusal, Terms, started_on, terms_of
from tollbook.flow.rate.working import ZERO
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Contract, ContractItem
from tollbook.records.usage import MeteredUsage, UsageDetail
from tollbook.values.ids import MeterId, UsageId, derive
from tollbook.values.period import Month, Period, midnight

# A contract version, its first day, and the day after its last.
Segment = tuple[Contract, date, date]

# (contract, product, window) of a metered usage.
UsageKey = tuple[str, str, Period]


@dataclass(frozen=True, slots=True)
class ContractMonth:
    """A contract in a month, and the usage metered under it.

    `segments` are those of the billing periods that end in the month, in order; `in_force` those of
    the month itself. They are the same where billing periods are months of the calendar.
    """

    catalog: Catalog
    month: Month
    segments: tuple[Segment, ...]
    in_force: tuple[Segment, ...]
    usages: Mapping[UsageKey, MeteredUsage]
    known: Mapping[UsageKey, Known] = field(default_factory=dict)

    @property
    def latest(self) -> Contract:
        """The version in force at the end: its terms hold for what is agreed by the month."""
        return (self.in_force or self.segments)[-1][0]

    @property
    def period(self) -> Period:
        """The days that end with the month: of its billing periods, else those in force in it."""
        segments = self.segments or self.in_force
        return Period(midnight(segments[0][1]), midnight(segments[-1][2]))

    @property
    def owes_by_period(self) -> bool:
        """Whether fees follow billing periods or proration, and not whole calendar months."""
        return self.latest.billing is not None or self.latest.proration is not None


def item_charges(known: ContractMonth) -> Iterator[RatedCharge | Refusal]:
    """Yield the charge of every item of every segment; what cannot be rated is a refusal.

    Usage is rated a segment, so tiers start again when an amendment takes effect. A fee is owed
    once a month, on the terms of the first segment that has it; or by billing period, where the
    contract says so.
    """
    charged_fees: set[str] = set()
    by_period = known.owes_by_period
    for contract, start, end in known.segments:
        window = Period(midnight(start), midnight(end))
        for item in contract.items:
            if by_period and is_fee(known.catalog, item, start):
                continue
            try:
                terms = terms_of(known.catalog, contract, item, start)
                if terms.product.meter_id is not None:
                    yield _usage_charge(known, contract, terms, window)
                elif item.product_id not in charged_fees:
                    yield from _fee(known, contract, terms)
                    charged_fees.add(item.product_id)
            except Rejected as failure:
                located = _located(failure, contract, item)
                yield Refusal(contract.contract_id, item.product_id, located)
    if by_period:
        contract_id = known.latest.contract_id
        yield from period_fees(known.catalog, contract_id, known.month)
        yield from fee_changes(known.catalog, contract_id, known.month)


def _usage_charge(
    known: ContractMonth, contract: Contract, terms: Terms, window: Period
) -> RatedCharge:
    product_id = terms.product.product_id
    usage = known.usages.get((contract.contract_id, product_id, window))
    is_refused = rules_of(terms.price).negative_usage == "refuse"
    if usage is not None and usage.quantity < ZERO and is_refused:
        raise _negative(contract, terms.item, usage)
    key = (contract.contract_id, product_id, window)
    beyond = known_or_refused(known.known, key, terms.price, usage)
    before = None if beyond.before is None else UsageDetail(beyond.before)
    charge = price_usage(
        usage or _no_usage(known, contract, terms, window),
        terms.price,
        detail=beyond.detail,
        before=before,
        is_last=beyond.is_last,
    )
    pinned = with_known(charge, beyond)
    if usage is None or usage.contract_version != contract.version:
        usage_id = usage.usage_id if usage is not None else None
        pinned = replace(pinned, contract_version=contract.version, usage_id=usage_id)
    return RatedCharge(pinned, contract.entity_id, known.month, terms.price)


def _no_usage(
    known: ContractMonth, contract: Contract, terms: Terms, window: Period
) -> MeteredUsage:
    """Return a usage of nothing, which was never metered: a minimum or flat price is owed on it."""
    meter_id = MeterId(terms.product.meter_id or "")
    meter = known.catalog.meter(meter_id, window.start.date())
    key = (contract.contract_id, terms.product.product_id, window.start.isoformat())
    return MeteredUsage(
        usage_id=UsageId(derive("use", "nothing", *key, window.end.isoformat())),
        customer_id=contract.customer_id,
        meter_id=meter_id,
        period=window,
        quantity=ZERO,
        event_count=0,
        meter_version=meter.version if meter is not None else 1,
        product_id=terms.product.product_id,
        contract_id=contract.contract_id,
        contract_version=contract.version,
    )


def _fee(known: ContractMonth, contract: Contract, terms: Terms) -> Iterator[RatedCharge]:
    started = started_on(known.catalog, contract)
    due, month = rules_of(terms.price).due, known.month
    interval, ends = terms.item.interval_months, contract.effective_until
    if not is_due(interval, month=month, started=Month.of(started), ends=ends, due=due):
        return
    price = replace(terms.price, product_id=terms.product.product_id)
    yield contract_charge(
        contract,
        price,
        fee_parts(terms.item.quantity, price),
        kind="fixed",
        period=service_period(terms.item, contract, month=month, started=started, due=due),
        month=month,
        quantity=terms.item.quantity,
    )


def _located(failure: Rejected, contract: Contract, item: ContractItem) -> Rejected:
    """Name the contract and the product in what a price alone refused."""
    if "cause" in failure.ids:
        return failure
    return Rejected(
        failure.code,
        f"{item.product_id} under contract {contract.contract_id}: {failure.message}",
        cause=f"{contract.contract_id}|{item.product_id}",
        contract_id=contract.contract_id,
        product_id=item.product_id,
    )


def _negative(contract: Contract, item: ContractItem, usage: MeteredUsage) -> Rejected:
    return Rejected(
        "rate.negative_usage",
        f"The usage of {item.product_id} under contract {contract.contract_id} is "
        f"{usage.quantity}: void the events that take more away than there is.",
        cause=f"{contract.contract_id}|{item.product_id}",
    )
