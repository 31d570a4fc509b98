"""Prices by tier: every unit at its own tier's price, or all units at one tier's price."""

from decimal import Decimal
from functools import lru_cache

from tollbook.flow.rate.working import ONE, ZERO, charge_of, part
from tollbook.records.charge import Charge, ChargePart, PriceVersion, Tier, TierEdge
from tollbook.records.usage import MeteredUsage
from tollbook.values.money import EXACT
from tollbook.values.quantity import plain


def graduated(usage: MeteredUsage, price: PriceVersion) -> Charge:
    """Price each unit in the tier it falls into; a tier that is entered owes its flat amount."""
    return charge_of(usage, price, graduated_parts(usage.quantity, price))


def volume(usage: MeteredUsage, price: PriceVersion) -> Charge:
    """Price the whole quantity in the one tier that it reaches."""
    return charge_of(usage, price, volume_parts(usage.quantity, price))


def unit(usage: MeteredUsage, price: PriceVersion) -> Charge:
    """Price every unit alike: one tier without an end."""
    return charge_of(usage, price, unit_parts(usage.quantity, price))


def graduated_parts(quantity: Decimal, price: PriceVersion) -> list[ChargePart]:
    """Return the working of `graduated`. The last unit of a tier is `up_to` itself."""
    parts: list[ChargePart] = []
    lower = ZERO
    for tier in price.tiers:
        if quantity <= lower:
            break
        upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
        parts += _tier_parts(EXACT.subtract(upper, lower), lower, tier, price.per)
        lower = upper
    assert lower == max(quantity, ZERO), "the last tier has no end"
    return parts


def volume_parts(quantity: Decimal, price: PriceVersion) -> list[ChargePart]:
    """Return the working of `volume`. A quantity equal to `up_to` is still inside that tier."""
    if quantity <= ZERO:
        return []
    lower = ZERO
    for tier in price.tiers:
        if tier.up_to is None or quantity <= tier.up_to:
            return _tier_parts(quantity, lower, tier, price.per)
        lower = tier.up_to
    raise AssertionError("the last tier has no end")


def unit_parts(quantity: Decimal, price: PriceVersion) -> list[ChargePart]:
    """Return the working of `unit`."""
    (tier,) = price.tiers
    return [part("units", quantity, tier.unit_price, price.per)] if quantity > ZERO else []


def _tier_parts(quantity: Decimal, lower: Decimal, tier: Tier, per: Decimal) -> list[ChargePart]:
    label = tier_label(lower, tier.up_to)
    parts = [part(label, quantity, tier.unit_price, per)]
    if tier.flat_amount != ZERO:
        parts.append(part(f"flat amount {label}", ONE, tier.flat_amount))
    return parts


# The tiers of a price are named alike in every charge, and writing decimals is slow.
@lru_cache(maxsize=10_000)
def tier_label(lower: Decimal, up_to: Decimal | None, edge: TierEdge = "inclusive") -> str:
    """Return what a tier is called in the working."""
    above, until = ("above", "up to") if edge == "inclusive" else ("from", "below")
    bounds = []
    if lower > ZERO or up_to is None:
        bounds.append(f"{above} {plain(lower)}")
    if up_to is not None:
        bounds.append(f"{until} {plain(up_to)}")
    return " ".join(bounds)
