"""Checks of contracts: parties, prices, commitments, credits, and nothing counted twice."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import combinations

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.check_adjustments import check_adjustments
from tollbook.masterdata.check_alerts import check_alerts
from tollbook.masterdata.check_billing import check_billing
from tollbook.masterdata.check_credits import check_credits
from tollbook.masterdata.check_prices import check_measures, check_price
from tollbook.masterdata.problems import Finding, Path
from tollbook.masterdata.references import (
    check_currency,
    check_reference,
    check_span,
    check_zone,
)
from tollbook.masterdata.subjects import meet
from tollbook.records.commercial import Contract, ContractItem, PriceBook, Product
from tollbook.values.money import is_payable


def check_contract(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check one version of a contract, alone and beside the others of its customer."""
    contract, since = version.record, version.effective_from
    assert isinstance(contract, Contract)
    yield from check_currency(contract.currency)
    yield from check_zone(contract.zone)
    yield from check_span(contract.effective_from, contract.effective_until, ())
    yield from check_billing(contract)
    for kind, key in (
        ("customer", contract.customer_id),
        ("entity", contract.entity_id),
        ("price_book", contract.price_book_id),
    ):
        yield from check_reference(catalog, kind, key, since=since, path=(kind,))
    book = catalog.price_book(contract.price_book_id, date.max)
    if book is not None and book.currency != contract.currency:
        message = f"price book {book.price_book_id} is in {book.currency}, not {contract.currency}."
        yield Finding("currency_mismatch", message, ("price_book",))
    if contract.bill_to is not None:
        key = contract.bill_to
        yield from check_reference(catalog, "customer", key, since=since, path=("bill_to",))
    yield from _same_parties(contract, catalog)
    yield from _items(contract, catalog)
    yield from _commitment(contract, catalog)
    yield from check_credits(contract, catalog, _versions(catalog, contract.contract_id))
    yield from check_adjustments(contract.adjustments, ("adjustments",))
    yield from _adjusted_products(contract)
    yield from check_alerts(contract, catalog)


def check_contracts_together(catalog: Catalog) -> Iterator[tuple[Version, Finding]]:
    """Check that nothing is counted for two products, and that grant ids are used once."""
    by_customer: dict[str, list[Version]] = defaultdict(list)
    owners: dict[str, str] = {}
    for key in catalog.keys("contract"):
        for version in catalog.versions["contract", key]:
            contract = _contract(version)
            by_customer[contract.customer_id].append(version)
            yield from ((version, finding) for finding in _counted_twice(contract, catalog))
            for at, grant in enumerate(contract.credits):
                if owners.setdefault(grant.grant_id, key) != key:
                    message = f"grant id {grant.grant_id} is used by {owners[grant.grant_id]} too."
                    yield version, Finding("grant_taken", message, ("credits", at))
    for versions in by_customer.values():
        for one, other in combinations(versions, 2):
            if one.key != other.key:
                yield from _both_count(one, other, catalog)


def _contract(version: Version) -> Contract:
    assert isinstance(version.record, Contract)
    return version.record


def _versions(catalog: Catalog, contract_id: str) -> list[Contract]:
    return [_contract(version) for version in catalog.versions["contract", contract_id]]


def _same_parties(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    first = _versions(catalog, contract.contract_id)[0]
    for name in ("customer_id", "entity_id", "currency", "zone", "bill_to", "billing"):
        if getattr(contract, name) != getattr(first, name):
            word = name.removesuffix("_id")
            message = f"an amendment cannot change the {word}: end this contract, make another."
            yield Finding("contract_party", message, (word,))


def _items(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    # A later version without items is a pause: nothing is sold until the next one.
    if not contract.items and contract.version == 1:
        yield Finding("no_items", "the contract sells nothing: add items.", ("items",))
    seen: set[str] = set()
    for at, item in enumerate(contract.items):
        path: Path = ("items", at)
        since = contract.effective_from
        yield from check_reference(catalog, "product", item.product_id, since=since, path=path)
        if item.product_id in seen:
            yield Finding("duplicate", f"product {item.product_id} is listed twice.", path)
        seen.add(item.product_id)
        product = catalog.product(item.product_id, since)
        yield from _quantity(item, product, path)
        if item.price is not None:
            yield from check_price(item.price, product, (*path, "price"))
            yield from check_measures(
                item.price,
                product,
                catalog,
                since=contract.effective_from,
                path=(*path, "price"),
            )
        else:
            yield from _book_price(contract, item, catalog, path)


def _quantity(item: ContractItem, product: Product | None, path: Path) -> Iterator[Finding]:
    if item.quantity <= 0 or item.interval_months < 1:
        message = "quantity must be more than 0 and interval_months 1 or more."
        yield Finding("quantity", message, path)
    if product is None:
        return
    if product.meter_id and (item.quantity != 1 or item.interval_months != 1):
        message = f"{item.product_id} is metered: quantity and interval_months are for fixed fees."
        yield Finding("quantity", message, path)
    if product.revenue == "on_drawdown":
        message = f"{item.product_id} is prepaid credit: name it as credit_product, with credits."
        yield Finding("credit_product", message, path)


def _book_price(
    contract: Contract, item: ContractItem, catalog: Catalog, path: Path
) -> Iterator[Finding]:
    for version in catalog.versions.get(("price_book", contract.price_book_id), ()):
        book = version.record
        assert isinstance(book, PriceBook)
        if book.currency != contract.currency:
            continue
        priced = {price.product_id for price in book.prices}
        if item.product_id not in priced and _may_apply(version, contract, catalog):
            yield Finding(
                "no_price",
                f"price book {book.price_book_id} version {book.version} has no price for "
                f"{item.product_id}: add one there, or a price to this item.",
                path,
            )


def _may_apply(book: Version, contract: Contract, catalog: Catalog) -> bool:
    at_start = catalog.in_force("price_book", book.key, contract.effective_from)
    until = contract.effective_until or date.max
    return book == at_start or contract.effective_from < book.effective_from < until


def _commitment(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    if contract.commitment is None:
        return
    monthly, annual = contract.commitment.monthly_amount, contract.commitment.annual_amount
    factor = contract.commitment.overage_factor
    path: Path = ("commitment",)
    if monthly and annual is not None:
        message = "a commitment is for each month or for each contract year: keep one amount."
        yield Finding("commitment", message, path)
    amount = monthly if annual is None else annual
    if amount <= 0 or not is_payable(amount, contract.currency):
        message = f"the amount {amount} must be more than 0 and payable in {contract.currency}."
        yield Finding("commitment", message, (*path, "monthly_amount"))
    if factor < 1:
        message = f"overage_factor {factor} must be 1 or more: 1.2 makes overage 20 % dearer."
        yield Finding("commitment", message, (*path, "overage_factor"))
    if not _usage_products(contract, catalog):
        message = "a commitment is made for usage, and no item of the contract is metered."
        yield Finding("commitment", message, path)


def _adjusted_products(contract: Contract) -> Iterator[Finding]:
    sold = {item.product_id for item in contract.items}
    for at, rule in enumerate(contract.adjustments):
        for product in (*rule.products, *filter(None, [rule.product_id])):
            if product not in sold:
                message = (
                    f"{rule.adjustment_id} is for {product}, which the contract does not sell."
                )
                yield Finding("adjustment", message, ("adjustments", at))


def _counted_twice(contract: Contract, catalog: Catalog) -> Iterator[Finding]:
    found = _usage_products(contract, catalog)
    for (_, earlier), (at, product) in combinations(found, 2):
        if product.product_id != earlier.product_id and _overlap(product, earlier):
            yield _twice(product, earlier, "", at)


def _both_count(
    one: Version, other: Version, catalog: Catalog
) -> Iterator[tuple[Version, Finding]]:
    """Compare versions of two contracts of one customer that are in force on a common day."""
    if not meet(_span(_contract(one), catalog), _span(_contract(other), catalog)):
        return
    for at, product in _usage_products(_contract(other), catalog):
        for _, theirs in _usage_products(_contract(one), catalog):
            if _overlap(product, theirs):
                yield other, _twice(product, theirs, f" of contract {one.key}", at)


def _usage_products(contract: Contract, catalog: Catalog) -> list[tuple[int, Product]]:
    found = []
    for at, item in enumerate(contract.items):
        product = catalog.product(item.product_id, contract.effective_from)
        if product is not None and product.meter_id is not None:
            found.append((at, product))
    return found


def _span(contract: Contract, catalog: Catalog) -> tuple[date, date | None]:
    """Return the days on which this version counts: a later version ends it."""
    later = [
        other.effective_from
        for other in _versions(catalog, contract.contract_id)
        if other.version > contract.version and other.effective_from >= contract.effective_from
    ]
    ends = [day for day in (*later, contract.effective_until) if day is not None]
    return contract.effective_from, min(ends, default=None)


def _overlap(one: Product, other: Product) -> bool:
    """Tell whether one event could count for both: same meter, no dimension keeps them apart."""
    return one.meter_id == other.meter_id and all(
        one.where[name] == other.where[name] for name in one.where if name in other.where
    )


def _twice(product: Product, other: Product, of: str, position: int) -> Finding:
    return Finding(
        "counted_twice",
        f"{product.product_id} and {other.product_id}{of} read meter {product.meter_id} for the "
        "same events: usage would be billed twice. Keep one, or tell them apart by `where:`.",
        ("items", position),
    )
