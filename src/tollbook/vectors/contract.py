"""Vectors of whole contracts: terms, usage and changes in the order in which they became known."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from tollbook.errors import Rejected
from tollbook.flow.meter.definition import Counted
from tollbook.flow.meter.window import usage_of, windows
from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.documents import documents_to_versions
from tollbook.masterdata.plan import plan
from tollbook.records.invoice import Invoice
from tollbook.records.usage import MeteredUsage
from tollbook.values.money import EXACT
from tollbook.values.period import Month
from tollbook.vectors.books import Books
from tollbook.vectors.given import exact, invalid, items, mapping, number, only, text

ENTITY: Final = "entity"
CUSTOMER: Final = "customer"
BOOK: Final = "list"
CREDITS: Final = "credits"
JURISDICTION: Final = "here"
SINCE: Final = "2000-01-01"
_KNOWN_AT: Final = datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Known:
    """What is known so far: every version of prices and of the contract, and all usage."""

    given: Mapping[str, Any]
    prices: list[dict[str, Any]] = field(default_factory=list)
    contracts: list[dict[str, Any]] = field(default_factory=list)
    used: list[tuple[str, datetime, Decimal]] = field(default_factory=list)

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
                only(happening, "use", "quantity", "at")
                moment = _instant(text(happening, "at"))
                known.used.append((text(happening, "use"), moment, number(happening, "quantity")))
            case "amend":
                changes = mapping(happening, "amend")
                version = str(len(known.contracts) + 1)
                known.contracts.append({**known.contracts[-1], **changes, "version": version})
            case "price":
                changes = dict(mapping(happening, "price"))
                since = changes.pop("effective_from", SINCE)
                prices = {**known.prices[-1]["prices"], **changes}
                known.prices.append({"effective_from": since, "prices": prices})
            case "run":
                month = _month(text(happening, "run"))
                catalog = known.catalog()
                issued = books.run(catalog, month, _usages(catalog, month, known.used))
                documents += [_shown(invoice) for invoice in issued]
            case other:
                raise invalid(f"{other!r} does not happen: use, amend, price, run")
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
        "meters": [
            {"id": name, "event_type": "use", "aggregation": "sum", "value": "quantity", "unit": "",
             "where": {"product": name}}
            for name in usage
        ],
        "products": [{"id": name, **product} for name, product in products.items()],
        "price_books": [
            {"id": BOOK, "version": at, "currency": currency,
             "effective_from": one["effective_from"], "prices": [
                {"product": name, **price} for name, price in exact(one["prices"]).items()]}
            for at, one in enumerate(known.prices, start=1)
        ],
        "contracts": [
            {"id": "contract", "customer": CUSTOMER, "entity": ENTITY, "currency": currency,
             "price_book": BOOK, **exact(one)}
            for one in known.contracts
        ],
        "tax_tables": [{"entity": ENTITY, "rates": [
            {"jurisdiction": JURISDICTION, "tax_class": "standard", "tax_code": "tax",
             "rate": exact(rate), "effective_from": SINCE}]}] if rate is not None else [],
    }  # fmt: skip


def _products(known: _Known) -> dict[str, dict[str, Any]]:
    """Sell what has a price: with a meter of its own, or a fee when the price is flat."""
    said = mapping(known.given, "products")
    found: dict[str, dict[str, Any]] = {}
    tax_class = "standard" if "tax" in known.given else "none"
    for version in known.prices:
        for name, price in version["prices"].items():
            is_fee = isinstance(price, Mapping) and price.get("model") == "flat"
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


def _usages(
    catalog: Catalog, month: Month, used: Sequence[tuple[str, datetime, Decimal]]
) -> list[MeteredUsage]:
    found = []
    for window in windows(catalog, month):
        period = window.asked.period
        mine = [
            quantity
            for product, moment, quantity in used
            if product == window.product.product_id and moment in period
        ]
        total = Decimal(0)
        for quantity in mine:
            total = EXACT.add(total, quantity)
        if mine:
            found.append(usage_of(window, Counted(total, len(mine)), through_receipt=0))
    return found


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
