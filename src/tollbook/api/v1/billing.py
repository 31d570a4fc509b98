"""Usage, charges and invoices: what was counted, what it costs, what was billed."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from tollbook.api.context import (
    Actor,
    AppHere,
    Cursor,
    Identifier,
    InTransaction,
    Limit,
    MonthHere,
    MonthMaybe,
)
from tollbook.api.typed import one, page
from tollbook.errors import Rejected
from tollbook.flow.invoice.step import approve
from tollbook.flow.invoice.store import load_invoice, load_invoices
from tollbook.flow.meter.store import usages_by_id
from tollbook.flow.rate.store import charges_by_id
from tollbook.flow.recognize.store import (
    deferred_balance,
    recognized_totals,
    schedules_of_invoice,
)
from tollbook.reports.pages import charge_page, invoice_page, usage_page
from tollbook.reports.verify import verify
from tollbook.reports.views import invoice_view
from tollbook.reports.why import why
from tollbook.values.codec import to_builtins
from tollbook.values.ids import ChargeId, InvoiceId, UsageId

router = APIRouter(tags=["billing"])


class Approval(BaseModel):
    """Which drafts are approved, and why."""

    invoice_ids: list[str] = Field(min_length=1)
    reason: str


@router.get("/v1/usage", summary="List metered usage of a month", responses=page("MeteredUsage"))
def list_usage(
    month: MonthHere,
    connection: InTransaction,
    customer: Annotated[str | None, Query(description="Only this customer.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Any:
    """Return what was counted last for each contract and product, in order of id."""
    found = usage_page(connection, month, customer=customer, cursor=cursor, limit=limit)
    usages = {each.usage_id: each for each in usages_by_id(connection, found.ids)}
    return {
        "items": to_builtins([usages[UsageId(each)] for each in found.ids]),
        "next": found.next,
    }


@router.get("/v1/charges", summary="List charges of a month", responses=page("RatedCharge"))
def list_charges(
    month: MonthHere,
    connection: InTransaction,
    contract: Annotated[str | None, Query(description="Only this contract.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Any:
    """Return the charges that count, each with its working and its pinned price."""
    found = charge_page(connection, month, contract=contract, cursor=cursor, limit=limit)
    charges = {each.charge.charge_id: each for each in charges_by_id(connection, found.ids)}
    return {
        "items": to_builtins([charges[ChargeId(each)] for each in found.ids]),
        "next": found.next,
    }


@router.get("/v1/invoices", summary="List invoices and credit memos", responses=page("Invoice"))
def invoices(
    connection: InTransaction,
    month: MonthMaybe,
    state: Annotated[
        Literal["draft", "approved", "issued"] | None, Query(description="Only this state.")
    ] = None,
    entity: Annotated[str | None, Query(description="Only this legal entity.")] = None,
    cursor: Cursor = "",
    limit: Limit = 100,
) -> Any:
    """Return documents with their totals, in order of id."""
    found = invoice_page(
        connection, month=month, state=state, entity=entity, cursor=cursor, limit=limit
    )
    loaded = {each.invoice_id: each for each in load_invoices(connection, found.ids)}
    return {
        "items": [invoice_view(loaded[InvoiceId(each)]) for each in found.ids],
        "next": found.next,
    }


@router.get("/v1/invoices/{reference}", summary="Show a document", responses=one("Invoice"))
def invoice(reference: Identifier, connection: InTransaction) -> Any:
    """Return one invoice or credit memo by its id or number."""
    found = load_invoice(connection, reference)
    if found is None:
        raise Rejected("invoice.unknown", f"There is no invoice {reference}.")
    return invoice_view(found)


@router.get("/v1/invoices/{reference}/why", summary="Explain a document's amounts")
def explain(
    reference: Identifier,
    connection: InTransaction,
    line: Annotated[int | None, Query(description="Only this line.")] = None,
) -> Any:
    """Return each line with its working, its price and policies, its usage and its taxes."""
    return to_builtins(why(connection, reference, line_no=line))


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
