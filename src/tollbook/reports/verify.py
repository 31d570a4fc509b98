"""Verify an issued document: recompute it from raw events and pinned versions, and compare."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tollbook.errors import Rejected
from tollbook.flow.invoice.numbering import line_id
from tollbook.flow.invoice.settlement import Billed, settle_in_turn
from tollbook.flow.invoice.store import issued_at, load_invoice
from tollbook.flow.meter.store import recount_as_known, usages_by_id
from tollbook.flow.rate.price import multiplied_out, rerate
from tollbook.flow.rate.rated import RatedCharge, obligation_key
from tollbook.flow.rate.store import charges_by_id, history
from tollbook.flow.tax.apply import tax_lines
from tollbook.flow.tax.determine import rates_charged
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.store import load_catalog
from tollbook.records.invoice import Invoice, InvoiceLine
from tollbook.storage.database import Connection
from tollbook.values.ids import InvoiceId
from tollbook.values.money import Money, Precise, settle
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
    """Everything that was recomputed of one document."""

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

    Quantities are counted from the raw events known when the usage was metered, prices are the
    pinned ones, taxes use the rates charged. Raises Rejected when it is unknown or not issued.
    """
    invoice = load_invoice(connection, reference)
    if invoice is None:
        raise Rejected("invoice.unknown", f"There is no invoice {reference}.")
    if invoice.number is None or invoice.booked_on is None:
        raise Rejected(
            "verify.not_issued",
            f"{invoice.invoice_id} is a {invoice.state}: nothing to verify yet.",
        )
    checks: list[Check] = []
    events = 0
    by_id = {
        one.charge.charge_id: one
        for one in charges_by_id(connection, [line.charge_id for line in invoice.lines])
    }
    for line in invoice.lines:
        rated = by_id[line.charge_id]
        found = list(_line(connection, invoice, line, rated))
        events += _events(connection, rated)
        checks += found
    checks += _taxes(invoice, load_catalog(connection, known_at=issued_at(connection, invoice)))
    wrong = tuple(check for check in checks if not check.is_right)
    return Verification(invoice.invoice_id, invoice.number, events, tuple(checks), wrong)


def _line(
    connection: Connection, invoice: Invoice, line: InvoiceLine, rated: RatedCharge
) -> Iterator[Check]:
    subject = line_id(invoice.invoice_id, line.line_no)
    charge = rated.charge
    if charge.usage_id is not None:
        yield from _usage(connection, rated)
    else:
        again = multiplied_out(charge)
        yield Check(
            charge.charge_id, "charge", plain(charge.amount.value), plain(again.amount.value)
        )
    yield from _settlement(connection, subject, line, rated)


def _usage(connection: Connection, rated: RatedCharge) -> Iterator[Check]:
    """Count the usage again from its events, and price it again with the pinned price."""
    charge = rated.charge
    assert charge.usage_id is not None, "only usage was counted"
    usage = usages_by_id(connection, [charge.usage_id])[0]
    counted = recount_as_known(connection, usage)
    yield Check(usage.usage_id, "quantity", plain(usage.quantity), plain(counted.quantity))
    yield Check(usage.usage_id, "events", str(usage.event_count), str(counted.event_count))
    yield Check(usage.usage_id, "digest", usage.digest, counted.digest)
    truth = rerate(rated, replace(usage, quantity=counted.quantity))
    charged = _charged(connection, rated, through=True)
    yield Check(charge.charge_id, "charge", plain(charged.value), plain(truth.amount.value))


def _settlement(
    connection: Connection, subject: str, line: InvoiceLine, rated: RatedCharge
) -> Iterator[Check]:
    before = _charged(connection, rated, through=False)
    money = settle(before, rated.charge.rounding).money
    billed = {obligation_key(rated): Billed(before, money)}
    settled = settle_in_turn([rated], billed)[0]
    yield Check(subject, "amount", str(line.amount), str(settled.amount))
    yield Check(subject, "residue", plain(line.residue), plain(settled.residue))


def _charged(connection: Connection, rated: RatedCharge, *, through: bool) -> Precise:
    """Return what was charged for the obligation before this charge, or through it."""
    value = Precise(rated.charge.amount.value * 0, rated.charge.amount.currency)
    for earlier in history(connection, obligation_key(rated)):
        is_this = earlier.rated.charge.charge_id == rated.charge.charge_id
        if is_this and not through:
            return value
        if is_this or not earlier.is_superseded:
            value = value + earlier.rated.charge.amount
        if is_this:
            return value
    raise AssertionError("a charge is in the history of its obligation")


def _taxes(invoice: Invoice, catalog: Catalog) -> Iterator[Check]:
    assert invoice.booked_on is not None, "checked when it was loaded"
    entity = catalog.entity(invoice.entity_id, invoice.booked_on)
    policy = entity.tax_rounding if entity is not None else "line"
    again = tax_lines(invoice.lines, rates_charged(invoice), policy)
    for stored, recomputed in zip(invoice.taxes, again, strict=False):
        subject = line_id(invoice.invoice_id, stored.line_no)
        yield Check(subject, f"tax {stored.tax_code}", str(stored.amount), str(recomputed.amount))
    yield Check(invoice.invoice_id, "tax lines", str(len(invoice.taxes)), str(len(again)))
    total = Money(sum(one.amount.minor for one in again), invoice.currency)
    yield Check(invoice.invoice_id, "tax", str(invoice.tax), str(total))


def _events(connection: Connection, rated: RatedCharge) -> int:
    if rated.charge.usage_id is None:
        return 0
    return usages_by_id(connection, [rated.charge.usage_id])[0].event_count
