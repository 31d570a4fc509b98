"""A price, and usage with a price applied: exact, unrounded, with its working."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from tollbook.values.codec import ABSENT, Absent
from tollbook.values.ids import ChargeId, CustomerId, MeterId, UsageId
from tollbook.values.money import Precise, Rounding
from tollbook.values.period import Period

PriceModel = Literal[
    "flat",
    "unit",
    "graduated",
    "volume",
    "package",
    "graduated_package",  # in each tier its own units, in packages
    "volume_package",  # all units in packages of the tier that they reach
    "percentage",  # of an amount, with what an event adds
    "graduated_percentage",
    "volume_percentage",
    "dynamic",  # the amount is in the events
    "cost_plus",  # what it cost, and a markup
    "matrix",  # a price for each combination of dimensions
    "expression",
]

TierEdge = Literal["inclusive", "exclusive"]
TierFlat = Literal["entered", "reached"]
AtZero = Literal["bill", "skip"]
MinimumDue = Literal["at_start", "at_end"]
NegativeUsage = Literal["refuse", "credit", "zero"]
Due = Literal["in_advance", "in_arrears"]
Accumulate = Literal["period", "quarter", "contract_year", "calendar_year", "contract_life"]
StepKind = Literal[
    "convert",
    "include",
    "discount_usage",
    "price",
    "discount",
    "maximum",
    "minimum",
    "factor",
]

ChargeKind = Literal[
    "usage",  # metered quantity at a price
    "fixed",  # a recurring fee
    "commitment_shortfall",  # the committed amount that usage did not reach
    "overage",  # the surcharge on usage beyond the committed amount
    "discount",  # taken off a line by a rule of the contract, negative
    "maximum",  # what exceeds the most that lines may come to, negative
    "minimum",  # what is missing to the least that lines come to
    "credit_purchase",  # prepaid credits bought
    "credit_applied",  # prepaid credits drawn down, negative: what was paid for them
    "credit_discount",  # what drawn credits pay beyond what was paid for them, negative
]

# What takes something off a line of the same product and period, and is taxed together with it.
REDUCTIONS: Final[frozenset[ChargeKind]] = frozenset({"discount", "maximum"})


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a price. `up_to` is the last quantity inside it (closed edge); None = no end.

    `unit_price` is in major units per `per` units of the price; `flat_amount` is due once when the
    tier is entered. `per` is the tier's own package size, `rate` its share of an amount (0.02 = 2 %).
    """

    up_to: Decimal | None
    unit_price: Decimal
    flat_amount: Decimal = Decimal(0)
    per: Decimal | Absent = ABSENT
    rate: Decimal | Absent = ABSENT


@dataclass(frozen=True, slots=True)
class PriceStep:
    """One step of a price: before `price` it changes the quantity, after it the amount.

    `convert` multiplies, divides and rounds to `multiple_of` or to `decimals`; `include` and
    `discount_usage` take a `quantity` or a `rate` of it off; `discount`, `minimum` and `maximum`
    have an `amount` or a `rate`; `factor` multiplies by `multiply_by`.
    """

    kind: StepKind
    quantity: Decimal | None = None
    amount: Decimal | None = None
    rate: Decimal | None = None
    multiply_by: Decimal | None = None
    divide_by: Decimal | None = None
    rounding: Rounding | Literal["none"] = "none"
    decimals: int | None = None
    multiple_of: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RoundParts:
    """Every line of the working is rounded, to the currency's decimals when none are said."""

    decimals: int | None = None
    rounding: Rounding = "half_up"


@dataclass(frozen=True, slots=True)
class WindowCommitment:
    """What is committed to in each window: a `quantity` at the price, or an `amount`.

    What a window costs beyond it is charged times `overage_factor`; with `true_up` what is missing
    to it is owed as well.
    """

    window: Literal["hour", "day", "period"] = "period"
    quantity: Decimal | None = None
    amount: Decimal | None = None
    overage_factor: Decimal = Decimal(1)
    true_up: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """The price of usage whose dimensions have these values."""

    when: Mapping[str, str]
    price: "PriceVersion"


@dataclass(frozen=True, slots=True)
class PriceRules:
    """What only some prices state: policies, steps, and the figures of models that are rare.

    A rate is a fraction (0.029 = 2.9 %), an amount in major units. How each is applied:
    docs/how-to/prices.md. A field that is added later is `| Absent`, so that no hash changes.
    """

    tier_edge: TierEdge = "inclusive"
    tier_flat: TierFlat = "entered"
    tier_flat_at_zero: AtZero = "skip"
    minimum_at_zero: AtZero = "bill"
    minimum_due: MinimumDue = "at_start"
    negative_usage: NegativeUsage = "refuse"
    maximum: Decimal | None = None
    round_parts: RoundParts | None = None
    due: Due = "in_advance"
    accumulate: Accumulate = "period"
    steps: tuple[PriceStep, ...] = ()
    commitment: WindowCommitment | None = None
    amount_meter: MeterId | None = None
    rate: Decimal | None = None
    fixed_fee: Decimal = Decimal(0)
    free_events: int | None = None
    free_amount: Decimal | None = None
    free_edge: TierEdge = "inclusive"
    event_minimum: Decimal | None = None
    event_maximum: Decimal | None = None
    markup: Decimal | None = None
    role: Literal["principal", "agent"] = "principal"
    expression: str | None = None
    dimensions: tuple[str, ...] = ()
    cells: tuple[Cell, ...] = ()
    default: "PriceVersion | None" = None


@dataclass(frozen=True, slots=True)
class PriceVersion:
    """One fixed state of a price; never edited once in force.

    Amounts are in major units of `currency`. `per` is how many units the unit price buys (1000000
    for a price per million tokens); for the package model it is the package size. `included` units
    are free in each billing period. `minimum` is the least amount of a period. `rounding` is used
    once, when the charge becomes an invoice line. `rules` is absent when nothing in it is stated.
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
    rules: PriceRules | Absent = ABSENT


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
