"""Usage, charges and invoices: what was counted, what it costs, what was billed."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollbook.api.context import Actor, AppHere, Identifier, InTransaction, MonthHere, MonthMaybe
from tollbook.errors import Rejected
from tollbook.flow.invoice.step import approve
from tollbook.flow.invoice.store import list_invoices, load_invoice
from tollbook.flow.meter.store import latest_usages
from tollbook.flow.rate.store import load_charges
from tollbook.flow.recognize.store import (
    deferred_balance,
    recognized_totals,
    schedules_of_invoice,
)
from tollbook.reports.verify import verify
from tollbook.reports.views import invoice_view
from tollbook.values.codec import to_builtins

router = APIRouter(tags=["billing"])


class Approval(BaseModel):
    """Which drafts are approved, and why."""

    invoice_ids: list[str] = Field(min_length=1)
    reason: str


@router.get("/v1/usage", summary="List metered usage of a month")
def list_usage(
    month: MonthHere,
    connection: InTransaction,
    customer: Annotated[str | None, Query(description="Only this customer.")] = None,
) -> Any:
    """Return what was counted last for each contract and product."""
    found = latest_usages(connection, month)
    return to_builtins([one for one in found if customer in {None, one.customer_id}])


@router.get("/v1/charges", summary="List charges of a month")
def list_charges(
    month: MonthHere,
    connection: InTransaction,
    contract: Annotated[str | None, Query(description="Only this contract.")] = None,
) -> Any:
    """Return the charges that count, each with its working and its pinned price."""
    found = load_charges(connection, month)
    return to_builtins([one for one in found if contract in {None, one.charge.contract_id}])


@router.get("/v1/invoices", summary="List invoices and credit memos")
def invoices(
    connection: InTransaction,
    month: MonthMaybe,
    state: Annotated[
        Literal["draft", "approved", "issued"] | None, Query(description="Only this state.")
    ] = None,
    entity: Annotated[str | None, Query(description="Only this legal entity.")] = None,
) -> Any:
    """Return documents with their totals, in order of id."""
    found = list_invoices(connection, month=month, state=state, entity_id=entity)
    return [invoice_view(invoice) for invoice in found]


@router.get("/v1/invoices/{reference}", summary="Show a document")
def invoice(reference: Identifier, connection: InTransaction) -> Any:
    """Return one invoice or credit memo by its id or number."""
    found = load_invoice(connection, reference)
    if found is None:
        raise Rejected("invoice.unknown", f"There is no invoice {reference}.")
    return invoice_view(found)


@router.post("/v1/invoices/approve", summary="Approve drafts")
def approve_invoices(body: Approval, app: AppHere, connection: InTransaction, by: Actor) -> Any:
    """Approve drafts, all or none."""
    approved = approve(
        connection,
        invoice_ids=body.invoice_ids,
        by=by,
        at=app.clock.now(),
        reason=body.reason,
    )
    return to_builtins(approved)


@router.get("/v1/invoices/{reference}/revenue-schedules", summary="Show a document's revenue")
def revenue_schedules(reference: Identifier, connection: InTransaction) -> Any:
    """Return when each line of a document becomes revenue."""
    found = load_invoice(connection, reference)
    if found is None:
        raise Rejected("invoice.unknown", f"There is no invoice {reference}.")
    return to_builtins(schedules_of_invoice(connection, found.invoice_id))


@router.get("/v1/revenue", summary="Show what a month became")
def revenue(month: MonthHere, connection: InTransaction) -> Any:
    """Return what the documents of a month became, and what is owed as service at its end."""
    owed = deferred_balance(connection, month)
    return {
        "documents": to_builtins(recognized_totals(connection, month)),
        "owed_at_month_end": [
            {"entity_id": entity_id, "currency": currency, "amount": str(money.major)}
            for (entity_id, currency), money in owed.items()
        ],
    }


@router.get("/v1/invoices/{reference}/verification", summary="Recompute a document")
def verification(reference: Identifier, connection: InTransaction) -> Any:
    """Recompute an issued document from its raw events and pinned versions, and compare."""
    return to_builtins(verify(connection, reference))
