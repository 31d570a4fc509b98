"""Records as people and programs read them: with totals, which are computed and not stored."""

from typing import Any

from tollbook.records.invoice import Invoice
from tollbook.values.codec import to_builtins


def invoice_view(invoice: Invoice) -> dict[str, Any]:
    """Return an invoice with net, tax and total in major units of its currency."""
    shown: dict[str, Any] = to_builtins(invoice)
    shown["service_month"] = str(invoice.service_month)
    for name, money in (("net", invoice.net), ("tax", invoice.tax), ("total", invoice.total)):
        shown[name] = str(money.major)
    return shown
