"""Checks of price books and of prices, also those inside contracts."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal, Inexact
from typing import Final

from tollbook.masterdata.catalog import Catalog, Version
from tollbook.masterdata.check_price_rules import AMOUNT_MAX, check_rules, check_steps
from tollbook.masterdata.problems import Finding, Path
from tollbook.masterdata.references import check_currency, check_reference
from tollbook.records.charge import PriceRules, PriceVersion, Tier
from tollbook.records.commercial import Meter, PriceBook, Product
from tollbook.values.ids import MeterId
from tollbook.values.money import EXACT
from tollbook.values.quantity import parse_quantity

ZERO: Final = Decimal(0)
PACKAGED: Final = frozenset({"graduated_package", "volume_package"})
OF_SHARES: Final = frozenset({"graduated_percentage", "volume_percentage"})
TIERED: Final = frozenset({"graduated", "volume"}) | PACKAGED | OF_SHARES
ONE_PRICE: Final = frozenset({"unit", "package"})
ACCUMULATED: Final = ONE_PRICE | PACKAGED | {"flat", "graduated", "volume"}


def check_price_book(version: Version, catalog: Catalog) -> Iterator[Finding]:
    """Check every price of a book version, and that each product has one price."""
    book, since = version.record, version.effective_from
    assert isinstance(book, PriceBook)
    yield from check_currency(book.currency)
    seen: set[str] = set()
    for at, price in enumerate(book.prices):
        path: Path = ("prices", at)
        yield from check_reference(catalog, "product", price.product_id, since=since, path=path)
        product = catalog.product(price.product_id, since)
        yield from check_measures(price, product, catalog, since=since, path=path)
        if price.product_id in seen:
            message = f"product {price.product_id} has two prices: keep one."
            yield Finding("duplicate", message, path)
        seen.add(price.product_id)
        yield from check_price(price, product, path)
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


def check_measures(
    price: PriceVersion, product: Product | None, catalog: Catalog, *, since: date, path: Path
) -> Iterator[Finding]:
    """Check that meters measure what a price looks at: another meter's amount, dimensions."""
    rules = price.rules
    if not isinstance(rules, PriceRules):
        return
    paid = None
    if rules.amount_meter is not None:
        paid = catalog.meter(rules.amount_meter, since)
        yield from _amount_meter(rules.amount_meter, catalog, since, (*path, "amount_meter"))
    if product is None:
        return
    if product.meter_id is None:
        if rules.accumulate != "period":
            message = f"{product.product_id} has no meter: leave `accumulate:` out."
            yield Finding("not_metered", message, (*path, "accumulate"))
        return
    meter = catalog.meter(product.meter_id, since)
    if meter is not None:
        yield from _adds_up(price, rules, meter, path)
        yield from _kept(meter, rules.dimensions, path)
    if paid is not None:
        yield from _kept(paid, (*rules.dimensions, *product.where), path)


def _amount_meter(
    meter_id: MeterId, catalog: Catalog, since: date, path: Path
) -> Iterator[Finding]:
    yield from check_reference(catalog, "meter", meter_id, since=since, path=path)
    found = catalog.meter(meter_id, since)
    if found is not None and found.aggregation != "sum":
        message = f"meter {meter_id} must sum the amounts, it has {found.aggregation}."
        yield Finding("amount_meter", message, path)


def _kept(meter: Meter, dimensions: Iterable[str], path: Path) -> Iterator[Finding]:
    for name in dimensions:
        if name not in meter.dimensions:
            message = f"meter {meter.meter_id} does not keep usage by {name}: add the dimension."
            yield Finding("unknown_dimension", message, path)


def _adds_up(price: PriceVersion, rules: PriceRules, meter: Meter, path: Path) -> Iterator[Finding]:
    """Check that a meter adds events up where a price looks at parts of what they sum to."""
    commitment = rules.commitment
    found = {
        "accumulate": rules.accumulate != "period",
        "commitment": commitment is not None and commitment.window != "period",
        "free_events": looks_at_events(rules) and rules.amount_meter is None,
    }
    for name, is_stated in found.items():
        if is_stated and meter.aggregation not in {"count", "sum"}:
            message = f"{name}: meter {meter.meter_id} has {meter.aggregation}, whose parts do not add up."
            yield Finding("not_metered", message, (*path, name))
    if rules.accumulate != "period" and (price.model not in ACCUMULATED or rules.commitment):
        message = f"a {price.model} price counts in each period by itself: leave `accumulate:` out."
        yield Finding("not_metered", message, (*path, "accumulate"))


def looks_at_events(rules: PriceRules) -> bool:
    """Tell whether a percentage depends on each event, and not on their sum and number alone."""
    return (
        rules.free_events is not None
        or rules.event_minimum is not None
        or rules.event_maximum is not None
        or (rules.free_amount is not None and rules.fixed_fee != ZERO)
    )


# What a quantity alone can be priced by, metered or agreed (seats).
OF_QUANTITY: Final = frozenset(
    {"flat", "unit", "graduated", "volume", "package", "graduated_package", "volume_package"}
)


def check_price(price: PriceVersion, product: Product | None, path: Path) -> Iterator[Finding]:
    """Check one price: its amounts, its tiers, its steps, and that it divides exactly."""
    if product is not None and product.meter_id is None and price.model not in OF_QUANTITY:
        message = (
            f"{product.product_id} has no meter, so its price is flat, or one of the quantity that "
            "is agreed: unit, tiers or packages."
        )
        yield Finding("price_model", message, (*path, "model"))
    yield from _amounts(price, path)
    if price.model == "flat":
        yield from _flat(price, path)
    else:
        yield from _per(price, path)
        yield from _tiers(price, path)
    yield from check_rules(price, path)
    yield from check_steps(price, path)
    yield from _cells(price, path)


def _cells(price: PriceVersion, path: Path) -> Iterator[Finding]:
    """Check the prices inside a price: each is one on its own, and none has another inside."""
    if not isinstance(price.rules, PriceRules):
        return
    found = [
        ((*path, "cells", at, "price"), cell.price) for at, cell in enumerate(price.rules.cells)
    ]
    if price.rules.default is not None:
        found.append(((*path, "default"), price.rules.default))
    for where, nested in found:
        rules = nested.rules if isinstance(nested.rules, PriceRules) else PriceRules()
        if nested.model == "matrix" or nested.product_id or rules.commitment is not None:
            message = "a price in a cell is of another model, without product or commitment."
            yield Finding("price_model", message, where)
        elif rules.amount_meter or rules.accumulate != "period":
            message = "say `amount_meter:` and `accumulate:` once, for the whole price."
            yield Finding("price_model", message, where)
        else:
            yield from check_price(nested, None, where)


def _amounts(price: PriceVersion, path: Path) -> Iterator[Finding]:
    found: list[tuple[Path, Decimal | None]] = [
        ((*path, "flat_amount"), price.flat_amount),
        ((*path, "included"), price.included),
        ((*path, "minimum"), price.minimum),
    ]
    for at, tier in enumerate(price.tiers):
        found.append(((*path, "tiers", at, "unit_price"), tier.unit_price))
        found.append(((*path, "tiers", at, "flat_amount"), tier.flat_amount))
        if isinstance(tier.rate, Decimal):
            found.append(((*path, "tiers", at, "rate"), tier.rate))
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
    elif price.model in {"package", *PACKAGED}:
        return
    elif price.per != 1 and price.model not in {"unit", "graduated", "volume"}:
        message = f"a {price.model} price is not for a number of units."
        yield Finding("price_model", message, (*path, "per"))
    elif not _divides_exactly(price.per):
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
    if price.model not in TIERED | ONE_PRICE:
        if price.tiers:
            message = f"a {price.model} price has no unit price and no tiers."
            yield Finding("tiers_not_allowed", message, (*path, "tiers"))
    elif not price.tiers:
        message = f"a {price.model} price needs `unit_price:` or `tiers:`."
        yield Finding("no_price", message, path)
    elif price.model in TIERED:
        yield from _edges(price.tiers, (*path, "tiers"))
        yield from _tier_keys(price, (*path, "tiers"))
    elif price.tiers != (Tier(None, price.tiers[0].unit_price),):
        message = f"a {price.model} price has one unit price; graduated and volume have tiers."
        yield Finding("tiers_not_allowed", message, (*path, "tiers"))


def _tier_keys(price: PriceVersion, path: Path) -> Iterator[Finding]:
    for at, tier in enumerate(price.tiers):
        if isinstance(tier.rate, Decimal) != (price.model in OF_SHARES):
            message = "a tier has a `rate:` where the price is a percentage, and only there."
            yield Finding("tier_rate", message, (*path, at))
        elif isinstance(tier.rate, Decimal) and tier.unit_price:
            message = "a tier with a `rate:` has no unit price."
            yield Finding("tier_rate", message, (*path, at))
        if not isinstance(tier.per, Decimal):
            continue
        if price.model not in PACKAGED:
            message = "a tier has a `per:` of its own where the price is by package, only there."
            yield Finding("tier_per", message, (*path, at, "per"))
        elif tier.per <= ZERO:
            message = f"per is {tier.per}: a package holds more than nothing."
            yield Finding("per_not_positive", message, (*path, at, "per"))


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
