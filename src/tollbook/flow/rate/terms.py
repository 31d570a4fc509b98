"""The terms of a contract on a day: each item with its product and a price it can be rated with."""

from dataclasses import dataclass
from datetime import date

from tollbook.errors import Rejected
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.check_prices import price_problems
from tollbook.records.charge import PriceVersion
from tollbook.records.commercial import Contract, ContractItem, PriceBook, Product
from tollbook.values.once import once_a_record

_problems = once_a_record(price_problems)


@once_a_record
def _by_product(book: PriceBook) -> dict[str, PriceVersion]:
    """Return the price of each product; the first, were there two."""
    return {price.product_id: price for price in reversed(book.prices)}


@dataclass(frozen=True, slots=True)
class Terms:
    """A contract item, what it sells and at which price."""

    item: ContractItem
    product: Product
    price: PriceVersion


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item of a contract that cannot be rated now; what is computed from it waits as well."""

    contract_id: str
    product_id: str
    failure: Rejected


def terms_of(catalog: Catalog, contract: Contract, item: ContractItem, on: date) -> Terms:
    """Return the terms of an item in force on a day.

    Raises Rejected `rate.unknown_product`, `rate.missing_price`, `rate.invalid_price`.
    """
    product = catalog.product(item.product_id, on)
    if product is None:
        raise _rejected(
            "rate.unknown_product",
            contract,
            item,
            f"Product {item.product_id} is not in force on {on}: add it with an earlier "
            "effective_from.",
        )
    price = item.price or _book_price(catalog, contract, item, on)
    if price is None:
        raise _rejected(
            "rate.missing_price",
            contract,
            item,
            f"Price book {contract.price_book_id or '(none)'} has no price for {item.product_id} "
            f"on {on}: add it to the price book or to contract {contract.contract_id}.",
        )
    problems = list(_problems(price))
    if price.currency != contract.currency:
        problems.append(f"currency: the contract is in {contract.currency}, not {price.currency}")
    if problems:
        raise _rejected(
            "rate.invalid_price",
            contract,
            item,
            f"Price {price.price_version_id} cannot be used ({'; '.join(problems)}): correct it "
            "in a new version.",
        )
    return Terms(item, product, price)


def started_on(catalog: Catalog, contract: Contract) -> date:
    """Return the first day of a contract, whichever version it is seen through."""
    versions = catalog.versions[("contract", contract.contract_id)]
    return min(version.effective_from for version in versions)


def _book_price(
    catalog: Catalog, contract: Contract, item: ContractItem, on: date
) -> PriceVersion | None:
    book = catalog.price_book(contract.price_book_id, on)
    return _by_product(book).get(item.product_id) if book is not None else None


def _rejected(code: str, contract: Contract, item: ContractItem, message: str) -> Rejected:
    return Rejected(
        code,
        message,
        cause=f"{contract.contract_id}|{item.product_id}",
        contract_id=contract.contract_id,
        product_id=item.product_id,
    )
