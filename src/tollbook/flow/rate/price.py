"""One quantity, one price version, one charge: the door to every price model."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tollbook.flow.rate.accumulate import joined, less
from tollbook.flow.rate.flat import flat_parts
from tollbook.flow.rate.minimum import top_up
from tollbook.flow.rate.package import package_parts
from tollbook.flow.rate.ruled import before_the_end, ruled_parts
from tollbook.flow.rate.tiers import graduated_parts, unit_parts, volume_parts
from tollbook.flow.rate.working import ZERO, charge_of, part, total
from tollbook.records.charge import Charge, ChargePart, PriceModel, PriceVersion
from tollbook.records.usage import MeteredUsage, UsageDetail
from tollbook.values.codec import ABSENT
from tollbook.values.money import EXACT, Precise
from tollbook.values.proration import part_amount

# The models that nearly every price has. A price of theirs that states no rules is rated here, and
# pays nothing for what others need.
_QUICK: Final[dict[PriceModel, Callable[[Decimal, PriceVersion], list[ChargePart]]]] = {
    "flat": lambda _quantity, price: flat_parts(price),
    "unit": unit_parts,
    "graduated": graduated_parts,
    "volume": volume_parts,
    "package": package_parts,
}


def price_usage(
    usage: MeteredUsage,
    price: PriceVersion,
    *,
    detail: UsageDetail | None = None,
    before: UsageDetail | None = None,
    is_last: bool = True,
) -> Charge:
    """Rate a metered usage, exactly. The price must be sound (`masterdata.check_prices`).

    `detail` is what a price looks at beyond quantity and number of events; `before` is what was
    measured earlier in the span over which the price accumulates, `is_last` whether it ends with
    this usage. Rejected as `ruled_parts`.
    """
    if price.rules is ABSENT and price.model in _QUICK and before is None:
        return charge_of(usage, price, price_parts(usage.quantity, price))
    known = detail or UsageDetail(usage.quantity, usage.event_count)
    parts = slice_parts(known, price, before=before, is_last=is_last)
    return charge_of(usage, price, parts, *(detail, before))


def price_parts(quantity: Decimal, price: PriceVersion) -> list[ChargePart]:
    """Return the working for a quantity: included units, the price model, the minimum.

    Included units are taken off first, so tiers and packages count from the first paid unit.
    """
    if price.rules is not ABSENT or price.model not in _QUICK:
        return ruled_parts(UsageDetail(quantity), price)
    free = min(quantity, price.included)
    parts = [part("included", free, ZERO)] if free > ZERO else []
    parts += _QUICK[price.model](EXACT.subtract(quantity, free), price)
    return parts + top_up(parts, price.minimum)


def detail_parts(detail: UsageDetail, price: PriceVersion) -> list[ChargePart]:
    """Return the working for all that is known of a usage; Rejected as `ruled_parts`."""
    if price.rules is ABSENT and price.model in _QUICK and detail.quantity >= ZERO:
        return price_parts(detail.quantity, price)
    return ruled_parts(detail, price)


def slice_parts(
    now: UsageDetail, price: PriceVersion, *, before: UsageDetail | None, is_last: bool = True
) -> list[ChargePart]:
    """Return the working of what came after `before` in one span: the whole less what was before.

    So the parts of a span sum to the whole of it, however it is cut. Without `before` (None, not
    nothing) the span begins here, and what is owed even without usage is owed in this part. What is
    missing to a minimum or a commitment can be due in the last part only.
    """
    earlier = before_the_end(price)
    so_far = price if is_last else earlier
    if before is None:
        return detail_parts(now, so_far)
    return less(detail_parts(joined(before, now), so_far), detail_parts(before, earlier))


def multiplied_out(charge: Charge) -> Charge:
    """Return the charge with every part and the amount computed again from its working."""
    parts = tuple(
        replace(one, amount=part_amount(one.quantity, one.unit_price, one.per))
        for one in charge.parts
    )
    amount = Precise(total(one.amount for one in parts), charge.amount.currency)
    return replace(charge, parts=parts, amount=amount)
