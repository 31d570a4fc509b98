"""Vectors of allowances: shared by several usages, and rolled over from period to period."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, cast

from tollbook.flow.rate.allowance import PoolOrder, RollOver, share_pool, use_allowances
from tollbook.vectors.given import choice, invalid, mapping, number, only


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Share one `pool`, or use an `allowance` period by period with a roll-over."""
    if "pool" in given:
        only(given, "pool", "usages", "order")
        order = cast("PoolOrder", choice(given, "order", ("in_turn", "pro_rata"), "in_turn"))
        usages = _numbers(given, "usages")
        free, left = share_pool(number(given, "pool"), usages, order)
        return {
            "free": free,
            "paid": [usage - share for usage, share in zip(usages, free, strict=True)],
            "left": left,
        }
    only(given, "allowance", "usages", "roll_over")
    usages = _numbers(given, "usages")
    grants = given.get("allowance")
    per_period = (
        _numbers(given, "allowance")
        if isinstance(grants, list)
        else [number(given, "allowance")] * len(usages)
    )
    if len(per_period) != len(usages):
        raise invalid("`allowance:` is one quantity, or as many as there are usages")
    rule = mapping(given, "roll_over")
    only(rule, "periods", "cap", "use")
    cap = number(rule, "cap") if "cap" in rule else None
    use = cast("Literal['first', 'last']", choice(rule, "use", ("first", "last"), "first"))
    roll_over = RollOver(int(number(rule, "periods", Decimal(0))), cap, use)
    return {
        "periods": [
            {
                "free": one.free,
                "paid": one.paid,
                "carried": one.carried,
                "expired": one.expired,
                "rolled": one.rolled,
            }
            for one in use_allowances(per_period, usages, roll_over)
        ]
    }


def _numbers(given: Mapping[str, Any], name: str) -> list[Decimal]:
    written = given.get(name)
    if not isinstance(written, list):
        raise invalid(f"`{name}:` is a list of quantities")
    found = [number({name: one}, name) for one in written]
    if any(one < 0 for one in found):
        raise invalid(f"{name} must not be negative")
    return found
