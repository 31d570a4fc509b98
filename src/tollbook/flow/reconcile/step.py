"""Reconcile a month: read five checkpoints, compare them, keep the result, raise what differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tollbook.flow.invoice.store import billed, issued_invoices
from tollbook.flow.meter.store import raw_usage
from tollbook.flow.rate.store import load_charges
from tollbook.flow.rate.truth import month_truth
from tollbook.flow.reconcile import checkpoints, store
from tollbook.flow.reconcile.match import Amount, control_totals, variances
from tollbook.ledger.credit_store import balances_without
from tollbook.masterdata.catalog import Catalog
from tollbook.records.control import Checkpoint, ControlTotal, Variance
from tollbook.records.posting import Receipt
from tollbook.storage.database import Connection
from tollbook.values.codec import content_hash
from tollbook.values.ids import derive
from tollbook.values.money import Money, money_of
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
    invoiced: list[Amount]
    documents: list[Amount]
    posted: list[Amount]
    earned: list[Amount]
    with_tax: list[Amount]
    posted_with_tax: list[Amount]
    journals: list[Amount]
    posted_journals: list[Amount]


def reconcile(
    connection: Connection,
    *,
    catalog: Catalog,
    month: Month,
    receipts: Mapping[str, Receipt],
    at: datetime,
) -> Reconciled:
    """Compare what a service month used, owes, was billed, was posted and became.

    `receipts` is what the ERP holds now, read back, by the id of our document. Variances become
    work items, and those that are gone are resolved.
    """
    earned = store.earned(connection, month)
    sides = _read(connection, catalog=catalog, month=month, receipts=receipts, earned=earned)
    totals = _totals(sides, month)
    found = _compare(sides, month)
    earnings = _earnings(earned)
    digest = content_hash([totals, earnings, found])
    result = Reconciled(
        derive("rec", str(month), digest), str(month), totals, earnings, found, digest
    )
    store.keep(
        connection,
        reconciliation_id=result.reconciliation_id,
        month=month,
        content_hash=digest,
        result=result,
        at=at,
    )
    hold(connection, [_held(one) for one in found], scope=f"reconcile:{month}:", at=at)
    return result


def _read(
    connection: Connection,
    *,
    catalog: Catalog,
    month: Month,
    receipts: Mapping[str, Receipt],
    earned: list[checkpoints.Earned],
) -> Sides:
    usages = raw_usage(connection, catalog=catalog, month=month)
    truth = month_truth(catalog, month, usages, balances_without(connection, month))
    invoices = issued_invoices(connection, month)
    issued = {key: one.money for key, one in billed(connection, month).items()}
    journals = store.journal_debits(connection, month)
    return Sides(
        metered=checkpoints.rated_amounts(truth.charges.values()),
        rated=checkpoints.rated_amounts(load_charges(connection, month)),
        invoiced=checkpoints.invoiced_by_obligation(issued),
        documents=checkpoints.invoiced_by_document(invoices),
        posted=checkpoints.posted_net(invoices, receipts),
        earned=checkpoints.earned_amounts(earned),
        with_tax=checkpoints.totals_by_document(invoices),
        posted_with_tax=checkpoints.posted_total(invoices, receipts),
        journals=[*journals, *store.entries_outside_journals(connection, month)],
        posted_journals=_posted_journals(journals, receipts),
    )


def _totals(sides: Sides, month: Month) -> tuple[ControlTotal, ...]:
    by_checkpoint: list[tuple[Checkpoint, list[Amount]]] = [
        ("metered", sides.metered),
        ("rated", sides.rated),
        ("invoiced", sides.invoiced),
        ("posted", sides.posted),
        ("recognized", sides.earned),
    ]
    return tuple(
        total
        for checkpoint, amounts in by_checkpoint
        for total in control_totals(checkpoint, amounts, month)
    )


def _compare(sides: Sides, month: Month) -> tuple[Variance, ...]:
    return (
        *variances("metered", sides.metered, "rated", sides.rated, month),
        *variances("rated", sides.rated, "invoiced", sides.invoiced, month),
        *variances("invoiced", sides.documents, "posted", sides.posted, month),
        *variances("invoiced", sides.documents, "recognized", sides.earned, month),
        *variances(
            "invoiced with tax", sides.with_tax, "posted with tax", sides.posted_with_tax, month
        ),
        *variances(
            "revenue booked", sides.journals, "revenue posted", sides.posted_journals, month
        ),
    )


def _posted_journals(journals: list[Amount], receipts: Mapping[str, Receipt]) -> list[Amount]:
    return [
        Amount(
            one.object_id,
            one.entity_id,
            one.currency,
            money_of(receipts[one.object_id].net, one.currency),
        )
        for one in journals
        if one.object_id in receipts
    ]


def _earnings(earned: list[checkpoints.Earned]) -> tuple[Earning, ...]:
    groups: dict[tuple[str, str], tuple[Money, Money]] = {}
    for one in earned:
        key = (one.entity_id, one.recognized.currency)
        recognized, deferred = groups.get(key, (Money(0, key[1]), Money(0, key[1])))
        groups[key] = (recognized + one.recognized, deferred + one.deferred)
    return tuple(
        Earning(entity_id, currency, recognized, deferred)
        for (entity_id, currency), (recognized, deferred) in sorted(groups.items())
    )


def _held(variance: Variance) -> Held:
    named = ", ".join(variance.objects[:3])
    pair = f"{variance.left}|{variance.right}|{variance.entity_id}|{variance.currency}"
    return Held(
        code="reconcile.variance",
        cause=f"{variance.month}|{pair}",
        message=f"{variance.month}: {variance.left} and {variance.right} of {variance.entity_id} "
        f"differ by {variance.difference}; start with {named}.",
        object_id=f"reconcile:{variance.month}:{pair}",
    )
