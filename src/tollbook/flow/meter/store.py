"""The SQL of hourly summaries and of metered usage."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tollbook.flow.capture.store import intake_watermark
from tollbook.flow.meter.digest import digest
from tollbook.flow.meter.events import store as events
from tollbook.flow.meter.events.store import EventBehind
from tollbook.flow.meter.sealed.store import Engine
from tollbook.flow.meter.window import Counted, Span, Window, meter_spans, usage_of, windows
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.store import load_catalog
from tollbook.records.commercial import Aggregation
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.storage.locks import Lock, hold_lock
from tollbook.values.ids import CustomerId, MeterId, UsageId, event_digest, read_event_id
from tollbook.values.period import Month, Period

# Windows to count, as a table; `no` is the position in the list.
_WINDOWS: Final = """
    unnest(%(no)s::int[], %(customer)s::text[], %(meter)s::text[], %(aggregation)s::text[],
           %(where)s::jsonb[], %(start)s::timestamptz[], %(end)s::timestamptz[])
        as w (no, customer_id, meter_id, aggregation, where_equal, starts_at, ends_at)"""

_IN_WINDOW: Final = """
    u.customer_id = w.customer_id and u.meter_id = w.meter_id and u.hour >= w.starts_at
    and u.hour < w.ends_at and u.dimensions @> w.where_equal"""

_USAGE_COLUMNS: Final = """
    m.usage_id, m.customer_id, m.contract_id, m.contract_version, m.product_id, m.meter_id,
    m.meter_version, m.where_equal, m.starts_at, m.ends_at, m.quantity, m.event_count, m.digest,
    m.through_receipt"""


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Usage of a customer that no product of a contract in force covers."""

    customer_id: str
    meter_id: str
    dimensions: dict[str, str]
    event_count: int


def lock(connection: Connection) -> None:
    """Let one transaction at a time replace or read the summaries."""
    hold_lock(connection, Lock.SUMMARIZE)


def watermark(connection: Connection) -> int:
    """Return the receipt up to which everything is committed.

    The savepoint gives the table lock back at once, so that intake does not wait for a summary.
    """
    with connection.transaction(force_rollback=True):
        return intake_watermark(connection)


def take_dirty_days(connection: Connection, *, through: int) -> set[tuple[date, str]]:
    """Return the (day, event type) touched by receipts up to one, and take them off the list."""
    rows = connection.execute(
        "delete from dirty_day where receipt <= %s returning day, type", [through]
    )
    return {(row[0], row[1]) for row in rows}


def set_basis(connection: Connection, event_type: str, basis: str) -> bool:
    """Store by which meters a type is summarized; tell whether that is new."""
    row = connection.execute(
        """insert into summarized_meters (event_type, basis) values (%s, %s)
           on conflict (event_type) do update set basis = excluded.basis
               where summarized_meters.basis <> excluded.basis
           returning 1""",
        [event_type, basis],
    ).fetchone()
    return row is not None


def set_summarized(connection: Connection, through: int) -> None:
    """Store through which receipt the summaries are complete."""
    connection.execute("update usage_summary set through_receipt = %s", [through])


def summarized_through(connection: Connection) -> int:
    """Return the receipt whose events, and all earlier ones, the summaries hold."""
    row = connection.execute("select through_receipt from usage_summary").fetchone()
    assert row is not None
    return int(row[0])


def count_windows(connection: Connection, windows: Sequence[Window]) -> list[Counted]:
    """Count each window from the hourly summaries, in the order given."""
    rows = connection.execute(
        f"""select coalesce(case w.aggregation
                       when 'max' then u.largest
                       when 'latest' then u.newest
                       when 'unique_count' then
                           (select count(distinct u.member)::numeric from usage_hour_member u
                            where {_IN_WINDOW})
                       else u.total end, 0),
                   coalesce(u.events, 0)::bigint, coalesce(u.first, 0), coalesce(u.second, 0)
            from {_WINDOWS}
            left join lateral (
                select sum(u.quantity) as total, max(u.quantity) as largest,
                       (array_agg(u.quantity order by u.latest_at desc, u.latest_h desc))[1]
                           as newest,
                       sum(u.event_count) as events, sum(u.digest_1) as first,
                       sum(u.digest_2) as second
                from usage_hour u where {_IN_WINDOW}) u on true
            order by w.no""",
        _window_values(windows),
    )
    return [Counted(row[0], row[1], digest(int(row[2]), int(row[3]))) for row in rows]


def uncovered(
    connection: Connection, windows: Sequence[Window], month: Month, meter_ids: Sequence[str]
) -> list[Uncovered]:
    """Return the month's usage of these meters that is in none of the windows, in order."""
    rows = connection.execute(
        f"""select u.customer_id, u.meter_id, u.dimensions, sum(u.event_count)::bigint
            from usage_hour u
            where u.hour >= %(from)s and u.hour < %(until)s and u.meter_id = any(%(meters)s)
              and not exists (select from {_WINDOWS} where {_IN_WINDOW})
            group by 1, 2, 3 order by 1, 2, 3""",
        {
            **_window_values(windows),
            "from": month.period.start,
            "until": month.period.end,
            "meters": list(meter_ids),
        },
    )
    return [Uncovered(*row) for row in rows]


def latest_usages(connection: Connection, month: Month) -> list[MeteredUsage]:
    """Return the usages of a month that no later one replaces, by contract, product and start."""
    return _usages(
        connection,
        """m.starts_at >= %(from)s and m.starts_at < %(until)s
           and not exists (select from metered_usage n where n.replaces = m.usage_id)""",
        {"from": month.period.start, "until": month.period.end},
    )


def usages_by_id(connection: Connection, usage_ids: Sequence[str]) -> list[MeteredUsage]:
    """Return these usages, replaced ones too, by contract, product and start."""
    return _usages(connection, "m.usage_id = any(%(ids)s)", {"ids": list(usage_ids)})


def insert_usages(
    connection: Connection,
    usages: Iterable[tuple[MeteredUsage, UsageId | None]],
    *,
    at: datetime,
) -> None:
    """Store usages, each with the one it replaces."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into metered_usage (usage_id, customer_id, contract_id, contract_version,
                                          product_id, meter_id, meter_version, where_equal,
                                          starts_at, ends_at, quantity, event_count, digest,
                                          through_receipt, replaces, decided_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    usage.usage_id,
                    usage.customer_id,
                    usage.contract_id,
                    usage.contract_version,
                    usage.product_id,
                    usage.meter_id,
                    usage.meter_version,
                    Jsonb(dict(usage.where or {})),
                    usage.period.start,
                    usage.period.end,
                    usage.quantity,
                    usage.event_count,
                    usage.digest,
                    usage.through_receipt,
                    replaces,
                    at,
                )
                for usage, replaces in usages
            ],
        )


def all_latest_usages(connection: Connection) -> list[MeteredUsage]:
    """Return the usages of all months that no later one replaces, by contract, product, start."""
    return _usages(
        connection,
        "not exists (select from metered_usage n where n.replaces = m.usage_id)",
        {},
    )


def decided_at(connection: Connection, usage_id: str) -> datetime:
    """Return when a stored usage was decided."""
    row = connection.execute(
        "select decided_at from metered_usage where usage_id = %s", [usage_id]
    ).fetchone()
    assert row is not None, f"{usage_id} is stored"
    found: datetime = row[0]
    return found


def recount(
    connection: Connection, usage: MeteredUsage, *, catalog: Catalog | None = None
) -> Counted:
    """Count a usage again straight from its events, as known through its receipt.

    The summaries take no part, so this checks them. Without `catalog`, by the meter as it was known
    when the usage was decided.
    """
    spans = _spans(catalog, usage) if catalog else _spans_known(connection, usage)
    return events.recount(connection, [usage], spans)[0]


def recount_as_known(
    connection: Connection, usages: Iterable[MeteredUsage], *, engine: Engine | None = None
) -> list[tuple[MeteredUsage, Counted]]:
    """Count stored usages again from their events, by the meters known when each was decided.

    Usages that one meter counted as known at one time are counted in one pass, by the engine that
    is named, or else in files where days are sealed.
    """
    alike: dict[tuple[int, str], list[MeteredUsage]] = defaultdict(list)
    spans: dict[tuple[int, str], list[Span]] = {}
    for usage in usages:
        known = _spans_known(connection, usage)
        key = (usage.through_receipt, repr(known))
        alike[key].append(usage)
        spans[key] = known
    return [
        pair
        for key, together in alike.items()
        for pair in zip(
            together, events.recount(connection, together, spans[key], engine=engine), strict=True
        )
    ]


def content_digest_as_known(connection: Connection, usage: MeteredUsage) -> str:
    """Return the digest of the events behind a stored usage, hashed anew from their content.

    A recount believes the stored hashes; this finds an event that was changed after it was taken.
    """
    return events.content_digest(connection, usage, _spans_known(connection, usage))


def raw_usage(
    connection: Connection, *, catalog: Catalog, month: Month, through_receipt: int | None = None
) -> list[MeteredUsage]:
    """Return the usage of every contract segment and product of a month, counted from the events.

    Without `through_receipt`, as known through what the summaries hold. One pass a meter.
    """
    through = summarized_through(connection) if through_receipt is None else through_receipt
    alike: dict[tuple[MeterId, Aggregation], list[Window]] = defaultdict(list)
    for window in windows(catalog, month):
        alike[window.meter.meter_id, window.meter.aggregation].append(window)
    usages = []
    for (meter_id, _), wanted in alike.items():
        asked = [usage_of(window, Counted(), through_receipt=through) for window in wanted]
        spans = list(meter_spans(catalog, meter_id, month.first, month.plus(1).first))
        for window, counted in zip(wanted, events.recount(connection, asked, spans), strict=True):
            usages.append(usage_of(window, counted, through_receipt=through))
    return usages


def events_behind(
    connection: Connection, usage_id: str, *, limit: int, after: str | None = None
) -> list[EventBehind]:
    """Return the events that a stored usage counts, from the one after our event id `after` on."""
    first = UUID(bytes=read_event_id(after)) if after is not None else UUID(int=0)
    return [
        event
        for usage in usages_by_id(connection, [usage_id])
        for event in events.counted(
            connection, usage, _spans_known(connection, usage), after=first, limit=limit
        )
    ]


def some_events_behind(
    connection: Connection, usage: MeteredUsage, *, limit: int
) -> list[EventBehind]:
    """Return a few of the events that a stored usage counts: of the first day that has any.

    The summaries say on which days to look. They may know more than the usage did, or less; only
    when they lead nowhere is the whole period read.
    """
    days = connection.execute(
        """select distinct hour::date from usage_hour
           where customer_id = %s and meter_id = %s and hour >= %s and hour < %s
             and dimensions @> %s
           order by 1""",
        [
            usage.customer_id,
            usage.meter_id,
            usage.period.start,
            usage.period.end,
            Jsonb(dict(usage.where or {})),
        ],
    ).fetchall()
    spans = _spans_known(connection, usage)
    for look_in in (*(events.on_day(spans, day) for (day,) in days), spans):
        found = events.counted(connection, usage, look_in, after=UUID(int=0), limit=limit)
        if found:
            return found
    return []


def usages_of_event(connection: Connection, source: str, event_id: str) -> list[UsageId]:
    """Return the usages that count an event, replaced ones too; none when it is not known."""
    h = UUID(bytes=event_digest(source, event_id))
    event = events.find(connection, h)
    if event is None:
        return []
    around = _usages(
        connection,
        """m.customer_id = %(customer)s and m.starts_at <= %(instant)s and m.ends_at > %(instant)s
           and m.through_receipt >= %(receipt)s""",
        {
            "customer": event.customer_id,
            "instant": event.occurred_at,
            "receipt": event.receipt,
        },
    )
    return [
        usage.usage_id
        for usage in around
        if events.is_counted(connection, usage, _spans_known(connection, usage), event)
    ]


def _usages(connection: Connection, where: str, values: dict[str, Any]) -> list[MeteredUsage]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"""select {_USAGE_COLUMNS} from metered_usage m where {where}
                order by m.contract_id, m.product_id, m.starts_at, m.decided_at, m.usage_id""",
            values,
        ).fetchall()
    return [_usage(row) for row in rows]


def _usage(row: dict[str, Any]) -> MeteredUsage:
    return MeteredUsage(
        usage_id=UsageId(row["usage_id"]),
        customer_id=CustomerId(row["customer_id"]),
        meter_id=MeterId(row["meter_id"]),
        period=Period(row["starts_at"], row["ends_at"]),
        quantity=row["quantity"],
        event_count=row["event_count"],
        meter_version=row["meter_version"],
        product_id=row["product_id"],
        contract_id=row["contract_id"],
        contract_version=row["contract_version"],
        where=row["where_equal"],
        digest=row["digest"],
        through_receipt=row["through_receipt"],
    )


def _spans_known(connection: Connection, usage: MeteredUsage) -> list[Span]:
    """Return which meter versions counted a usage: those known when it was decided."""
    known_at = decided_at(connection, usage.usage_id)
    catalog = load_catalog(connection, known_at=known_at, only=("meter", usage.meter_id))
    return _spans(catalog, usage)


def _spans(catalog: Catalog, usage: MeteredUsage) -> list[Span]:
    period = usage.period
    return list(meter_spans(catalog, usage.meter_id, period.start.date(), period.end.date()))


def _window_values(windows: Sequence[Window]) -> dict[str, Any]:
    return {
        "no": list(range(len(windows))),
        "customer": [window.contract.customer_id for window in windows],
        "meter": [window.meter.meter_id for window in windows],
        "aggregation": [window.meter.aggregation for window in windows],
        "where": [Jsonb(dict(window.product.where)) for window in windows],
        "start": [window.period.start for window in windows],
        "end": [window.period.end for window in windows],
    }
