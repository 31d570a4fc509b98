"""What a price looks at beyond the quantity of a usage, and over which span it counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final

from tollbook.errors import Rejected
from tollbook.flow.rate.ruled import rules_of
from tollbook.flow.rate.terms import started_on, terms_of
from tollbook.flow.rate.working import ZERO, part
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.check_prices import looks_at_events
from tollbook.records.charge import Accumulate, Charge, PriceVersion
from tollbook.records.commercial import Contract, PriceBook
from tollbook.records.usage import MeteredUsage, UsageDetail
from tollbook.values.period import Month, Period, midnight

# What a charge was computed beside is a line of its working, so that it can be computed again.
BEFORE: Final = "used before in the span"
GOES_ON: Final = "the span goes on"

# (contract, product, window) of a metered usage.
Key = tuple[str, str, Period]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a usage beyond its quantity.

    `before` is what was used earlier in its span, None where that begins with it; `is_last` whether
    the span ends with it.
    """

    detail: UsageDetail | None = None
    before: Decimal | None = None
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class Need:
    """A usage product of a contract segment whose price looks at more than a quantity."""

    key: Key
    price: PriceVersion
    # The windows of the same span before this one; None where the span begins with it.
    windows_before: tuple[Key, ...] | None = None
    is_last: bool = True


def looks_beyond(price: PriceVersion) -> bool:
    """Tell whether a price needs more of a usage than its quantity and the number of its events."""
    rules = rules_of(price)
    commitment = rules.commitment
    return (
        price.model == "matrix"
        or rules.amount_meter is not None
        or looks_at_events(rules)
        or (commitment is not None and commitment.window != "period")
    )


def _is_rare(price: PriceVersion) -> bool:
    return looks_beyond(price) or rules_of(price).accumulate != "period"


def _prices(catalog: Catalog) -> Iterator[PriceVersion]:
    for versions in catalog.versions.values():
        for version in versions:
            record = version.record
            if isinstance(record, PriceBook):
                yield from record.prices
            elif isinstance(record, Contract):
                yield from (item.price for item in record.items if item.price is not None)


def needs(catalog: Catalog, month: Month) -> Iterator[Need]:
    """Yield what prices of a month look at; items that cannot be rated are left to rating."""
    if not any(map(_is_rare, _prices(catalog))):
        # Nearly always: no contract has to be looked at for what no price asks for.
        return
    for contract, start, end in catalog.contract_segments(month):
        for item in contract.items:
            try:
                terms = terms_of(catalog, contract, item, start)
            except Rejected:
                continue
            if terms.product.meter_id is None or not _is_rare(terms.price):
                continue
            rules = rules_of(terms.price)
            key = (contract.contract_id, item.product_id, Period(midnight(start), midnight(end)))
            if rules.accumulate == "period":
                yield Need(key, terms.price)
                continue
            before = _windows_before(catalog, contract, key, rules.accumulate, month)
            is_last = rules.minimum_due == "at_start" or _is_last(
                catalog, contract, end, rules.accumulate, month
            )
            yield Need(key, terms.price, before, is_last)


def span_began(accumulate: Accumulate, started: date, month: Month) -> Month:
    """Return the first month of the span that a month is in, not before the contract's first."""
    first = Month.of(started)
    match accumulate:
        case "period":
            return month
        case "quarter":
            return max(first, Month(month.year, (month.number - 1) // 3 * 3 + 1))
        case "calendar_year":
            return max(first, Month(month.year, 1))
        case "contract_year":
            return first.plus(month.minus(first) // 12 * 12)
        case "contract_life":
            return first


def _windows_before(
    catalog: Catalog, contract: Contract, key: Key, accumulate: Accumulate, month: Month
) -> tuple[Key, ...] | None:
    began = span_began(accumulate, started_on(catalog, contract), month)
    found: list[Key] = []
    for offset in range(month.minus(began) + 1):
        for other, start, end in catalog.contract_segments(began.plus(offset)):
            window = Period(midnight(start), midnight(end))
            if other.contract_id == contract.contract_id and window.start < key[2].start:
                found.append((key[0], key[1], window))
    return tuple(found) or None


def _is_last(
    catalog: Catalog, contract: Contract, end: date, accumulate: Accumulate, month: Month
) -> bool:
    """Tell whether a span ends with a window: with its last month, or with the contract."""
    if contract.effective_until is not None and contract.effective_until <= end:
        return True
    if end < month.plus(1).first:
        return False
    started = started_on(catalog, contract)
    following = month.plus(1)
    return span_began(accumulate, started, following) == following


def with_known(charge: Charge, known: Known) -> Charge:
    """Return a charge whose working says what was used before in the span, and whether it goes on."""
    said = [] if known.before is None else [part(BEFORE, known.before, ZERO)]
    if not known.is_last:
        said.append(part(GOES_ON, ZERO, ZERO))
    return replace(charge, parts=(*said, *charge.parts)) if said else charge


def known_from(charge: Charge) -> Known:
    """Return what a charge's working says of its span."""
    before = next((one.quantity for one in charge.parts if one.label == BEFORE), None)
    goes_on = any(one.label == GOES_ON for one in charge.parts)
    return Known(before=before, is_last=not goes_on)


def known_or_refused(
    known: Mapping[Key, Known], key: Key, price: PriceVersion, usage: MeteredUsage | None
) -> Known:
    """Return what is known of a usage; Rejected `rate.detail_missing` where a price needs more."""
    found = known.get(key)
    if found is not None:
        return found
    is_alone = rules_of(price).accumulate == "period"
    if is_alone and (usage is None or not looks_beyond(price)):
        return Known()
    raise Rejected(
        "rate.detail_missing",
        f"The price of {key[1]} looks at more than a quantity, which is not known here.",
        cause=f"{key[0]}|{key[1]}",
        contract_id=key[0],
        product_id=key[1],
    )


def sum_before(quantities: Mapping[Key, Decimal], windows: Sequence[Key] | None) -> Decimal | None:
    """Add what was used in earlier windows; None where there are none."""
    if windows is None:
        return None
    return sum((quantities.get(window, ZERO) for window in windows), ZERO)
