"""Checks of price books and of prices, also those inside contracts."""

from collections.abc import Iterator
from decimal import Decimal, Inexact
from typing import Final

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.problems import Finding, Path
from tollbook.masterdata.references import check_currency, check_reference
from tollbook.records.charge import PriceVersion, Tier
from tollbook.records.commercial import PriceBook, Product
from tollbook.values.money import EXACT
from tollbook.values.quantity import parse_quantity

ZERO: Final = Decimal(0)
TIERED: Final = frozenset({"graduated", "volume"})

# A 38-digit quantity times a price below this fits the digits of exact arithmetic.
AMOUNT_MAX: Final = Decimal(10) ** 15


def check_price_book(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check every price of a book version, and that each product has one price."""
    book, since = version.record, version.effective_from
    assert isinstance(book, PriceBook)
    yield from check_currency(book.currency)
    seen: set[str] = set()
    for at, price in enumerate(book.prices):
        path: Path = ("prices", at)
        yield from check_reference(catalog, "product", price.product_id, since=since, path=path)
        if price.product_id in seen:
            message = f"product {price.product_id} has two prices: keep one."
            yield Finding("duplicate", message, path)
        seen.add(price.product_id)
        yield from check_price(price, catalog.product(price.product_id, since), path)
    for other in catalog.versions["price_book", version.key]:
        if isinstance(other.record, PriceBook) and other.record.currency != book.currency:
            message = "all versions of a price book have one currency: make another book."
            yield Finding("currency_changed", message, ("currency",))


def price_problems(price: PriceVersion) -> list[str]:
    """Return what is wrong with a price on its own, a sentence each that begins with the field."""
    findings = (*check_currency(price.currency), *check_price(price, None, ()))
    return [f"{_field(finding.path)}: {finding.message.rstrip('.')}" for finding in findings]


def _field(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "price"


def check_price(price: PriceVersion, product: Product | None, path: Path) -> Iterator[Finding]:
    """Check one price: its amounts, its tiers, and that it divides exactly."""
    if product is not None and product.meter_id is None and price.model != "flat":
        message = f"{product.product_id} has no meter, so its price is flat with an `amount:`."
        yield Finding("price_model", message, (*path, "model"))
    yield from _amounts(price, path)
    if price.model == "flat":
        yield from _flat(price, path)
    else:
        yield from _per(price, path)
        yield from _tiers(price, path)


def _amounts(price: PriceVersion, path: Path) -> Iterator[Finding]:
    found: list[tuple[Path, Decimal | None]] = [
        ((*path, "flat_amount"), price.flat_amount),
        ((*path, "included"), price.included),
        ((*path, "minimum"), price.minimum),
    ]
    for at, tier in enumerate(price.tiers):
        found.append(((*path, "tiers", at, "unit_price"), tier.unit_price))
        found.append(((*path, "tiers", at, "flat_amount"), tier.flat_amount))
    for where, amount in found:
        if amount is not None and not ZERO <= amount < AMOUNT_MAX:
            message = f"{where[-1]} is {amount}: it must not be negative, and below 10^15."
            yield Finding("negative_price" if amount < 0 else "price_too_large", message, where)


def _flat(price: PriceVersion, path: Path) -> Iterator[Finding]:
    if price.tiers or price.included:
        message = "a flat price has an `amount:`, no unit price, no tiers, nothing included."
        yield Finding("price_model", message, path)


def _per(price: PriceVersion, path: Path) -> Iterator[Finding]:
    if price.per < 1:
        yield Finding("per_not_positive", f"per is {price.per}: it must be 1 or more.", path)
    elif price.model != "package" and not _divides_exactly(price.per):
        yield Finding(
            "per_not_exact",
            f"a price for {price.per} units has no exact price for one unit: use a power of ten, "
            "such as 1000 or 1000000.",
            (*path, "per"),
        )


def _divides_exactly(per: Decimal) -> bool:
    try:
        parse_quantity(EXACT.divide(Decimal(1), per))
    except (Inexact, ValueError):
        return False
    return True


def _tiers(price: PriceVersion, path: Path) -> Iterator[Finding]:
    if price.flat_amount:
        message = f"a {price.model} price has no amount of its own; a tier can have one."
        yield Finding("price_model", message, (*path, "flat_amount"))
    if not price.tiers:
        message = f"a {price.model} price needs `unit_price:` or `tiers:`."
        yield Finding("no_price", message, path)
    elif price.model in TIERED:
        yield from _edges(price.tiers, (*path, "tiers"))
    elif price.tiers != (Tier(None, price.tiers[0].unit_price),):
        message = f"a {price.model} price has one unit price; graduated and volume have tiers."
        yield Finding("tiers_not_allowed", message, (*path, "tiers"))


def _edges(tiers: tuple[Tier, ...], path: Path) -> Iterator[Finding]:
    lower = ZERO
    for at, tier in enumerate(tiers[:-1]):
        if tier.up_to is None:
            message = "only the last tier is without up_to."
            yield Finding("tier_without_end", message, (*path, at))
        elif tier.up_to <= lower:
            message = f"up_to {tier.up_to} must be more than {lower}, where the tier starts."
            yield Finding("tiers_not_ascending", message, (*path, at, "up_to"))
        else:
            lower = tier.up_to
    if tiers[-1].up_to is not None:
        message = f"the last tier must not end: usage beyond {tiers[-1].up_to} would have no price."
        yield Finding("last_tier_ends", message, (*path, len(tiers) - 1, "up_to"))
