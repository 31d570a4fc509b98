"""What each checkpoint says about a month, document by document."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.reconcile.match import Amount
from tollbook.records.invoice import Invoice
from tollbook.records.posting import Receipt
from tollbook.values.money import EXACT, Money, Precise, money_of, settle


@dataclass(frozen=True, slots=True)
class Earned:
    """What one issued document became: revenue in the subledger, and service still owed."""

    number: str
    entity_id: str
    recognized: Money
    deferred: Money


def rated_amounts(charges: Iterable[RatedCharge]) -> list[Amount]:
    """Return each obligation's charges, summed exactly and settled once, as its lines are."""
    exact: dict[Obligation, Decimal] = defaultdict(Decimal)
    last: dict[Obligation, RatedCharge] = {}
    for rated in charges:
        obligation = obligation_key(rated)
        exact[obligation] = EXACT.add(exact[obligation], rated.charge.amount.value)
        last[obligation] = rated
    return [
        _owed(
            obligation,
            settle(Precise(value, obligation.currency), last[obligation].charge.rounding).money,
        )
        for obligation, value in sorted(exact.items())
    ]


def invoiced_by_obligation(billed: Mapping[Obligation, Money]) -> list[Amount]:
    """Return what issued lines hold of each obligation."""
    return [_owed(obligation, money) for obligation, money in sorted(billed.items())]


def invoiced_by_document(invoices: Iterable[Invoice]) -> list[Amount]:
    """Return each issued document before tax."""
    return [_document(invoice, invoice.net) for invoice in invoices]


def posted_by_document(
    invoices: Iterable[Invoice], receipts: Mapping[str, Receipt]
) -> list[Amount]:
    """Return what the ERP holds of each document before tax, in the currency it holds it in.

    What it does not hold, or holds as what is no amount of money, is missing.
    """
    return [
        Amount(str(invoice.number), invoice.entity_id, receipt.currency, money)
        for invoice, receipt in _held(invoices, receipts)
        if (money := _money(receipt.net, receipt.currency)) is not None
    ]


def taxes_invoiced(invoices: Iterable[Invoice], receipts: Mapping[str, Receipt]) -> list[Amount]:
    """Return the tax of each document that the ERP holds; a missing one is missing before tax."""
    return [_document(invoice, invoice.tax) for invoice, _ in _held(invoices, receipts)]


def taxes_posted(invoices: Iterable[Invoice], receipts: Mapping[str, Receipt]) -> list[Amount]:
    """Return what the ERP asks of the customer for each document beyond its net."""
    return [
        Amount(str(invoice.number), invoice.entity_id, receipt.currency, money)
        for invoice, receipt in _held(invoices, receipts)
        if (money := _money(receipt.total - receipt.net, receipt.currency)) is not None
    ]


def earned_by_document(earned: Iterable[Earned]) -> list[Amount]:
    """Return what each document became: revenue plus what is still deferred."""
    return [
        Amount(one.number, one.entity_id, one.recognized.currency, one.recognized + one.deferred)
        for one in earned
    ]


def journals_posted(journals: Iterable[Amount], receipts: Mapping[str, Receipt]) -> list[Amount]:
    """Return what the ERP holds of each revenue journal."""
    return [
        Amount(journal.object_id, journal.entity_id, receipt.currency, money)
        for journal in journals
        if (receipt := receipts.get(journal.object_id)) is not None
        if (money := _money(receipt.net, receipt.currency)) is not None
    ]


def _held(
    invoices: Iterable[Invoice], receipts: Mapping[str, Receipt]
) -> list[tuple[Invoice, Receipt]]:
    return [
        (invoice, receipts[invoice.invoice_id])
        for invoice in invoices
        if invoice.invoice_id in receipts
    ]


def _money(value: Decimal, currency: str) -> Money | None:
    try:
        return money_of(value, currency)
    except ValueError:
        return None


def _owed(obligation: Obligation, money: Money) -> Amount:
    first = obligation.period.start.date()
    last = (obligation.period.end - timedelta(microseconds=1)).date()
    name = (
        f"{obligation.contract_id}/{obligation.kind}/{obligation.product_id or '-'}/{first}/{last}"
    )
    return Amount(name, obligation.entity_id, obligation.currency, money)


def _document(invoice: Invoice, money: Money) -> Amount:
    return Amount(str(invoice.number), invoice.entity_id, invoice.currency, money)
