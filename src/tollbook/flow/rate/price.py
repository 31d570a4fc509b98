"""One quantity, one price version, one charge: the door to every price model."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tollbook.flow.rate.flat import flat_parts
from tollbook.flow.rate.minimum import top_up
from tollbook.flow.rate.package import package_parts
from tollbook.flow.rate.tiers import graduated_parts, unit_parts, volume_parts
from tollbook.flow.rate.working import ZERO, charge_of, part, total
from tollbook.records.charge import Charge, ChargePart, PriceModel, PriceVersion
from tollbook.records.usage import MeteredUsage
from tollbook.values.money import EXACT, Precise
from tollbook.values.proration import part_amount

_MODELS: Final[dict[PriceModel, Callable[[Decimal, PriceVersion], list[ChargePart]]]] = {
    "flat": lambda _quantity, price: flat_parts(price),
    "unit": unit_parts,
    "graduated": graduated_parts,
    "volume": volume_parts,
    "package": package_parts,
}


def price_usage(usage: MeteredUsage, price: PriceVersion) -> Charge:
    """Rate a metered usage, exactly. The price must be sound (`masterdata.check_prices`)."""
    return charge_of(usage, price, price_parts(usage.quantity, price))


def price_parts(quantity: Decimal, price: PriceVersion) -> list[ChargePart]:
    """Return the working for a quantity: included units, the price model, the minimum.

    Included units are taken off first, so tiers and packages count from the first paid unit.
    """
    free = min(quantity, price.included)
    parts = [part("included", free, ZERO)] if free > ZERO else []
    parts += _MODELS[price.model](EXACT.subtract(quantity, free), price)
    return parts + top_up(parts, price.minimum)


def multiplied_out(charge: Charge) -> Charge:
    """Return the charge with every part and the amount computed again from its working."""
    parts = tuple(
        replace(one, amount=part_amount(one.quantity, one.unit_price, one.per))
        for one in charge.parts
    )
    amount = Precise(total(one.amount for one in parts), charge.amount.currency)
    return replace(charge, parts=parts, amount=amount)
