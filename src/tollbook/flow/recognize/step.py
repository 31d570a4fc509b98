"""Schedule the revenue of issued lines, and book what has become due by a month's end."""

from dataclasses import dataclass
from datetime import datetime

from tollbook.controls import lineage
from tollbook.flow.invoice.numbering import line_id
from tollbook.flow.invoice.store import load_invoices
from tollbook.flow.recognize import store
from tollbook.flow.recognize.booking import DueBreakage, breakage_entry, recognition_entry
from tollbook.flow.recognize.schedule import schedule_of
from tollbook.ledger.credit_store import unrecognized_breakage
from tollbook.ledger.store import book
from tollbook.masterdata.catalog import Catalog
from tollbook.storage.database import Connection
from tollbook.values.ids import CustomerId
from tollbook.values.money import money_of
from tollbook.values.period import Month


@dataclass(frozen=True, slots=True)
class Recognized:
    """What recognizing a month did. Nothing can be refused: every issued line has a schedule."""

    schedules: int
    entries: int
    set_aside: tuple[str, ...] = ()


def recognize(
    connection: Connection, *, catalog: Catalog, month: Month, at: datetime
) -> Recognized:
    """Make revenue of what was earned through the end of a month, of all documents issued so far.

    Running it again books nothing twice; amounts of earlier months that are known only now are
    booked at the end of this one.
    """
    return Recognized(
        schedules=_schedule(connection, month=month, at=at),
        entries=_book(connection, catalog=catalog, month=month, at=at)
        + _book_breakage(connection, catalog=catalog, month=month, at=at),
    )


def _schedule(connection: Connection, *, month: Month, at: datetime) -> int:
    made = 0
    for invoice in load_invoices(connection, store.unscheduled(connection, month)):
        for line in invoice.lines:
            schedule = schedule_of(invoice, line)
            if store.insert_schedule(connection, schedule, invoice=invoice, at=at):
                parent = line_id(invoice.invoice_id, line.line_no)
                lineage.link(connection, "recognize", [(schedule.schedule_id, parent)])
                made += 1
    return made


def _book(connection: Connection, *, catalog: Catalog, month: Month, at: datetime) -> int:
    booked = []
    for due in store.lock_due(connection, month):
        product = catalog.product(due.product_id, due.month.last)
        name = product.name if product else due.to_role
        entry = recognition_entry(due, month=month, product=name)
        booked.append((due, entry))
    new = book(connection, [entry for _, entry in booked], at=at)
    assert len(new) == len(booked), "a schedule line that is open has no entry yet"
    store.set_recognized(
        connection, [(entry.entry_id, due.schedule_id, due.month) for due, entry in booked]
    )
    lineage.link(
        connection, "recognize", [(entry.entry_id, due.schedule_id) for due, entry in booked]
    )
    return len(new)


def _book_breakage(connection: Connection, *, catalog: Catalog, month: Month, at: datetime) -> int:
    """Make revenue of paid credits that expired by the end of the month."""
    entries = []
    rows = unrecognized_breakage(connection, month)
    for movement_id, contract_id, block_id, customer_id, currency, cost, day in rows:
        contract = catalog.contract(contract_id, day)
        assert contract is not None, "credits expire under a contract"
        due = DueBreakage(
            movement_id=movement_id,
            block_id=block_id,
            amount=money_of(cost, currency),
            moved_on=day,
            product_id=contract.credit_product_id,
            entity_id=contract.entity_id,
            customer_id=CustomerId(customer_id),
        )
        product = catalog.product(contract.credit_product_id, day)
        name = product.name if product else "Prepaid credits"
        entries.append((movement_id, breakage_entry(due, month=month, product=name)))
    new = book(connection, [entry for _, entry in entries], at=at)
    lineage.link(connection, "recognize", [(entry.entry_id, cause) for cause, entry in entries])
    return len(new)
