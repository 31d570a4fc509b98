"""The SQL that counts a day again from its events, into the summaries or beside them."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from psycopg import sql

from tollbook.flow.meter.layout import POINTED, Layout
from tollbook.flow.meter.selection.store import (
    counted_events,
    counted_value,
    dimensions_of,
    where_of,
)
from tollbook.flow.meter.summary.store import NUMBERS, register_layouts
from tollbook.records.commercial import Meter
from tollbook.storage.database import Connection

_SLOTS: Final = ("total_1", "total_2", "total_3", "smallest", "largest", "newest")


def clear_day(connection: Connection, day: date, event_type: str) -> None:
    """Remove the summaries of a day; they are derived and are made again."""
    for table in ("usage_hour", "usage_day", "usage_point"):
        connection.execute(
            sql.SQL(
                """delete from {} where layout in (select layout from usage_layout
                                                   where event_type = %(type)s)
                   and hour >= %(day)s::timestamptz
                   and hour < %(day)s::timestamptz + interval '1 day'"""
            ).format(sql.Identifier(table)),
            {"type": event_type, "day": day},
        )


def summarize_day(
    connection: Connection, layout: Layout, day: date, *, through: int, minutes: int, limit: int
) -> tuple[int, list[tuple[Meter, list[UUID]]]]:
    """Count the events of a day into the rows of a layout; return how many rows that made.

    And for each meter the events that it cannot use, at most `limit` of them, in order.
    """
    register_layouts(connection, [layout])
    made = _summarize(connection, layout, layout, day, through, minutes, partly=False)
    unusable = _unusable(connection, layout, day, through, limit)
    if unusable:
        alone = layout.alone
        register_layouts(connection, alone)
        for one in alone:
            made += _summarize(connection, layout, one, day, through, minutes, partly=True)
    return made, unusable


def roll_up_day(connection: Connection, day: date, event_type: str) -> None:
    """Sum the buckets of a day into its daily rows."""
    connection.execute(
        f"""insert into usage_day
            select customer_id, layout, date_trunc('day', hour, 'UTC'), dimensions, {NUMBERS}
            from usage_hour
            where layout in (select layout from usage_layout where event_type = %(type)s)
              and hour >= %(day)s::timestamptz and hour < %(day)s::timestamptz + interval '1 day'
            group by 1, 2, 3, 4""",
        {"type": event_type, "day": day},
    )


def different_rows(
    connection: Connection, layout: Layout, day: date, *, minutes: int
) -> Iterator[str]:
    """Yield what of a day's rows, with all that waits to be added, is not what its events come to.

    One statement, so that events which come meanwhile are on both sides or on none.
    """
    for into, partly in ((layout, False), *((one, True) for one in layout.alone)):
        events = _usable_events(layout, into, day, None, minutes, partly=partly)
        yield from _different(
            connection,
            _kept_rows(into, day),
            sql.SQL("select {} from ({}) q").format(_compared(), _rows(into, events)),
        )
        for at, meter in enumerate(into.meters):
            if meter.aggregation in POINTED:
                counted = _points(meter, into.layout, sql.Identifier(f"v{at}"), events)
                yield from _different(
                    connection,
                    _kept_points(into, meter, day),
                    sql.SQL("select {} from ({}) q").format(_COMPARED_POINT, counted),
                )


def different_days(connection: Connection) -> Iterator[str]:
    """Yield the daily rows that are not the sum of their buckets."""
    kept = sql.SQL("select {} from usage_day q").format(_compared())
    summed = sql.SQL(
        """select {} from (
               select customer_id, layout, date_trunc('day', hour, 'UTC') as hour, dimensions, {}
               from usage_hour group by 1, 2, 3, 4) q"""
    ).format(_compared(), sql.SQL(NUMBERS))
    yield from _different(connection, kept, summed)


def _summarize(
    connection: Connection,
    layout: Layout,
    into: Layout,
    day: date,
    through: int,
    minutes: int,
    *,
    partly: bool,
) -> int:
    """Count events that all meters of a layout can use, or `partly` those that only some can."""
    events = _usable_events(layout, into, day, through, minutes, partly=partly)
    made = connection.execute(
        sql.SQL("insert into usage_hour {}").format(_rows(into, events))
    ).rowcount
    for at, meter in enumerate(into.meters):
        if meter.aggregation in POINTED:
            connection.execute(
                sql.SQL("insert into usage_point {}").format(
                    _points(meter, into.layout, sql.Identifier(f"v{at}"), events)
                )
            )
    return made


def _rows(into: Layout, events: sql.Composed) -> sql.Composed:
    """Return the query of the rows that events come to, with the columns of usage_hour."""
    columns: dict[str, sql.Composable] = {slot: sql.SQL("null::numeric") for slot in _SLOTS}
    latest: tuple[sql.Composable, ...] = (sql.SQL("null::timestamptz"), sql.SQL("null::uuid"))
    for at, slot in enumerate(into.slots):
        value = sql.Identifier(f"v{at}")
        if slot.startswith("total"):
            columns[slot] = sql.SQL("sum({})").format(value)
        elif slot == "smallest":
            columns[slot] = sql.SQL("min({})").format(value)
        elif slot == "largest":
            columns[slot] = sql.SQL("max({})").format(value)
        elif slot == "newest":
            newest = sql.SQL("(array_agg({} order by occurred_at desc, h desc))[1]")
            columns[slot] = newest.format(value)
            latest = (sql.SQL("max(occurred_at)"), newest.format(sql.Identifier("h")))
    named = [
        sql.SQL("{} as {}").format(column, sql.Identifier(slot)) for slot, column in columns.items()
    ]
    return sql.SQL(
        """select customer_id, {layout}::bigint as layout, bucket as hour, dimensions,
                  count(*) as events, sum(f1) as digest_1, sum(f2) as digest_2, {columns},
                  {latest_at} as latest_at, {latest_h} as latest_h
           from ({events}) e group by customer_id, bucket, dimensions"""
    ).format(
        layout=sql.Literal(into.layout),
        columns=sql.SQL(", ").join(named),
        latest_at=latest[0],
        latest_h=latest[1],
        events=events,
    )


def _points(meter: Meter, layout: int, value: sql.Identifier, events: sql.Composed) -> sql.Composed:
    """Return the query of the members, values, samples or points, with usage_point's columns."""
    columns: dict[str, sql.Composable] = {
        "key": sql.SQL("''"),
        "at": sql.SQL("'epoch'::timestamptz"),
        "h": sql.SQL("'00000000-0000-0000-0000-000000000000'::uuid"),
        "value": sql.SQL("0::numeric"),
        "amount": sql.SQL("count(*)::numeric"),
        "first": sql.SQL("0::bigint"),
        "second": sql.SQL("0::bigint"),
    }
    by: list[sql.Composable] = []
    if meter.aggregation == "unique_count":
        columns["key"] = value
        by = [value]
    elif meter.aggregation == "time_weighted_sum":
        series = sql.Identifier(f"{value.as_string()[1:-1]}_series")
        own = {"key": series, "at": sql.Identifier("occurred_at"), "h": sql.Identifier("h")}
        own |= {"value": value, "first": sql.Identifier("f1"), "second": sql.Identifier("f2")}
        columns |= own
        by = list(own.values())
    elif meter.sample_minutes is None:
        columns["value"] = sql.SQL("trim_scale({})").format(value)
        by = [columns["value"]]
    else:
        sample = sql.SQL("date_bin({}, occurred_at, '2000-01-01Z')").format(
            sql.Literal(timedelta(minutes=meter.sample_minutes))
        )
        columns |= {"at": sample, "amount": sql.SQL("sum({})").format(value)}
        by = [sample]
    named = [
        sql.SQL("{} as {}").format(column, sql.Identifier(name)) for name, column in columns.items()
    ]
    groups = [sql.Identifier("customer_id"), sql.Identifier("bucket"), sql.Identifier("dimensions")]
    return sql.SQL(
        """select customer_id, {meter}::text as meter_id, {layout}::bigint as layout,
                  bucket as hour, dimensions, {columns}
           from ({events}) e group by {by}"""
    ).format(
        meter=sql.Literal(meter.meter_id),
        layout=sql.Literal(layout),
        columns=sql.SQL(", ").join(named),
        events=events,
        by=sql.SQL(", ").join([*groups, *by]),
    )


def _usable_events(
    layout: Layout, into: Layout, day: date, through: int | None, minutes: int, *, partly: bool
) -> sql.Composed:
    """Return the query of a day's events with the values v0, v1 ... of the meters of `into`."""
    first = layout.meters[0]
    columns: list[sql.Composable] = []
    for at, meter in enumerate(into.meters):
        number, text, _ = counted_value(meter)
        value = text if meter.aggregation == "unique_count" else number
        columns.append(sql.SQL("{} as {}").format(value, sql.Identifier(f"v{at}")))
        if meter.aggregation == "time_weighted_sum":
            columns.append(sql.SQL("{} as {}").format(text, sql.Identifier(f"v{at}_series")))
    mine = sql.SQL(" and ").join(counted_value(meter)[2] for meter in into.meters)
    whole = sql.SQL(" and ").join(counted_value(meter)[2] for meter in layout.meters)
    condition = sql.SQL("{} and not ({})").format(mine, whole) if partly else whole
    return sql.SQL(
        """select c.customer_id, {dimensions} as dimensions, e.occurred_at, e.h, e.f1, e.f2,
                  date_bin({bucket}, e.occurred_at, '2000-01-01Z') as bucket, {columns}
           {source} and {where} and {condition}"""
    ).format(
        dimensions=dimensions_of(first),
        bucket=sql.Literal(timedelta(minutes=minutes)),
        columns=sql.SQL(", ").join(columns),
        source=counted_events(layout.event_type, day, day + timedelta(days=1), through),
        where=where_of(first),
        condition=condition,
    )


def _unusable(
    connection: Connection, layout: Layout, day: date, through: int, limit: int
) -> list[tuple[Meter, list[UUID]]]:
    found = []
    for meter in layout.meters:
        if meter.aggregation == "count":
            continue
        rows = connection.execute(
            sql.SQL(
                "select e.h {source} and {where} and not ({usable}) order by e.h limit {limit}"
            ).format(
                source=counted_events(layout.event_type, day, day + timedelta(days=1), through),
                where=where_of(meter),
                usable=counted_value(meter)[2],
                limit=sql.Literal(limit),
            )
        ).fetchall()
        if rows:
            found.append((meter, [row[0] for row in rows]))
    return found


# As texts, so that two rows are compared whole; digests count up to multiples of 2^64.
def _compared() -> sql.Composed:
    columns = sql.SQL(", ").join(
        sql.SQL("q.{}").format(sql.Identifier(name)) for name in (*_SLOTS, "latest_at", "latest_h")
    )
    return sql.SQL(
        """q.customer_id || ' ' || q.hour::text || ' ' || q.dimensions::text || ' ' || q.layout
               as what,
           row(q.events, mod(mod(q.digest_1, 2^64::numeric) + 2^64::numeric, 2^64::numeric),
               mod(mod(q.digest_2, 2^64::numeric) + 2^64::numeric, 2^64::numeric), {})
               as content"""
    ).format(columns)


_COMPARED_POINT: Final = sql.SQL(
    """q.customer_id || ' ' || q.hour::text || ' ' || q.dimensions::text || ' ' || q.key || ' '
           || q.at::text || ' ' || q.h::text || ' ' || trim_scale(q.value)::text as what,
       row(q.layout, q.meter_id, trim_scale(q.amount), q.first, q.second) as content"""
)


def _kept_rows(layout: Layout, day: date) -> sql.Composed:
    return sql.SQL(
        """select {compared} from (
               select customer_id, layout, hour, dimensions, {numbers}
               from (select * from usage_hour
                     union all
                     select customer_id, layout, hour, dimensions::jsonb, events, digest_1, digest_2,
                            total_1, total_2, total_3, smallest, largest, newest, latest_at, latest_h
                     from usage_delta) u
               where {day} group by customer_id, layout, hour, dimensions) q"""
    ).format(compared=_compared(), numbers=sql.SQL(NUMBERS), day=_on(layout, day))


def _kept_points(layout: Layout, meter: Meter, day: date) -> sql.Composed:
    columns = sql.SQL("customer_id, meter_id, layout, hour, {}, key, at, h, value")
    return sql.SQL(
        """select {compared} from (
               select {columns}, sum(amount) as amount, min(first) as first, min(second) as second
               from (select {columns}, amount, first, second from usage_point
                     union all
                     select {cast}, amount, first, second from usage_delta_point) u
               where {day} and meter_id = {meter} group by {columns}) q"""
    ).format(
        compared=_COMPARED_POINT,
        columns=columns.format(sql.SQL("dimensions")),
        cast=columns.format(sql.SQL("dimensions::jsonb")),
        day=_on(layout, day),
        meter=sql.Literal(meter.meter_id),
    )


def _on(layout: Layout, day: date) -> sql.Composed:
    return sql.SQL("layout = {} and hour >= {}::timestamptz and hour < {}::timestamptz").format(
        sql.Literal(layout.layout), sql.Literal(day), sql.Literal(day + timedelta(days=1))
    )


def _different(connection: Connection, kept: sql.Composed, counted: sql.Composed) -> Iterator[str]:
    rows = connection.execute(
        sql.SQL(
            """select coalesce(k.what, c.what) from ({kept}) k full join ({counted}) c
                   on k.what = c.what
               where k.content is distinct from c.content order by 1"""
        ).format(kept=kept, counted=counted)
    )
    for (what,) in rows:
        yield what
