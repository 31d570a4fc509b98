"""Our finance document as Tryton's records, and back; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Final, Literal

from tollbook.records.posting import DocumentLine, DocumentTax, FinanceDocument, Receipt

Model = Literal["account.invoice", "account.move"]

INVOICE_FIELDS: Final = (
    "number",
    "state",
    "currency.code",
    "untaxed_amount",
    "tax_amount",
    "total_amount",
    "party.code",
    "move.period.name",
    "lines",
)
MOVE_FIELDS: Final = (
    "number",
    "state",
    "period.name",
    "company.currency.code",
)
POSTED_STATES: Final = frozenset({"posted", "paid"})


@dataclass(frozen=True, slots=True)
class Names:
    """Tryton's ids for what a document names: accounts and taxes of its company, shared records."""

    company: int
    currency: int
    accounts: Mapping[str, int]
    journals: Mapping[str, int]
    taxes: Mapping[str, int]
    payment_term: int | None = None
    party: int | None = None
    address: int | None = None
    period: int | None = None

    def with_customer(self, party: int, address: int, payment_term: int | None) -> "Names":
        """Add what an invoice names."""
        return replace(self, party=party, address=address, payment_term=payment_term)

    def with_period(self, period: int) -> "Names":
        """Add what a journal names."""
        return replace(self, period=period)


def model_of(document: FinanceDocument) -> Model:
    """Return the Tryton model that holds a document."""
    return "account.move" if document.kind == "journal" else "account.invoice"


def accounts_named(document: FinanceDocument) -> list[str]:
    """Return the codes of the GL accounts a document uses, in order, each once."""
    codes = [line.account for line in document.lines] + [tax.account for tax in document.taxes]
    if document.receivable_account:
        codes.append(document.receivable_account)
    return sorted(set(codes))


def invoice_values(document: FinanceDocument, names: Names) -> dict[str, Any]:
    """Write an invoice or credit memo as the values of `account.invoice.create`.

    Every line is quantity 1 times its amount, because Tryton's unit price has four decimals. Taxes
    are manual lines: Tryton takes their amounts as sent. The source amounts make Tryton refuse to
    post a document whose totals are not ours.
    """
    return {
        "company": names.company,
        "type": "out",
        "party": names.party,
        "invoice_address": names.address,
        "currency": names.currency,
        "journal": names.journals["REV"],
        "account": names.accounts[document.receivable_account],
        "payment_term": names.payment_term,
        "reference": document.number,
        "description": document.memo,
        "external_key": document.key,
        "invoice_date": document.document_date,
        "accounting_date": document.accounting_date,
        "source_untaxed_amount": document.net,
        "source_tax_amount": document.tax,
        "source_total_amount": document.total,
        "lines": [["create", [_invoice_line(line, names) for line in document.lines]]],
        "taxes": [["create", [_tax_line(tax, names) for tax in document.taxes]]],
    }


def move_values(document: FinanceDocument, names: Names) -> dict[str, Any]:
    """Write a journal as the values of `account.move.create`."""
    return {
        "company": names.company,
        "journal": names.journals["MISC"],
        "period": names.period,
        "date": document.accounting_date,
        "description": document.memo or document.number,
        "external_key": document.key,
        "lines": [["create", [_move_line(line, names) for line in document.lines]]],
    }


def invoice_receipt(row: Mapping[str, Any]) -> Receipt:
    """Read an `account.invoice` row as what Tryton holds."""
    move = row.get("move.") or {}
    period = move.get("period.") or {}
    return Receipt(
        reference=str(row["id"]),
        number=row["number"] or "",
        currency=row["currency."]["code"],
        net=row["untaxed_amount"],
        tax=row["tax_amount"],
        total=row["total_amount"],
        period=period.get("name"),
        customer=row["party."]["code"],
        line_count=len(row["lines"]),
        state="posted" if row["state"] in POSTED_STATES else "draft",
    )


def move_receipt(row: Mapping[str, Any], debits: Sequence[Decimal]) -> Receipt:
    """Read an `account.move` row and the debits of its lines as what Tryton holds."""
    total = sum(debits, Decimal(0))
    return Receipt(
        reference=str(row["id"]),
        number=row["number"] or "",
        currency=row["company."]["currency."]["code"],
        net=total,
        tax=Decimal(0),
        total=total,
        period=(row.get("period.") or {}).get("name"),
        customer=None,
        line_count=len(debits),
        state="posted" if row["state"] in POSTED_STATES else "draft",
    )


def to_wire(value: Any) -> Any:
    """Encode what JSON has no word for, all the way down, as Tryton's JSON-RPC does."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, dict):
        return {key: to_wire(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_wire(item) for item in value]
    return value


def from_wire(value: Any) -> Any:
    """Decode Tryton's words for decimals and dates, all the way down."""
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("__class__")
    if kind == "Decimal":
        return Decimal(value["decimal"])
    if kind == "date":
        return date(value["year"], value["month"], value["day"])
    return {key: from_wire(item) for key, item in value.items()}


def _invoice_line(line: DocumentLine, names: Names) -> dict[str, Any]:
    return {
        "type": "line",
        "company": names.company,
        "currency": names.currency,
        "invoice_type": "out",
        "account": names.accounts[line.account],
        "quantity": 1,
        "unit_price": line.amount,
        "description": line.description,
    }


def _tax_line(tax: DocumentTax, names: Names) -> dict[str, Any]:
    return {
        "manual": True,
        # Only for Tryton's tax report: amount and account are ours.
        "tax": names.taxes[tax.code],
        "account": names.accounts[tax.account],
        "base": tax.base,
        "amount": tax.amount,
        "description": tax.description,
    }


def _move_line(line: DocumentLine, names: Names) -> dict[str, Any]:
    is_debit = line.amount > 0
    return {
        "account": names.accounts[line.account],
        "debit": line.amount if is_debit else Decimal(0),
        "credit": Decimal(0) if is_debit else -line.amount,
        "description": line.description,
    }
