"""Charges of a contract's adjustments: what discounts, maximums and minimums change on its lines."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tollbook.flow.rate.adjust import Due, Share, adjust, is_in_force
from tollbook.flow.rate.agreed import contract_charge
from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.working import ZERO
from tollbook.records.adjustment import AdjustmentKind
from tollbook.records.charge import ChargePart, PriceVersion
from tollbook.records.commercial import Contract
from tollbook.values.ids import ChargeId, derive
from tollbook.values.money import Money
from tollbook.values.period import Month, Period


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """A line that rules are applied to: a product's usage or fee of a period, settled."""

    product_id: str
    period: Period
    kind: str
    amount: Money


def shares_of(
    contract: Contract,
    lines: Sequence[Line],
    *,
    month: Month,
    started: Month,
    given_before: Mapping[str, Money],
    period: Period,
) -> list[tuple[Share, Line | None]]:
    """Return what the contract's adjustments change, each with the line that it changes.

    Lines are taken in the order of the contract's items, then of their periods, whatever order
    they come in. `given_before` is what each discount gave in earlier months; `period` the
    contract's part of the month, which the line of a minimum is for.
    """
    ordered = sorted(lines, key=lambda line: (*_position(contract, line), line))
    dues = [
        Due(line.product_id, "fixed" if line.kind == "fixed" else "usage", line.amount)
        for line in ordered
    ]
    rules = [
        rule
        for rule in contract.adjustments
        if is_in_force(
            rule,
            periods_before=month.minus(Month.of(rule.starts_on) if rule.starts_on else started),
        )
    ]
    shares = adjust(dues, rules, currency=contract.currency, used_before=given_before)
    ordered += [
        Line(_product(contract, share), period, share.kind, share.amount)
        for share in shares
        if share.line is None
    ]
    return [(share, None if share.line is None else ordered[share.line]) for share in shares]


def adjustment_charges(
    contract: Contract,
    shares: Sequence[tuple[Share, Line | None]],
    *,
    period: Period,
    month: Month,
) -> Iterator[RatedCharge]:
    """Yield a charge for what each rule changes on each product and period, in their order."""
    found: dict[tuple[str, AdjustmentKind, str, Period], list[ChargePart]] = defaultdict(list)
    for share, line in shares:
        key = share.rule_id, share.kind, _product(contract, share), line.period if line else period
        found[key] += share.parts
    for (rule_id, kind, product_id, of), parts in found.items():
        terms = PriceVersion(
            price_version_id=f"{contract.contract_id}@{contract.version}",
            currency=contract.currency,
            model="flat",
            flat_amount=ZERO,
            product_id=product_id,
        )
        rated = contract_charge(
            contract,
            terms,
            parts,
            kind=kind,
            period=of,
            month=month,
        )
        yield _named_after(rule_id, rated)


def _named_after(rule_id: str, rated: RatedCharge) -> RatedCharge:
    """Tell the charges of two rules apart that change a line alike."""
    charge_id = ChargeId(derive("chg", "rule", rule_id, rated.charge.charge_id))
    return replace(rated, charge=replace(rated.charge, charge_id=charge_id, rule_id=rule_id))


def _position(contract: Contract, line: Line) -> tuple[int, Period]:
    products = [item.product_id for item in contract.items]
    at = products.index(line.product_id) if line.product_id in products else len(products)
    return at, line.period


def _product(contract: Contract, share: Share) -> str:
    return share.product_id or contract.items[0].product_id
