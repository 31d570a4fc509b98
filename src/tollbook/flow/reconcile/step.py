"""Reconcile a month: read five checkpoints, compare them, keep the result, raise what differs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from tollbook.flow.invoice.store import billed, issued_invoices
from tollbook.flow.meter.progress.store import watermark
from tollbook.flow.meter.store import raw_usage
from tollbook.flow.rate.store import elsewhere, load_charges, lock
from tollbook.flow.rate.truth import month_truth
from tollbook.flow.reconcile import checkpoints, store
from tollbook.flow.reconcile.checkpoints import Earned
from tollbook.flow.reconcile.match import Amount, control_totals, sentence, variances
from tollbook.masterdata.catalog import Catalog
from tollbook.records.control import ControlTotal, Variance
from tollbook.records.posting import Receipt
from tollbook.storage.database import Connection
from tollbook.values.codec import content_hash
from tollbook.values.money import Money
from tollbook.values.period import Month
from tollbook.worklist.holding import Held, hold


@dataclass(frozen=True, slots=True)
class Earning:
    """How the recognized total of a legal entity and currency divides."""

    entity_id: str
    currency: str
    recognized: Money
    deferred: Money


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The control totals of a month, how recognized divides, and where checkpoints differ.

    `content_hash` covers all of it: the same facts give the same hash.
    """

    reconciliation_id: str
    month: str
    totals: tuple[ControlTotal, ...]
    earnings: tuple[Earning, ...]
    variances: tuple[Variance, ...]
    content_hash: str


@dataclass(frozen=True, slots=True)
class Sides:
    """The amounts of every checkpoint, each in the grain it is compared in."""

    metered: list[Amount]
    rated: list[Amount]
    billed: list[Amount]
    invoiced: list[Amount]
    posted: list[Amount]
    recognized: list[Amount]
    tax_invoiced: list[Amount]
    tax_posted: list[Amount]
    revenue_booked: list[Amount]
    revenue_posted: list[Amount]


def reconcile(
    connection: Connection,
    *,
    catalog: Catalog,
    month: Month,
    receipts: Mapping[str, Receipt],
    at: datetime,
) -> Reconciled:
    """Compare what a service month used, owes, was billed, was posted and became.

    `receipts` is what the ERP holds now, read back, by the id of our document. Every event that was
    acknowledged counts, metered or not. Variances become work items, and those that are gone are
    resolved.
    """
    # Charges and documents stand still while they are compared.
    lock(connection)
    earned = store.earned(connection, month)
    sides = _read(connection, catalog=catalog, month=month, receipts=receipts, earned=earned)
    totals = control_totals(
        {
            "metered": sides.metered,
            "rated": sides.rated,
            "invoiced": sides.invoiced,
            "posted": sides.posted,
            "recognized": sides.recognized,
        },
        month,
    )
    found = tuple(_compare(sides, month))
    earnings = _earnings(earned)
    digest = content_hash([str(month), totals, earnings, found])
    identifier = store.id_of(connection, month, digest)
    result = Reconciled(identifier, str(month), totals, earnings, found, digest)
    store.keep(connection, identifier, month=month, digest=digest, result=result, at=at)
    held = [one for variance in found for one in _held(variance)]
    hold(connection, held, scope=f"reconcile:{month}:", at=at)
    return result


def _read(
    connection: Connection,
    *,
    catalog: Catalog,
    month: Month,
    receipts: Mapping[str, Receipt],
    earned: list[Earned],
) -> Sides:
    usages = raw_usage(
        connection, catalog=catalog, month=month, through_receipt=watermark(connection)
    )
    truth = month_truth(catalog, month, usages, elsewhere(connection, catalog, usages, month))
    invoices = issued_invoices(connection, month)
    lines = {key: one.money for key, one in billed(connection, month).items()}
    journals = store.journal_debits(connection, month)
    return Sides(
        metered=checkpoints.rated_amounts(truth.charges.values()),
        rated=checkpoints.rated_amounts(load_charges(connection, month)),
        billed=checkpoints.invoiced_by_obligation(lines),
        invoiced=checkpoints.invoiced_by_document(invoices),
        posted=checkpoints.posted_by_document(invoices, receipts),
        recognized=checkpoints.earned_by_document(earned),
        tax_invoiced=checkpoints.taxes_invoiced(invoices, receipts),
        tax_posted=checkpoints.taxes_posted(invoices, receipts),
        revenue_booked=[*journals, *store.entries_outside_journals(connection, month)],
        revenue_posted=checkpoints.journals_posted(journals, receipts),
    )


def _compare(sides: Sides, month: Month) -> Iterator[Variance]:
    yield from variances(("metered", sides.metered), ("rated", sides.rated), month)
    yield from variances(("rated", sides.rated), ("invoiced", sides.billed), month)
    yield from variances(("invoiced", sides.invoiced), ("posted", sides.posted), month)
    yield from variances(("invoiced", sides.invoiced), ("recognized", sides.recognized), month)
    yield from variances(
        ("tax invoiced", sides.tax_invoiced), ("tax posted", sides.tax_posted), month
    )
    yield from variances(
        ("revenue booked", sides.revenue_booked), ("revenue posted", sides.revenue_posted), month
    )


def _earnings(earned: list[Earned]) -> tuple[Earning, ...]:
    groups: dict[tuple[str, str], tuple[Money, Money]] = {}
    for one in earned:
        key = (one.entity_id, one.recognized.currency)
        recognized, deferred = groups.get(key, (Money(0, key[1]), Money(0, key[1])))
        groups[key] = (recognized + one.recognized, deferred + one.deferred)
    return tuple(
        Earning(entity_id, currency, recognized, deferred)
        for (entity_id, currency), (recognized, deferred) in sorted(groups.items())
    )


def _held(variance: Variance) -> Iterator[Held]:
    """Yield an object of one work item for each document that the variance names."""
    pair = f"{variance.left}|{variance.right}|{variance.entity_id}|{variance.currency}"
    for name in variance.objects:
        yield Held(
            code="reconcile.variance",
            cause=f"{variance.month}|{pair}",
            message=sentence(variance),
            object_id=f"reconcile:{variance.month}:{pair}:{name}",
        )
