"""Tax, number, issue and book every approved document of a month."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from tollbook.controls import audit, lineage
from tollbook.errors import Blocked
from tollbook.flow.invoice import store as invoices
from tollbook.flow.invoice.numbering import document_number
from tollbook.flow.invoice.states import Signal, State, advance
from tollbook.flow.rate.store import lock, mark_billed
from tollbook.flow.tax import store
from tollbook.flow.tax.apply import policy_of, tax_lines
from tollbook.flow.tax.booking import issue_entry
from tollbook.flow.tax.determine import rates_for
from tollbook.ledger.store import book
from tollbook.masterdata.catalog import Catalog
from tollbook.records.invoice import Invoice
from tollbook.records.parties import LegalEntity
from tollbook.storage.database import Connection
from tollbook.values.ids import InvoiceId
from tollbook.values.period import Month
from tollbook.worklist.holding import Held, hold


@dataclass(frozen=True, slots=True)
class Issued:
    """What issuing a month did. `set_aside` are documents that stay approved, on the worklist."""

    invoice_ids: tuple[InvoiceId, ...]
    set_aside: tuple[InvoiceId, ...]


def issue(
    connection: Connection, *, catalog: Catalog, month: Month, booked_on: date | None, at: datetime
) -> Issued:
    """Issue the approved documents of a service month, in the order of entity and contract.

    `booked_on` is the accounting date, the last day of the month if not given. A document that
    cannot be taxed becomes a work item, stays approved and takes no number; the next run tries
    again.
    """
    # Charges stand still meanwhile, and no other issuer takes numbers in another order.
    lock(connection)
    day = booked_on or month.last
    issued, set_aside = [], []
    for document in invoices.lock_month(connection, month, ("approved",)):
        try:
            entity = _entity(document, catalog, day)
            _require_current(connection, document)
            taxed = _taxed(connection, document, entity=entity, catalog=catalog, day=day)
        except Blocked as refusal:
            held = Held(refusal.code, refusal.ids["cause"], refusal.message, document.invoice_id)
            hold(connection, [held], scope=document.invoice_id, at=at)
            set_aside.append(document.invoice_id)
            continue
        _issue(connection, taxed, entity=entity, day=day, at=at)
        hold(connection, [], scope=document.invoice_id, at=at)
        issued.append(document.invoice_id)
    return Issued(tuple(issued), tuple(set_aside))


def _entity(document: Invoice, catalog: Catalog, day: date) -> LegalEntity:
    entity = catalog.entity(document.entity_id, day)
    if entity is None:
        raise Blocked(
            "tax.unknown_entity",
            f"Legal entity {document.entity_id} is not in force on {day}: add it with an earlier "
            "effective_from, then issue again.",
            cause=document.entity_id,
        )
    return entity


def _require_current(connection: Connection, document: Invoice) -> None:
    """Refuse a document whose charges were replaced after it was approved."""
    if invoices.superseded_of(connection, [line.charge_id for line in document.lines]):
        raise Blocked(
            "tax.facts_changed",
            f"The usage or terms of contract {document.contract_id} changed after its invoice of "
            f"{document.service_month} was approved: draft the month again and approve it.",
            cause=f"{document.contract_id}/{document.service_month}",
        )


def _taxed(
    connection: Connection, document: Invoice, *, entity: LegalEntity, catalog: Catalog, day: date
) -> Invoice:
    """Return the document with its taxes; Blocked when customer or rate is not known."""
    customer = catalog.customer(document.customer_id, day)
    if customer is None or not customer.jurisdiction:
        raise Blocked(
            "tax.unknown_customer",
            f"Customer {document.customer_id} has no tax jurisdiction on {day}: add it, then issue "
            "again.",
            cause=document.customer_id,
        )
    original = invoices.load_invoice(connection, document.corrects) if document.corrects else None
    rates = rates_for(
        document,
        table=catalog.tax_table(document.entity_id, day),
        jurisdiction=customer.jurisdiction,
        on=day,
        original=original,
    )
    return replace(document, taxes=tax_lines(document.lines, rates, policy_of(entity)))


def _issue(
    connection: Connection, document: Invoice, *, entity: LegalEntity, day: date, at: datetime
) -> None:
    state = advance(State(document.state), Signal.ISSUE)
    days_to_pay = entity.payment_days if document.kind == "invoice" else 0
    due_on = day + timedelta(days=days_to_pay)
    store.insert_taxes(connection, document.invoice_id, document.taxes)
    sequence = invoices.next_number(connection, document.entity_id, document.kind)
    number = document_number(entity.invoice_prefix, document.kind, sequence)
    invoices.set_issued(
        connection, document.invoice_id, number=number, booked_on=day, due_on=due_on, at=at
    )
    _book(connection, replace(document, number=number, booked_on=day, due_on=due_on), at=at)
    charge_ids = [line.charge_id for line in document.lines]
    mark_billed(connection, charge_ids, document.invoice_id, at=at)
    audit.record(
        connection,
        at=at,
        actor="system",
        action="invoice.issue",
        object_id=document.invoice_id,
        before=document.state,
        after=state,
        reason=f"Issued as {number}.",
    )


def _book(connection: Connection, document: Invoice, *, at: datetime) -> None:
    entry = issue_entry(document)
    if entry is None:
        return
    book(connection, [entry], at=at)
    lineage.link(connection, "tax", [(entry.entry_id, document.invoice_id)])
