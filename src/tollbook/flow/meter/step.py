"""Summarize the days that changed; meter a month from the summaries."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from tollbook.errors import Rejected, Transient
from tollbook.flow.capture.segments.store import opened
from tollbook.flow.capture.store import swept_through
from tollbook.flow.meter import store
from tollbook.flow.meter.current import (
    Ask,
    CurrentUsage,
    View,
    WindowUsage,
    day_types,
    questions_for,
    usages_from,
    view_of,
)
from tollbook.flow.meter.events import store as events
from tollbook.flow.meter.events.store import EventBehind
from tollbook.flow.meter.layout import basis, event_types, generation, stretches
from tollbook.flow.meter.progress import store as progress
from tollbook.flow.meter.recount import store as recount
from tollbook.flow.meter.store import Uncovered
from tollbook.flow.meter.summary import store as summary
from tollbook.flow.meter.window import Window, is_news, usage_of, windows, windows_meeting
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Meter
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.values.calendar import days_of
from tollbook.values.ids import UsageId, read_event_id, written_event_id
from tollbook.values.period import Month, Period
from tollbook.values.zone import bucket_minutes
from tollbook.worklist.holding import Held, hold

# More of one day are found when these are cured: they have one cause.
UNUSABLE_SHOWN_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Summarized:
    """What summarizing did: days counted again, rows made or raised, through which receipt.

    `is_behind` when it was told to take only some of the receipts, and others wait.
    """

    days: int
    rows: int
    through_receipt: int
    set_aside: tuple[str, ...] = ()
    is_behind: bool = False


@dataclass(frozen=True, slots=True)
class Metered:
    """What metering did: usages written and found unchanged, and what waits on the worklist."""

    written: tuple[str, ...] = ()
    unchanged: int = 0
    through_receipt: int = 0
    set_aside: tuple[str, ...] = ()


def summarize(
    connection: Connection, *, catalog: Catalog, at: datetime, rows_max: int | None = None
) -> Summarized:
    """Bring the summaries up to date, so that they hold exactly the receipts to a watermark.

    Days that are dirty are counted again from the events; for all others, what the door counted is
    added. The watermark is taken first: what is committed after it is left for the next time. With
    `rows_max`, only as many receipts are taken as have about so many rows, to end soon.
    """
    progress.lock(connection)
    through = newest = progress.watermark(connection)
    if rows_max is not None:
        through = summary.receipt_to_fold(connection, through=through, rows=rows_max)
    dirty = progress.take_dirty_days(connection, through=through)
    dirty |= _days_known_otherwise(connection, catalog, through)
    rows = 0
    set_aside: list[str] = []
    for day, event_type in sorted(dirty):
        made, held = _count_again(connection, catalog, day, event_type, through)
        rows += made
        hold(connection, held, scope=f"meter:{day}:{event_type}:", at=at)
        set_aside += [one.object_id for one in held]
    rows += summary.fold(connection, through=through, skip=dirty)
    progress.set_summarized(connection, through)
    return Summarized(len(dirty), rows, through, tuple(set_aside), is_behind=through < newest)


def meter(connection: Connection, *, catalog: Catalog, month: Month, at: datetime) -> Metered:
    """Store what each contract used of each usage product in a month, where that is new.

    Reads the summaries only: what came after them is metered after the next `summarize`. Usage
    that no contract pays for becomes a work item. Transient when the summaries hold events that
    the sweep of identities has not passed.
    """
    progress.lock(connection)
    through = progress.summarized_through(connection)
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
    # Where every period is a month, what ends in it is all that meets it.
    covering = windows_meeting(catalog, month) if catalog.states_billing else wanted
    held = _unpriced(connection, catalog, month, covering)
    hold(connection, held, scope=f"meter:{month}:", at=at)
    return Metered(
        written=tuple(usage.usage_id for usage, _ in news),
        unchanged=len(wanted) - len(news),
        through_receipt=through,
        set_aside=tuple(sorted({one.object_id for one in held})),
    )


def current_usage(
    connection: Connection, *, known: Callable[[Connection], View], ask: Ask, at: datetime
) -> CurrentUsage:
    """Return what was used until now, with every event acknowledged by now.

    Must be the first thing its transaction does, so that all it reads is of one moment; `known`
    gives master data in it.
    """
    progress.see_one_moment(connection)
    view = known(connection)
    asked = questions_for(view, ask, at=at)
    usages: list[WindowUsage] = []
    # Questions that name a customer and questions about all of them are asked apart.
    for named in (False, True):
        some = [one for one in asked if bool(one.question.customer_id) is named]
        found = store.answer(
            connection,
            [one.question for one in some],
            with_deltas=True,
            group_by=ask.group_by,
            until=at,
        )
        usages += usages_from(view, ask, some, found)
    pending = bool(asked) and progress.recount_waits(connection, *day_types(asked))
    return CurrentUsage(
        as_of=at,
        complete_through_receipt=progress.summarized_through(connection),
        latest_receipt=progress.latest_receipt(connection),
        recount_pending=pending,
        usages=tuple(usages),
    )


def events_behind_window(
    connection: Connection,
    *,
    view: View,
    ask: Ask,
    at: datetime,
    limit: int,
    after: str | None = None,
) -> list[EventBehind]:
    """Return the events behind the current usage of one customer and meter, from `after` on.

    All that this transaction sees: those that `current_usage` counts at the same moment.
    """
    if not ask.customer_id or not ask.meter_id:
        raise Rejected("meter.unclear_usage", "Name one customer and one meter.")
    first = UUID(bytes=read_event_id(after)) if after is not None else UUID(int=0)
    found: list[EventBehind] = []
    for one in questions_for(view, replace(ask, window=None, group_by=()), at=at):
        found += events.counted(connection, one.question, through=None, after=first, limit=limit)
    return found


def summaries_that_differ(connection: Connection, catalog: Catalog) -> Iterator[str]:
    """Yield what of the summaries, with all that waits to be added, is not what the events come to.

    Reads every event that is kept here. Holds the summaries still meanwhile, not the intake. Days
    that wait to be counted again are left out: they are not said to be right.
    """
    progress.lock(connection)
    minutes = progress.bucket_minutes_kept(connection)
    waiting = progress.waiting_days(connection)
    for event_type in event_types(catalog):
        if not progress.is_basis(connection, event_type, basis(catalog, event_type)):
            continue
        for stretch in stretches(catalog, event_type):
            for day in events.days_with(connection, event_type):
                if stretch.first <= day < stretch.until and (day, event_type) not in waiting:
                    with opened(connection, day, day + timedelta(days=1), event_type=event_type):
                        differing = [
                            row
                            for layout in stretch.layouts
                            for row in recount.different_rows(
                                connection, layout, day, minutes=minutes
                            )
                        ]
                    yield from differing
    yield from recount.different_days(connection)


def _count_again(
    connection: Connection, catalog: Catalog, day: date, event_type: str, through: int
) -> tuple[int, list[Held]]:
    """Count a day from its events; return how many rows that made, and what nothing can count."""
    # Before and after: whose usage is gone, and whose is new.
    summary.note_recount(connection, day, event_type)
    recount.clear_day(connection, day, event_type)
    minutes = bucket_minutes(catalog.zones)
    rows = 0
    held: list[Held] = []
    with opened(connection, day, day + timedelta(days=1), event_type=event_type):
        for stretch in stretches(catalog, event_type):
            for layout in stretch.layouts if stretch.first <= day < stretch.until else ():
                made, unusable = recount.summarize_day(
                    connection,
                    layout,
                    day,
                    through=through,
                    minutes=minutes,
                    limit=UNUSABLE_SHOWN_MAX,
                )
                rows += made
                for meter, found in unusable:
                    held += [_unusable(meter, day, h) for h in found]
    recount.roll_up_day(connection, day, event_type)
    summary.note_recount(connection, day, event_type)
    return rows, held


def _days_known_otherwise(
    connection: Connection, catalog: Catalog, through: int
) -> set[tuple[date, str]]:
    """Return the days that were counted by other meters, or for other customers, than known now."""
    known = generation(catalog)
    before, crosswalk = progress.known_generations(connection)
    bases = {event_type: basis(catalog, event_type) for event_type in event_types(catalog)}
    days: set[tuple[date, str]] = set()
    for event_type, found in bases.items():
        if progress.set_basis(connection, event_type, found):
            days |= {(day, event_type) for day in events.days_with(connection, event_type)}
    if known != before:
        changed = summary.changed_subjects(connection)
        if changed:
            days |= summary.days_of_subjects(connection, changed)
            crosswalk = known
        progress.set_generations(connection, known, crosswalk, bucket_minutes(catalog.zones))
    days |= summary.stale_days(connection, bases, generation=crosswalk, through=through)
    return days


def _unusable(meter: Meter, day: date, h: UUID) -> Held:
    """Describe an event that a meter cannot count, for a person to correct."""
    read = meter.value or meter.expression
    return Held(
        code="meter.unusable_value",
        cause=meter.meter_id,
        message=f"Events of type {meter.event_type} have no usable {read}, which meter "
        f"{meter.meter_id} counts: void them and send them again, or correct the meter.",
        object_id=f"meter:{day}:{meter.event_type}:{written_event_id(h.bytes)}",
    )


def _unpriced(
    connection: Connection, catalog: Catalog, month: Month, covering: Sequence[Window]
) -> list[Held]:
    """Return usage that no contract pays for; meters that no product reads are nobody's business."""
    billed = {window.contract.customer_id for window in covering}
    billed |= {contract.customer_id for contract, _, _ in catalog.segments_within(days_of(month))}
    leaks = store.uncovered(
        connection, covering, month, _priced_meters(catalog, month), zones=view_of(catalog).zones
    )
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
