"""The SQL that keeps summaries: deltas come in, are folded, and dirty days are counted again."""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Final

from tollbook.flow.capture.segments.store import days_with_subjects
from tollbook.flow.capture.store import mark_dirty
from tollbook.flow.meter.deltas import Deltas
from tollbook.flow.meter.layout import Layout
from tollbook.storage.database import Connection

Day = tuple[date, str]

_COPY_LINES: Final = 5_000

_COPY_ROWS: Final = """
    copy usage_delta (customer_id, layout, hour, dimensions, events, digest_1, digest_2, total_1,
                      total_2, total_3, smallest, largest, newest, latest_at, latest_h, receipt)
    from stdin"""

_COPY_POINTS: Final = """
    copy usage_delta_point (customer_id, meter_id, layout, hour, dimensions, key, at, h, value,
                            amount, first, second, receipt)
    from stdin"""

# What several rows come to as one. The newest value, is found as a text that sorts by instant and then by hash: unlike
# an ordered array this needs no sort of all rows.
_NEWEST: Final = """
    max((to_char(latest_at at time zone 'UTC', 'YYYYMMDDHH24MISSUS') || latest_h::text
         || newest::text) collate "C")"""

NUMBERS: Final = f"""
    sum(events)::bigint as events, sum(digest_1) as digest_1, sum(digest_2) as digest_2,
    sum(total_1) as total_1, sum(total_2) as total_2, sum(total_3) as total_3,
    min(smallest) as smallest, max(largest) as largest,
    substr({_NEWEST}, 57)::numeric as newest, max(latest_at) as latest_at,
    substr({_NEWEST}, 21, 36)::uuid as latest_h"""

_RAISE: Final = """
    on conflict (customer_id, layout, hour, dimensions) do update set
        events = s.events + excluded.events,
        digest_1 = s.digest_1 + excluded.digest_1,
        digest_2 = s.digest_2 + excluded.digest_2,
        total_1 = s.total_1 + excluded.total_1,
        total_2 = s.total_2 + excluded.total_2,
        total_3 = s.total_3 + excluded.total_3,
        smallest = least(s.smallest, excluded.smallest),
        largest = greatest(s.largest, excluded.largest),
        newest = case when (excluded.latest_at, excluded.latest_h) > (s.latest_at, s.latest_h)
                      then excluded.newest else s.newest end,
        latest_h = case when (excluded.latest_at, excluded.latest_h) > (s.latest_at, s.latest_h)
                        then excluded.latest_h else s.latest_h end,
        latest_at = greatest(s.latest_at, excluded.latest_at)"""

# Rows of skipped days are taken off all the same: those days are counted from the events.
_FOLD: Final = f"""
    with gone as (
        delete from usage_delta where receipt <= %(through)s returning *
    ), kept as (
        select g.* from gone g join usage_layout l using (layout)
        where not exists (
            select from unnest(%(days)s::date[], %(types)s::text[]) as d (day, type)
            where d.day = (g.hour at time zone 'UTC')::date and d.type = l.event_type)
    ), watched as (
        update usage_watch set changes = changes + 1
        where customer_id in (select customer_id from gone)
    ), hours as materialized (
        select customer_id, layout, hour, dimensions::jsonb as dimensions, {NUMBERS}
        from kept group by customer_id, layout, hour, kept.dimensions
    ), days as (
        insert into usage_day as s
        select customer_id, layout, date_trunc('day', hour, 'UTC') as day, dimensions, {NUMBERS}
        from hours group by customer_id, layout, day, dimensions
        {_RAISE}
    )
    insert into usage_hour as s select * from hours {_RAISE}"""

_FOLD_POINTS: Final = """
    with gone as (
        delete from usage_delta_point where receipt <= %(through)s returning *
    )
    insert into usage_point as s (customer_id, meter_id, layout, hour, dimensions, key, at, h, value,
                                  amount, first, second)
    select g.customer_id, g.meter_id, g.layout, g.hour, g.dimensions::jsonb, g.key, g.at, g.h,
           g.value, sum(g.amount), min(g.first), min(g.second)
    from gone g join usage_layout l using (layout)
    where not exists (
        select from unnest(%(days)s::date[], %(types)s::text[]) as d (day, type)
        where d.day = (g.hour at time zone 'UTC')::date and d.type = l.event_type)
    group by g.customer_id, g.meter_id, g.layout, g.hour, g.dimensions, g.key, g.at, g.h, g.value
    on conflict (customer_id, meter_id, layout, hour, dimensions, key, at, h, value)
        do update set amount = s.amount + excluded.amount"""


def add_deltas(connection: Connection, deltas: Deltas, receipt: int) -> None:
    """Store what a receipt raises the summaries by, in the transaction of its events.

    Takes the place of marking the days dirty: a day is only marked where deltas are not enough.
    """
    register_layouts(connection, deltas.layouts.values())
    if deltas.rows:
        with connection.cursor() as cursor, cursor.copy(_COPY_ROWS) as copy:
            for chunk in _copied(deltas.rows, receipt):
                copy.write(chunk)
    if deltas.points:
        with connection.cursor() as cursor, cursor.copy(_COPY_POINTS) as copy:
            for chunk in _copied(deltas.points, receipt):
                copy.write(chunk)
    days = sorted(deltas.days)
    connection.execute(
        """insert into usage_delta_day (day, type, receipt, basis, generation, rows)
           select d.day, d.type, %s, d.basis, %s, case d.no when 1 then %s else 0 end
           from unnest(%s::date[], %s::text[], %s::text[])
               with ordinality as d (day, type, basis, no)""",
        [
            receipt,
            deltas.generation,
            len(deltas.rows) + len(deltas.points),
            [day for day, _ in days],
            [event_type for _, event_type in days],
            [deltas.basis.get(event_type, "") for _, event_type in days],
        ],
    )
    if deltas.dirty:
        mark_dirty(connection, deltas.dirty, receipt=receipt)


def register_layouts(connection: Connection, layouts: Iterable[Layout]) -> None:
    """Store which meters stand in which column of these layouts; those known are left alone."""
    found = sorted(layouts, key=lambda layout: layout.layout)
    if not found:
        return
    slots = [
        (layout.layout, meter.meter_id, meter.version, slot)
        for layout in found
        for meter, slot in zip(layout.meters, layout.slots, strict=True)
    ]
    connection.execute(
        """with made as (
               insert into usage_layout (layout, event_type)
               select * from unnest(%s::bigint[], %s::text[]) on conflict do nothing
               returning layout)
           insert into usage_layout_meter (layout, meter_id, meter_version, slot)
           select * from unnest(%s::bigint[], %s::text[], %s::int[], %s::text[])
               as m (layout, meter_id, meter_version, slot)
           where m.layout in (select layout from made)
           on conflict do nothing""",
        [
            [layout.layout for layout in found],
            [layout.event_type for layout in found],
            *map(list, zip(*slots, strict=True)),
        ],
    )


def receipt_to_fold(connection: Connection, *, through: int, rows: int) -> int:
    """Return the receipt up to which about so many delta rows wait; at most `through`."""
    row = connection.execute(
        """select min(receipt) from (
               select receipt, sum(rows) over (order by receipt) as waiting
               from usage_delta_day where receipt <= %s) r where waiting >= %s""",
        [through, rows],
    ).fetchone()
    return through if row is None or row[0] is None else int(row[0])


def stale_days(
    connection: Connection, bases: dict[str, str], *, generation: int, through: int
) -> set[Day]:
    """Take the marks of deltas off the list; return the days whose deltas must not be believed.

    Those that were counted by other meters than `bases` says, or before the meaning of a subject
    changed (in which case less than `generation` versions of master data were known).
    """
    rows = connection.execute(
        """with gone as (delete from usage_delta_day where receipt <= %s
                         returning day, type, basis, generation)
           select distinct day, type, basis, generation < %s from gone""",
        [through, generation],
    )
    return {
        (day, event_type)
        for day, event_type, basis, is_old in rows
        if bases.get(event_type, "") != basis or (is_old and basis)
    }


def fold(connection: Connection, *, through: int, skip: AbstractSet[Day]) -> int:
    """Add the deltas of receipts up to one to the summaries; return how many rows that raised.

    Days to skip are counted from the events instead, which hold the same receipts.
    """
    values = {
        "through": through,
        "days": [day for day, _ in sorted(skip)],
        "types": [event_type for _, event_type in sorted(skip)],
    }
    raised = connection.execute(_FOLD, values).rowcount
    connection.execute(_FOLD_POINTS, values)
    return raised


def note_recount(connection: Connection, day: date, event_type: str) -> None:
    """Tell whoever watches customers that their summaries of a day are not what they were."""
    connection.execute(
        """update usage_watch set changes = changes + 1
           where customer_id in (
               select u.customer_id from usage_day u join usage_layout l using (layout)
               where l.event_type = %s and u.hour = %s::date::timestamp at time zone 'UTC')""",
        [event_type, day],
    )


def changed_subjects(connection: Connection) -> list[str]:
    """Return the subjects that mean another customer than when last asked, and note what they mean.

    A subject never known before is none of them: no event can have been taken for it.
    """
    rows = connection.execute(
        """with now as (
               select subject, string_agg(customer_id || ' ' || valid::text, ';' order by valid)
                   as meaning
               from subject_crosswalk group by subject
           ), changed as (
               select coalesce(n.subject, s.subject) as subject, coalesce(n.meaning, '') as meaning,
                      s.subject is not null as was_known
               from now n full join summarized_subject s using (subject)
               where s.meaning is distinct from coalesce(n.meaning, '')
           ), noted as (
               insert into summarized_subject select subject, meaning from changed
               on conflict (subject) do update set meaning = excluded.meaning
           )
           select subject from changed where was_known order by subject"""
    )
    return [row[0] for row in rows]


def days_of_subjects(connection: Connection, subjects: Sequence[str]) -> set[Day]:
    """Return the (day, event type) on which these subjects have events; reads all of them."""
    rows = connection.execute(
        "select distinct day, type from usage_event where subject = any(%s)", [list(subjects)]
    )
    return {(row[0], row[1]) for row in rows} | days_with_subjects(connection, subjects)


def _copied(lines: Sequence[str], receipt: int) -> Iterator[str]:
    end = f"\t{receipt}\n"
    for start in range(0, len(lines), _COPY_LINES):
        yield end.join(lines[start : start + _COPY_LINES]) + end
