"""Truth against what was charged before: what to replace, what to bill or credit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from tollbook.flow.rate.rated import RatedCharge
from tollbook.flow.rate.working import ONE, ZERO, part, total
from tollbook.records.charge import ChargePart
from tollbook.values.ids import ChargeId, derive
from tollbook.values.money import EXACT, Precise


@dataclass(frozen=True, slots=True)
class Earlier:
    """A charge of the same obligation that exists already.

    `is_billed` once it is on an issued invoice; a superseded charge no longer counts.
    """

    rated: RatedCharge
    is_billed: bool = False
    is_superseded: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What makes the charges that count sum to the truth; nothing when they do already."""

    supersede: tuple[ChargeId, ...] = ()
    write: RatedCharge | None = None


NOTHING: Final = Decision()


def decide(truth: RatedCharge | None, history: Sequence[Earlier]) -> Decision:
    """Return what to supersede and what to write; `history` is every earlier charge, oldest first.

    What is not billed yet is replaced by the truth. What is billed stays, and the difference to
    the truth becomes a charge of its own that names the first one. No truth (None) means that
    nothing is owed any more.
    """
    billed = [one.rated for one in history if one.is_billed]
    open_ = [one.rated for one in history if not one.is_billed and not one.is_superseded]
    wanted = _remainder(truth, billed)
    if len(open_) == 1 and wanted is not None and _is_same(open_[0], wanted):
        return NOTHING
    if wanted is not None and history:
        wanted = _renamed(wanted, history)
    return Decision(tuple(one.charge.charge_id for one in open_), wanted)


def _remainder(truth: RatedCharge | None, billed: Sequence[RatedCharge]) -> RatedCharge | None:
    """Return the charge that is missing beside the billed ones."""
    if not billed:
        return truth if truth is not None and not _is_empty(truth) else None
    latest = truth or _nothing_owed(billed[-1])
    amount = total(one.charge.amount.value for one in billed)
    quantity = total(one.charge.quantity for one in billed)
    return _difference(latest, billed[0].charge.charge_id, amount, quantity)


def _difference(
    truth: RatedCharge, first: ChargeId, amount: Decimal, quantity: Decimal
) -> RatedCharge | None:
    charge = truth.charge
    parts: tuple[ChargePart, ...] = (*charge.parts, part("charged before", -ONE, amount))
    difference = replace(
        charge,
        amount=Precise(EXACT.subtract(charge.amount.value, amount), charge.amount.currency),
        quantity=EXACT.subtract(charge.quantity, quantity),
        parts=parts,
        corrects=first,
    )
    rated = replace(truth, charge=difference)
    return None if _is_empty(rated) else rated


def _nothing_owed(billed: RatedCharge) -> RatedCharge:
    """Return the truth of an obligation that no longer exists, under its last pinned terms."""
    charge = billed.charge
    zero = replace(
        charge,
        charge_id=ChargeId(derive("chg", "nothing", charge.charge_id)),
        amount=Precise(ZERO, charge.amount.currency),
        quantity=ZERO,
        parts=(),
        usage_id=None,
    )
    return replace(billed, charge=zero)


def _is_empty(rated: RatedCharge) -> bool:
    return rated.charge.amount.value == ZERO and rated.charge.quantity == ZERO


def _is_same(left: RatedCharge, right: RatedCharge) -> bool:
    """Tell whether two charges say the same, whatever they are called."""
    return left == replace(right, charge=replace(right.charge, charge_id=left.charge.charge_id))


def _renamed(rated: RatedCharge, history: Sequence[Earlier]) -> RatedCharge:
    """Name a charge after what came before it too: a truth that returns is a new charge."""
    before = sorted(one.rated.charge.charge_id for one in history)
    charge_id = ChargeId(derive("chg", "after", rated.charge.charge_id, *before))
    return replace(rated, charge=replace(rated.charge, charge_id=charge_id))
