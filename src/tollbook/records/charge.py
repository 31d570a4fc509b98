"""A price, and usage with a price applied: exact, unrounded, with its working."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from tollbook.values.ids import ChargeId, CustomerId, UsageId
from tollbook.values.money import Precise, Rounding
from tollbook.values.period import Period

PriceModel = Literal["flat", "unit", "graduated", "volume", "package"]

ChargeKind = Literal[
    "usage",  # metered quantity at a price
    "fixed",  # a recurring fee
    "commitment_shortfall",  # the committed amount that usage did not reach
    "overage",  # the surcharge on usage beyond the committed amount
    "discount",  # taken off a line by a rule of the contract, negative
    "maximum",  # what exceeds the most that lines may come to, negative
    "minimum",  # what is missing to the least that lines come to
    "credit_purchase",  # prepaid credits bought
    "credit_applied",  # prepaid credits drawn down, negative
]

# What takes something off a line of the same product and period, and is taxed together with it.
REDUCTIONS: Final[frozenset[ChargeKind]] = frozenset({"discount", "maximum"})


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a price. `up_to` is the last quantity inside it (closed edge); None = no end.

    `unit_price` is in major units per `per` units of the price; `flat_amount` is due once when the
    tier is entered.
    """

    up_to: Decimal | None
    unit_price: Decimal
    flat_amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """One fixed state of a price; never edited once in force.

    Amounts are in major units of `currency`. `per` is how many units the unit price buys (1000000
    for a price per million tokens); for the package model it is the package size. `included` units
    are free in each billing period. `minimum` is the least amount of a period. `rounding` is used
    once, when the charge becomes an invoice line.
    """

    price_version_id: str
    currency: str
    tiers: tuple[Tier, ...] = ()
    model: PriceModel = "graduated"
    per: Decimal = Decimal(1)
    flat_amount: Decimal = Decimal(0)
    included: Decimal = Decimal(0)
    minimum: Decimal | None = None
    rounding: Rounding = "half_even"
    product_id: str = ""


@dataclass(frozen=True, slots=True)
class ChargePart:
    """One line of the working: quantity x unit price / per = amount, in major units, exact."""

    label: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    per: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount somebody owes for a period: unrounded, never edited, superseded by difference.

    `corrects` names the first charge of the same obligation when this one bills a difference;
    `rule_id` the contract's adjustment that a discount, maximum or minimum comes from.
    """

    charge_id: ChargeId
    customer_id: CustomerId
    price_version_id: str
    period: Period
    amount: Precise
    parts: tuple[ChargePart, ...]
    quantity: Decimal = Decimal(0)
    kind: ChargeKind = "usage"
    product_id: str = ""
    contract_id: str = ""
    contract_version: int = 1
    usage_id: UsageId | None = None
    meter_version: int = 1
    rounding: Rounding = "half_even"
    corrects: ChargeId | None = None
    rule_id: str = ""
