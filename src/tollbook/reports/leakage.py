"""Leakage: usage that came and is not billed, and usage that should have come and did not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg.rows import class_row

from tollbook.flow.capture.segments.store import opened
from tollbook.flow.capture.watermark import CONTROL_TYPE
from tollbook.masterdata.catalog import Catalog
from tollbook.records.commercial import Meter
from tollbook.reports.estimate import Estimate, estimate
from tollbook.storage.database import Connection
from tollbook.values.period import Month
from tollbook.worklist.store import list_items

UNKNOWN_SUBJECT: Final = "capture.unknown_subject"
CONFLICT: Final = "capture.conflict"
UNPRICED: Final = ("meter.no_contract", "meter.unpriced_usage")

# The value of one subject is estimated from at most this many of its events, read one by one.
ESTIMATED_EVENTS_MAX: Final = 20_000
ITEMS_MAX: Final = 1_000_000
VOIDED_SHOWN_MAX: Final = 1_000
_WEEK: Final = timedelta(days=7)
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Silence:
    """When a source counts as silent: its last whole hour brought less than some percent of the
    same hour a week before, which brought at least some events.
    """

    percent: int = 10
    events_min: int = 10


@dataclass(frozen=True, slots=True)
class UnmappedSubject:
    """A subject that means no customer; its events wait in quarantine.

    `estimate` is what they would cost at list price; None when no price can be inferred, or when
    there are too many of them to be read.
    """

    subject: str
    events: int
    first_received_at: datetime
    last_received_at: datetime
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class OrphanSubject:
    """A subject of the month's stored events that means no customer any more: it is not billed."""

    subject: str
    events: int


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Metered usage that no contract pays for, as the last run of its month left it."""

    code: str
    cause: str
    message: str


@dataclass(frozen=True, slots=True)
class UncountedType:
    """An event type that no meter reads; `events` occurred in the month."""

    event_type: str
    events: int


@dataclass(frozen=True, slots=True)
class SilentSource:
    """A source that brought much less in the hour from `hour` on than in the same one last week."""

    source: str
    hour: datetime
    events: int
    events_last_week: int


@dataclass(frozen=True, slots=True)
class VoidedVolume:
    """Events of the month that a person voided or amended, by type and reason."""

    event_type: str
    reason: str
    events: int


@dataclass(frozen=True, slots=True)
class Leakage:
    """Where usage may be lost. What is about a month is about events that occurred in it."""

    month: str
    unmapped_subjects: tuple[UnmappedSubject, ...]
    orphan_subjects: tuple[OrphanSubject, ...]
    unpriced_usage: tuple[Unpriced, ...]
    unpriced_meters: tuple[str, ...]
    event_types_without_meter: tuple[UncountedType, ...]
    silent_sources: tuple[SilentSource, ...]
    open_conflicts: int
    voided: tuple[VoidedVolume, ...]


def leakage(
    connection: Connection,
    *,
    catalog: Catalog,
    month: Month,
    at: datetime,
    silence: Silence | None = None,
) -> Leakage:
    """Return where usage may be lost, as of an instant; reads only."""
    items = list_items(connection, limit=ITEMS_MAX)
    with opened(connection, month.first, month.plus(1).first):
        orphans = tuple(_orphans(connection, month))
        uncounted = tuple(_uncounted(connection, catalog, month))
        voided = tuple(_voided(connection, month))
    return Leakage(
        str(month),
        unmapped_subjects=tuple(_unmapped(connection, catalog)),
        orphan_subjects=orphans,
        unpriced_usage=tuple(
            Unpriced(item.code, item.cause, item.message) for item in items if item.code in UNPRICED
        ),
        unpriced_meters=tuple(_unpriced_meters(catalog, month)),
        event_types_without_meter=uncounted,
        silent_sources=tuple(_silent(connection, at, silence or Silence())),
        open_conflicts=sum(item.object_count for item in items if item.code == CONFLICT),
        voided=voided,
    )


def _unmapped(connection: Connection, catalog: Catalog) -> Iterator[UnmappedSubject]:
    rows = connection.execute(
        """select cause, count(*)::int, min(received_at), max(received_at) from quarantine
           where state = 'open' and code = %s group by 1 order by 2 desc, 1""",
        [UNKNOWN_SUBJECT],
    ).fetchall()
    for subject, count, first, last in rows:
        value = None
        if count <= ESTIMATED_EVENTS_MAX:
            value = estimate(catalog, refused_events(connection, UNKNOWN_SUBJECT, subject))
        yield UnmappedSubject(subject, count, first, last, value)


def _orphans(connection: Connection, month: Month) -> list[OrphanSubject]:
    with connection.cursor(row_factory=class_row(OrphanSubject)) as cursor:
        return cursor.execute(
            """select e.subject, count(*)::int as events from usage_event e
               where e.day >= %s and e.day < %s and e.type <> %s
                 and not exists (select from subject_crosswalk c
                                 where c.subject = e.subject and c.valid @> e.occurred_at)
                 and not exists (select from event_exclusion x where x.h = e.h and x.day = e.day)
               group by 1 order by 2 desc, 1""",
            [month.first, month.plus(1).first, CONTROL_TYPE],
        ).fetchall()


def refused_events(connection: Connection, code: str, cause: str) -> Iterator[bytes]:
    """Yield the bytes, as corrected, of the open refusals of a code and cause."""
    rows = connection.execute(
        """select coalesce(corrected, raw) from quarantine
           where state = 'open' and code = %s and cause = %s order by quarantine_id""",
        [code, cause],
    )
    return (row[0] for row in rows)


def _unpriced_meters(catalog: Catalog, month: Month) -> Iterator[str]:
    read = {
        product.meter_id
        for key in catalog.keys("product")
        if (product := catalog.product(key, month.last)) is not None
    }
    for key in catalog.keys("meter"):
        if catalog.meter(key, month.last) is not None and key not in read:
            yield key


def _uncounted(connection: Connection, catalog: Catalog, month: Month) -> Iterator[UncountedType]:
    counted = {
        version.record.event_type
        for key in catalog.keys("meter")
        for version in catalog.versions["meter", key]
        if isinstance(version.record, Meter)
    }
    idle = [key for key in catalog.keys("event_type") if key not in counted]
    rows = connection.execute(
        """select type, count(*)::bigint from usage_event
           where day >= %s and day < %s and type = any(%s) group by 1""",
        [month.first, month.plus(1).first, idle],
    )
    events: dict[str, int] = dict(rows.fetchall())
    for key in idle:
        yield UncountedType(key, events.get(key, 0))


def _silent(connection: Connection, at: datetime, silence: Silence) -> list[SilentSource]:
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - _HOUR
    before = hour - _WEEK
    one = timedelta(days=1)
    with (
        opened(connection, before.date(), before.date() + one),
        opened(connection, hour.date(), hour.date() + one),
        connection.cursor(row_factory=class_row(SilentSource)) as cursor,
    ):
        return cursor.execute(
            """select source, %(hour)s::timestamptz as hour,
                      count(*) filter (where occurred_at >= %(hour)s)::int as events,
                      count(*) filter (where occurred_at < %(hour)s)::int as events_last_week
               from usage_event
               where day = any(%(days)s) and type <> %(control)s
                 and (occurred_at >= %(hour)s and occurred_at < %(hour_end)s
                      or occurred_at >= %(before)s and occurred_at < %(before_end)s)
               group by source
               having count(*) filter (where occurred_at < %(hour)s) >= %(events_min)s
                  and count(*) filter (where occurred_at >= %(hour)s) * 100
                      < count(*) filter (where occurred_at < %(hour)s) * %(percent)s
               order by source""",
            {
                "hour": hour,
                "hour_end": hour + _HOUR,
                "before": before,
                "before_end": before + _HOUR,
                "days": [hour.date(), before.date()],
                "control": CONTROL_TYPE,
                "events_min": max(1, silence.events_min),
                "percent": silence.percent,
            },
        ).fetchall()


def _voided(connection: Connection, month: Month) -> list[VoidedVolume]:
    with connection.cursor(row_factory=class_row(VoidedVolume)) as cursor:
        return cursor.execute(
            """select e.type as event_type, x.reason, count(*)::int as events
               from event_exclusion x join usage_event e on e.h = x.h and e.day = x.day
               where x.day >= %(first)s and x.day < %(until)s
                 and e.day >= %(first)s and e.day < %(until)s
               group by 1, 2 order by 3 desc, 1, 2 limit %(limit)s""",
            {"first": month.first, "until": month.plus(1).first, "limit": VOIDED_SHOWN_MAX},
        ).fetchall()
