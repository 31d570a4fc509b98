"""Tiers as prices with policies read them: open or closed edges, flat amounts, packages, rates."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from tollbook.flow.rate.package import packages
from tollbook.flow.rate.tiers import tier_label
from tollbook.flow.rate.working import ONE, ZERO, part
from tollbook.records.charge import ChargePart, PriceModel, PriceRules, PriceVersion, Tier
from tollbook.records.usage import UsageDetail
from tollbook.values.codec import ABSENT
from tollbook.values.money import EXACT

# Where a tier begins, how much is in it, and the tier.
Filled = tuple[Decimal, Decimal, Tier]
PartOf = Callable[[str, Decimal, Tier, PriceVersion], ChargePart]


def tiered_parts(detail: UsageDetail, price: PriceVersion, rules: PriceRules) -> list[ChargePart]:
    """Return the working of a price with tiers: of its quantity, its packages or its amount."""
    is_volume, part_of = _MODELS[price.model]
    measured = detail.money if part_of is _share else detail.quantity
    fill = _reached if is_volume else _filled
    filled = list(fill(measured, price.tiers, rules))
    parts: list[ChargePart] = []
    for at, (lower, quantity, tier) in enumerate(filled):
        label = tier_label(lower, tier.up_to, rules.tier_edge)
        if quantity != ZERO:
            parts.append(part_of(label, quantity, tier, price))
        is_last = at == len(filled) - 1
        if tier.flat_amount != ZERO and (is_last or rules.tier_flat == "entered"):
            parts.append(part(f"flat amount {label}", ONE, tier.flat_amount))
    return parts


def _filled(quantity: Decimal, tiers: Sequence[Tier], rules: PriceRules) -> Iterator[Filled]:
    """Yield the tiers that are entered, each with its own units.

    With an open edge, the quantity `up_to` itself enters the next tier, without a unit in it.
    """
    lower = ZERO
    for tier in tiers:
        if quantity == lower and not _is_in_at(lower, rules):
            return
        upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
        yield lower, EXACT.subtract(upper, lower), tier
        if upper == quantity and upper != tier.up_to:
            return
        lower = upper


def _is_in_at(lower: Decimal, rules: PriceRules) -> bool:
    """Tell whether the quantity at which a tier begins is in that tier."""
    if lower == ZERO:
        return rules.tier_flat_at_zero == "bill"
    return rules.tier_edge == "exclusive"


def _reached(quantity: Decimal, tiers: Sequence[Tier], rules: PriceRules) -> Iterator[Filled]:
    """Yield the one tier that the whole quantity reaches, with all of it."""
    if quantity == ZERO and rules.tier_flat_at_zero == "skip":
        return
    lower = ZERO
    for tier in tiers:
        is_open = rules.tier_edge == "exclusive"
        if tier.up_to is None or quantity < tier.up_to or (quantity == tier.up_to and not is_open):
            yield lower, quantity, tier
            return
        lower = tier.up_to


def _units(label: str, quantity: Decimal, tier: Tier, price: PriceVersion) -> ChargePart:
    return part(label, quantity, tier.unit_price, price.per)


def _packages(label: str, quantity: Decimal, tier: Tier, price: PriceVersion) -> ChargePart:
    """Count packages; without a size, of the tier or the price, units are counted as they are."""
    if tier.per is ABSENT and price.per == ONE:
        return part(label, quantity, tier.unit_price)
    size = tier.per if isinstance(tier.per, Decimal) else price.per
    return part(
        f"{label}, packages of {size.normalize(EXACT):f}",
        packages(quantity, size),
        tier.unit_price,
    )


def _share(label: str, amount: Decimal, tier: Tier, _price: PriceVersion) -> ChargePart:
    return part(label, amount, tier.rate if isinstance(tier.rate, Decimal) else ZERO)


# Whether all units are in the tier that is reached, and what the units of a tier come to.
_MODELS: Final[dict[PriceModel, tuple[bool, PartOf]]] = {
    "graduated": (False, _units),
    "volume": (True, _units),
    "graduated_package": (False, _packages),
    "volume_package": (True, _packages),
    "graduated_percentage": (False, _share),
    "volume_percentage": (True, _share),
}
