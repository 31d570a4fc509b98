"""A price for each combination of dimensions, and one for all that has no price of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from tollbook.errors import Rejected
from tollbook.flow.rate.working import ZERO, total
from tollbook.records.charge import ChargePart, PriceRules, PriceVersion
from tollbook.records.usage import CellUse, UsageDetail

# The working of a price for what was used in one cell.
Nested = Callable[[UsageDetail, PriceVersion], list[ChargePart]]


def matrix_parts(detail: UsageDetail, rules: PriceRules, nested: Nested) -> list[ChargePart]:
    """Return the working of `matrix`; a cell without usage owes nothing.

    Usage that no cell means is priced together by `default`; Rejected `rate.no_cell` without one.
    """
    if not detail.cells and (detail.quantity or detail.events):
        raise Rejected(
            "rate.detail_missing",
            f"This price needs the usage by {', '.join(rules.dimensions)}: give it by dimension.",
        )
    parts: list[ChargePart] = []
    left = list(detail.cells)
    for cell in rules.cells:
        inside = [one for one in left if _is_in(one, cell.when)]
        left = [one for one in left if one not in inside]
        if inside:
            name = " ".join(f"{key}={cell.when[key]}" for key in rules.dimensions)
            parts += _named(name, nested(_together(inside), cell.price))
    if not left:
        return parts
    if rules.default is None:
        names = " ".join(f"{key}={left[0].values.get(key, '')}" for key in rules.dimensions)
        raise Rejected(
            "rate.no_cell",
            f"There is usage of {names}, which no cell of the price means: add the cell, or a "
            "default price.",
        )
    return parts + _named("default", nested(_together(left), rules.default))


def _is_in(use: CellUse, when: Mapping[str, str]) -> bool:
    return all(use.values.get(name, "") == value for name, value in when.items())


def _together(uses: Sequence[CellUse]) -> UsageDetail:
    has_amounts = any(use.amount is not None for use in uses)
    return UsageDetail(
        quantity=total(use.quantity for use in uses),
        events=sum(use.events for use in uses),
        amount=_amount(uses) if has_amounts else None,
    )


def _amount(uses: Sequence[CellUse]) -> Decimal:
    return total(use.amount if use.amount is not None else ZERO for use in uses)


def _named(name: str, parts: Sequence[ChargePart]) -> list[ChargePart]:
    return [replace(one, label=f"{name}: {one.label}") for one in parts]
