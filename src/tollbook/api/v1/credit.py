"""While a period runs: current charges, thresholds, credit control, entitlements."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, Cursor, Identifier, InTransaction, Limit
from tollbook.api.typed import many, one, page
from tollbook.errors import Rejected
from tollbook.flow.rate.live.step import (
    alerts_page,
    credit_control,
    credit_controls,
    current_charges,
    decide,
)
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["credit"])

CHECKS_MAX: Final = 1000


class Decision(BaseModel):
    """Why, and until when; without an end a block stands until it is released.

    A release over thresholds without an end stands until the billing period ends.
    """

    reason: str
    until: datetime | None = Field(default=None, description="An instant with its offset from UTC.")


class Check(BaseModel):
    """A customer and the product that it wants to use."""

    customer: str
    product: str


class Checks(BaseModel):
    """What to check, at most 1000 at once."""

    checks: list[Check] = Field(max_length=CHECKS_MAX)


@router.get(
    "/v1/customers/{customer_id}/current-charges",
    summary="Show what a customer owes so far",
    responses=one("CurrentCharges"),
)
def charges(customer_id: Identifier, app: AppHere, connection: InTransaction) -> Any:
    """Return what the running billing periods come to, with every event acknowledged by now."""
    return to_builtins(
        current_charges(connection, customer_id, known=app.known.by_customer, at=app.clock.now())
    )


@router.get("/v1/alerts", summary="List thresholds reached", responses=page("ThresholdReached"))
def alerts(
    connection: InTransaction,
    customer: Annotated[str | None, Query(description="Only of this customer.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Any:
    """Return the events `alert.threshold_reached`, oldest first; a new one comes at the end."""
    found, following = alerts_page(connection, customer_id=customer, cursor=cursor, limit=limit)
    return {"items": to_builtins(found), "next": following}


@router.get(
    "/v1/credit-control",
    summary="List credit-control states",
    responses=many("CreditControl"),
)
def all_states(
    app: AppHere,
    connection: InTransaction,
    state: Annotated[Literal["ok", "warned", "blocked"] | None, Query()] = None,
) -> Any:
    """Return the state of every customer with alerts, prepaid credits, or a person's decision."""
    found = credit_controls(connection, at=app.clock.now())
    return to_builtins([one for one in found if state in {None, one.state}])


@router.get(
    "/v1/customers/{customer_id}/credit-control",
    summary="Show a credit-control state",
    responses=one("CreditControl"),
)
def state_of(customer_id: Identifier, app: AppHere, connection: InTransaction) -> Any:
    """Return whether a customer may go on, and why."""
    return to_builtins(
        credit_control(connection, customer_id, known=app.known.by_customer, at=app.clock.now())
    )


@router.post(
    "/v1/customers/{customer_id}/credit-control/block",
    summary="Block a customer",
    responses=one("CreditControl"),
)
def block(
    customer_id: Identifier, body: Decision, app: AppHere, connection: InTransaction, by: Actor
) -> Any:
    """Block a customer whatever its thresholds say; audited."""
    said: dict[str, Any] = {"by": by, "reason": body.reason, "until": _instant(body.until)}
    known, at = app.known.by_customer, app.clock.now()
    return to_builtins(decide(connection, customer_id, "block", known=known, at=at, **said))


@router.post(
    "/v1/customers/{customer_id}/credit-control/release",
    summary="Release a customer",
    responses=one("CreditControl"),
)
def release(
    customer_id: Identifier, body: Decision, app: AppHere, connection: InTransaction, by: Actor
) -> Any:
    """End a block, or let a customer go on although thresholds block it; audited."""
    said: dict[str, Any] = {"by": by, "reason": body.reason, "until": _instant(body.until)}
    known, at = app.known.by_customer, app.clock.now()
    return to_builtins(decide(connection, customer_id, "release", known=known, at=at, **said))


@router.get(
    "/v1/customers/{customer_id}/entitlements/{product_id}",
    summary="May a customer use a product now?",
    responses=one("Entitlement"),
)
def entitlement(customer_id: Identifier, product_id: Identifier, app: AppHere) -> Any:
    """Return yes or no with its reason, and what is left; made to be asked before each request."""
    [found] = app.entitlements.check([(customer_id, product_id)])
    return to_builtins(found)


@router.post(
    "/v1/entitlements",
    summary="May customers use products now?",
    responses=many("Entitlement"),
)
def entitlements(body: Checks, app: AppHere) -> Any:
    """Return an answer for each check, in the order asked."""
    checks = [(check.customer, check.product) for check in body.checks]
    return to_builtins(app.entitlements.check(checks))


def _instant(said: datetime | None) -> datetime | None:
    if said is not None and said.tzinfo is None:
        raise Rejected("rate.unclear_time", "An instant needs its offset, such as Z.")
    return said and said.astimezone(UTC)
