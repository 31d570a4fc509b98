"""The working of a charge: parts that multiply out exactly and add up to its amount."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from tollbook.records.charge import Charge, ChargePart, PriceVersion
from tollbook.records.usage import MeteredUsage, UsageDetail
from tollbook.values.codec import content_hash
from tollbook.values.ids import ChargeId, derive
from tollbook.values.money import EXACT, Precise
from tollbook.values.once import once_a_record
from tollbook.values.proration import part_amount

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)


def part(label: str, quantity: Decimal, unit_price: Decimal, per: Decimal = ONE) -> ChargePart:
    """Return one line of the working: quantity x unit price / per, as `part_amount` has it."""
    return ChargePart(label, quantity, unit_price, part_amount(quantity, unit_price, per), per)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts exactly."""
    result = ZERO
    for amount in amounts:
        result = EXACT.add(result, amount)
    return result


# A price is one record for all who pay it.
price_hash = once_a_record(content_hash)


def charge_of(
    usage: MeteredUsage,
    price: PriceVersion,
    parts: Sequence[ChargePart],
    *known: UsageDetail | None,
) -> Charge:
    """Build the charge of a usage from its working.

    The id names the usage (which names its events by digest), the whole content of the price, and
    what else was `known`.
    """
    more = [content_hash(known)] if any(one is not None for one in known) else []
    hashes = [price_hash(price), *more]
    return Charge(
        charge_id=ChargeId(derive("chg", "usage", usage.usage_id, price.price_version_id, *hashes)),
        customer_id=usage.customer_id,
        price_version_id=price.price_version_id,
        period=usage.period,
        amount=Precise(total(one.amount for one in parts), price.currency),
        parts=tuple(parts),
        quantity=usage.quantity,
        kind="usage",
        product_id=usage.product_id or price.product_id,
        contract_id=usage.contract_id,
        contract_version=usage.contract_version,
        usage_id=usage.usage_id,
        meter_version=usage.meter_version,
        rounding=price.rounding,
    )
