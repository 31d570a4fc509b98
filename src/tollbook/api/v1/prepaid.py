"""Prepaid credits: balances with their movements, grants, refunds and early expiry."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from tollbook.api.context import Actor, AppHere, ExactJson, Identifier, InTransaction
from tollbook.errors import Rejected
from tollbook.flow.rate.grants.step import order_expiry, order_grant, order_refund
from tollbook.reports.credits import SOON_DAYS, credits_of
from tollbook.values.codec import to_builtins
from tollbook.values.quantity import parse_quantity

router = APIRouter(tags=["credits"])

SOON_DAYS_MAX = 3660

SoonDays = Annotated[
    int, Query(ge=0, le=SOON_DAYS_MAX, description="What expires within so many days is soon.")
]

_GRANT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["grant", "reason"],
                    "properties": {
                        "grant": {
                            "type": "object",
                            "description": "A grant as in a contract: id, amount, granted_on, ...",
                        },
                        "reason": {"type": "string"},
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}


class Expiry(BaseModel):
    """When what is left lapses, now if not given, and why."""

    effective_at: AwareDatetime | None = None
    reason: str = Field(min_length=1)


class Refund(BaseModel):
    """How many credits are paid back, all that are left if not given, and why."""

    amount: str | None = Field(default=None, examples=["100.00"])
    reason: str = Field(min_length=1)


@router.get("/v1/credits", summary="List prepaid credits")
def list_credits(app: AppHere, connection: InTransaction, soon_days: SoonDays = SOON_DAYS) -> Any:
    """Return the credits of every contract that has some, without their movements."""
    catalog, at = app.catalog(connection), app.clock.now()
    return to_builtins(credits_of(connection, catalog, at=at, soon_days=soon_days))


@router.get("/v1/customers/{customer_id}/credits", summary="Show a customer's credits")
def show_credits(
    customer_id: Identifier,
    app: AppHere,
    connection: InTransaction,
    soon_days: SoonDays = SOON_DAYS,
) -> Any:
    """Return the credits of a customer's contracts: balances, all movements, what expires soon."""
    catalog, at = app.catalog(connection), app.clock.now()
    if catalog.customer(customer_id, at.date()) is None:
        raise Rejected("credits.unknown_customer", f"There is no customer {customer_id}.")
    found = credits_of(
        connection,
        catalog,
        customer_id=customer_id,
        at=at,
        soon_days=soon_days,
        with_movements=True,
    )
    return to_builtins(found)


@router.post("/v1/contracts/{contract_id}/credits", summary="Give credits", openapi_extra=_GRANT)
def grant(
    contract_id: Identifier, body: ExactJson, app: AppHere, connection: InTransaction, by: Actor
) -> Any:
    """Give credits to a contract; they are billed when their month is rated."""
    written, reason = body.get("grant"), body.get("reason")
    if not isinstance(written, dict) or not isinstance(reason, str) or len(body) != 2:
        raise Rejected("api.invalid_grant", "Credits are given with `grant` and `reason`.")
    ordered = order_grant(
        connection,
        catalog=app.catalog(connection),
        contract_id=contract_id,
        written=written,
        by=by,
        reason=reason,
        at=app.clock.now(),
    )
    return to_builtins(ordered)


@router.post("/v1/contracts/{contract_id}/credits/{grant_id}/expire", summary="End a grant")
def expire(
    contract_id: Identifier,
    grant_id: Identifier,
    body: Expiry,
    app: AppHere,
    connection: InTransaction,
    by: Actor,
) -> Any:
    """Let what is left of a grant lapse, now or at an instant."""
    effective_at: datetime | None = body.effective_at
    ordered = order_expiry(
        connection,
        catalog=app.catalog(connection),
        contract_id=contract_id,
        grant_id=grant_id,
        effective_at=effective_at,
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )
    return to_builtins(ordered)


@router.post("/v1/contracts/{contract_id}/credits/{grant_id}/refund", summary="Refund credits")
def refund(
    contract_id: Identifier,
    grant_id: Identifier,
    body: Refund,
    app: AppHere,
    connection: InTransaction,
    by: Actor,
) -> Any:
    """Pay back what is left of a paid batch, or a part, at what it had cost."""
    ordered = order_refund(
        connection,
        catalog=app.catalog(connection),
        contract_id=contract_id,
        grant_id=grant_id,
        amount=credits_in(body.amount),
        by=by,
        reason=body.reason,
        at=app.clock.now(),
    )
    return to_builtins(ordered)


def credits_in(text: str | None) -> Decimal | None:
    """Read a number of credits; Rejected when it is none."""
    try:
        return None if text is None else parse_quantity(text)
    except ValueError as error:
        raise Rejected("credits.invalid", f"The amount cannot be used: {error}.") from error
