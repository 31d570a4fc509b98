"""The SQL that reads windows from the summaries: whole days from daily rows, the rest from buckets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from tollbook.flow.meter.definition import Parts, Point
from tollbook.flow.meter.events.store import Group
from tollbook.flow.meter.layout import POINTED
from tollbook.flow.meter.window import Question
from tollbook.records.commercial import Aggregation
from tollbook.storage.database import Connection

_DAY: Final = timedelta(days=1)
_NO_HASH: Final = "00000000-0000-0000-0000-000000000000"

_KEPT: Final = """
    select customer_id, meter_id, hour, {dimensions}, key, at, h, value, amount, first, second
    from {table} {where}"""

# Questions to answer, as a table; `no` is the position in the list, `part` tells windows apart, and
# [first_day, last_day) are the whole UTC days inside.
_QUESTIONS: Final = """
    unnest(%(no)s::int[], %(part)s::int[], %(customer)s::text[], %(meter)s::text[],
           %(where)s::jsonb[], %(start)s::timestamptz[], %(end)s::timestamptz[],
           %(first_day)s::timestamptz[], %(last_day)s::timestamptz[])
        as w (no, part, customer_id, meter_id, where_equal, starts_at, ends_at, first_day, last_day)"""

# Filled in for each question: the customer, if all are asked for, and the dimensions asked for.
_GROUPS: Final = "{groups}"

# By a text that sorts, not by an ordered array: that would sort all rows.
_NEWEST: Final = """
    max((to_char(latest_at at time zone 'UTC', 'YYYYMMDDHH24MISSUS') || latest_h::text
         || newest::text) collate "C")"""

# What no meter asks for is null, and null costs a sum nothing.
_CHOSEN: Final = """
    r.events, r.digest_1, r.digest_2, case when w.total_1 then r.total_1 end as total_1,
    case when w.total_2 then r.total_2 end as total_2,
    case when w.total_3 then r.total_3 end as total_3,
    r.smallest, r.largest, r.newest, r.latest_at, r.latest_h"""

# An empty customer asks for every customer; they are the first part of the group then.
_OF_DAYS: Final = f"""
    select w.part, w.layout, {_CHOSEN} {{named}}
    from asked w join usage_day r on {{mine}} r.layout = w.layout and r.hour >= w.first_day
         and r.hour < w.last_day {{inside}}"""

# What lies before and after the whole days; left out where no window has such an edge.
_BEFORE_DAYS: Final = f"""
    union all
    select w.part, w.layout, {_CHOSEN} {{named}}
    from asked w join usage_hour r on {{mine}} r.layout = w.layout and r.hour >= w.starts_at
         and r.hour < least(w.first_day, w.ends_at) {{inside}}"""

_AFTER_DAYS: Final = f"""
    union all
    select w.part, w.layout, {_CHOSEN} {{named}}
    from asked w join usage_hour r on {{mine}} r.layout = w.layout
         and r.hour >= greatest(w.last_day, w.first_day) and r.hour < w.ends_at {{inside}}"""

_WAITING: Final = f"""
    union all
    select w.part, w.layout, {_CHOSEN} {{named}}
    from asked w join usage_delta r on {{mine}} r.layout = w.layout and r.hour >= w.starts_at
         and r.hour < w.ends_at {{inside}}"""

# Meters of one layout stand in the same rows: a window is read once for all of them.
_ANSWERED: Final = f"""
    with question as materialized (
        select w.*, m.layout, m.slot from {_QUESTIONS} join usage_layout_meter m using (meter_id)
    ), asked as materialized (
        select part, layout, customer_id, where_equal, starts_at, ends_at, first_day, last_day,
               bool_or(slot = 'total_1') as total_1, bool_or(slot = 'total_2') as total_2,
               bool_or(slot = 'total_3') as total_3
        from question group by 1, 2, 3, 4, 5, 6, 7, 8
    ), summed as materialized (
        select part, layout, array[{{names}}]::text[] as groups, sum(events)::bigint as events,
               sum(digest_1) as digest_1, sum(digest_2) as digest_2, sum(total_1) as total_1, sum(total_2) as total_2,
               sum(total_3) as total_3, min(smallest) as smallest, max(largest) as largest,
               {{newest}} as newest
        from ({{summed}}) r group by part, layout {{grouped}}
    )
    select q.no, s.groups, sum(s.events)::bigint, sum(s.digest_1), sum(s.digest_2),
           sum(case q.slot when 'total_1' then s.total_1 when 'total_2' then s.total_2
                           when 'total_3' then s.total_3 end),
           min(case q.slot when 'smallest' then s.smallest end),
           max(case q.slot when 'largest' then s.largest end),
           substr(max(case q.slot when 'newest' then s.newest end collate "C"), 57)::numeric
    from summed s join question q on q.part = s.part and q.layout = s.layout
    group by q.no, s.groups order by q.no, s.groups"""


def parts_of(
    connection: Connection,
    questions: Sequence[Question],
    *,
    with_deltas: bool,
    group_by: Sequence[str] = (),
) -> list[dict[Group, Parts]]:
    """Return the parts of windows, whose edges lie on those of buckets, from the summaries.

    `with_deltas` adds what was acknowledged and is in no summary yet; the transaction must then
    see one moment. A question with no usage has no parts. Either all questions name a customer, or
    none does: then each group begins with the customer.
    """
    if not questions:
        return []
    every = not questions[0].customer_id
    asker = _Asker(
        connection,
        questions,
        {**_values(questions), **{f"group_{n}": name for n, name in enumerate(group_by)}},
        with_deltas=with_deltas,
        mine="" if every else "r.customer_id = w.customer_id and",
        columns=_columns(len(group_by), every=every),
        # Left out where nothing is asked: the planner thinks that it keeps one row in a thousand.
        inside=(
            "and r.dimensions::jsonb @> w.where_equal"
            if any(asked.where for asked in questions)
            else ""
        ),
    )
    found = asker.rows()
    if any(asked.meter.aggregation in POINTED for asked in questions):
        asker.add_members(found)
        asker.add_ranked(found)
        asker.add_points(found)
    return found


@dataclass(frozen=True, slots=True)
class _Asker:
    """One set of questions on one connection; the texts are what varies in the SQL."""

    connection: Connection
    questions: Sequence[Question]
    values: dict[str, Any]
    with_deltas: bool
    mine: str
    columns: Sequence[str]
    inside: str

    def rows(self) -> list[dict[Group, Parts]]:
        """Return what the numbers in rows say."""
        periods = [asked.period for asked in self.questions]
        branches = (
            _OF_DAYS,
            _BEFORE_DAYS if any(p.start != _day_of(p.start) for p in periods) else "",
            _AFTER_DAYS if any(p.end != _day_of(p.end) for p in periods) else "",
            _WAITING if self.with_deltas else "",
        )
        # Grouped by plain columns: to make an array of each row and compare those takes longer.
        names = [f"group_{place}" for place in range(len(self.columns))]
        named = [f", {c} as {name}" for c, name in zip(self.columns, names, strict=True)]
        summed = "".join(branches).format(mine=self.mine, named="".join(named), inside=self.inside)
        is_latest = any(asked.meter.aggregation == "latest" for asked in self.questions)
        newest = _NEWEST if is_latest else "null::text"
        text = _ANSWERED.format(
            summed=summed,
            newest=newest,
            names=", ".join(names),
            grouped="".join(f", {name}" for name in names),
        )
        rows = self.connection.execute(text, self.values).fetchall()
        found: list[dict[Group, Parts]] = [{} for _ in self.questions]
        for no, group, events, first, second, total, smallest, largest, newest in rows:
            found[no][tuple(group)] = Parts(
                events=events,
                first=int(first),
                second=int(second),
                total=total,
                smallest=smallest,
                largest=largest,
                newest=newest,
            )
        return found

    def add_members(self, found: list[dict[Group, Parts]]) -> None:
        """Add how many different members there are."""
        rows = self._ask(
            "unique_count",
            f"""select w.no, {_GROUPS}, count(distinct r.key)
                from {_QUESTIONS} join ({{points}}) r
                     on {{mine}} r.meter_id = w.meter_id
                        and r.hour >= w.starts_at and r.hour < w.ends_at
                        and r.dimensions @> w.where_equal
                group by 1, 2 order by 1, 2""",
        )
        for no, group, members in rows:
            found[no][tuple(group)] = replace(found[no][tuple(group)], members=members)

    def add_ranked(self, found: list[dict[Group, Parts]]) -> None:
        """Add the values or samples of percentiles."""
        rows = self._ask(
            "percentile",
            f"""select w.no, {_GROUPS}, r.at, r.value, sum(r.amount)
                from {_QUESTIONS} join ({{points}}) r
                     on {{mine}} r.meter_id = w.meter_id
                        and r.hour >= w.starts_at and r.hour < w.ends_at
                        and r.dimensions @> w.where_equal
                group by 1, 2, 3, 4 order by 1, 2, 3, 4""",
        )
        ranked: dict[tuple[int, Group], list[tuple[Any, Any]]] = defaultdict(list)
        for no, group, _, value, amount in rows:
            ranked[no, tuple(group)].append((value, amount))
        for (no, group), pairs in ranked.items():
            if self.questions[no].meter.sample_minutes is None:
                counts = [(value, int(amount)) for value, amount in pairs]
                found[no][group] = replace(found[no][group], values=counts)
            else:
                sums = [amount for _, amount in pairs]
                found[no][group] = replace(found[no][group], samples=sums)

    def add_points(self, found: list[dict[Group, Parts]]) -> None:
        """Add the points of gauges in each window, and the last of each series before it."""
        rows = self._ask(
            "time_weighted_sum",
            f"""select w.no, {_GROUPS}, r.customer_id || ' ' || r.dimensions::text || ' ' || r.key,
                       r.at, r.h, r.value, r.first, r.second
                from {_QUESTIONS} join ({{points}}) r
                     on {{mine}} r.meter_id = w.meter_id
                        and r.at >= w.starts_at and r.at < w.ends_at
                        and r.dimensions @> w.where_equal
                union all
                select no, groups, series, at, h, value, first, second from (
                    select distinct on (w.no, r.customer_id, r.dimensions, r.key)
                           w.no, {_GROUPS} as groups,
                           r.customer_id || ' ' || r.dimensions::text || ' ' || r.key as series,
                           r.at, r.h, r.value, r.first, r.second
                    from {_QUESTIONS} join ({{points}}) r
                         on {{mine}} r.meter_id = w.meter_id
                            and r.at < w.starts_at and r.dimensions @> w.where_equal
                    order by w.no, r.customer_id, r.dimensions, r.key, r.at desc, r.h desc) before
                order by 1, 2, 3, 4, 5""",
        )
        points: dict[tuple[int, Group], list[Point]] = defaultdict(list)
        for no, group, series, at, h, value, first, second in rows:
            points[no, tuple(group)].append(Point(series, at, h.bytes, value, first, second))
        for (no, group), held in points.items():
            found[no][group] = replace(found[no].get(group, Parts()), points=held)

    def _ask(self, aggregation: Aggregation, query: str) -> list[Any]:
        """Run a query for the questions whose meters aggregate so, over their points."""
        places = [
            at for at, asked in enumerate(self.questions) if asked.meter.aggregation == aggregation
        ]
        if not places:
            return []
        chosen = {
            name: [column[at] for at in places] if isinstance(column, list) else column
            for name, column in self.values.items()
        }
        where = f"where h <> '{_NO_HASH}'" if aggregation == "time_weighted_sum" else ""
        points = _KEPT.format(dimensions="dimensions", table="usage_point", where=where)
        if self.with_deltas:
            waiting = _KEPT.format(
                dimensions="dimensions::jsonb as dimensions", table="usage_delta_point", where=where
            )
            points = f"{points} union all {waiting}"
        text = query.format(
            points=points, mine=self.mine, groups=f"array[{', '.join(self.columns)}]::text[]"
        )
        return self.connection.execute(text, chosen).fetchall()


def _columns(dimensions: int, *, every: bool) -> list[str]:
    names = [f"(r.dimensions)::jsonb ->> %(group_{place})s" for place in range(dimensions)]
    return ["r.customer_id", *names] if every else names


def _values(questions: Sequence[Question]) -> dict[str, Any]:
    windows: dict[tuple[Any, ...], int] = {}
    for asked in questions:
        windows.setdefault(_window(asked), len(windows))
    return {
        "no": list(range(len(questions))),
        "part": [windows[_window(asked)] for asked in questions],
        "customer": [asked.customer_id for asked in questions],
        "meter": [asked.meter.meter_id for asked in questions],
        "where": [Jsonb(dict(asked.where)) for asked in questions],
        "start": [asked.period.start for asked in questions],
        "end": [asked.period.end for asked in questions],
        "first_day": [_day_after(asked.period.start) for asked in questions],
        "last_day": [_day_of(asked.period.end) for asked in questions],
    }


def _window(asked: Question) -> tuple[Any, ...]:
    return asked.customer_id, asked.period, tuple(sorted(asked.where.items()))


def _day_of(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def _day_after(instant: datetime) -> datetime:
    day = _day_of(instant)
    return day if day == instant else day + _DAY
