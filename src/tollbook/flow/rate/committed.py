"""What is committed to in each window of a price: used, beyond it, and missing to it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from tollbook.errors import Rejected
from tollbook.flow.rate.working import ONE, ZERO, part, total
from tollbook.records.charge import ChargePart, WindowCommitment
from tollbook.records.usage import UsageDetail
from tollbook.values.money import EXACT

# The working of the model alone, for a quantity.
Model = Callable[[Decimal], list[ChargePart]]


@dataclass(frozen=True, slots=True)
class Committed:
    """What windows come to: the charge is always utilised + overage + true_up, in major units."""

    utilised: Decimal
    overage: Decimal
    true_up: Decimal
    parts: tuple[ChargePart, ...]


def committed(detail: UsageDetail, commitment: WindowCommitment, model: Model) -> Committed:
    """Compare the cost of each window with the commitment; windows do not help each other out.

    Raises Rejected `rate.detail_missing` when the windows are not known.
    """
    amount = commitment.amount
    if amount is None:
        amount = _cost(model(commitment.quantity or ZERO))
    utilised = beyond = missing = ZERO
    parts: list[ChargePart] = []
    for quantity in _windows(detail, commitment):
        found = model(quantity)
        cost = _cost(found)
        parts += found
        utilised = EXACT.add(utilised, min(cost, amount))
        beyond = EXACT.add(beyond, max(EXACT.subtract(cost, amount), ZERO))
        missing = EXACT.add(missing, max(EXACT.subtract(amount, cost), ZERO))
    surcharge = EXACT.subtract(commitment.overage_factor, ONE)
    result = _merged(parts)
    if ZERO not in (beyond, surcharge):
        result.append(part("overage beyond the commitment", beyond, surcharge))
    if not commitment.true_up:
        missing = ZERO
    if missing != ZERO:
        result.append(part("true-up to the commitment", ONE, missing))
    overage = EXACT.multiply(beyond, commitment.overage_factor)
    return Committed(utilised, overage, missing, tuple(result))


def _windows(detail: UsageDetail, commitment: WindowCommitment) -> Iterable[Decimal]:
    if commitment.window == "period":
        return [detail.quantity]
    if detail.windows is None:
        raise Rejected(
            "rate.detail_missing",
            f"This price needs the usage of each {commitment.window}: give it by window.",
        )
    return detail.windows


def _merged(parts: Iterable[ChargePart]) -> list[ChargePart]:
    """Add the quantities of lines that are alike, so that a month of hours stays readable."""
    quantities: dict[tuple[str, Decimal, Decimal], Decimal] = {}
    for one in parts:
        key = (one.label, one.unit_price, one.per)
        quantities[key] = EXACT.add(quantities.get(key, ZERO), one.quantity)
    return [
        part(label, quantity, price, per) for (label, price, per), quantity in quantities.items()
    ]


def _cost(parts: Iterable[ChargePart]) -> Decimal:
    return total(one.amount for one in parts)
