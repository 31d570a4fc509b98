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
from tollbook.flow.meter.definition import field_at, matches, read, text_of
from tollbook.flow.rate.detail.need import looks_beyond
from tollbook.flow.rate.price import price_usage
from tollbook.masterdata.catalog import Catalog
from tollbook.records.charge import PriceVersion
from tollbook.records.commercial import Contract, Meter, PriceBook, Product
from tollbook.records.usage import MeteredUsage
from tollbook.values.ids import CustomerId, UsageId
from tollbook.values.period import Month

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
        # The last year of all has no months: no time in it is usage.
        month = Month.of(moment.date())
    except (Rejected, ValueError, OverflowError):
        return
    data = event.get("data")
    if not isinstance(data, dict):
        return
    for meter in _meters(catalog, event.get("type"), moment.date()):
        quantity = _quantity(meter, data)
        if quantity is None:
            continue
        for product in _products(catalog, meter, moment.date()):
            if _is_of(product, data):
                yield month, product.product_id, quantity


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
    reading = read(meter, data) if matches(meter, data) else None
    if reading is None:
        return None
    return Decimal(1) if meter.aggregation == "count" else reading.number


def _is_of(product: Product, data: Mapping[str, Any]) -> bool:
    return all(
        (text_of(field_at(data, name)) or "") == wanted for name, wanted in product.where.items()
    )


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
    if looks_beyond(price):
        return None
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
