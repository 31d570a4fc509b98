"""Compare checkpoints document by document, then in total."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tollbook.records.control import Checkpoint, ControlTotal, Variance
from tollbook.values.money import Money, sum_money
from tollbook.values.period import Month

# How many differing documents a variance names.
OBJECTS_MAX: Final = 20
# How many of them its sentence names.
NAMED_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class Amount:
    """What one checkpoint says about one document or obligation, under the name finance knows."""

    object_id: str
    entity_id: str
    currency: str
    money: Money


def control_totals(
    checkpoints: Mapping[Checkpoint, Sequence[Amount]], month: Month
) -> tuple[ControlTotal, ...]:
    """Add each checkpoint's amounts per legal entity and currency, in order.

    A checkpoint that has nothing where another has something is a total of zero.
    """
    amounts = [amount for found in checkpoints.values() for amount in found]
    groups = sorted({(amount.entity_id, amount.currency) for amount in amounts})
    return tuple(
        _total(checkpoint, entity_id, currency, found, month)
        for checkpoint, found in checkpoints.items()
        for entity_id, currency in groups
    )


def variances(
    left: tuple[str, Sequence[Amount]], right: tuple[str, Sequence[Amount]], month: Month
) -> list[Variance]:
    """Return where two checkpoints (name, amounts) disagree, per legal entity and currency.

    Differences that cancel out in the total are still variances: their difference is zero and the
    documents are named.
    """
    ours, theirs = _by_object(left[1]), _by_object(right[1])
    differing: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for key in sorted(ours.keys() | theirs.keys()):
        entity_id, currency, object_id = key
        difference = ours.get(key, 0) - theirs.get(key, 0)
        if difference != 0:
            differing[entity_id, currency].append((object_id, difference))
    return [
        Variance(
            left=left[0],
            right=right[0],
            entity_id=entity_id,
            currency=currency,
            month=str(month),
            difference=Money(sum(difference for _, difference in found), currency),
            objects=tuple(object_id for object_id, _ in found[:OBJECTS_MAX]),
            object_count=len(found),
        )
        for (entity_id, currency), found in differing.items()
    ]


def sentence(variance: Variance) -> str:
    """Return a variance as a finance person would say it, with where to start looking."""
    left, right, difference = variance.left, variance.right, variance.difference
    if difference.minor > 0:
        said = f"{left} is {difference} more than {right}"
    elif difference.minor < 0:
        said = f"{left} is {-difference} less than {right}"
    else:
        said = f"{left} and {right} differ in places that cancel out in {variance.currency}"
    named = ", ".join(variance.objects[:NAMED_MAX])
    rest = variance.object_count - min(variance.object_count, NAMED_MAX)
    more = f" and {rest} more" if rest else ""
    return f"{variance.entity_id} {variance.month}: {said}. Look at {named}{more}."


def _total(
    checkpoint: Checkpoint, entity_id: str, currency: str, found: Sequence[Amount], month: Month
) -> ControlTotal:
    mine = [one.money for one in found if (one.entity_id, one.currency) == (entity_id, currency)]
    return ControlTotal(
        checkpoint, entity_id, currency, str(month), sum_money(mine, currency), len(mine)
    )


def _by_object(amounts: Iterable[Amount]) -> dict[tuple[str, str, str], int]:
    totals: dict[tuple[str, str, str], int] = defaultdict(int)
    for amount in amounts:
        totals[amount.entity_id, amount.currency, amount.object_id] += amount.money.minor
    return totals
