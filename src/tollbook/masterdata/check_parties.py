"""Checks of legal entities and customers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import combinations
from typing import Final

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.problems import Finding
from tollbook.masterdata.references import check_currency, check_span, check_zone
from tollbook.masterdata.subjects import meet, subjects_of
from tollbook.records.parties import Customer, LegalEntity, Subject

SEEN_DAYS_MAX: Final = 366


def check_entity(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check a legal entity's currency, terms and invoice series."""
    entity = version.record
    assert isinstance(entity, LegalEntity)
    yield from check_currency(entity.currency)
    yield from check_zone(entity.zone)
    if entity.payment_days < 0:
        yield Finding("negative", "payment_days must not be negative.", ("payment_days",))
    if not 0 <= entity.sources_seen_days <= SEEN_DAYS_MAX:
        message = f"sources_seen_days must be from 0 to {SEEN_DAYS_MAX}."
        yield Finding("out_of_range", message, ("sources_seen_days",))
    for other_id in catalog.keys("entity"):
        other = catalog.entity(other_id, date.max)
        if other and other_id != version.key and other.invoice_prefix == entity.invoice_prefix:
            yield Finding(
                "invoice_prefix_taken",
                f"legal entity {other_id} also numbers its invoices {entity.invoice_prefix!r}: "
                "give each its own invoice_prefix.",
                ("invoice_prefix",),
            )


def check_customer(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check that each name a customer has in events begins before it ends."""
    del catalog
    customer = version.record
    assert isinstance(customer, Customer)
    yield from check_zone(customer.zone)
    for at, subject in enumerate(customer.subjects):
        yield from check_span(subject.effective_from, subject.effective_until, ("subjects", at))


def check_customers_together(catalog: Catalog) -> Iterator[tuple[Version, Finding]]:
    """Check that no name in events and no outside id means two customers on one day.

    Only the latest version of a customer counts: it decides what its names mean.
    """
    by_subject: dict[str, list[tuple[Version, int, Subject]]] = defaultdict(list)
    by_outside_id: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for key in catalog.keys("customer"):
        version = catalog.in_force("customer", key, date.max)
        assert version is not None, "a key has at least one version"
        assert isinstance(version.record, Customer)
        for at, subject in enumerate(subjects_of(version.record)):
            by_subject[subject.subject].append((version, at, subject))
        for outside in version.record.external_ids.items():
            by_outside_id[outside].append(version)
    for found in by_subject.values():
        yield from _subject_clashes(found)
    for (system, identifier), versions in by_outside_id.items():
        for version in versions[1:]:
            message = f"{system} id {identifier!r} is also that of customer {versions[0].key}."
            yield version, Finding("external_id_taken", message, ("external_ids", system))


def _subject_clashes(
    found: Sequence[tuple[Version, int, Subject]],
) -> Iterator[tuple[Version, Finding]]:
    for (owner, _, one), (version, at, other) in combinations(found, 2):
        if meet(_span(one), _span(other)):
            message = (
                f"subject {one.subject!r} also means customer {owner.key} on some days: set "
                "effective_from and effective_until so that they do not meet."
            )
            yield version, Finding("subject_taken", message, ("subjects", at))


def _span(subject: Subject) -> tuple[date | None, date | None]:
    return subject.effective_from, subject.effective_until
