"""What a contract wants to be told of while a billing period runs, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

from tollbook.values.ids import CustomerId

Watched = Literal["charges", "commitment", "credits", "allowance", "balance", "projection"]
AlertAction = Literal["notify", "warn", "block"]
CreditState = Literal["ok", "warned", "blocked"]

THRESHOLD_REACHED: Final = "alert.threshold_reached"


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold of a contract in each of its billing periods, and what reaching it does.

    `charges` and `projection` (the charges that the whole period comes to at this pace) are reached
    at an `amount`; `balance` when no more than an `amount` of prepaid credits is left;
    `commitment`, `credits` and `allowance` when a `percent` (80 means 80 %) of them is used, an
    allowance being the included units of a product. Amounts are in major units of the contract's
    currency, before tax and before prepaid credits pay.

    A `block` of an allowance stops that product, any other the customer.
    """

    alert_id: str
    watches: Watched = "charges"
    amount: Decimal | None = None
    percent: Decimal | None = None
    product_id: str = ""
    action: AlertAction = "notify"

    @property
    def threshold(self) -> Decimal:
        """The amount or the percentage; one of them is there."""
        found = self.amount if self.percent is None else self.percent
        assert found is not None, "an alert has an amount or a percentage"
        return found


@dataclass(frozen=True, slots=True)
class ThresholdReached:
    """The event `alert.threshold_reached`: raised once for each threshold and billing period.

    `value` is what stood against the `threshold` when it was seen: an amount of `currency`, or a
    percentage. [starts_on, ends_before) is the billing period, in the contract's days.
    """

    event_id: str
    customer_id: CustomerId
    contract_id: str
    contract_version: int
    alert_id: str
    watches: Watched
    action: AlertAction
    product_id: str
    threshold: Decimal
    value: Decimal
    currency: str
    starts_on: date
    ends_before: date
    reached_at: datetime
    through_receipt: int
    type: str = THRESHOLD_REACHED


@dataclass(frozen=True, slots=True)
class Reason:
    """A threshold that holds now, and with which value."""

    contract_id: str
    alert_id: str
    watches: Watched
    action: AlertAction
    product_id: str
    threshold: Decimal
    value: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Override:
    """What a person decided over the thresholds; it stands until `until`, or for ever."""

    customer_id: CustomerId
    mode: Literal["block", "release"]
    by: str
    reason: str
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the thresholds of a customer's contracts say, as last looked at.

    `balances` are the prepaid credits left, contract -> major units; `ends_at` is when the running
    billing periods have ended.
    """

    customer_id: CustomerId
    reasons: tuple[Reason, ...]
    balances: Mapping[str, Decimal]
    as_of: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class CreditControl:
    """Whether a customer may go on: `ok`, `warned` or `blocked`, and why.

    `blocked_products` may not be used although the customer is not blocked. `as_of` is when the
    thresholds were last looked at; None when no contract has any.
    """

    customer_id: CustomerId
    state: CreditState
    reasons: tuple[Reason, ...] = ()
    blocked_products: tuple[str, ...] = ()
    balances: Mapping[str, Decimal] | None = None
    override: Override | None = None
    as_of: datetime | None = None
