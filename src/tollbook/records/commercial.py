"""What is sold and on which terms: event types, meters, products, price books, contracts, taxes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from tollbook.records.adjustment import Adjustment
from tollbook.records.alert import Alert
from tollbook.records.charge import PriceVersion
from tollbook.records.credits import CreditGrant, CreditPolicy
from tollbook.values.calendar import BillingCalendar
from tollbook.values.ids import CustomerId, EntityId, MeterId
from tollbook.values.proration import Proration

Aggregation = Literal[
    "count",
    "sum",
    "min",
    "max",
    "average",
    "latest",
    "unique_count",
    "time_weighted_sum",
    "percentile",
]

TimeUnit = Literal["second", "minute", "hour", "day"]

RevenueMethod = Literal["usage", "ratable", "on_drawdown"]


@dataclass(frozen=True, slots=True)
class EventType:
    """A type of usage event that we take, and the JSON Schema its data must match.

    `units` names the unit of measure of fields. `subject_pattern` is a regular expression that the
    whole subject must match. An event further ahead of our clock than `future_hours_max`, or older
    than `age_days_max` when it is received, is refused; without them the setting decides, and no
    age is too great. `compatibility` says `breaking` where a version may refuse data that the one
    before it took.
    """

    event_type: str
    schema: Mapping[str, Any]
    description: str = ""
    units: Mapping[str, str] = field(default_factory=dict)
    subject_pattern: str = ""
    future_hours_max: int | None = None
    age_days_max: int | None = None
    compatibility: Literal["compatible", "breaking"] = "compatible"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one field of an event; all that is stated of it must hold.

    `one_of` and `none_of` compare the field's text: a field that is absent or null is none of any,
    and one of none. `exists` asks whether it is there and not null. The bounds compare its number;
    without a number none of them holds.
    """

    field: str
    one_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    exists: bool | None = None
    at_least: Decimal | None = None
    more_than: Decimal | None = None
    at_most: Decimal | None = None
    less_than: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """The definition of what is counted: which events, which value, how summed, by what.

    `value` is the field of the event's data that is aggregated (none for count), or `expression`
    computes it from several; `where` keeps only events whose fields have these values, `filters`
    only those that pass all of them; `dimensions` are the fields usage is kept by.

    `percentile` (95 for p95) is the rank of a percentile: of the values, or with `sample_minutes`
    of their sums in samples of that length, where `empty_samples` says whether those without
    events count. `series` tells the gauges of a time-weighted sum apart within one customer and its
    dimensions, and `time_unit` is what a value is multiplied with.
    """

    meter_id: MeterId
    event_type: str
    aggregation: Aggregation
    unit: str
    value: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    dimensions: tuple[str, ...] = ()
    version: int = 1
    expression: str | None = None
    filters: tuple[Filter, ...] = ()
    percentile: Decimal | None = None
    sample_minutes: int | None = None
    empty_samples: Literal["skip", "zero"] = "skip"
    series: str | None = None
    time_unit: TimeUnit = "hour"


@dataclass(frozen=True, slots=True)
class Product:
    """Something with a price. A usage product reads a meter, narrowed by `where` on dimensions.

    `revenue` is the recognition method: `usage` as it is used, `ratable` evenly over the service
    period, `on_drawdown` when prepaid credits are used. `tax_class` selects the tax rate.
    """

    product_id: str
    name: str
    revenue: RevenueMethod
    tax_class: str
    meter_id: MeterId | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""


@dataclass(frozen=True, slots=True)
class PriceBook:
    """What things cost in one currency from `effective_from` on, in one immutable version."""

    price_book_id: str
    version: int
    currency: str
    effective_from: date
    prices: tuple[PriceVersion, ...]


@dataclass(frozen=True, slots=True)
class ContractItem:
    """One product under a contract. A price given here overrides the price book's.

    `quantity` counts units of a fixed fee (seats); `interval_months` is how often a fixed fee
    falls due, in advance, counted from the month the contract started.
    """

    product_id: str
    price: PriceVersion | None = None
    quantity: Decimal = Decimal(1)
    interval_months: int = 1


@dataclass(frozen=True, slots=True)
class Commitment:
    """An amount the customer owes at least; usage beyond it is charged times the factor.

    It is committed for each month, or for each contract year (`annual_amount`), whose shortfall is
    owed in its last month. Amounts in major units of the contract's currency. The shortfall is its
    own invoice line.
    """

    monthly_amount: Decimal = Decimal(0)
    overage_factor: Decimal = Decimal(1)
    annual_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """Commercial terms between a legal entity and a customer, from a day until another (excluded).

    A version is never edited; an amendment is the next version with its own `effective_from`. Its
    days begin and end in `zone` (an IANA name); the customer's when empty, then the entity's.
    `bill_to` is the customer that pays, where it is another: a parent for its children.
    `adjustments` are discounts, minimums and maximums over its lines, in the order they apply.

    `billing` says when its billing periods begin, calendar months without it; `proration` how a
    fee is charged for a part of one. Contracts without either owe a fee whole. `alerts` are the
    thresholds that are watched while a billing period runs.
    """

    contract_id: str
    version: int
    customer_id: CustomerId
    entity_id: EntityId
    currency: str
    price_book_id: str
    effective_from: date
    items: tuple[ContractItem, ...]
    effective_until: date | None = None
    commitment: Commitment | None = None
    credit_product_id: str = ""
    credits: tuple[CreditGrant, ...] = ()
    purchase_order: str = ""
    zone: str = ""
    adjustments: tuple[Adjustment, ...] = ()
    bill_to: CustomerId | None = None
    billing: BillingCalendar | None = None
    proration: Proration | None = None
    alerts: tuple[Alert, ...] = ()
    credit_policy: CreditPolicy | None = None


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A rate in force in one jurisdiction for one tax class; 0.20 means 20 %."""

    jurisdiction: str
    tax_class: str
    tax_code: str
    rate: Decimal
    effective_from: date
    effective_until: date | None = None


@dataclass(frozen=True, slots=True)
class TaxTable:
    """The tax rates one legal entity charges."""

    entity_id: EntityId
    rates: tuple[TaxRate, ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class GlMap:
    """How one legal entity's accounts and taxes are named in the ERP it posts to.

    `accounts` maps our account roles (`revenue:llm-input`, `unbilled_receivable`) to GL accounts;
    a role with a colon falls back to the part before it. `tax_codes` and `tax_accounts` map our
    tax code to the ERP's; `company` is the ERP's name for the entity; `settings` are connector
    specific names (journal, payment term, subsidiary).
    """

    entity_id: EntityId
    target: str
    company: str
    accounts: Mapping[str, str]
    tax_codes: Mapping[str, str] = field(default_factory=dict)
    tax_accounts: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
