"""Verify an issued document: recompute it from raw events and pinned versions, and compare."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tollbook.errors import Rejected
from tollbook.flow.invoice.numbering import line_id
from tollbook.flow.invoice.settlement import Billed, settle_in_turn
from tollbook.flow.invoice.store import issued_at, load_invoice
from tollbook.flow.meter.definition import Counted
from tollbook.flow.meter.store import content_digest_as_known, recount_as_known, usages_by_id
from tollbook.flow.rate.price import multiplied_out
from tollbook.flow.rate.rated import RatedCharge, obligation_key
from tollbook.flow.rate.store import charges_by_id, history
from tollbook.flow.rate.working import total
from tollbook.flow.tax.apply import policy_of, tax_lines
from tollbook.flow.tax.determine import rates_for
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.store import load_catalog
from tollbook.records.invoice import Invoice, InvoiceLine, TaxLine
from tollbook.records.usage import MeteredUsage
from tollbook.reports.recompute import Owed, owed
from tollbook.storage.database import Connection
from tollbook.values.ids import InvoiceId
from tollbook.values.money import Precise, settle
from tollbook.values.quantity import plain


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was recomputed: what the document says, and what came out."""

    subject: str
    what: str
    stored: str
    recomputed: str

    @property
    def is_right(self) -> bool:
        """Whether both agree."""
        return self.stored == self.recomputed


@dataclass(frozen=True, slots=True)
class Verification:
    """Everything that was recomputed of one document.

    `event_count` is how many events are behind it, once for each product that counts them.
    """

    invoice_id: InvoiceId
    number: str
    event_count: int
    checks: tuple[Check, ...]
    wrong: tuple[Check, ...]

    @property
    def is_right(self) -> bool:
        """Whether the document is what its events and terms make of it."""
        return not self.wrong


def verify(connection: Connection, reference: str) -> Verification:
    """Recompute an issued invoice or credit memo, by id or number.

    Quantities are counted from the raw events known when the usage was metered, and each of those
    events is hashed anew. Prices and contracts are the pinned versions, taxes follow from what was
    known when the document was issued. Raises Rejected when it is unknown or not issued.
    """
    invoice = _issued(connection, reference)
    catalog = load_catalog(connection, known_at=issued_at(connection, invoice))
    charges = charges_by_id(connection, [line.charge_id for line in invoice.lines])
    by_id = {rated.charge.charge_id: rated for rated in charges}
    usage_ids = [rated.charge.usage_id for rated in charges if rated.charge.usage_id]
    counted = recount_as_known(connection, usages_by_id(connection, usage_ids))
    quantities = {str(usage.usage_id): found.quantity for usage, found in counted}
    checks: list[Check] = []
    for usage, found in counted:
        checks += _usage(usage, found, content_digest_as_known(connection, usage))
    for line in invoice.lines:
        chain = _chain(connection, by_id[line.charge_id])
        checks += _charge(chain, owed(connection, chain, quantities=quantities, catalog=catalog))
        checks += _settlement(line_id(invoice.invoice_id, line.line_no), line, chain)
    checks += _taxes(invoice, _taxes_again(connection, invoice, catalog))
    return Verification(
        invoice_id=invoice.invoice_id,
        number=str(invoice.number),
        event_count=sum(found.event_count for _, found in counted),
        checks=tuple(checks),
        wrong=tuple(check for check in checks if not check.is_right),
    )


def _issued(connection: Connection, reference: str) -> Invoice:
    invoice = load_invoice(connection, reference)
    if invoice is None:
        raise Rejected("invoice.unknown", f"There is no invoice {reference}.")
    if invoice.number is None:
        raise Rejected(
            "verify.not_issued",
            f"{invoice.invoice_id} is still a document in state {invoice.state}: it can be "
            "verified once it is issued.",
        )
    return invoice


def _chain(connection: Connection, rated: RatedCharge) -> list[RatedCharge]:
    """Return the charges that make up what was billed of an obligation, through this one."""
    known = history(connection, obligation_key(rated))
    ids = [one.rated.charge.charge_id for one in known]
    before = known[: ids.index(rated.charge.charge_id)]
    return [*(one.rated for one in before if not one.is_superseded), rated]


def _usage(usage: MeteredUsage, found: Counted, digest: str) -> Iterator[Check]:
    yield Check(usage.usage_id, "quantity", plain(usage.quantity), plain(found.quantity))
    yield Check(usage.usage_id, "events", str(usage.event_count), str(found.event_count))
    yield Check(usage.usage_id, "digest", usage.digest, digest)


def _charge(chain: Sequence[RatedCharge], truth: Owed) -> Iterator[Check]:
    """Compare an obligation's charges so far with its truth, and this one with its own working."""
    charge = chain[-1].charge
    amount = total(one.charge.amount.value for one in chain)
    yield Check(charge.charge_id, "charged so far", plain(amount), plain(truth.amount))
    worked = multiplied_out(charge).amount
    yield Check(charge.charge_id, "working", plain(charge.amount.value), plain(worked.value))
    if truth.quantity is not None:
        quantity = total(one.charge.quantity for one in chain)
        yield Check(charge.charge_id, "quantity", plain(quantity), plain(truth.quantity))


def _settlement(subject: str, line: InvoiceLine, chain: Sequence[RatedCharge]) -> Iterator[Check]:
    """Settle the charge again beside what was billed before it."""
    rated = chain[-1]
    key, charge = obligation_key(rated), rated.charge
    before = Precise(total(one.charge.amount.value for one in chain[:-1]), key.currency)
    billed = {key: Billed(before, settle(before, charge.rounding).money)}
    [settled] = settle_in_turn([rated], billed)
    yield Check(subject, "amount", str(line.amount), str(settled.amount))
    yield Check(subject, "residue", plain(line.residue), plain(settled.residue))
    yield Check(subject, "quantity", plain(line.quantity), plain(charge.quantity))


def _taxes(invoice: Invoice, again: Sequence[TaxLine]) -> Iterator[Check]:
    stored = {(tax.line_no, tax.tax_code): _working(tax) for tax in invoice.taxes}
    recomputed = {(tax.line_no, tax.tax_code): _working(tax) for tax in again}
    for line_no, tax_code in sorted(stored.keys() | recomputed.keys()):
        key = (line_no, tax_code)
        yield Check(
            line_id(invoice.invoice_id, line_no),
            f"tax {tax_code}",
            stored.get(key, "none"),
            recomputed.get(key, "none"),
        )


def _taxes_again(connection: Connection, invoice: Invoice, catalog: Catalog) -> tuple[TaxLine, ...]:
    assert invoice.booked_on is not None, "an issued document is booked"
    entity = catalog.entity(invoice.entity_id, invoice.booked_on)
    customer = catalog.customer(invoice.customer_id, invoice.booked_on)
    assert entity is not None, "it was issued by a legal entity known then"
    assert customer is not None, "it was issued to a customer known then"
    rates = rates_for(
        invoice,
        table=catalog.tax_table(invoice.entity_id, invoice.booked_on),
        jurisdiction=customer.jurisdiction,
        on=invoice.booked_on,
        original=load_invoice(connection, invoice.corrects) if invoice.corrects else None,
    )
    return tax_lines(invoice.lines, rates, policy_of(entity))


def _working(tax: TaxLine) -> str:
    return f"{plain(tax.rate)} x {tax.base} = {tax.amount}"
