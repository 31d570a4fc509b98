"""Our document and what the ERP says it holds, compared field by field."""

from collections.abc import Iterator

from tollbook.records.posting import Difference, FinanceDocument, Receipt
from tollbook.values.period import Month


def compare(document: FinanceDocument, receipt: Receipt) -> tuple[Difference, ...]:
    """Return the fields in which the ERP's document is not ours; what it does not tell is skipped.

    The period is that of the accounting date: an ERP that moves a document into another period
    has booked something else.
    """
    return tuple(
        Difference(field, ours, theirs)
        for field, ours, theirs in _told(document, receipt)
        if ours != theirs
    )


def sentence(differences: tuple[Difference, ...]) -> str:
    """Return the differences as a person would say them."""
    return "; ".join(f"{each.field} is {each.theirs}, not {each.ours}" for each in differences)


def _told(document: FinanceDocument, receipt: Receipt) -> Iterator[tuple[str, str, str]]:
    for field in ("net", "tax", "total"):
        ours, theirs = getattr(document, field), getattr(receipt, field)
        # 10.0 and 10.00 are one amount: the ERP's number of decimals is its own affair.
        yield field, f"{ours:f}", f"{ours:f}" if ours == theirs else f"{theirs:f}"
    yield "currency", document.currency, receipt.currency
    yield "state", "posted", receipt.state
    if receipt.period is not None:
        yield "period", str(Month.of(document.accounting_date)), receipt.period
    if receipt.customer is not None and document.customer:
        yield "customer", document.customer, receipt.customer
    if receipt.line_count is not None:
        yield "line_count", str(len(document.lines)), str(receipt.line_count)
