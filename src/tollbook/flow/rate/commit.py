"""A committed monthly amount: what usage did not reach, and the surcharge on what went beyond."""

from tollbook.flow.rate.working import ONE, ZERO, part
from tollbook.records.charge import ChargePart
from tollbook.records.commercial import Commitment
from tollbook.values.money import EXACT, Money


def shortfall_parts(commitment: Commitment, used: Money) -> list[ChargePart]:
    """Return commitment minus usage, when usage stayed below it; `used` is settled usage."""
    missing = EXACT.subtract(commitment.monthly_amount, used.major)
    if missing <= ZERO:
        return []
    return [
        part("commitment", ONE, commitment.monthly_amount),
        part("usage charged", used.major, -ONE),
    ]


def overage_parts(commitment: Commitment, used: Money) -> list[ChargePart]:
    """Return the surcharge on usage beyond the commitment; the usage itself is charged already."""
    beyond = EXACT.subtract(used.major, commitment.monthly_amount)
    surcharge = EXACT.subtract(commitment.overage_factor, ONE)
    if beyond <= ZERO or surcharge == ZERO:
        return []
    return [part("usage beyond the commitment", beyond, surcharge)]
