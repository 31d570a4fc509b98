"""What is to be counted in a month: each usage product of each contract segment, once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Contract, Meter, Product
from tollbook.records.usage import EMPTY_DIGEST, MeteredUsage
from tollbook.values.ids import UsageId, derive
from tollbook.values.period import Month, Period, midnight
from tollbook.values.quantity import plain


@dataclass(frozen=True, slots=True)
class Span:
    """Days (the last one excluded) on which one version of a meter counts."""

    meter: Meter
    first: date
    until: date


@dataclass(frozen=True, slots=True)
class Window:
    """A contract version and one of its usage products, over the days that version governs.

    Each day is counted by the meter version in force on it; the last one is pinned on the usage.
    """

    contract: Contract
    product: Product
    spans: tuple[Span, ...]
    period: Period

    @property
    def meter(self) -> Meter:
        """The meter version in force at the end."""
        return self.spans[-1].meter

    @property
    def key(self) -> tuple[str, str, Period]:
        """What one usage after the other is known of: contract, product, period."""
        return self.contract.contract_id, self.product.product_id, self.period


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted in a window."""

    quantity: Decimal = Decimal(0)
    event_count: int = 0
    digest: str = EMPTY_DIGEST


def windows(catalog: Catalog, month: Month) -> list[Window]:
    """Return every window of a month, in order of contract, segment and contract item."""
    found: dict[tuple[str, str, Period], Window] = {}
    for contract, start, end in catalog.contract_segments(month):
        for item in contract.items:
            product = catalog.product(item.product_id, start)
            if product is None or product.meter_id is None:
                continue
            spans = tuple(meter_spans(catalog, product.meter_id, start, end))
            if spans:
                window = Window(contract, product, spans, Period(midnight(start), midnight(end)))
                found.setdefault(window.key, window)
    return list(found.values())


def meter_spans(catalog: Catalog, meter_id: str, start: date, end: date) -> Iterator[Span]:
    """Yield the versions of a meter in force over some days, in order."""
    first, current = start, catalog.meter(meter_id, start)
    for day in _days(start, end):
        in_force = catalog.meter(meter_id, day)
        if in_force != current:
            if current is not None:
                yield Span(current, first, day)
            first, current = day, in_force
    if current is not None:
        yield Span(current, first, end)


def usage_of(
    window: Window, counted: Counted, *, through_receipt: int, replaces: UsageId | None = None
) -> MeteredUsage:
    """Build the usage of a window; its id names what was counted and what it replaces.

    Without the latter, a quantity that changes and then changes back would find its first id taken.
    """
    contract, product, meter = window.contract, window.product, window.meter
    where = dict(sorted(product.where.items()))
    usage_id = derive(
        "use",
        contract.contract_id,
        str(contract.version),
        product.product_id,
        meter.meter_id,
        str(meter.version),
        repr(where),
        window.period.start.isoformat(),
        window.period.end.isoformat(),
        plain(counted.quantity),
        counted.digest,
        replaces or "",
    )
    return MeteredUsage(
        usage_id=UsageId(usage_id),
        customer_id=contract.customer_id,
        meter_id=meter.meter_id,
        period=window.period,
        quantity=counted.quantity,
        event_count=counted.event_count,
        meter_version=meter.version,
        product_id=product.product_id,
        contract_id=contract.contract_id,
        contract_version=contract.version,
        where=where,
        digest=counted.digest,
        through_receipt=through_receipt,
    )


def is_news(usage: MeteredUsage, known: MeteredUsage | None) -> bool:
    """Tell whether a usage says something that the latest stored one does not."""
    if known is None:
        return usage.event_count > 0
    return _content(usage) != _content(known)


def _days(start: date, end: date) -> Iterator[date]:
    for offset in range((end - start).days):
        yield start + timedelta(days=offset)


def _content(usage: MeteredUsage) -> tuple[object, ...]:
    return (
        usage.quantity,
        usage.event_count,
        usage.digest,
        usage.customer_id,
        usage.meter_id,
        usage.meter_version,
        usage.contract_version,
        dict(usage.where or {}),
    )
