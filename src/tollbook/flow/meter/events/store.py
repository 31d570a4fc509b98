"""The SQL that counts usage events themselves: to check summaries, and to list what was counted."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from tollbook.flow.capture.events.store import day_of
from tollbook.flow.capture.segments.store import opened
from tollbook.flow.meter.definition import Parts, Point
from tollbook.flow.meter.digest import digest, fingerprint
from tollbook.flow.meter.sealed.query import can_count
from tollbook.flow.meter.sealed.store import Engine, count_in_files, has_sealed
from tollbook.flow.meter.selection.store import events_of_spans
from tollbook.flow.meter.window import Question, Span
from tollbook.records.commercial import Aggregation
from tollbook.storage.database import Connection
from tollbook.values.ids import EventId, written_event_id

# The values of the dimensions that usage is told apart by, in the order asked for.
Group = tuple[str, ...]

# How the events of a window become one number. A tie for the latest goes to the larger hash.
_OF_EVENTS: Final[dict[Aggregation, tuple[str, sql.SQL]]] = {
    "count": ("total", sql.SQL("null::numeric")),
    "sum": ("total", sql.SQL("sum(value)")),
    "average": ("total", sql.SQL("sum(value)")),
    "min": ("smallest", sql.SQL("min(value)")),
    "max": ("largest", sql.SQL("max(value)")),
    "unique_count": ("members", sql.SQL("count(distinct member)")),
    "latest": ("newest", sql.SQL("(array_agg(value order by occurred_at desc, h desc))[1]")),
}

_QUESTIONS: Final = sql.SQL("""
    unnest(%(no)s::int[], %(customer)s::text[], %(where)s::jsonb[], %(start)s::timestamptz[],
           %(end)s::timestamptz[]) as w (no, customer_id, where_equal, starts_at, ends_at)
    on e.customer_id = w.customer_id and e.dimensions @> w.where_equal
       and e.occurred_at < w.ends_at""")

# A gauge value from before the window is behind it when nothing followed until the window began.
_INSIDE: Final = sql.SQL("""
    is_usable and customer_id = %(customer)s and dimensions @> %(where)s
    and occurred_at < %(end)s""")

# Events are hashed one by one, and a month of them need not fit into memory.
_ROWS_A_FETCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class EventBehind:
    """One of the events behind a usage: our id of it, its own source and id, when it occurred."""

    event_id: EventId
    source: str
    id: str
    type: str
    subject: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class EventFound:
    """Whose use an event was, when it occurred, and with which receipt it came."""

    h: UUID
    customer_id: str
    occurred_at: datetime
    receipt: int


def days_with(connection: Connection, event_type: str) -> list[date]:
    """Return the days on which events of a type occurred, in order."""
    rows = connection.execute(
        """select day from usage_event where type = %(type)s
           union select day from sealed_segment
                 where types ? %(type)s and state in ('sealed', 'expiring')
           order by day""",
        {"type": event_type},
    )
    return [row[0] for row in rows]


def parts_of(
    connection: Connection,
    questions: Sequence[Question],
    *,
    through: int | None,
    group_by: Sequence[str] = (),
    engine: Engine | None = None,
) -> list[dict[Group, Parts]]:
    """Return the parts of windows of one meter from the events themselves, in one pass.

    All have the same spans. `through` None is all that this transaction sees. A question answered
    by no event has no parts. Without `engine`, days that are in files are counted there, and what
    files cannot answer is counted here, with the sealed events beside the others.
    """
    if not questions:
        return []
    spans = questions[0].spans
    if not group_by and all(can_count(span.meter) for span in spans):
        if engine is None and has_sealed(connection, spans):
            engine = "duckdb"
        if engine in {"duckdb", "spark"}:
            assert engine is not None
            found = count_in_files(connection, questions, through=through, engine=engine)
            return [{(): parts} if parts.events else {} for parts in found]
    with _opened(connection, spans):
        return _parts_here(connection, questions, through, group_by)


def _parts_here(
    connection: Connection,
    questions: Sequence[Question],
    through: int | None,
    group_by: Sequence[str],
) -> list[dict[Group, Parts]]:
    meter = questions[0].meter
    values = {**_values(questions), "group_by": list(group_by)}
    if meter.aggregation == "time_weighted_sum":
        return _points(connection, questions, values, through)
    if meter.aggregation == "percentile":
        return _ranked(connection, questions, values, through)
    name, quantity = _OF_EVENTS[meter.aggregation]
    rows = connection.execute(
        sql.SQL(
            """select w.no, array(select e.dimensions ->> g from unnest(%(group_by)s::text[]) g),
                      count(*), sum(f1), sum(f2), {quantity}
               from ({events}) e join {questions} and e.occurred_at >= w.starts_at
               where is_usable group by 1, 2 order by 1, 2"""
        ).format(
            quantity=quantity,
            events=events_of_spans(questions[0].spans, through),
            questions=_QUESTIONS,
        ),
        values,
    )
    found: list[dict[Group, Parts]] = [{} for _ in questions]
    for no, group, count, first, second, number in rows:
        parts = Parts(events=count, first=int(first), second=int(second))
        found[no][tuple(group)] = replace(parts, **{name: number})
    return found


def counted(
    connection: Connection, asked: Question, *, through: int | None, after: UUID, limit: int
) -> list[EventBehind]:
    """Return events behind a window, in the order of their hashes, from the one after `after`.

    Only what was known through a receipt: events taken by then, less those voided by then.
    """
    if not asked.spans:
        return []
    with _opened(connection, asked.spans):
        rows = connection.execute(
            sql.SQL(
                """select h, source, event_id, type, subject, occurred_at from ({events}) e
                   where h > %(after)s order by h limit %(limit)s"""
            ).format(events=_behind(asked, through)),
            {**_inside_values(asked), "after": after, "limit": limit},
        ).fetchall()
    return [EventBehind(written_event_id(row[0].bytes), *row[1:]) for row in rows]


def values(
    connection: Connection, asked: Question, *, through: int | None
) -> list[tuple[datetime, Decimal]]:
    """Return when each event behind a window occurred and what it counted for, in their order.

    Only what was known through a receipt. Where events are counted, each is one.
    """
    if not asked.spans:
        return []
    with _opened(connection, asked.spans):
        rows = connection.execute(
            sql.SQL(
                """select occurred_at, coalesce(value, 1) from ({events}) e
                   order by occurred_at, h"""
            ).format(events=_behind(asked, through)),
            _inside_values(asked),
        ).fetchall()
    return [(occurred_at, value) for occurred_at, value in rows]


def is_counted(
    connection: Connection, asked: Question, event: EventFound, *, through: int | None
) -> bool:
    """Tell whether a window counts an event; reads little but what came with its receipt."""
    if asked.spans and asked.meter.aggregation != "time_weighted_sum":
        asked = replace(asked, spans=tuple(on_day(asked.spans, event.occurred_at.date())))
    if not asked.spans:
        return False
    # A gauge value is behind a window by what followed it: then the other events are needed too.
    is_gauge = asked.meter.aggregation == "time_weighted_sum"
    with _opened(connection, asked.spans, digests=None if is_gauge else [event.h.bytes]):
        rows = connection.execute(
            sql.SQL("select 1 from ({}) e where receipt = %(receipt)s and h = %(h)s").format(
                _behind(asked, through)
            ),
            {**_inside_values(asked), "receipt": event.receipt, "h": event.h},
        )
        return rows.fetchone() is not None


def content_digest(connection: Connection, asked: Question, *, through: int | None) -> str:
    """Return the digest of the events behind a window, hashed anew from their content."""
    first = second = 0
    if asked.spans:
        with _opened(connection, asked.spans), connection.cursor(name="content_digest") as cursor:
            cursor.itersize = _ROWS_A_FETCH
            rows = cursor.execute(
                sql.SQL(
                    """select source, event_id, type, subject, occurred_at, data::text
                       from ({}) e"""
                ).format(_behind(asked, through)),
                _inside_values(asked),
            )
            for row in rows:
                halves = fingerprint(*row)
                first, second = first + halves[0], second + halves[1]
    return digest(first, second)


def altered_events(connection: Connection) -> Iterator[EventId]:
    """Yield the events whose content is not what it was when they were taken, by day.

    Those of sealed days prove themselves another way, by their segments.
    """
    with connection.cursor(name="altered_events") as cursor:
        cursor.itersize = _ROWS_A_FETCH
        rows = cursor.execute(
            """select h, f1, f2, source, event_id, type, subject, occurred_at, data::text
               from usage_event order by day, h"""
        )
        for h, first, second, *content in rows:
            if (first, second) != fingerprint(*content):
                yield written_event_id(h.bytes)


@contextmanager
def _opened(
    connection: Connection, spans: Sequence[Span], *, digests: Sequence[bytes] | None = None
) -> Iterator[None]:
    """Have the sealed events of some spans beside those of the database."""
    first = min(span.first for span in spans)
    until = max(span.until for span in spans)
    event_type = spans[0].meter.event_type
    with opened(connection, first, until, event_type=event_type, digests=digests):
        yield


def on_day(spans: Sequence[Span], day: date) -> list[Span]:
    """Return the part of the spans that is one day."""
    return [
        replace(span, first=day, until=day + timedelta(days=1))
        for span in spans
        if span.first <= day < span.until
    ]


def find(connection: Connection, h: UUID) -> EventFound | None:
    """Return when an event occurred, who used it then, and its receipt; None when unknown."""
    day = day_of(connection, h.bytes)
    if day is None:
        return None
    # With the day as a value and not from a join, one partition is read.
    with opened(connection, day, day + timedelta(days=1), digests=[h.bytes]):
        row = connection.execute(
            """select e.h, c.customer_id, e.occurred_at, e.receipt
               from usage_event e
               join subject_crosswalk c on c.subject = e.subject and c.valid @> e.occurred_at
               where e.day = %s and e.h = %s""",
            [day, h],
        ).fetchone()
    return None if row is None else EventFound(*row)


def _behind(asked: Question, through: int | None) -> sql.Composed:
    """Return the query of the events behind a window."""
    events = events_of_spans(asked.spans, through)
    if asked.meter.aggregation != "time_weighted_sum":
        return sql.SQL(
            "select * from ({events}) e where {inside} and occurred_at >= %(start)s"
        ).format(events=events, inside=_INSIDE)
    return sql.SQL(
        """select * from (
               select e.*, lead(occurred_at) over (partition by dimensions, member
                                                   order by occurred_at, h) as followed_at
               from ({events}) e where {inside}) e
           where occurred_at >= %(start)s or followed_at is null or followed_at > %(start)s"""
    ).format(events=events, inside=_INSIDE)


def _ranked(
    connection: Connection,
    questions: Sequence[Question],
    values: dict[str, Any],
    through: int | None,
) -> list[dict[Group, Parts]]:
    """Return how often each value was, or the sum of each sample."""
    minutes = questions[0].meter.sample_minutes
    by: sql.Composable = sql.SQL("trim_scale(value)")
    if minutes is not None:
        length = sql.Literal(timedelta(minutes=minutes))
        by = sql.SQL("date_bin({}, occurred_at, '2000-01-01Z')").format(length)
    rows = connection.execute(
        sql.SQL(
            """select w.no, array(select e.dimensions ->> g from unnest(%(group_by)s::text[]) g),
                      count(*), sum(f1), sum(f2), min(value), sum(value)
               from ({events}) e join {questions} and e.occurred_at >= w.starts_at
               where is_usable group by 1, 2, {by} order by 1, 2, {by}"""
        ).format(events=events_of_spans(questions[0].spans, through), questions=_QUESTIONS, by=by),
        values,
    )
    found: list[dict[Group, Parts]] = [{} for _ in questions]
    for no, group, count, first, second, value, total in rows:
        parts = found[no].get(tuple(group), Parts())
        found[no][tuple(group)] = Parts(
            events=parts.events + count,
            first=parts.first + int(first),
            second=parts.second + int(second),
            values=[*parts.values, (value, count)] if minutes is None else (),
            samples=[*parts.samples, total] if minutes is not None else (),
        )
    return found


def _points(
    connection: Connection,
    questions: Sequence[Question],
    values: dict[str, Any],
    through: int | None,
) -> list[dict[Group, Parts]]:
    """Return the points of gauges in each window, and the last of each series before it."""
    rows = connection.execute(
        sql.SQL(
            """select no, groups, series, occurred_at, h, value, f1, f2 from (
                   select w.no, w.starts_at, e.occurred_at, e.h, e.value, e.f1, e.f2,
                          array(select e.dimensions ->> g from unnest(%(group_by)s::text[]) g)
                              as groups,
                          e.dimensions::text || ' ' || e.member as series,
                          lead(e.occurred_at) over (partition by w.no, e.dimensions, e.member
                                                    order by e.occurred_at, e.h) as followed_at
                   from ({events}) e join {questions} where is_usable) e
               where occurred_at >= starts_at or followed_at is null or followed_at > starts_at
               order by no, groups, series, occurred_at, h"""
        ).format(events=events_of_spans(questions[0].spans, through), questions=_QUESTIONS),
        values,
    )
    found: list[dict[Group, list[Point]]] = [defaultdict(list) for _ in questions]
    for no, group, series, at, h, value, first, second in rows:
        found[no][tuple(group)].append(Point(series, at, h.bytes, value, first, second))
    return [{group: Parts(points=points) for group, points in one.items()} for one in found]


def _values(questions: Sequence[Question]) -> dict[str, Any]:
    return {
        "no": list(range(len(questions))),
        "customer": [asked.customer_id for asked in questions],
        "where": [Jsonb(dict(asked.where)) for asked in questions],
        "start": [asked.period.start for asked in questions],
        "end": [asked.period.end for asked in questions],
    }


def _inside_values(asked: Question) -> dict[str, Any]:
    return {
        "customer": asked.customer_id,
        "where": Jsonb(dict(asked.where)),
        "start": asked.period.start,
        "end": asked.period.end,
    }
