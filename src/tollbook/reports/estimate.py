"""What refused events would probably be worth: their quantities at list price."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from tollbook.errors import Rejected
from tollbook.flow.capture.json_text import read_object
from tollbook.flow.rate.price import price_usage
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import PriceVersion
from tollbook.records.commercial import Contract, Meter, PriceBook, Product
from tollbook.records.usage import MeteredUsage
from tollbook.values.ids import CustomerId, UsageId
from tollbook.values.period import Month
from tollbook.values.quantity import parse_quantity

# Other aggregations are not sums over events: what a few more would change cannot be told.
_ADDING: Final = frozenset({"count", "sum"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """What events would cost at list price. `price_book` is the one that most contracts use.

    Exact in its arithmetic, a guess in its prices: who the customer is, is not known.
    """

    amount: Decimal
    currency: str
    price_book: str


def estimate(catalog: Catalog, raws: Iterable[bytes]) -> Estimate | None:
    """Return what refused events would cost at list price; None when no price can be inferred."""
    used: dict[tuple[Month, str], Decimal] = {}
    for raw in raws:
        for month, product_id, quantity in _used(catalog, raw):
            key = (month, product_id)
            used[key] = used.get(key, Decimal(0)) + quantity
    if not used:
        return None
    latest = max(month for month, _ in used)
    book = _main_book(catalog, latest.last)
    if book is None:
        return None
    prices = {price.product_id: price for price in book.prices}
    amounts = [
        _amount(catalog, month, product_id, quantity, prices[product_id])
        for (month, product_id), quantity in sorted(used.items())
        if product_id in prices
    ]
    priced = [amount for amount in amounts if amount is not None]
    if not priced:
        return None
    return Estimate(sum(priced, Decimal(0)), book.currency, book.price_book_id)


def _used(catalog: Catalog, raw: bytes) -> Iterator[tuple[Month, str, Decimal]]:
    """Yield what one event would add to each usage product."""
    try:
        event = read_object(raw)
        moment = msgspec.convert(event.get("time"), datetime).astimezone(UTC)
    except (Rejected, ValueError, OverflowError):
        return
    data = event.get("data")
    if not isinstance(data, dict):
        return
    for meter in _meters(catalog, event.get("type"), moment.date()):
        quantity = _quantity(meter, data)
        if quantity is None or not _matches(meter.where, data):
            continue
        for product in _products(catalog, meter, moment.date()):
            if _matches(product.where, data):
                yield Month.of(moment.date()), product.product_id, quantity


def _meters(catalog: Catalog, event_type: object, day: date) -> list[Meter]:
    found = [catalog.meter(key, day) for key in catalog.keys("meter")]
    return [
        meter
        for meter in found
        if meter and meter.event_type == event_type and meter.aggregation in _ADDING
    ]


def _products(catalog: Catalog, meter: Meter, day: date) -> list[Product]:
    found = [catalog.product(key, day) for key in catalog.keys("product")]
    return [product for product in found if product and product.meter_id == meter.meter_id]


def _quantity(meter: Meter, data: Mapping[str, Any]) -> Decimal | None:
    if meter.value is None:
        return Decimal(1)
    try:
        return parse_quantity(_field(data, meter.value))
    except ValueError:
        return None


def _matches(where: Mapping[str, str], data: Mapping[str, Any]) -> bool:
    return all(_text(_field(data, name)) == value for name, value in where.items())


def _field(data: Mapping[str, Any], name: str) -> Any:
    found: Any = data
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _main_book(catalog: Catalog, day: date) -> PriceBook | None:
    counted: Counter[str] = Counter()
    for key in catalog.keys("contract"):
        version = catalog.in_force("contract", key, day)
        if version is not None and isinstance(version.record, Contract):
            counted[version.record.price_book_id] += 1
    books = [key for key in catalog.keys("price_book") if catalog.price_book(key, day)]
    best = max(sorted(books), key=lambda key: counted[key], default=None)
    return catalog.price_book(best, day) if best else None


def _amount(
    catalog: Catalog, month: Month, product_id: str, quantity: Decimal, price: PriceVersion
) -> Decimal | None:
    product = catalog.product(product_id, month.last)
    assert product is not None
    assert product.meter_id is not None
    usage = MeteredUsage(
        usage_id=UsageId("use_estimate"),
        customer_id=CustomerId(""),
        meter_id=product.meter_id,
        period=month.period,
        quantity=quantity,
        event_count=1,
        product_id=product_id,
    )
    try:
        return price_usage(usage, price).amount.value
    except Rejected:
        return None
