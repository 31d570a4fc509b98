"""Everything a month's contracts owe, computed from metered usage and terms alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tollbook.errors import Rejected
from tollbook.flow.rate.adjust import Share
from tollbook.flow.rate.adjusted import Line, adjustment_charges, shares_of
from tollbook.flow.rate.agreed import commitment_charges
from tollbook.flow.rate.commit import committed_parts, year_began
from tollbook.flow.rate.detail.need import Key, Known
from tollbook.flow.rate.items import ContractMonth, UsageKey, item_charges
from tollbook.flow.rate.prepaid import Movement, credits_applied, credits_purchased, prepaid
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.rate.terms import Refusal, started_on
from tollbook.ledger.credits import Moved
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Contract
from tollbook.records.credits import CreditCommand
from tollbook.records.usage import MeteredUsage
from tollbook.values.calendar import days_of
from tollbook.values.money import Money, settle, sum_money
from tollbook.values.period import Month


@dataclass(slots=True)
class Truth:
    """What a month owes: a charge an obligation, what each means for grants, what is refused."""

    charges: dict[Obligation, RatedCharge] = field(default_factory=dict)
    by_grant: dict[Obligation, Mapping[str, Moved]] = field(default_factory=dict)
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
                kept = self.charges.setdefault(obligation, found)
                assert kept is found, f"two charges for {obligation}"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is decided outside a month and counts in it, each by contract.

    `credit_balances` are what each batch of credits holds without the month's own movements,
    `credit_commands` what was ordered of them; `discounts_given` what each adjustment took off in
    the months before; `used_before` what those that commit to a year used in the months before.
    `known_uses` is what prices look at beyond quantities; without it they refuse.
    """

    credit_balances: Mapping[str, Mapping[str, Moved]] = field(default_factory=dict)
    credit_commands: Mapping[str, Sequence[CreditCommand]] = field(default_factory=dict)
    discounts_given: Mapping[str, Mapping[str, Money]] = field(default_factory=dict)
    used_before: Mapping[str, Money] = field(default_factory=dict)
    known_uses: Mapping[Key, Known] = field(default_factory=dict)


def month_truth(
    catalog: Catalog, month: Month, usages: Iterable[MeteredUsage], elsewhere: Elsewhere
) -> Truth:
    """Return everything owed for a service month."""
    truth = Truth()
    by_key = {(one.contract_id, one.product_id, one.period): one for one in usages}
    for contract_id in catalog.keys("contract"):
        known = _contract_month(catalog, month, contract_id, by_key, elsewhere)
        if known is not None:
            _add_contract(truth, known, elsewhere)
    return truth


def contract_truth(
    catalog: Catalog,
    month: Month,
    contract_id: str,
    usages: Mapping[UsageKey, MeteredUsage],
    elsewhere: Elsewhere,
) -> Truth:
    """Return what one contract owes for a service month: its part of `month_truth`.

    `usages` are those of the contract, or more; nothing of other contracts is looked at.
    """
    truth = Truth()
    known = _contract_month(catalog, month, contract_id, usages, elsewhere)
    if known is not None:
        _add_contract(truth, known, elsewhere)
    return truth


def _contract_month(
    catalog: Catalog,
    month: Month,
    contract_id: str,
    usages: Mapping[UsageKey, MeteredUsage],
    elsewhere: Elsewhere,
) -> ContractMonth | None:
    ending = tuple(catalog.segments_ending(contract_id, month))
    in_force = ending
    if catalog.billing(contract_id) is not None:
        in_force = tuple(catalog.segments(contract_id, days_of(month)))
    if not ending and not in_force:
        return None
    return ContractMonth(catalog, month, ending, in_force, usages, elsewhere.known_uses)


def _add_contract(truth: Truth, known: ContractMonth, elsewhere: Elsewhere) -> None:
    items = list(item_charges(known))
    for item in items:
        truth.add(item)
    rated = [item for item in items if isinstance(item, RatedCharge)]
    if len(rated) < len(items):
        # A commitment or a credit computed without one of the products would be wrong.
        return
    contract, period = known.latest, known.period
    if not _agrees_more(contract, elsewhere):
        # Most contracts: what follows would come to nothing, line by line.
        return
    lines = settled_lines(rated, contract.currency)
    shares = _adjusted(known, lines, elsewhere)
    for charge in adjustment_charges(contract, shares, period=period, month=known.month):
        truth.add(charge)
    used = net_usage(lines, shares)
    for charge in _committed(known, used, elsewhere):
        truth.add(charge)
    zone = known.catalog.zone(contract.customer_id, contract)
    commands = elsewhere.credit_commands.get(contract.contract_id, ())
    balances = elsewhere.credit_balances.get(contract.contract_id, {})
    credit = prepaid(contract, known.month, zone, commands)
    for purchase in credits_purchased(credit):
        truth.add(purchase)
    try:
        for applied in list(credits_applied(credit, used, elsewhere=balances, period=period)):
            truth.add(applied)
    except Rejected as failure:
        truth.add(Refusal(contract.contract_id, contract.credit_product_id, failure))


def _agrees_more(contract: Contract, elsewhere: Elsewhere) -> bool:
    """Tell whether anything is owed beside items: by rules over lines, commitments or credits."""
    return bool(
        contract.adjustments
        or contract.commitment
        or contract.credits
        or elsewhere.credit_commands.get(contract.contract_id)
    )


def _adjusted(
    known: ContractMonth, lines: Sequence[Line], elsewhere: Elsewhere
) -> list[tuple[Share, Line | None]]:
    contract = known.latest
    return shares_of(
        contract if known.segments and contract.items else _without_minimums(contract),
        lines,
        month=known.month,
        started=Month.of(started_on(known.catalog, contract)),
        given_before=elsewhere.discounts_given.get(contract.contract_id, {}),
        period=known.period,
    )


def _committed(
    known: ContractMonth, used: Sequence[tuple[str, Money]], elsewhere: Elsewhere
) -> Iterator[RatedCharge]:
    contract, nothing = known.latest, Money(0, known.latest.currency)
    if not known.segments:
        # A month in which no billing period ends has no usage to hold against a commitment.
        return iter(())
    workings = committed_parts(
        contract,
        sum_money([money for _, money in used], contract.currency),
        before=elsewhere.used_before.get(contract.contract_id, nothing),
        started=Month.of(started_on(known.catalog, contract)),
        month=known.month,
    )
    return commitment_charges(
        contract,
        workings,
        product_id=_committed_product(known),
        period=known.period,
        month=known.month,
    )


def _without_minimums(contract: Contract) -> Contract:
    """Return a contract as it adjusts a month in which no billing period ends: none falls short."""
    rules = tuple(rule for rule in contract.adjustments if rule.kind != "minimum")
    return replace(contract, adjustments=rules)


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
    lines: Iterable[Line], shares: Iterable[tuple[Share, Line | None]]
) -> list[tuple[str, Money]]:
    """Return usage by product after what was taken off it: commitments and credits count that."""
    net = {line: line.amount for line in lines if line.kind == "usage"}
    for share, line in shares:
        if line in net:
            net[line] += share.amount
    return [(line.product_id, amount) for line, amount in net.items()]


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
    for contract_id in catalog.keys("contract"):
        versions = catalog.versions["contract", contract_id]
        if not any(_is_annual(version.record) for version in versions):
            continue
        for contract, _, _ in catalog.segments(contract_id, days_of(month)):
            if _is_annual(contract):
                started = Month.of(started_on(catalog, contract))
                found[contract_id] = year_began(started, month)
    return found


def _is_annual(record: object) -> bool:
    assert isinstance(record, Contract)
    return record.commitment is not None and record.commitment.annual_amount is not None
