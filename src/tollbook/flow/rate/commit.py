"""A committed amount: what usage did not reach of it, and the surcharge on usage beyond it."""

from decimal import Decimal

from tollbook.flow.rate.working import ONE, ZERO, part
from tollbook.records.charge import ChargePart
from tollbook.records.commercial import Commitment
from tollbook.values.money import EXACT, Money


def shortfall_parts(commitment: Commitment, used: Money) -> list[ChargePart]:
    """Return a month's commitment minus its usage, when usage stayed below it; `used` is settled."""
    return missing_parts(commitment.monthly_amount, used)


def overage_parts(commitment: Commitment, used: Money) -> list[ChargePart]:
    """Return the surcharge on a month's usage beyond the commitment; usage is charged already."""
    before = Money(0, used.currency)
    return beyond_parts(commitment.monthly_amount, commitment.overage_factor, before, used)


def missing_parts(committed: Decimal, used: Money) -> list[ChargePart]:
    """Return what is missing to a committed amount at the end of its span; `used` is all of it."""
    missing = EXACT.subtract(committed, used.major)
    if missing <= ZERO:
        return []
    return [part("commitment", ONE, committed), part("usage charged", used.major, -ONE)]


def beyond_parts(
    committed: Decimal, factor: Decimal, before: Money, used: Money
) -> list[ChargePart]:
    """Return the surcharge on the usage of a period that is beyond a committed amount.

    `before` is what earlier periods of the span used: the surcharge of a span is the sum of those
    of its periods, however it is divided.
    """
    surcharge = EXACT.subtract(factor, ONE)
    beyond = _beyond(committed, before + used) - _beyond(committed, before)
    if beyond <= ZERO or surcharge == ZERO:
        return []
    return [part("usage beyond the commitment", beyond, surcharge)]


def _beyond(committed: Decimal, used: Money) -> Decimal:
    return max(EXACT.subtract(used.major, committed), ZERO)
