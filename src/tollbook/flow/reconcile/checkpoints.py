"""What each checkpoint says about a month, document by document."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tollbook.flow.rate.rated import Obligation, RatedCharge, obligation_key
from tollbook.flow.reconcile.match import Amount
from tollbook.records.invoice import Invoice
from tollbook.records.posting import Receipt
from tollbook.values.money import EXACT, Money, Precise, money_of, settle


@dataclass(frozen=True, slots=True)
class Earned:
    """What the subledger says one issued document became: revenue booked, and owed service."""

    invoice_id: str
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
        _of(obligation, settle(Precise(value, obligation.currency), rounding).money)
        for obligation, value in sorted(exact.items())
        for rounding in (last[obligation].charge.rounding,)
    ]


def invoiced_by_obligation(billed: Mapping[Obligation, Money]) -> list[Amount]:
    """Return what issued lines hold of each obligation."""
    return [_of(obligation, money) for obligation, money in sorted(billed.items())]


def invoiced_by_document(invoices: Iterable[Invoice]) -> list[Amount]:
    """Return each issued document before tax."""
    return [_document(invoice, invoice.net) for invoice in invoices]


def totals_by_document(invoices: Iterable[Invoice]) -> list[Amount]:
    """Return each issued document with tax."""
    return [_document(invoice, invoice.total) for invoice in invoices]


def posted_net(invoices: Iterable[Invoice], receipts: Mapping[str, Receipt]) -> list[Amount]:
    """Return what the ERP holds of each document before tax; what it does not hold is missing."""
    return [
        _document(invoice, money_of(receipts[invoice.invoice_id].net, invoice.currency))
        for invoice in invoices
        if invoice.invoice_id in receipts
    ]


def posted_total(invoices: Iterable[Invoice], receipts: Mapping[str, Receipt]) -> list[Amount]:
    """Return what the ERP holds of each document with tax."""
    return [
        _document(invoice, money_of(receipts[invoice.invoice_id].total, invoice.currency))
        for invoice in invoices
        if invoice.invoice_id in receipts
    ]


def earned_amounts(earned: Iterable[Earned]) -> list[Amount]:
    """Return what each document became: revenue plus what is still deferred."""
    return [
        Amount(
            one.invoice_id, one.entity_id, one.recognized.currency, one.recognized + one.deferred
        )
        for one in earned
    ]


def _of(obligation: Obligation, money: Money) -> Amount:
    name = "/".join(
        (
            obligation.contract_id,
            obligation.product_id,
            obligation.kind,
            f"{obligation.period.start:%Y-%m-%d}",
        )
    )
    return Amount(name, obligation.entity_id, obligation.currency, money)


def _document(invoice: Invoice, money: Money) -> Amount:
    return Amount(invoice.invoice_id, invoice.entity_id, invoice.currency, money)
