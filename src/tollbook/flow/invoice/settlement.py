"""From exact charges to whole minor units, so that the lines always sum to the settled truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.records.charge import Charge
from tollbook.values.money import EXACT, Money, Precise, settle


@dataclass(frozen=True, slots=True)
class Billed:
    """What issued documents hold of an obligation: the exact charges, and the money billed."""

    exact: Precise
    money: Money


@dataclass(frozen=True, slots=True)
class Settlement:
    """A charge with the amount of its line; residue = charge - line, in major units."""

    charge: Charge
    amount: Money
    residue: Decimal


def settle_in_turn(
    charges: Iterable[RatedCharge], billed: Mapping[Obligation, Billed]
) -> list[Settlement]:
    """Settle each charge to what brings its obligation, as billed so far, to its settled truth.

    The truth is rounded and not the difference: 0.005 billed as 0.00 and then corrected to 0.015
    is worth 0.02, while the difference of 0.010 alone would round to 0.01.
    """
    so_far = dict(billed)
    settlements = []
    for rated in charges:
        charge, obligation = rated.charge, obligation_key(rated)
        before = so_far.get(obligation) or _nothing(obligation.currency)
        exact = before.exact + charge.amount
        truth = settle(exact, charge.rounding).money
        amount = truth - before.money
        residue = EXACT.subtract(charge.amount.value, amount.major)
        settlements.append(Settlement(charge, amount, residue))
        so_far[obligation] = Billed(exact, truth)
    return settlements


def _nothing(currency: str) -> Billed:
    return Billed(Precise(Decimal(0), currency), Money(0, currency))
