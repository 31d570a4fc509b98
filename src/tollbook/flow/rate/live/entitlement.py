"""May this customer use this product now? Decided from terms, what is left, and credit control."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from tollbook.flow.meter.window import Window, windows
from tollbook.flow.rate.live.allowance import allowance_of
from tollbook.flow.rate.live.charges import running_month
from tollbook.flow.rate.working import ZERO
from tollbook.masterdata.by_customer import ByCustomer
from tollbook.masterdata.catalog import Catalog
from tollbook.records.alert import CreditControl, CreditState
from tollbook.records.commercial import Contract
from tollbook.values.ids import CustomerId
from tollbook.values.money import EXACT
from tollbook.values.period import Month
from tollbook.values.zone import zone_named

ReasonCode = Literal[
    "sold",
    "allowance_left",
    "beyond_allowance",
    "warned",
    "blocked_by_person",
    "blocked_by_threshold",
    "credits_used_up",
    "allowance_used_up",
    "not_sold",
    "no_contract",
    "unknown_customer",
]

SENTENCES: Final[dict[ReasonCode, str]] = {
    "sold": "A contract in force sells it.",
    "allowance_left": "Included units are left.",
    "beyond_allowance": "The included units are used: more is charged.",
    "warned": "A threshold that warns is reached.",
    "blocked_by_person": "Somebody blocked the customer.",
    "blocked_by_threshold": "A threshold that blocks is reached.",
    "credits_used_up": "The prepaid credits are at the balance that blocks.",
    "allowance_used_up": "The included units are used, and more is not allowed.",
    "not_sold": "No contract in force sells it to the customer.",
    "no_contract": "The customer has no contract in force.",
    "unknown_customer": "There is no such customer.",
}


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Whether a customer may use a product, and why.

    `remaining` are the included units left of `included` in the running period; None where none are
    included. `credit_balance` are the prepaid credits left under the contract, as the worker last
    saw them; None without. `as_of` is when this was read, at most a second ago.
    """

    customer_id: CustomerId
    product_id: str
    allowed: bool
    reason: ReasonCode
    message: str
    state: CreditState
    contract_id: str | None
    included: Decimal | None
    remaining: Decimal | None
    credit_balance: Decimal | None
    currency: str | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """On which terms a customer may use a product on a day; no contract = it is not sold.

    `window` counts what is used of the `included` units, where there are any; the offer holds for
    as long as it does, and at most until a day begins.
    """

    customer_id: CustomerId
    product_id: str
    refusal: ReasonCode | None = None
    contract_id: str | None = None
    payer_id: str = ""
    currency: str | None = None
    included: Decimal = ZERO
    window: Window | None = None


def offer_of(customers: ByCustomer, customer_id: str, product_id: str, *, at: datetime) -> Offer:
    """Return on which terms a product is sold to a customer at an instant."""
    who = CustomerId(customer_id)
    if not customers.knows(customer_id):
        return Offer(who, product_id, "unknown_customer")
    has_contract = False
    for contract_id in customers.contracts_of(customer_id):
        catalog = customers.part([contract_id])
        contract = _in_force(catalog, contract_id, at)
        if contract is None:
            continue
        has_contract = True
        if any(item.product_id == product_id for item in contract.items):
            return _offer(catalog, contract, product_id, at)
    return Offer(who, product_id, "not_sold" if has_contract else "no_contract")


def entitlement_of(
    offer: Offer,
    control: CreditControl,
    payer: CreditControl,
    used: Decimal | None,
    *,
    at: datetime,
) -> Entitlement:
    """Decide. `used` is what of the included units is used; `payer` may be the customer itself."""
    left = None
    if offer.refusal is None and offer.included > ZERO:
        left = max(EXACT.subtract(offer.included, used or ZERO), ZERO)
    blocked = _blocked([control, payer], offer.product_id)
    reason: ReasonCode
    if offer.refusal is not None:
        reason = offer.refusal
    elif blocked is not None:
        reason = blocked
    elif "warned" in {control.state, payer.state}:
        reason = "warned"
    elif left is None:
        reason = "sold"
    else:
        reason = "allowance_left" if left > ZERO else "beyond_allowance"
    return Entitlement(
        customer_id=offer.customer_id,
        product_id=offer.product_id,
        allowed=offer.refusal is None and blocked is None,
        reason=reason,
        message=SENTENCES[reason],
        state=control.state,
        contract_id=offer.contract_id,
        included=offer.included if left is not None else None,
        remaining=left,
        credit_balance=(control.balances or {}).get(offer.contract_id or ""),
        currency=offer.currency,
        as_of=at,
    )


def _blocked(controls: Sequence[CreditControl], product_id: str) -> ReasonCode | None:
    for control in controls:
        if control.state == "blocked":
            if control.override is not None and control.override.mode == "block":
                return "blocked_by_person"
            watched = {r.watches for r in control.reasons if r.action == "block"}
            return "credits_used_up" if watched == {"balance"} else "blocked_by_threshold"
    if product_id in controls[0].blocked_products:
        return "allowance_used_up"
    return None


def _in_force(catalog: Catalog, contract_id: str, at: datetime) -> Contract | None:
    latest = catalog.contract(contract_id, at.date())
    zone = catalog.zone(latest.customer_id, latest) if latest is not None else "UTC"
    day = at.astimezone(zone_named(zone)).date()
    contract = catalog.contract(contract_id, day)
    if contract is None or (contract.effective_until and day >= contract.effective_until):
        return None
    return contract


def _offer(catalog: Catalog, contract: Contract, product_id: str, at: datetime) -> Offer:
    month: Month = running_month(catalog, contract, at)
    window = next(
        (
            one
            for one in windows(catalog, month)
            if one.product.product_id == product_id and at in one.asked.period
        ),
        None,
    )
    included = ZERO
    if window is not None:
        on = window.period.start.date()
        included = allowance_of(catalog, window.contract, product_id, on)
    return Offer(
        customer_id=contract.customer_id,
        product_id=product_id,
        contract_id=contract.contract_id,
        payer_id=contract.bill_to or "",
        currency=contract.currency,
        included=included,
        window=window if included > ZERO else None,
    )
