"""Our invoices in the words of an ERP: its customer, its accounts, its tax codes."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tollbook.errors import Blocked
from tollbook.ledger.chart import RECEIVABLE, TAX_PAYABLE
from tollbook.records.commercial import GlMap
from tollbook.records.invoice import Invoice, InvoiceLine, TaxLine
from tollbook.records.parties import Customer
from tollbook.records.posting import DocumentLine, DocumentTax, FinanceDocument


@dataclass(frozen=True, slots=True)
class Address:
    """Where a document goes and under which keys the ERP will know it."""

    target: str
    key: str
    key16: str
    corrects_key: str = ""


def invoice_document(
    invoice: Invoice, *, address: Address, customer: Customer | None, gl_map: GlMap | None
) -> FinanceDocument:
    """Put an issued invoice or credit memo into the ERP's names.

    Amounts go over as quantity 1 x line amount, since no ERP keeps the decimals of a price per
    token; the description of the line tells the true quantity. Raises Blocked when a name is missing.
    """
    assert invoice.number is not None, "only an issued invoice is posted"
    assert invoice.booked_on is not None, "only an issued invoice is posted"
    names = require_map(gl_map, entity_id=invoice.entity_id, target=address.target)
    return FinanceDocument(
        kind=invoice.kind,
        key=address.key,
        key16=address.key16,
        number=invoice.number,
        company=names.company,
        currency=invoice.currency,
        document_date=invoice.booked_on,
        accounting_date=invoice.booked_on,
        lines=tuple(_line(line, names) for line in invoice.lines),
        taxes=tuple(_tax(tax, names) for tax in invoice.taxes),
        customer=_customer_name(customer, invoice.customer_id, address.target),
        due_date=invoice.due_on,
        receivable_account=account_of(names, RECEIVABLE),
        memo=f"{invoice.number}, usage of {invoice.service_month}",
        corrects_key=address.corrects_key,
        settings=dict(names.settings),
    )


def require_map(gl_map: GlMap | None, *, entity_id: str, target: str) -> GlMap:
    """Return the GL map, or raise Blocked when the entity has none for this target."""
    if gl_map is None or gl_map.target != target:
        raise Blocked(
            "post.missing_gl_map",
            f"Legal entity {entity_id} has no GL map for {target}: add one that is in force on "
            "the accounting date.",
            cause=f"{entity_id}|{target}",
        )
    return gl_map


def account_of(gl_map: GlMap, role: str) -> str:
    """Return the ERP's account for a role; `revenue:support` falls back to `revenue`."""
    account = gl_map.accounts.get(role) or gl_map.accounts.get(role.partition(":")[0])
    if not account:
        raise Blocked(
            "post.missing_gl_account",
            f"The GL map of {gl_map.entity_id} names no account for {role}: add it.",
            cause=f"{gl_map.entity_id}|{role}",
        )
    return account


def _line(line: InvoiceLine, gl_map: GlMap) -> DocumentLine:
    settings = gl_map.settings
    item = settings.get(f"item:{line.product_id}") or settings.get(f"item:{line.role}")
    return DocumentLine(
        line_no=line.line_no,
        account=account_of(gl_map, line.role),
        amount=line.amount.major,
        description=line.description,
        item=item or settings.get("item", ""),
        service_from=line.period.start.date(),
        service_until=_last_day(line.period.end),
    )


def _last_day(end: datetime) -> date:
    # ERPs name the last day of service; our periods name the instant after it.
    return (end - timedelta(microseconds=1)).date()


def _tax(tax: TaxLine, gl_map: GlMap) -> DocumentTax:
    code = gl_map.tax_codes.get(tax.tax_code)
    if not code:
        raise Blocked(
            "post.missing_tax_code",
            f"The GL map of {gl_map.entity_id} names no tax code for {tax.tax_code}: add it.",
            cause=f"{gl_map.entity_id}|{tax.tax_code}",
        )
    return DocumentTax(
        code=code,
        account=gl_map.tax_accounts.get(tax.tax_code) or account_of(gl_map, TAX_PAYABLE),
        rate=tax.rate,
        base=tax.base.major,
        amount=tax.amount.major,
        description=f"{tax.tax_code} {tax.jurisdiction}",
        line_no=tax.line_no,
    )


def _customer_name(customer: Customer | None, customer_id: str, target: str) -> str:
    name = customer.external_ids.get(target) if customer else None
    if not name:
        raise Blocked(
            "post.missing_customer_id",
            f"Customer {customer_id} has no id in {target}: add it to the customer's external ids.",
            cause=f"{target}|{customer_id}",
        )
    return name
