"""Everything a month's contracts owe, computed from metered usage and terms alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from tollbook.errors import Rejected
from tollbook.flow.rate.adjust import Share
from tollbook.flow.rate.adjusted import Line, adjustment_charges, shares_of
from tollbook.flow.rate.agreed import (
    Movement,
    commitment_charges,
    credit_applied,
    credits_purchased,
)
from tollbook.flow.rate.commit import committed_parts, year_began
from tollbook.flow.rate.items import ContractMonth, Refusal, item_charges
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.rate.terms import started_on
from tollbook.masterdata.catalog import Catalog
from tollbook.records.usage import MeteredUsage
from tollbook.values.money import Money, settle, sum_money
from tollbook.values.period import Month


@dataclass(slots=True)
class Truth:
    """What a month owes: a charge an obligation, what each means for grants, what is refused."""

    charges: dict[Obligation, RatedCharge] = field(default_factory=dict)
    by_grant: dict[Obligation, Mapping[str, Decimal]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def waits(self, obligation: Obligation) -> bool:
        """Tell whether an obligation's truth is not known, so that nothing may be concluded."""
        is_derived = obligation.kind not in {"usage", "fixed"}
        return any(
            refusal.contract_id == obligation.contract_id
            and (is_derived or refusal.product_id == obligation.product_id)
            for refusal in self.refusals
        )

    def add(self, found: RatedCharge | Movement | Refusal) -> None:
        """Keep what one rule found."""
        match found:
            case Refusal():
                self.refusals.append(found)
            case Movement():
                self.add(found.rated)
                self.by_grant[obligation_key(found.rated)] = found.by_grant
            case RatedCharge():
                obligation = obligation_key(found)
                assert obligation not in self.charges, f"two charges for {obligation}"
                self.charges[obligation] = found


def month_truth(
    catalog: Catalog,
    month: Month,
    usages: Iterable[MeteredUsage],
    credit_balances: Mapping[str, Mapping[str, Decimal]],
    discounts_given: Mapping[str, Mapping[str, Money]],
    used_before: Mapping[str, Money],
) -> Truth:
    """Return everything owed for a service month.

    `credit_balances` is contract -> grant -> balance without this month's own movements;
    `discounts_given` is contract -> adjustment -> what it took off in the months before;
    `used_before` is what contracts that commit to a year used in the months before in it.
    """
    truth = Truth()
    by_key = {(one.contract_id, one.product_id, one.period): one for one in usages}
    segments = catalog.contract_segments(month)
    for contract_id, found in groupby(segments, key=lambda segment: segment[0].contract_id):
        known = ContractMonth(catalog, month, tuple(found), by_key)
        balances = credit_balances.get(contract_id, {})
        nothing = Money(0, known.latest.currency)
        earlier = Earlier(
            balances,
            discounts_given.get(contract_id, {}),
            used_before.get(contract_id, nothing),
        )
        _add_contract(truth, known, earlier)
    return truth


@dataclass(frozen=True, slots=True)
class Earlier:
    """What other months mean for a contract's month: balances of grants, discounts, usage."""

    balances: Mapping[str, Decimal]
    given: Mapping[str, Money]
    used: Money


def _add_contract(truth: Truth, known: ContractMonth, earlier: Earlier) -> None:
    items = list(item_charges(known))
    for item in items:
        truth.add(item)
    rated = [item for item in items if isinstance(item, RatedCharge)]
    if len(rated) < len(items):
        # A commitment or a credit computed without one of the products would be wrong.
        return
    contract, period, month = known.latest, known.period, known.month
    lines = settled_lines(rated, contract.currency)
    started = Month.of(started_on(known.catalog, contract))
    shares = shares_of(
        contract, lines, month=month, started=started, given_before=earlier.given, period=period
    )
    for charge in adjustment_charges(contract, shares, period=period, month=month):
        truth.add(charge)
    used = net_usage(lines, shares, contract.currency)
    committed_to = _committed_product(known)
    workings = committed_parts(contract, used, before=earlier.used, started=started, month=month)
    for charge in commitment_charges(
        contract, workings, product_id=committed_to, period=period, month=month
    ):
        truth.add(charge)
    for purchase in credits_purchased(contract, month):
        truth.add(purchase)
    try:
        applied = credit_applied(
            contract, used, elsewhere=earlier.balances, period=period, month=month
        )
    except Rejected as failure:
        truth.add(Refusal(contract.contract_id, contract.credit_product_id, failure))
        return
    if applied is not None:
        truth.add(applied)


def settled_lines(charges: Iterable[RatedCharge], currency: str) -> list[Line]:
    """Return usage and fees as the customer sees them: what is agreed over lines looks at that."""
    return [
        Line(
            one.charge.product_id,
            one.charge.period,
            one.charge.kind,
            settle(one.charge.amount, one.charge.rounding).money,
        )
        for one in charges
        if one.charge.amount.currency == currency
    ]


def net_usage(
    lines: Iterable[Line], shares: Iterable[tuple[Share, Line | None]], currency: str
) -> Money:
    """Return what usage comes to after what was taken off it: commitments and credits count that."""
    amounts = [line.amount for line in lines if line.kind == "usage"]
    taken = [share.amount for share, line in shares if line is not None and line.kind == "usage"]
    return sum_money([*amounts, *taken], currency)


def _committed_product(known: ContractMonth) -> str:
    """Return the first metered product of the contract: a commitment is made for its usage."""
    on = known.period.start.date()
    for item in known.latest.items:
        product = known.catalog.product(item.product_id, on)
        if product is not None and product.meter_id is not None:
            return product.product_id
    return ""


def year_spans(catalog: Catalog, month: Month) -> dict[str, Month]:
    """Return the first month of its contract year, for contracts that commit to a year."""
    found = {}
    for contract, _, _ in catalog.contract_segments(month):
        commitment = contract.commitment
        if commitment is not None and commitment.annual_amount is not None:
            started = Month.of(started_on(catalog, contract))
            found[contract.contract_id] = year_began(started, month)
    return found
