"""Summarize the days that changed; meter a month from the summaries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from tollbook.errors import Transient
from tollbook.flow.capture.store import swept_through
from tollbook.flow.meter import store
from tollbook.flow.meter.events import store as events
from tollbook.flow.meter.store import Uncovered
from tollbook.flow.meter.window import (
    Window,
    is_news,
    usage_of,
    windows,
)
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Meter
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.values.codec import content_hash
from tollbook.values.ids import UsageId, written_event_id
from tollbook.values.period import Month, Period
from tollbook.worklist.holding import Held, hold

# More of one day are found when these are cured: they have one cause.
UNUSABLE_SHOWN_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Summarized:
    """What summarizing did: days counted again, hourly rows made, through which receipt."""

    days: int
    rows: int
    through_receipt: int
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metered:
    """What metering did: usages written and found unchanged, and what waits on the worklist."""

    written: tuple[str, ...] = ()
    unchanged: int = 0
    through_receipt: int = 0
    set_aside: tuple[str, ...] = ()


def summarize(connection: Connection, *, catalog: Catalog, at: datetime) -> Summarized:
    """Count the dirty days again, so that summaries hold exactly the receipts to a watermark.

    The watermark is taken first. An event committed after it is left out and keeps its day dirty.
    """
    store.lock(connection)
    through = store.watermark(connection)
    dirty = store.take_dirty_days(connection, through=through)
    dirty |= _days_of_new_meters(connection, catalog)
    rows = 0
    set_aside: list[str] = []
    for day, event_type in sorted(dirty):
        events.clear_day(connection, day, event_type)
        held: list[Held] = []
        for meter in _meters(catalog, event_type, day):
            rows += events.summarize_day(connection, meter, day, through)
            held += _unusable(connection, meter, day, through)
        hold(connection, held, scope=f"meter:{day}:{event_type}:", at=at)
        set_aside += [one.object_id for one in held]
    store.set_summarized(connection, through)
    return Summarized(len(dirty), rows, through, tuple(set_aside))


def meter(connection: Connection, *, catalog: Catalog, month: Month, at: datetime) -> Metered:
    """Store what each contract used of each usage product in a month, where that is new.

    Reads the summaries only: what came after them is metered after the next `summarize`. Usage
    that no contract pays for becomes a work item. Transient when the summaries hold events that
    the sweep of identities has not passed.
    """
    store.lock(connection)
    through = store.summarized_through(connection)
    if swept_through(connection) < through:
        raise Transient(
            "meter.not_swept",
            "Events came in whose identities were not compared with those of other days yet: run "
            "the month again.",
        )
    wanted = windows(catalog, month)
    known = {_key(usage): usage for usage in store.latest_usages(connection, month)}
    news: list[tuple[MeteredUsage, UsageId | None]] = []
    for window, counted in zip(wanted, store.count_windows(connection, wanted), strict=True):
        before = known.get(window.key)
        replaces = before.usage_id if before is not None else None
        usage = usage_of(window, counted, through_receipt=through, replaces=replaces)
        if is_news(usage, before):
            news.append((usage, replaces))
    store.insert_usages(connection, news, at=at)
    held = _unpriced(connection, catalog, month, wanted)
    hold(connection, held, scope=f"meter:{month}:", at=at)
    return Metered(
        written=tuple(usage.usage_id for usage, _ in news),
        unchanged=len(wanted) - len(news),
        through_receipt=through,
        set_aside=tuple(sorted({one.object_id for one in held})),
    )


def _days_of_new_meters(connection: Connection, catalog: Catalog) -> set[tuple[date, str]]:
    """Return the days that other meters counted than are known now."""
    versions: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
    for key in catalog.keys("meter"):
        for version in catalog.versions["meter", key]:
            assert isinstance(version.record, Meter)
            content = (key, version.version, f"{version.effective_from} {version.content_hash}")
            versions[version.record.event_type].append(content)
    return {
        (day, event_type)
        for event_type, found in sorted(versions.items())
        if store.set_basis(connection, event_type, content_hash(found))
        for day in events.days_with(connection, event_type)
    }


def _meters(catalog: Catalog, event_type: str, day: date) -> list[Meter]:
    in_force = [catalog.meter(key, day) for key in catalog.keys("meter")]
    return [found for found in in_force if found is not None and found.event_type == event_type]


def _unusable(connection: Connection, meter: Meter, day: date, through: int) -> list[Held]:
    """Return the events that a meter cannot count, for a person to correct."""
    if meter.value is None:
        return []
    found = events.unusable_events(connection, meter, day, through, limit=UNUSABLE_SHOWN_MAX)
    return [
        Held(
            code="meter.unusable_value",
            cause=meter.meter_id,
            message=f"Events of type {meter.event_type} have no usable {meter.value}, which meter "
            f"{meter.meter_id} counts: void them and send them again, or correct the meter.",
            object_id=f"meter:{day}:{meter.event_type}:{written_event_id(h.bytes)}",
        )
        for h in found
    ]


def _unpriced(
    connection: Connection, catalog: Catalog, month: Month, wanted: Sequence[Window]
) -> list[Held]:
    """Return usage that no contract pays for; meters that no product reads are nobody's business."""
    billed = {window.contract.customer_id for window in wanted}
    billed |= {contract.customer_id for contract, _, _ in catalog.contract_segments(month)}
    leaks = store.uncovered(connection, wanted, month, _priced_meters(catalog, month))
    return [_held(leak, month, has_contract=leak.customer_id in billed) for leak in leaks]


def _held(leak: Uncovered, month: Month, *, has_contract: bool) -> Held:
    dimensions = ",".join(f"{name}={value}" for name, value in sorted(leak.dimensions.items()))
    object_id = f"meter:{month}:{leak.customer_id}:{leak.meter_id}:{dimensions}"
    if not has_contract:
        return Held(
            code="meter.no_contract",
            cause=leak.customer_id,
            message=f"Customer {leak.customer_id} has usage in {month} but no contract in force: "
            "add the contract, or its next version.",
            object_id=object_id,
        )
    return Held(
        code="meter.unpriced_usage",
        cause=f"{leak.customer_id}|{leak.meter_id}|{dimensions}",
        message=f"Customer {leak.customer_id} used {leak.meter_id} ({dimensions or 'all of it'}), "
        "which no product of a contract in force covers: add the product to the contract.",
        object_id=object_id,
    )


def _priced_meters(catalog: Catalog, month: Month) -> list[str]:
    products = [catalog.product(key, month.last) for key in catalog.keys("product")]
    return sorted({p.meter_id for p in products if p is not None and p.meter_id is not None})


def _key(usage: MeteredUsage) -> tuple[str, str, Period]:
    return usage.contract_id, usage.product_id, usage.period
