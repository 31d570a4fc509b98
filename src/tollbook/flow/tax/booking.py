"""The subledger entry of an issued document."""

from collections import Counter

from tollbook.ledger.chart import RECEIVABLE, TAX_PAYABLE
from tollbook.ledger.journal import JournalEntry, JournalLine, entry
from tollbook.records.invoice import Invoice
from tollbook.values.money import Money


def issue_entry(invoice: Invoice) -> JournalEntry | None:
    """Return the entry: debit the receivable, credit what the lines were billed against and tax.

    A credit memo has negative amounts, so its sides turn by themselves. None when no account
    moves.
    """
    assert invoice.number is not None, "only a numbered document is booked"
    assert invoice.booked_on is not None
    credited: Counter[str] = Counter()
    for line in invoice.lines:
        credited[line.role] += line.amount.minor
    credited[TAX_PAYABLE] += invoice.tax.minor
    movements = [(RECEIVABLE, invoice.total.minor)]
    movements += [(role, -minor) for role, minor in sorted(credited.items())]
    if all(minor == 0 for _, minor in movements):
        return None
    memo = f"{invoice.kind.replace('_', ' ').capitalize()} {invoice.number}"
    return entry(
        entity_id=invoice.entity_id,
        currency=invoice.currency,
        booked_on=invoice.booked_on,
        service_month=invoice.service_month,
        kind=invoice.kind,
        cause=invoice.invoice_id,
        lines=[
            JournalLine(role, Money(minor, invoice.currency), invoice.customer_id, memo)
            for role, minor in movements
        ],
    )
