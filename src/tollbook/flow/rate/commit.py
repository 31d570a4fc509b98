"""A committed amount: what usage did not reach of it, and the surcharge on usage beyond it."""

from decimal import Decimal

from tollbook.flow.rate.working import ONE, ZERO, part
from tollbook.records.charge import ChargeKind, ChargePart
from tollbook.records.commercial import Commitment, Contract
from tollbook.values.money import EXACT, Money
from tollbook.values.period import Month


def shortfall_parts(commitment: Commitment, used: Money) -> list[ChargePart]:
    """Return a month's commitment minus its usage, when usage stayed below it; `used` is settled."""
    return missing_parts(commitment.monthly_amount, used)


def overage_parts(commitment: Commitment, used: Money) -> list[ChargePart]:
    """Return the surcharge on a month's usage beyond the commitment; usage is charged already."""
    before = Money(0, used.currency)
    return beyond_parts(commitment.monthly_amount, commitment.overage_factor, before, used)


def year_began(started: Month, month: Month) -> Month:
    """Return the first month of the contract year that a month is in."""
    return started.plus(month.minus(started) // 12 * 12)


def is_year_end(contract: Contract, started: Month, month: Month) -> bool:
    """Tell whether a contract year ends with a month, or the contract does within it."""
    ends = contract.effective_until
    is_last = ends is not None and ends <= month.plus(1).first
    return is_last or month.plus(1).minus(started) % 12 == 0


def committed_parts(
    contract: Contract, used: Money, *, before: Money, started: Month, month: Month
) -> dict[ChargeKind, list[ChargePart]]:
    """Return the working of shortfall and overage of a month; at most one has parts.

    `used` is the month's settled usage, net of what was taken off it; `before` that of the months
    before in the contract year.
    """
    commitment = contract.commitment
    if commitment is None:
        return {}
    if commitment.annual_amount is None:
        return {
            "commitment_shortfall": shortfall_parts(commitment, used),
            "overage": overage_parts(commitment, used),
        }
    amount, factor = commitment.annual_amount, commitment.overage_factor
    is_end = is_year_end(contract, started, month)
    return {
        "commitment_shortfall": missing_parts(amount, before + used) if is_end else [],
        "overage": beyond_parts(amount, factor, before, used),
    }


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
