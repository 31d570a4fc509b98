"""The names of documents and lines: one gapless series per legal entity and kind of document.

A number is taken only by a document that is issued in the same transaction, so a refused document
leaves no hole in the sequential numbering the law asks for (EU VAT Directive, article 226(2)).
"""

from typing import Final

from tollbook.records.invoice import InvoiceKind

DIGITS: Final = 6

_MARKS: Final[dict[InvoiceKind, str]] = {"invoice": "", "credit_memo": "CM-"}


def document_number(prefix: str, kind: InvoiceKind, sequence: int) -> str:
    """Return the number of the nth document of a series: US-000001, US-CM-000001.

    After 999999 the number grows by a digit; it is never cut.
    """
    assert sequence > 0, "a series starts at 1"
    return f"{prefix}-{_MARKS[kind]}{sequence:0{DIGITS}d}"


def line_id(invoice_id: str, line_no: int) -> str:
    """Return the id by which lineage names a line of a document."""
    return f"{invoice_id}#{line_no}"
