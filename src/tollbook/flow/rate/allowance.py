"""An allowance that several usages share, and what of it rolls over into the next period."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from tollbook.flow.rate.working import ZERO
from tollbook.values.money import EXACT
from tollbook.values.quantity import to_quantity

PoolOrder = Literal["in_turn", "pro_rata"]


@dataclass(frozen=True, slots=True)
class RollOver:
    """What unused allowance does: each period's rest lives `periods` more, together up to `cap`.

    `periods` of 0 is no roll-over; `cap` of None no upper bound. `use` says whether what rolled
    over is used `first`, the oldest before the others, or only after the period's own (`last`).
    """

    periods: int = 0
    cap: Decimal | None = None
    use: Literal["first", "last"] = "first"


@dataclass(frozen=True, slots=True)
class Used:
    """What one period did with its allowance; quantities in the unit of the usage.

    `free` is what was taken off the usage, `paid` what is left to be paid; `carried` what came from
    earlier periods, `expired` what ended unused, `rolled` what the next period begins with.
    """

    free: Decimal
    paid: Decimal
    carried: Decimal
    expired: Decimal
    rolled: Decimal


def share_pool(
    pool: Decimal, usages: Sequence[Decimal], order: PoolOrder
) -> tuple[list[Decimal], Decimal]:
    """Return what each usage has for free, and what is left of the pool.

    `in_turn` serves them in their order; `pro_rata` by size, with 12 decimals, the last usage that
    is not served whole taking what rounding left.
    """
    total = ZERO
    for usage in usages:
        total = EXACT.add(total, usage)
    if total <= pool:
        return list(usages), EXACT.subtract(pool, total)
    left, free = pool, []
    for usage in usages:
        if order == "in_turn":
            share = min(usage, left)
        else:
            share = min(usage, left, _part(pool, usage, total))
        free.append(share)
        left = EXACT.subtract(left, share)
    if left > ZERO:
        for at in reversed(range(len(usages))):
            more = min(left, EXACT.subtract(usages[at], free[at]))
            free[at] = EXACT.add(free[at], more)
            left = EXACT.subtract(left, more)
    return free, left


def use_allowances(
    grants: Sequence[Decimal], usages: Sequence[Decimal], roll_over: RollOver
) -> list[Used]:
    """Return what each period did with its allowance and what rolled over to it."""
    found = []
    carried: list[tuple[int, Decimal]] = []
    for period, (grant, usage) in enumerate(zip(grants, usages, strict=True)):
        came = _sum(carried)
        left, rest = usage, []
        own = (period, grant)
        for born, quantity in [*carried, own] if roll_over.use == "first" else [own, *carried]:
            taken = min(left, quantity)
            left = EXACT.subtract(left, taken)
            rest.append((born, EXACT.subtract(quantity, taken)))
        rest.sort()
        kept = _capped([one for one in rest if one[0] + roll_over.periods > period], roll_over.cap)
        found.append(
            Used(
                free=EXACT.subtract(usage, left),
                paid=left,
                carried=came,
                expired=EXACT.subtract(_sum(rest), _sum(kept)),
                rolled=_sum(kept),
            )
        )
        carried = kept
    return found


def _capped(rest: list[tuple[int, Decimal]], cap: Decimal | None) -> list[tuple[int, Decimal]]:
    """Keep the youngest up to the cap: it lives longest."""
    if cap is None:
        return [one for one in rest if one[1] > ZERO]
    kept, room = [], cap
    for born, quantity in reversed(rest):
        part = min(quantity, room)
        room = EXACT.subtract(room, part)
        if part > ZERO:
            kept.append((born, part))
    return kept[::-1]


def _part(pool: Decimal, usage: Decimal, total: Decimal) -> Decimal:
    return to_quantity(Fraction(pool) * Fraction(usage) / Fraction(total))


def _sum(parts: Sequence[tuple[int, Decimal]]) -> Decimal:
    total = ZERO
    for _, quantity in parts:
        total = EXACT.add(total, quantity)
    return total
