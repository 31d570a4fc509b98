"""What is agreed for several lines of a billing period together: discounts, minimums, maximums."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from tollbook.values.money import Rounding

AdjustmentKind = Literal["discount", "minimum", "maximum"]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A rule over the settled lines of a billing period; a contract has them in an order.

    It is for the lines of these `products` (all when empty) that are usage, fixed fees or all.
    Amounts are in major units of the contract's currency.

    A `discount` is a `percent` (10 means 10 %) or an `amount`, never more than the lines come to;
    `unused` says whether the rest of an amount is kept for the next period. `base` says whether it
    is taken of what earlier discounts left or of the gross lines. `rounded: total` rounds the whole
    discount once and divides it by largest remainder; `line` rounds each line's own share. It lasts
    once, for a number of `periods`, or for ever, from the period in which `starts_on` falls.

    What is missing to a `minimum` is a line of its own, for `product_id`; `without_usage` says
    whether it is owed by a period whose lines come to nothing. What exceeds a `maximum` is taken
    off the lines by largest remainder.
    """

    adjustment_id: str
    kind: AdjustmentKind
    percent: Decimal | None = None
    amount: Decimal | None = None
    products: tuple[str, ...] = ()
    applies_to: Literal["all", "usage", "fixed"] = "all"
    duration: Literal["once", "repeating", "forever"] = "forever"
    periods: int | None = None
    starts_on: date | None = None
    base: Literal["remaining", "gross"] = "remaining"
    rounded: Literal["total", "line"] = "total"
    rounding: Rounding = "half_up"
    unused: Literal["forfeit", "carry"] = "forfeit"
    product_id: str = ""
    without_usage: Literal["bill", "skip"] = "bill"
