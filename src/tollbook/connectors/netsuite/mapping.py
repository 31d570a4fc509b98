"""Our finance document as NetSuite's records, and back; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from tollbook.records.posting import (
    DocumentKind,
    DocumentLine,
    DocumentTax,
    FinanceDocument,
    Receipt,
)
from tollbook.sdk.outcomes import missing_setting

Json = dict[str, Any]

RECORDS: Final[Mapping[DocumentKind, str]] = {
    "invoice": "invoice",
    "credit_memo": "creditMemo",
    "journal": "journalEntry",
}
PENDING_APPROVAL: Final = "1"
_PERCENT: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Period:
    """An accounting month of the account, by NetSuite's id."""

    period_id: str
    start: date
    end: date

    @property
    def month(self) -> str:
        """The month, YYYY-MM."""
        return f"{self.start:%Y-%m}"


@dataclass(frozen=True, slots=True)
class Application:
    """The invoice a credit memo reduces, by NetSuite's id, and by how much."""

    invoice_id: str
    amount: Decimal


def payload(document: FinanceDocument, period: Period, application: Application | None) -> Json:
    """Return the body that creates the document. Raises Blocked when a setting is missing."""
    if document.kind == "journal":
        return {**_header(document, period), **_journal(document)}
    sign = -1 if document.kind == "credit_memo" else 1
    body = {**_header(document, period), **_sale(document, sign)}
    if document.kind == "invoice" and document.due_date is not None:
        body["dueDate"] = document.due_date.isoformat()
    if application is not None:
        body["apply"] = {
            "items": [
                {
                    "doc": {"id": application.invoice_id},
                    "apply": True,
                    "amount": application.amount,
                }
            ]
        }
    return body


def applied(document: FinanceDocument, invoice: Json) -> Application | None:
    """Return how much of a credit memo reduces the invoice; None when that is already paid."""
    due = min(Decimal(invoice["amountRemaining"]), -document.total)
    return Application(str(invoice["id"]), due) if due > 0 else None


def receipt(
    document: FinanceDocument, found: Json, *, period: str | None, customer: str | None
) -> Receipt:
    """Return what NetSuite holds, signed as in our document."""
    sign = -1 if document.kind == "credit_memo" else 1
    if document.kind == "journal":
        lines = found["line"]["items"]
        net = sum((Decimal(line.get("debit") or 0) for line in lines), Decimal(0))
        tax, total = Decimal(0), net
    else:
        lines = found["item"]["items"]
        net, tax, total = (
            sign * Decimal(found[name]) for name in ("subtotal", "taxTotal", "total")
        )
    return Receipt(
        reference=str(found["id"]),
        number=str(found.get("tranId") or found["id"]),
        currency=_currency_of(document, str(found["currency"]["id"])),
        net=net,
        tax=tax,
        total=total,
        period=period,
        customer=customer,
        line_count=len(lines),
        state="posted",
    )


def is_pending(found: Json) -> bool:
    """Return whether the record waits for approval in NetSuite and is not in its books yet."""
    status = found.get("approvalStatus")
    return isinstance(status, dict) and str(status.get("id")) == PENDING_APPROVAL


def setting(document: FinanceDocument, name: str, purpose: str) -> str:
    """Return a setting of the GL map, or raise Blocked."""
    found = document.settings.get(name)
    if not found:
        raise missing_setting(name, company=document.company, purpose=purpose)
    return found


def _header(document: FinanceDocument, period: Period) -> Json:
    currency = setting(document, f"currency:{document.currency}", "NetSuite's id of the currency")
    return {
        "externalId": document.key,
        "subsidiary": {"id": document.company},
        "currency": {"id": currency},
        "tranDate": document.accounting_date.isoformat(),
        # Without an explicit period NetSuite may silently book a closed one into the next.
        "postingPeriod": {"id": period.period_id},
        "memo": document.memo,
    }


def _sale(document: FinanceDocument, sign: int) -> Json:
    first = document.lines[0].line_no
    body: Json = {
        "entity": {"externalId": document.customer},
        "otherRefNum": document.number,
        "item": {"items": [_item(line, document, sign) for line in document.lines]},
        # With the override NetSuite books our tax; otherwise its engine would compute another.
        "taxDetailsOverride": True,
        "taxDetails": {"items": [_tax(tax, document, sign, first) for tax in document.taxes]},
    }
    if "nexus" in document.settings:
        body |= {"nexus": {"id": document.settings["nexus"]}, "taxRegOverride": True}
    if "terms" in document.settings and document.kind == "invoice":
        body["terms"] = {"id": document.settings["terms"]}
    return body


def _item(line: DocumentLine, document: FinanceDocument, sign: int) -> Json:
    if not line.item:
        raise missing_setting(
            "item",
            company=document.company,
            purpose=f"the item that books to account {line.account}",
        )
    item: Json = {
        "item": {"id": line.item},
        "quantity": 1,
        "rate": sign * line.amount,
        "amount": sign * line.amount,
        "description": line.description,
        "taxDetailsReference": _reference(line.line_no),
    }
    if line.service_from is not None and line.service_until is not None:
        item["revRecStartDate"] = line.service_from.isoformat()
        item["revRecEndDate"] = line.service_until.isoformat()
    return item


def _tax(tax: DocumentTax, document: FinanceDocument, sign: int, first: int) -> Json:
    detail: Json = {
        "taxDetailsReference": _reference(tax.line_no or first),
        "taxCode": {"id": tax.code},
        "taxBasis": sign * tax.base,
        "taxRate": tax.rate * _PERCENT,
        "taxAmount": sign * tax.amount,
    }
    if "tax_type" in document.settings:
        detail["taxType"] = {"id": document.settings["tax_type"]}
    return detail


def _journal(document: FinanceDocument) -> Json:
    return {
        "line": {
            "items": [
                {
                    "account": {"id": line.account},
                    "debit" if line.amount > 0 else "credit": abs(line.amount),
                    "memo": line.description,
                }
                for line in document.lines
            ]
        }
    }


def _reference(line_no: int) -> str:
    return f"L{line_no}"


def _currency_of(document: FinanceDocument, currency_id: str) -> str:
    if document.settings.get(f"currency:{document.currency}") == currency_id:
        return document.currency
    return f"currency {currency_id}"
