"""Compare checkpoints document by document, then in total."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tollbook.records.control import Checkpoint, ControlTotal, Variance
from tollbook.values.money import Money
from tollbook.values.period import Month

# How many differing documents a variance names.
OBJECTS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Amount:
    """What one checkpoint says about one document or obligation."""

    object_id: str
    entity_id: str
    currency: str
    money: Money


def control_totals(
    checkpoint: Checkpoint, amounts: Iterable[Amount], month: Month
) -> list[ControlTotal]:
    """Add a checkpoint's amounts per legal entity and currency, in order."""
    groups: dict[tuple[str, str], list[Money]] = defaultdict(list)
    for amount in amounts:
        groups[amount.entity_id, amount.currency].append(amount.money)
    return [
        ControlTotal(
            checkpoint,
            entity_id,
            currency,
            str(month),
            Money(sum(money.minor for money in found), currency),
            len(found),
        )
        for (entity_id, currency), found in sorted(groups.items())
    ]


def variances(
    left: str,
    left_amounts: Sequence[Amount],
    right: str,
    right_amounts: Sequence[Amount],
    month: Month,
) -> list[Variance]:
    """Return where two checkpoints disagree, per legal entity and currency.

    Differences that cancel out in the total are still variances: their difference is zero and the
    documents are named.
    """
    ours, theirs = _by_object(left_amounts), _by_object(right_amounts)
    differing: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for entity_id, currency, object_id in sorted(ours.keys() | theirs.keys()):
        key = (entity_id, currency, object_id)
        difference = ours.get(key, 0) - theirs.get(key, 0)
        if difference != 0:
            differing[entity_id, currency].append((object_id, difference))
    return [
        Variance(
            left,
            right,
            entity_id,
            currency,
            str(month),
            Money(sum(difference for _, difference in found), currency),
            tuple(object_id for object_id, _ in found[:OBJECTS_MAX]),
        )
        for (entity_id, currency), found in sorted(differing.items())
    ]


def _by_object(amounts: Iterable[Amount]) -> dict[tuple[str, str, str], int]:
    totals: dict[tuple[str, str, str], int] = defaultdict(int)
    for amount in amounts:
        totals[amount.entity_id, amount.currency, amount.object_id] += amount.money.minor
    return totals
