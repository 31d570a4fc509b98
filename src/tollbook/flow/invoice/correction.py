"""What is billed after the first invoice of a month: the difference, as its own document."""

from collections.abc import Iterable

from tollbook.records.invoice import InvoiceKind
from tollbook.values.ids import ChargeId, InvoiceId, derive
from tollbook.values.money import Money


def first_invoice_id(*terms: str) -> InvoiceId:
    """Return the id of the invoice that bills a contract's month, on its terms, the first time."""
    return InvoiceId(derive("inv", *terms, "first"))


def correction_id(charge_ids: Iterable[ChargeId]) -> InvoiceId:
    """Return the id of the document that bills these differences."""
    return InvoiceId(derive("inv", *sorted(charge_ids), "correction"))


def document_kind(net: Money) -> InvoiceKind:
    """Return what an amount becomes: a credit memo if we owe it, else an invoice."""
    return "credit_memo" if net.minor < 0 else "invoice"
