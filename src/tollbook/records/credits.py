"""Prepaid credits as they are agreed: grants, the order in which they pay, top-ups, roll-over."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal, get_args

CreditKind = Literal["paid", "promotional"]

DrawTime = Literal["for_period", "at_invoice", "as_used"]

CreditRounding = Literal["half_even", "half_up", "down", "up"]

# What decides between two grants that could both pay; the id decides at last.
CreditOrder = Literal[
    "priority",  # the lower number first
    "priority_highest",  # the higher number first
    "expires",  # what expires first; what never expires last
    "expires_latest",  # what never expires first
    "promotional_first",
    "paid_first",
    "free_first",  # what cost nothing before what cost something
    "cost_lowest",  # the lowest cost of one credit first
    "cost_highest",
    "granted",  # the earliest start first
    "granted_latest",
    "rolled_first",  # what was rolled over before what was not
    "rolled_last",
    "scoped_first",  # what pays for some products before what pays for all
    "fewest_products",
    "smallest",  # the smallest balance first
    "largest",
    "listed",  # in the order in which they are written
    "id",
]

CREDIT_ORDERS: Final[tuple[CreditOrder, ...]] = get_args(CreditOrder)

DEFAULT_ORDER: Final[tuple[CreditOrder, ...]] = (
    "priority",
    "expires",
    "promotional_first",
    "granted",
)


@dataclass(frozen=True, slots=True)
class RollOver:
    """What is kept of a grant when it would expire, or at the end of a billing period.

    Kept is `percent` of what is left, at least `minimum` (even if less is left) and at most
    `maximum`. A grant is kept at most `times` times. What is kept at expiry lasts for `valid_months` or
    `valid_days` from then, as long as the grant itself when neither is given; at the end of a
    period it stays where it is. `apply` says whether it pays before all grants, after all, or by
    the contract's order; `priority` is its own, the grant's when none is given.
    """

    at: Literal["expiry", "period_end"] = "expiry"
    percent: Decimal = Decimal(100)
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    times: int | None = None
    valid_months: int | None = None
    valid_days: int | None = None
    priority: Decimal | None = None
    apply: Literal["first", "in_order", "last"] = "in_order"


@dataclass(frozen=True, slots=True)
class CreditGrant:
    """Prepaid credits, usable from `granted_on` (or the instant `granted_at`) until they expire.

    `amount` is in major units of the contract's currency, or in credits of which each pays `rate`
    of it. They are usable through the day `expires_on`, or before the instant `expires_at`, or for
    `valid_months` or `valid_days`; for ever without any. `unit_cost` is what one credit cost, `cost`
    what all of them did; without them a paid grant cost what it pays, a promotional one nothing.

    With `every_months` or `every_days` it is granted again, at most `times` times in all, not after
    `until_on`; `anchor_on` is the day from which the others are counted when it is not the first. With
    `until_next` each time is usable until the next.
    It pays for the usage of `products` only, of all when none is named. What is left when it is
    voided is taken back.
    """

    grant_id: str
    amount: Decimal
    granted_on: date | None = None
    expires_on: date | None = None
    granted_at: datetime | None = None
    expires_at: datetime | None = None
    valid_months: int | None = None
    valid_days: int | None = None
    kind: CreditKind = "paid"
    rate: Decimal | None = None
    unit_cost: Decimal | None = None
    cost: Decimal | None = None
    priority: Decimal = Decimal(0)
    products: tuple[str, ...] = ()
    every_months: int | None = None
    every_days: int | None = None
    times: int | None = None
    until_on: date | None = None
    anchor_on: date | None = None
    until_next: bool = False
    roll_over: RollOver | None = None
    voided_on: date | None = None
    voided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TopUp:
    """Credits that are added by themselves: when the balance is low, at intervals, or both.

    The balance is low when it is `below` or `at_or_below` a number. `amount` is added, or what is
    missing to `target`; at most `times` times. With `during_draw` it already pays for the usage that
    made the balance low, otherwise for the next.
    """

    below: Decimal | None = None
    at_or_below: Decimal | None = None
    amount: Decimal | None = None
    target: Decimal | None = None
    every_months: int | None = None
    every_days: int | None = None
    starts_on: date | None = None
    times: int | None = None
    during_draw: bool = False
    kind: CreditKind = "paid"
    rate: Decimal | None = None
    unit_cost: Decimal | None = None
    priority: Decimal = Decimal(0)
    valid_months: int | None = None
    valid_days: int | None = None
    products: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CreditPolicy:
    """How the grants of a contract pay.

    `draw` says when: at the instant of use, at the invoice by the grants that are usable then, or
    for a period by the grants that were usable at any time in it. `lines` says how one grant pays
    several lines: one after the other, or each in proportion (largest remainder). `tax` says whether
    credits leave it untouched, lower what it is computed on, or pay it too.

    Amounts owed are rounded to `decimals`, the currency's by default; credits with a rate are kept
    to `credit_decimals`. `unit` names what is counted when it is not the contract's currency.
    The balance may be negative down to `overdraft`; the next grants pay it back.
    """

    order: tuple[CreditOrder, ...] = DEFAULT_ORDER
    draw: DrawTime = "for_period"
    lines: Literal["in_order", "spread"] = "in_order"
    tax: Literal["untouched", "before", "after"] = "untouched"
    overdraft: Decimal = Decimal(0)
    overdraft_at_period_end: Literal["kept", "forgiven", "billed"] = "kept"
    unit: str = ""
    decimals: int | None = None
    credit_decimals: int = 6
    rounding: CreditRounding = "half_even"
    top_up: TopUp | None = None


@dataclass(frozen=True, slots=True)
class CreditCommand:
    """What a person ordered of the credits of a contract, beside what it says.

    A `grant` is given, a grant is to `expire` at an instant, or `amount` credits of a batch are to be
    refunded, which had cost `cost` in the contract's currency.
    """

    command_id: str
    contract_id: str
    kind: Literal["grant", "expire", "refund"]
    grant_id: str
    effective_at: datetime
    ordered_by: str
    reason: str
    grant: CreditGrant | None = None
    amount: Decimal | None = None
    cost: Decimal | None = None
