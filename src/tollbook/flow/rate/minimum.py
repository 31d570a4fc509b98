"""The least amount of a period, shown as a top-up of what was used."""

from collections.abc import Sequence
from decimal import Decimal

from tollbook.flow.rate.working import ONE, ZERO, part, total
from tollbook.records.charge import ChargePart
from tollbook.values.money import EXACT


def top_up(parts: Sequence[ChargePart], minimum: Decimal | None) -> list[ChargePart]:
    """Return the part that lifts a working to its minimum; none when it is reached.

    The minimum is owed while the price is in force, so it is also owed for no usage at all.
    """
    if minimum is None:
        return []
    missing = EXACT.subtract(minimum, total(one.amount for one in parts))
    return [part("minimum", ONE, missing)] if missing > ZERO else []
