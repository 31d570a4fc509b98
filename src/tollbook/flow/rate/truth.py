"""Everything a month's contracts owe, computed from metered usage and terms alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from types import MappingProxyType

from tollbook.errors import Rejected
from tollbook.flow.rate.agreed import commitment_charges
from tollbook.flow.rate.items import ContractMonth, Refusal, item_charges
from tollbook.flow.rate.prepaid import (
    Movement,
    credits_applied,
    credits_purchased,
    prepaid,
    usage_lines,
)
from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.ledger.credits import Moved
from tollbook.masterdata.catalog import Catalog
from tollbook.records.credits import CreditCommand
from tollbook.records.usage import MeteredUsage
from tollbook.values.money import sum_money
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
                assert obligation not in self.charges, f"two charges for {obligation}"
                self.charges[obligation] = found


def month_truth(
    catalog: Catalog,
    month: Month,
    usages: Iterable[MeteredUsage],
    credit_balances: Mapping[str, Mapping[str, Moved]],
    credit_commands: Mapping[str, Sequence[CreditCommand]] = MappingProxyType({}),
) -> Truth:
    """Return everything owed for a service month.

    `credit_balances` is contract -> batch -> what it holds without this month's own movements,
    `credit_commands` contract -> what was ordered of its credits.
    """
    truth = Truth()
    by_key = {(one.contract_id, one.product_id, one.period): one for one in usages}
    segments = catalog.contract_segments(month)
    for contract_id, found in groupby(segments, key=lambda segment: segment[0].contract_id):
        known = ContractMonth(catalog, month, tuple(found), by_key)
        _add_contract(
            truth,
            known,
            credit_balances.get(contract_id, {}),
            credit_commands.get(contract_id, ()),
        )
    return truth


def _add_contract(
    truth: Truth,
    known: ContractMonth,
    balances: Mapping[str, Moved],
    commands: Sequence[CreditCommand],
) -> None:
    items = list(item_charges(known))
    for item in items:
        truth.add(item)
    rated = [item for item in items if isinstance(item, RatedCharge)]
    if len(rated) < len(items):
        # A commitment or a credit computed without one of the products would be wrong.
        return
    contract, period, month = known.latest, known.period, known.month
    lines = usage_lines(rated, contract.currency)
    used = sum_money([money for _, money in lines], contract.currency)
    committed_to = _committed_product(known)
    for charge in commitment_charges(
        contract, used, product_id=committed_to, period=period, month=month
    ):
        truth.add(charge)
    zone = known.catalog.zone(contract.customer_id, contract)
    credit = prepaid(contract, month, zone, commands)
    for purchase in credits_purchased(credit):
        truth.add(purchase)
    try:
        for applied in list(credits_applied(credit, lines, elsewhere=balances, period=period)):
            truth.add(applied)
    except Rejected as failure:
        truth.add(Refusal(contract.contract_id, contract.credit_product_id, failure))


def _committed_product(known: ContractMonth) -> str:
    """Return the first metered product of the contract: a commitment is made for its usage."""
    on = known.period.start.date()
    for item in known.latest.items:
        product = known.catalog.product(item.product_id, on)
        if product is not None and product.meter_id is not None:
            return product.product_id
    return ""
