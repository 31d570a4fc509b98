"""What a part of a span costs: the whole so far less what came before, label by label."""

from collections.abc import Sequence
from decimal import Decimal

from tollbook.flow.rate.working import ONE, ZERO, part, total
from tollbook.records.charge import ChargePart
from tollbook.records.usage import EventUse, UsageDetail
from tollbook.values.money import EXACT


def joined(before: UsageDetail, now: UsageDetail) -> UsageDetail:
    """Return two usages as one; events in their order, those of `before` first."""
    has_amount = before.amount is not None or now.amount is not None
    return UsageDetail(
        quantity=EXACT.add(before.quantity, now.quantity),
        events=before.events + now.events,
        amount=EXACT.add(before.money, now.money) if has_amount else None,
        each=_one_after_the_other(before, now),
        cells=(*before.cells, *now.cells),
        windows=_windows(before, now),
    )


def less(after: Sequence[ChargePart], before: Sequence[ChargePart]) -> list[ChargePart]:
    """Return the lines that lead from one working to another; those that did not change are left out.

    They come to exactly what the two workings differ by.
    """
    changes: dict[tuple[str, Decimal, Decimal], Decimal] = {}
    for sign, parts in ((ONE, after), (-ONE, before)):
        for one in parts:
            key = (one.label, one.unit_price, one.per)
            changes[key] = EXACT.add(changes.get(key, ZERO), EXACT.multiply(sign, one.quantity))
    by_label: dict[str, list[ChargePart]] = {}
    for (label, unit_price, per), quantity in changes.items():
        if quantity != ZERO:
            by_label.setdefault(label, []).append(part(label, quantity, unit_price, per))
    result = [one for parts in by_label.values() for one in _as_one(parts)]
    assert total(one.amount for one in result) == EXACT.subtract(
        total(one.amount for one in after), total(one.amount for one in before)
    ), "the difference of two workings is the difference of their amounts"
    return result


def _as_one(parts: list[ChargePart]) -> list[ChargePart]:
    """Write an amount that took another's place (a minimum) as the difference of the two."""
    if len(parts) != 2 or [one.per for one in parts] != [ONE, ONE]:
        return parts
    now, then = parts
    if (now.quantity, then.quantity) != (ONE, -ONE):
        return parts
    return [part(now.label, ONE, EXACT.subtract(now.unit_price, then.unit_price))]


def _one_after_the_other(before: UsageDetail, now: UsageDetail) -> tuple[EventUse, ...] | None:
    found = [before.each, now.each]
    if before.each is None and not (before.events or before.money):
        found[0] = ()
    if now.each is None and not (now.events or now.money):
        found[1] = ()
    first, second = found
    return None if first is None or second is None else (*first, *second)


def _windows(before: UsageDetail, now: UsageDetail) -> tuple[Decimal, ...] | None:
    if before.windows is None and now.windows is None:
        return None
    return (*(before.windows or ()), *(now.windows or ()))
