"""Vectors of whole contracts: terms, usage and changes in the order in which they became known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import itemgetter
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.flow.meter.definition import Counted
from tollbook.flow.meter.window import usage_of, windows
from tollbook.flow.rate.accumulate import joined
from tollbook.flow.rate.detail.need import Key, Known, needs
from tollbook.flow.rate.ruled import rules_of
from tollbook.flow.rate.used import detail_of
from tollbook.flow.rate.working import total
from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.documents import documents_to_versions
from tollbook.masterdata.plan import plan
from tollbook.records.invoice import Invoice
from tollbook.records.usage import MeteredUsage, UsageDetail
from tollbook.values.ids import CustomerId
from tollbook.values.period import Month, Period
from tollbook.values.zone import instants, windows_of
from tollbook.vectors.books import Books
from tollbook.vectors.given import day as day_of
from tollbook.vectors.given import exact, invalid, items, mapping, only, text

ENTITY: Final = "entity"
CUSTOMER: Final = "customer"
CONTRACT: Final = "contract"
BOOK: Final = "list"
CREDITS: Final = "credits"
JURISDICTION: Final = "here"
SINCE: Final = "2000-01-01"
_KNOWN_AT: Final = datetime(2100, 1, 1, tzinfo=UTC)

# A product, when it was used, and how.
Use = tuple[str, datetime, UsageDetail]


@dataclass(slots=True)
class _Known:
    """What is known so far: every version of prices and of the contract, and all usage."""

    given: Mapping[str, Any]
    prices: list[dict[str, Any]] = field(default_factory=list)
    contracts: list[dict[str, Any]] = field(default_factory=list)
    used: list[Use] = field(default_factory=list)

    def catalog(self) -> Catalog:
        """Apply everything as production would; Rejected with the first problem."""
        wanted = documents_to_versions(_documents(self))
        planned = plan(Catalog(_KNOWN_AT, {}), wanted, at=_KNOWN_AT)
        for problem in planned.problems:
            raise Rejected(problem.code, problem.message)
        versions: dict[tuple[str, str], list[Version]] = defaultdict(list)
        for version in wanted.versions:
            versions[version.kind, version.key].append(version)
        return Catalog(_KNOWN_AT, {key: tuple(found) for key, found in versions.items()})


def run(given: Mapping[str, Any]) -> dict[str, Any]:
    """Go through what happens, one after the other; every `run` issues what is missing."""
    only(given, "currency", "zone", "products", "prices", "contract", "happenings", "tax",
         "tax_rounding", "tax_rounding_mode")  # fmt: skip
    text(given, "currency")
    known = _Known(given)
    known.prices.append({"effective_from": SINCE, "prices": dict(mapping(given, "prices"))})
    known.contracts.append(dict(mapping(given, "contract")))
    books, documents = Books(), []
    for happening in items(given, "happenings"):
        match next(iter(happening), ""):
            case "use":
                known.used.append(_use(happening))
            case "amend":
                changes = mapping(happening, "amend")
                version = str(len(known.contracts) + 1)
                known.contracts.append({**known.contracts[-1], **changes, "version": version})
            case "end":
                only(happening, "end")
                day = day_of(happening, "end")
                version = str(len(known.contracts) + 1)
                ending = {
                    "effective_from": str(day - timedelta(days=1)),
                    "effective_until": str(day),
                }
                known.contracts.append({**known.contracts[-1], **ending, "version": version})
            case "price":
                changes = dict(mapping(happening, "price"))
                since = changes.pop("effective_from", SINCE)
                prices = {**known.prices[-1]["prices"], **changes}
                known.prices.append({"effective_from": since, "prices": prices})
            case "run":
                month = _month(text(happening, "run"))
                catalog = known.catalog()
                usages = _usages(catalog, month, known.used)
                uses = _known_uses(catalog, month, known.used)
                issued = books.run(catalog, month, usages, uses)
                documents += [_shown(invoice) for invoice in issued]
            case other:
                raise invalid(f"{other!r} does not happen: use, amend, end, price, run")
    return {"documents": documents, **_sums(documents)}


def _sums(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: sum((document[name] for document in documents), Decimal(0))
        for name in ("net", "tax", "total")
    }


def _shown(invoice: Invoice) -> dict[str, Any]:
    return {
        "month": str(invoice.service_month),
        "kind": invoice.kind,
        "lines": [
            {
                "product": line.product_id,
                "kind": line.kind,
                "amount": line.amount.major,
                "quantity": line.quantity,
                "from": line.period.start.date(),
                "until": line.period.end.date(),
                "text": line.description,
            }
            for line in invoice.lines
        ],
        "net": invoice.net.major,
        "tax": invoice.tax.major,
        "total": invoice.total.major,
    }


def _documents(known: _Known) -> dict[str, Any]:
    given, currency = known.given, text(known.given, "currency")
    rate = given.get("tax")
    products = _products(known)
    entity = {
        "id": ENTITY, "name": ENTITY, "currency": currency, "country": "US", "target": "erp",
        "invoice_prefix": "X", "zone": text(given, "zone", "UTC"),
        **{key: given[key] for key in ("tax_rounding", "tax_rounding_mode") if key in given},
    }  # fmt: skip
    usage = [name for name, product in products.items() if "meter" in product]
    return {
        "entities": [entity],
        "customers": [{"id": CUSTOMER, "name": CUSTOMER, "jurisdiction": JURISDICTION}],
        "event_types": [{"id": "use", "schema": {"type": "object"}}],
        "meters": [meter for name in usage for meter in _meters(name, known.prices)],
        "products": [{"id": name, **product} for name, product in products.items()],
        "price_books": [
            {"id": BOOK, "version": at, "currency": currency,
             "effective_from": one["effective_from"], "prices": [
                {"product": name, **price} for name, price in exact(one["prices"]).items()]}
            for at, one in enumerate(known.prices, start=1)
        ],
        "contracts": [
            {"id": CONTRACT, "customer": CUSTOMER, "entity": ENTITY, "currency": currency,
             "price_book": BOOK, **exact(one)}
            for one in known.contracts
        ],
        "tax_tables": [{"entity": ENTITY, "rates": [
            {"jurisdiction": JURISDICTION, "tax_class": "standard", "tax_code": "tax",
             "rate": exact(rate), "effective_from": SINCE}]}] if rate is not None else [],
    }  # fmt: skip


def _meters(product: str, prices: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give a product's quantity a meter, and the amounts that its prices read one of their own."""
    versions = [version["prices"].get(product, {}) for version in prices]
    said = [price for price in versions if isinstance(price, Mapping)]
    dimensions = sorted({name for price in said for name in price.get("dimensions", [])})
    amounts = {price["amount_meter"] for price in said if "amount_meter" in price}
    fields = {product: "quantity", **dict.fromkeys(sorted(amounts), "amount")}
    return [
        {"id": name, "event_type": "use", "aggregation": "sum", "value": value, "unit": "",
         "where": {"product": product}, "dimensions": dimensions}
        for name, value in fields.items()
    ]  # fmt: skip


def _products(known: _Known) -> dict[str, dict[str, Any]]:
    """Sell what has a price: with a meter of its own, or a fee when the price is flat."""
    said = mapping(known.given, "products")
    found: dict[str, dict[str, Any]] = {}
    tax_class = "standard" if "tax" in known.given else "none"
    agreed = {
        item.get("product")
        for contract in known.contracts
        for item in contract.get("items", [])
        if isinstance(item, Mapping) and "quantity" in item
    }
    for version in known.prices:
        for name, price in version["prices"].items():
            is_flat = isinstance(price, Mapping) and price.get("model") == "flat"
            is_fee = is_flat or name in agreed
            found[name] = {
                "name": name,
                "revenue": "ratable" if is_fee else "usage",
                "tax_class": tax_class,
                **({} if is_fee else {"meter": name}),
                **exact(said.get(name, {})),
            }
    if any("credits" in contract for contract in known.contracts):
        found[CREDITS] = {"name": CREDITS, "revenue": "on_drawdown", "tax_class": "none"}
    return found


def _use(happening: Mapping[str, Any]) -> Use:
    only(happening, "use", "quantity", "amount", "events", "dimensions", "at")
    product, moment = text(happening, "use"), _instant(text(happening, "at"))
    said = {key: happening[key] for key in ("quantity", "amount") if key in happening}
    if "dimensions" in happening:
        cell = {"when": mapping(happening, "dimensions"), "events": "1", **said}
        return product, moment, detail_of({"cells": [cell]})
    return product, moment, detail_of({"events": happening.get("events", [said])})


def _usages(catalog: Catalog, month: Month, used: Sequence[Use]) -> list[MeteredUsage]:
    found = []
    for window in windows(catalog, month):
        detail = _within(window.product.product_id, window.asked.period, used)
        if detail is not None:
            counted = Counted(detail.quantity, detail.events)
            found.append(usage_of(window, counted, through_receipt=0))
    return found


def _known_uses(catalog: Catalog, month: Month, used: Sequence[Use]) -> dict[Key, Known]:
    """Return what prices look at beyond quantities, as production reads it from the events."""
    zone = catalog.zone(CustomerId(CUSTOMER), catalog.contract(CONTRACT, month.last))
    found: dict[Key, Known] = {}
    for need in needs(catalog, month):
        _, product, period = need.key
        detail = _within(product, instants(period, zone), used)
        commitment = rules_of(need.price).commitment
        if detail is not None and commitment is not None and commitment.window != "period":
            parts = windows_of(commitment.window, instants(period, zone), zone)
            quantities = [_quantity(_within(product, part, used)) for part in parts]
            detail = replace(detail, windows=tuple(quantities))
        before = [
            _within(product, instants(key[2], zone), used) for key in need.windows_before or ()
        ]
        total_before = None if need.windows_before is None else total(map(_quantity, before))
        found[need.key] = Known(detail, total_before, need.is_last)
    return found


def _within(product: str, period: Period, used: Sequence[Use]) -> UsageDetail | None:
    """Join the uses of a product in a time, in the order in which they happened."""
    mine = sorted(
        ((moment, detail) for name, moment, detail in used if name == product and moment in period),
        key=itemgetter(0),
    )
    return reduce(joined, [detail for _, detail in mine]) if mine else None


def _quantity(detail: UsageDetail | None) -> Decimal:
    return Decimal(0) if detail is None else detail.quantity


def _month(written: str) -> Month:
    try:
        return Month.parse(written)
    except ValueError as error:
        raise invalid(str(error)) from error


def _instant(written: str) -> datetime:
    """Read an instant; a day is its noon in UTC."""
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise invalid(f"at is {written!r}: write 2023-11-16 or an instant") from error
    if len(written) == 10:
        return moment.replace(hour=12, tzinfo=UTC)
    if moment.tzinfo is None:
        raise invalid(f"at is {written!r}: say the offset, such as Z")
    return moment.astimezone(UTC)
