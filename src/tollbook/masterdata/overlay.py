"""Master data as it would be with a plan laid over it, for questions that store nothing."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.plan import Change
from tollbook.records.commercial import Contract, PriceBook


def laid_over(catalog: Catalog, changes: Iterable[Change], *, since: date | None = None) -> Catalog:
    """Return master data with the versions of a plan; `since` lets them count from that day on.

    A version that is moved takes the place of every stored one that would start to count later.
    """
    versions = dict(catalog.versions)
    for change in changes:
        version, key = change.version, (change.version.kind, change.version.key)
        known = versions.get(key, ())
        if since is not None and version.effective_from > since:
            known = tuple(one for one in known if one.effective_from <= since)
            version = _moved(version, since)
        versions[key] = (*known, version)
    return Catalog(catalog.known_at, versions)


def with_contracts(catalog: Catalog, contract_ids: Iterable[str]) -> Catalog:
    """Return master data with no other contracts than these."""
    versions = {key: found for key, found in catalog.versions.items() if key[0] != "contract"}
    for contract_id in contract_ids:
        key = ("contract", contract_id)
        if key in catalog.versions:
            versions[key] = catalog.versions[key]
    return Catalog(catalog.known_at, versions)


def reaches(catalog: Catalog, contract_id: str, changed: frozenset[tuple[str, str]]) -> bool:
    """Tell whether what a contract owes can depend on any of these records, by (kind, key).

    True where it cannot be ruled out. `catalog` has the changes in it.
    """
    if ("contract", contract_id) in changed:
        return True
    for version in catalog.versions.get(("contract", contract_id), ()):
        contract = version.record
        assert isinstance(contract, Contract)
        if _named(contract) & changed:
            return True
        for item in contract.items:
            if ("product", item.product_id) in changed:
                return True
            if _meters(catalog, item.product_id) & changed:
                return True
    return False


def _named(contract: Contract) -> set[tuple[str, str]]:
    return {
        ("price_book", contract.price_book_id),
        ("customer", contract.customer_id),
        ("entity", contract.entity_id),
        ("product", contract.credit_product_id),
    }


def _meters(catalog: Catalog, product_id: str) -> set[tuple[str, str]]:
    products = catalog.versions.get(("product", product_id), ())
    return {("meter", getattr(version.record, "meter_id", None) or "") for version in products}


def _moved(version: Version, since: date) -> Version:
    record = version.record
    if isinstance(record, Contract | PriceBook):
        return replace(version, effective_from=since, record=replace(record, effective_from=since))
    return replace(version, effective_from=since)
