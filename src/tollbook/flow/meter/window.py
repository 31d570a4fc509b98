"""What is to be counted in a month: each usage product of each contract segment, once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise

from tollbook.flow.meter.definition import Counted
from tollbook.masterdata.catalog import SINCE_EVER, Catalog
from tollbook.records.commercial import Contract, Meter, Product
from tollbook.records.usage import MeteredUsage
from tollbook.values.ids import UsageId, derive
from tollbook.values.period import Month, Period, midnight
from tollbook.values.quantity import plain
from tollbook.values.zone import instants


@dataclass(frozen=True, slots=True)
class Span:
    """Days (the last one excluded) on which one version of a meter counts."""

    meter: Meter
    first: date
    until: date


@dataclass(frozen=True, slots=True)
class Question:
    """What a customer used of a meter from one instant until another, where dimensions match.

    `spans` are the meter's versions on the UTC days in question; the last says how to sum. A
    time-weighted sum also asks the days before, for what was held when it began.
    """

    customer_id: str
    spans: tuple[Span, ...]
    period: Period
    where: Mapping[str, str] = field(default_factory=dict)

    @property
    def meter(self) -> Meter:
        """The meter version in force at the end."""
        return self.spans[-1].meter


def question(
    catalog: Catalog, customer_id: str, meter_id: str, period: Period, where: Mapping[str, str]
) -> Question | None:
    """Ask for a meter between two instants; None when it counts on none of the days."""
    last = (period.end - timedelta(microseconds=1)).date()
    until = last + timedelta(days=1)
    spans = tuple(meter_spans(catalog, meter_id, period.start.date(), until))
    if spans and spans[-1].meter.aggregation == "time_weighted_sum":
        spans = tuple(meter_spans(catalog, meter_id, SINCE_EVER, until))
    return Question(customer_id, spans, period, where) if spans else None


@dataclass(frozen=True, slots=True)
class Window:
    """A contract version and one of its usage products, over the days that version governs.

    Its days begin in `zone`. Each UTC day is counted by the meter version in force on it; the last
    one is pinned on the usage.
    """

    contract: Contract
    product: Product
    asked: Question
    period: Period
    zone: str = "UTC"

    @property
    def meter(self) -> Meter:
        """The meter version in force at the end."""
        return self.asked.meter

    @property
    def key(self) -> tuple[str, str, Period]:
        """What one usage after the other is known of: contract, product, period."""
        return self.contract.contract_id, self.product.product_id, self.period


def windows(catalog: Catalog, month: Month) -> list[Window]:
    """Return every window of the billing periods that end in a month.

    In order of contract, segment and contract item.
    """
    return _windows(catalog, catalog.contract_segments(month))


def windows_meeting(catalog: Catalog, month: Month) -> list[Window]:
    """Return every window that has a day in a month, also one that another month bills."""
    return _windows(catalog, catalog.segments_meeting(month))


def _windows(catalog: Catalog, segments: Iterable[tuple[Contract, date, date]]) -> list[Window]:
    found: dict[tuple[str, str, Period], Window] = {}
    for contract, start, end in segments:
        for item in contract.items:
            product = catalog.product(item.product_id, start)
            if product is None or product.meter_id is None:
                continue
            period = Period(midnight(start), midnight(end))
            zone = catalog.zone(contract.customer_id, contract)
            asked = question(
                catalog,
                contract.customer_id,
                product.meter_id,
                instants(period, zone),
                dict(sorted(product.where.items())),
            )
            if asked is not None:
                window = Window(contract, product, asked, period, zone)
                found.setdefault(window.key, window)
    return list(found.values())


def meter_spans(catalog: Catalog, meter_id: str, start: date, end: date) -> Iterator[Span]:
    """Yield the versions of a meter in force over some days, in order."""
    starts = {version.effective_from for version in catalog.versions.get(("meter", meter_id), ())}
    cuts = [start, *sorted(day for day in starts if start < day < end), end]
    found: list[Span] = []
    for first, until in pairwise(cuts):
        current = catalog.meter(meter_id, first)
        if current is None:
            continue
        if found and found[-1].meter == current and found[-1].until == first:
            found[-1] = replace(found[-1], until=until)
        else:
            found.append(Span(current, first, until))
    yield from found


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
        *([window.zone] if window.zone != "UTC" else []),
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
        zone=window.zone,
    )


def is_news(usage: MeteredUsage, known: MeteredUsage | None) -> bool:
    """Tell whether a usage says something that the latest stored one does not."""
    if known is None:
        return usage.event_count > 0
    return _content(usage) != _content(known)


def _content(usage: MeteredUsage) -> tuple[object, ...]:
    return (
        usage.quantity,
        usage.event_count,
        usage.digest,
        usage.customer_id,
        usage.meter_id,
        usage.meter_version,
        usage.contract_version,
        usage.zone,
        dict(usage.where or {}),
    )
