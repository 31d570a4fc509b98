"""Tax amounts, rounded per line, per rate or per document, as the legal entity's policy says.

Tax is rounded half up, away from zero, unless the entity says otherwise, so that a credit memo mirrors
its invoice. The Streamlined Sales and Use Tax Agreement (section 324) asks for half up and leaves the
choice between item and invoice to the seller; the two differ by cents. Parts always sum to the whole.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tollbook.flow.tax.determine import AppliedRate
from tollbook.records.charge import REDUCTIONS
from tollbook.records.invoice import InvoiceLine, TaxLine
from tollbook.records.parties import LegalEntity
from tollbook.values.money import Money, Rounding, settle_fraction, settle_together, sum_money
from tollbook.values.period import Period

TaxRounding = Literal["line", "document", "total"]


@dataclass(frozen=True, slots=True)
class TaxPolicy:
    """Where and how tax is rounded: each line, the sum of each rate (`document`), or one `total`.

    `is_included` when amounts contain their tax: it is then their part r / (1 + all rates).
    """

    level: TaxRounding = "line"
    rounding: Rounding = "half_up"
    is_included: bool = False


def policy_of(entity: LegalEntity) -> TaxPolicy:
    """Return how a legal entity rounds tax."""
    return TaxPolicy(entity.tax_rounding, entity.tax_rounding_mode)


def tax_lines(
    lines: Sequence[InvoiceLine], rates: Mapping[str, AppliedRate], policy: TaxPolicy
) -> tuple[TaxLine, ...]:
    """Return one tax line for each line that is taxed; a line of 0 or of an untaxed class has none.

    What is taken off a line is rounded together with it: the tax is that of the net amount.
    """
    taxed = [line for line in lines if line.tax_class in rates and line.amount.minor != 0]
    bases = [line.amount for line in taxed]
    amounts = tax_amounts(bases, [(rates[line.tax_class],) for line in taxed], policy)
    if policy.level == "line":
        amounts = _with_reductions(taxed, amounts, rates, policy)
    return tuple(
        TaxLine(
            line_no=line.line_no,
            jurisdiction=rate.jurisdiction,
            tax_code=rate.tax_code,
            rate=rate.rate,
            base=line.amount,
            amount=amount,
            tax_version=rate.tax_version,
        )
        for line, (amount,) in zip(taxed, amounts, strict=True)
        for rate in (rates[line.tax_class],)
    )


def _with_reductions(
    taxed: Sequence[InvoiceLine],
    amounts: Sequence[tuple[Money, ...]],
    rates: Mapping[str, AppliedRate],
    policy: TaxPolicy,
) -> list[tuple[Money, ...]]:
    """Give the last line of each reduced product the rest of the tax of what is left of it."""
    groups: dict[tuple[str, Period, str], list[int]] = defaultdict(list)
    for at, line in enumerate(taxed):
        groups[line.product_id, line.period, line.tax_class].append(at)
    found = list(amounts)
    for (_, _, tax_class), members in groups.items():
        if any(taxed[at].kind in REDUCTIONS for at in members):
            net = sum(Fraction(taxed[at].amount.major) for at in members)
            currency = taxed[members[0]].amount.currency
            tax = settle_fraction(net * Fraction(rates[tax_class].rate), currency, policy.rounding)
            others = sum_money([found[at][0] for at in members[:-1]], currency)
            found[members[-1]] = (tax - others,)
    return found


def tax_amounts(
    bases: Sequence[Money], rates: Sequence[Sequence[AppliedRate]], policy: TaxPolicy
) -> list[tuple[Money, ...]]:
    """Return the tax of each line at each of its rates, in their order."""
    exact: dict[tuple[int, int], Fraction] = {}
    groups: dict[object, list[tuple[int, int]]] = defaultdict(list)
    for at, (base, applied) in enumerate(zip(bases, rates, strict=True)):
        for place, rate in enumerate(applied):
            part = Fraction(rate.rate)
            if policy.is_included:
                part /= 1 + sum(Fraction(one.rate) for one in applied)
            exact[at, place] = Fraction(base.major) * part
            groups[_group(policy.level, (at, place), rate)].append((at, place))
    found: dict[tuple[int, int], Money] = {}
    for members in groups.values():
        currency = bases[members[0][0]].currency
        shares = settle_together([exact[member] for member in members], currency, policy.rounding)
        found.update(zip(members, shares, strict=True))
    return [
        tuple(found[at, place] for place in range(len(applied))) for at, applied in enumerate(rates)
    ]


def _group(level: TaxRounding, member: tuple[int, int], rate: AppliedRate) -> object:
    """Return what the taxes that are rounded together have in common."""
    match level:
        case "line":
            return member
        case "document":
            return rate
        case "total":
            return None
