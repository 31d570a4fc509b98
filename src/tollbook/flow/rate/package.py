"""Prices by package: a package that is opened is paid in full."""

from decimal import Decimal

from tollbook.flow.rate.working import ONE, ZERO, charge_of, part
from tollbook.records.charge import Charge, ChargePart, PriceVersion
from tollbook.records.usage import MeteredUsage
from tollbook.values.money import EXACT
from tollbook.values.quantity import plain


def package(usage: MeteredUsage, price: PriceVersion) -> Charge:
    """Price whole packages of `per` units; one unit more opens the next package."""
    return charge_of(usage, price, package_parts(usage.quantity, price))


def package_parts(quantity: Decimal, price: PriceVersion) -> list[ChargePart]:
    """Return the working of `package`: packages x price of a package."""
    if quantity <= ZERO:
        return []
    (tier,) = price.tiers
    label = f"packages of {plain(price.per)}"
    return [part(label, packages(quantity, price.per), tier.unit_price)]


def packages(quantity: Decimal, size: Decimal) -> Decimal:
    """Return how many packages of a size hold a quantity; exact for any size."""
    whole, rest = EXACT.divmod(quantity, size)
    return EXACT.add(whole, ONE) if rest > ZERO else whole
