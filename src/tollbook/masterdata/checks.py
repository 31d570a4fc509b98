"""What must hold of all master data together, before any of it is applied."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Final

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.check_contracts import check_contract, check_contracts_together
from tollbook.masterdata.check_ledger import check_gl_map, check_tax_table
from tollbook.masterdata.check_mappings import check_source_mapping
from tollbook.masterdata.check_parties import check_customer, check_customers_together, check_entity
from tollbook.masterdata.check_prices import check_price_book
from tollbook.masterdata.check_usage import check_event_type, check_meter, check_product
from tollbook.masterdata.documents import VersionKey
from tollbook.masterdata.problems import Document, Finding, Place, Problem

_CHECKS: Final[Mapping[str, Callable[[Version, Catalog], Iterator[Finding]]]] = {
    "entity": check_entity,
    "customer": check_customer,
    "event_type": check_event_type,
    "meter": check_meter,
    "product": check_product,
    "price_book": check_price_book,
    "contract": check_contract,
    "tax_table": check_tax_table,
    "gl_map": check_gl_map,
    "source_mapping": check_source_mapping,
}


# What can only be seen by looking at all records of a kind.
_TOGETHER: Final[tuple[Callable[[Catalog], Iterator[tuple[Version, Finding]]], ...]] = (
    check_customers_together,
    check_contracts_together,
)


def check(
    catalog: Catalog, documents: Mapping[VersionKey, Document], unread: Set[tuple[str, str]]
) -> list[Problem]:
    """Return every problem of the catalog; `documents` are those that wrote some versions of it.

    Stored versions are checked too: a new product can break a contract that was right before.
    `unread` are records that are only missing because of a problem that is reported already.
    """
    problems = []
    for version, finding in _findings(catalog):
        if finding.missing in unread:
            continue
        document = documents.get((version.kind, version.key, version.version))
        name = f"{version.kind} {version.key}"
        stored = Place(f"{name} version {version.version} (stored)")
        place = document.place(finding.path) if document else stored
        code = f"masterdata.{finding.code}"
        message = f"{name}: {finding.message}"
        problems.append(Problem(place, code, message, finding.is_warning))
    return problems


def _counts(versions: Sequence[Version], version: Version) -> bool:
    """Tell whether a version is ever in force: not when a later one starts no later."""
    return not any(
        later.version > version.version and later.effective_from <= version.effective_from
        for later in versions
    )


def _findings(catalog: Catalog) -> Iterator[tuple[Version, Finding]]:
    for (kind, _), versions in sorted(catalog.versions.items()):
        for version in filter(partial(_counts, versions), versions):
            for finding in _CHECKS[kind](version, catalog):
                yield version, finding
    for together in _TOGETHER:
        yield from together(catalog)
