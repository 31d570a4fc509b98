"""A price that does not depend on how much was used."""

from tollbook.flow.rate.working import ONE, charge_of, part
from tollbook.records.charge import Charge, ChargePart, PriceVersion
from tollbook.records.usage import MeteredUsage


def flat(usage: MeteredUsage, price: PriceVersion) -> Charge:
    """Price a period, whatever its usage; a period without any usage costs the same."""
    return charge_of(usage, price, flat_parts(price))


def flat_parts(price: PriceVersion) -> list[ChargePart]:
    """Return the working of `flat`."""
    return [part("flat fee", ONE, price.flat_amount)]
