"""The SQL that counts usage events by the definition of a meter, into hourly rows or at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from tollbook.flow.capture.segments.store import opened
from tollbook.flow.meter.digest import digest, fingerprint
from tollbook.flow.meter.sealed.parts import quantity_of
from tollbook.flow.meter.sealed.query import can_count
from tollbook.flow.meter.sealed.store import Engine, count_in_files, has_sealed
from tollbook.flow.meter.window import Counted, Span
from tollbook.records.commercial import Aggregation, Meter
from tollbook.records.usage import MeteredUsage
from tollbook.storage.database import Connection
from tollbook.values.ids import EventId, written_event_id

# How the events of one hour become its quantity. A tie for the latest goes to the larger hash.
_OF_EVENTS: Final[dict[Aggregation, sql.SQL]] = {
    "count": sql.SQL("count(*)::numeric"),
    "sum": sql.SQL("sum(value)"),
    "max": sql.SQL("max(value)"),
    "unique_count": sql.SQL("count(distinct member)::numeric"),
    "latest": sql.SQL("(array_agg(value order by occurred_at desc, h desc))[1]"),
}

_INSIDE: Final = sql.SQL("is_usable and customer_id = %(customer)s and dimensions @> %(where)s")

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


def clear_day(connection: Connection, day: date, event_type: str) -> None:
    """Remove the summaries of a day; they are derived and are made again."""
    for table in (sql.Identifier("usage_hour"), sql.Identifier("usage_hour_member")):
        connection.execute(
            sql.SQL(
                """delete from {} where event_type = %(type)s and hour >= %(day)s::timestamptz
                   and hour < %(day)s::timestamptz + interval '1 day'"""
            ).format(table),
            {"type": event_type, "day": day},
        )


def summarize_day(connection: Connection, meter: Meter, day: date, through: int) -> int:
    """Sum the events of a day by customer, dimensions and hour; return how many rows that made."""
    until = day + timedelta(days=1)
    with opened(connection, day, until, event_type=meter.event_type):
        return _summarize(connection, meter, events_of(meter, day, until, through))


def _summarize(connection: Connection, meter: Meter, events: sql.Composed) -> int:
    values = {"meter": meter.meter_id, "version": meter.version, "type": meter.event_type}
    made = connection.execute(
        sql.SQL(
            """insert into usage_hour (meter_id, meter_version, customer_id, dimensions, hour,
                                       event_type, event_count, quantity, latest_at, latest_h,
                                       digest_1, digest_2)
               select %(meter)s, %(version)s, customer_id, dimensions,
                      date_trunc('hour', occurred_at, 'UTC'), %(type)s, count(*), {quantity},
                      max(occurred_at), (array_agg(h order by occurred_at desc, h desc))[1],
                      sum(f1), sum(f2)
               from ({events}) e where is_usable group by 3, 4, 5"""
        ).format(quantity=_OF_EVENTS[meter.aggregation], events=events),
        values,
    ).rowcount
    if meter.aggregation == "unique_count":
        connection.execute(
            sql.SQL(
                """insert into usage_hour_member (meter_id, meter_version, customer_id, dimensions,
                                                  hour, event_type, member)
                   select distinct %(meter)s, %(version)s::int, customer_id, dimensions,
                          date_trunc('hour', occurred_at, 'UTC'), %(type)s, member
                   from ({events}) e where is_usable"""
            ).format(events=events),
            values,
        )
    return made


def unusable_events(
    connection: Connection, meter: Meter, day: date, through: int, *, limit: int
) -> list[UUID]:
    """Return events of a day that lack the value the meter needs, in order."""
    until = day + timedelta(days=1)
    events = events_of(meter, day, until, through)
    with opened(connection, day, until, event_type=meter.event_type):
        rows = connection.execute(
            sql.SQL("select h from ({}) e where not is_usable order by h limit %s").format(events),
            [limit],
        )
        return [row[0] for row in rows]


def recount(
    connection: Connection,
    usages: Sequence[MeteredUsage],
    spans: Sequence[Span],
    *,
    engine: Engine | None = None,
) -> list[Counted]:
    """Count usages of one meter from the events themselves, in one pass and without hourly rows.

    All are as known through one receipt. Returns what was counted in the order of the usages.
    Without `engine`, days that are in files are counted there.
    """
    if not usages or not spans:
        return [Counted() for _ in usages]
    if engine is None and has_sealed(connection, spans):
        engine = "duckdb"
    if engine in {"duckdb", "spark"} and all(can_count(span.meter) for span in spans):
        assert engine is not None
        found = count_in_files(connection, usages, spans, engine=engine)
        return [quantity_of(spans[-1].meter.aggregation, parts) for parts in found]
    return _recount_here(connection, usages, spans)


def _recount_here(
    connection: Connection, usages: Sequence[MeteredUsage], spans: Sequence[Span]
) -> list[Counted]:
    (through,) = {usage.through_receipt for usage in usages}
    with _opened(connection, spans):
        rows = connection.execute(
            sql.SQL(
                """select w.no, {quantity}, count(*), sum(f1), sum(f2)
                   from ({events}) e
                       join unnest(%(no)s::int[], %(customer)s::text[], %(where)s::jsonb[],
                                   %(start)s::timestamptz[], %(end)s::timestamptz[])
                           as w (no, customer_id, where_equal, starts_at, ends_at)
                       on e.customer_id = w.customer_id and e.dimensions @> w.where_equal
                          and e.occurred_at >= w.starts_at and e.occurred_at < w.ends_at
                   where is_usable group by w.no"""
            ).format(
                quantity=_OF_EVENTS[spans[-1].meter.aggregation], events=_of_spans(spans, through)
            ),
            {
                "no": list(range(len(usages))),
                "customer": [usage.customer_id for usage in usages],
                "where": [Jsonb(dict(usage.where or {})) for usage in usages],
                "start": [usage.period.start for usage in usages],
                "end": [usage.period.end for usage in usages],
            },
        ).fetchall()
    found = {
        no: Counted(quantity, count, digest(int(first), int(second)))
        for no, quantity, count, first, second in rows
    }
    return [found.get(no, Counted()) for no in range(len(usages))]


def counted(
    connection: Connection, usage: MeteredUsage, spans: Sequence[Span], *, after: UUID, limit: int
) -> list[EventBehind]:
    """Return events that a usage counts, in the order of their hashes, from the one after `after`.

    Only what the usage knew: events through its receipt, less those voided by then.
    """
    if not spans:
        return []
    with _opened(connection, spans):
        rows = connection.execute(
            sql.SQL(
                """select h, source, event_id, type, subject, occurred_at from ({events}) e
                   where {inside} and h > %(after)s order by h limit %(limit)s"""
            ).format(events=_of_spans(spans, usage.through_receipt), inside=_INSIDE),
            {**_inside_values(usage), "after": after, "limit": limit},
        ).fetchall()
    return [EventBehind(written_event_id(row[0].bytes), *row[1:]) for row in rows]


def is_counted(
    connection: Connection, usage: MeteredUsage, spans: Sequence[Span], event: EventFound
) -> bool:
    """Tell whether a usage counts an event; reads nothing but what came with the event's receipt."""
    day = event.occurred_at.date()
    with opened(connection, day, day + timedelta(days=1), digests=[event.h.bytes]):
        rows = connection.execute(
            sql.SQL(
                "select 1 from ({events}) e where {inside} and receipt = %(receipt)s and h = %(h)s"
            ).format(events=_of_spans(on_day(spans, day), usage.through_receipt), inside=_INSIDE),
            {**_inside_values(usage), "receipt": event.receipt, "h": event.h},
        )
        return rows.fetchone() is not None


def content_digest(connection: Connection, usage: MeteredUsage, spans: Sequence[Span]) -> str:
    """Return the digest of the events that a usage counts, hashed anew from their content."""
    first = second = 0
    if spans:
        with _opened(connection, spans), connection.cursor(name="content_digest") as cursor:
            cursor.itersize = _ROWS_A_FETCH
            rows = cursor.execute(
                sql.SQL(
                    """select source, event_id, type, subject, occurred_at, data::text
                       from ({events}) e where {inside}"""
                ).format(events=_of_spans(spans, usage.through_receipt), inside=_INSIDE),
                _inside_values(usage),
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
               from usage_event order by day, receipt, ordinal"""
        )
        for h, first, second, *content in rows:
            if (first, second) != fingerprint(*content):
                yield written_event_id(h.bytes)


@contextmanager
def _opened(connection: Connection, spans: Sequence[Span]) -> Iterator[None]:
    """Have the sealed events of some spans beside those of the database."""
    first = min(span.first for span in spans)
    until = max(span.until for span in spans)
    with opened(connection, first, until, event_type=spans[0].meter.event_type):
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
    place = connection.execute(
        "select receipt, ordinal, day from event_identity where h = %s", [h]
    ).fetchone()
    if place is None:
        return None
    # With the day as a value and not from a join, one partition is read.
    day = place[2]
    with opened(connection, day, day + timedelta(days=1), digests=[h.bytes]):
        row = connection.execute(
            """select e.h, c.customer_id, e.occurred_at, e.receipt
               from usage_event e
               join subject_crosswalk c on c.subject = e.subject and c.valid @> e.occurred_at
               where (e.receipt, e.ordinal, e.day) = (%s, %s, %s)""",
            place,
        ).fetchone()
    return None if row is None else EventFound(*row)


def events_of(meter: Meter, first: date, until: date, through: int) -> sql.Composed:
    """Return the query of the events that a meter version counts on some days, as known then.

    Its columns: customer_id, dimensions, occurred_at, h, f1, f2, value, member, is_usable, source,
    event_id, type, subject, receipt, data. A dimension that an event lacks is the empty text, so it is still counted.
    """
    value, member, usable = _counted_value(meter)
    return sql.SQL(
        """select c.customer_id, {dimensions} as dimensions, e.occurred_at, e.h, e.f1, e.f2,
                  {value} as value, {member} as member, {usable} as is_usable, e.source, e.event_id,
                  e.type, e.subject, e.receipt, e.data
           from usage_event e
           join subject_crosswalk c on c.subject = e.subject and c.valid @> e.occurred_at
           where e.day >= {first} and e.day < {until} and e.type = {type}
             and e.receipt <= {through} and {where}
             and not exists (select from event_exclusion x
                             where x.h = e.h and x.day = e.day and x.known_receipt <= {through})"""
    ).format(
        dimensions=_dimensions(meter),
        value=value,
        member=member,
        usable=usable,
        first=sql.Literal(first),
        until=sql.Literal(until),
        type=sql.Literal(meter.event_type),
        through=sql.Literal(through),
        where=_where(meter),
    )


def _of_spans(spans: Sequence[Span], through: int) -> sql.Composed:
    return sql.SQL(" union all ").join(
        events_of(span.meter, span.first, span.until, through) for span in spans
    )


def _inside_values(usage: MeteredUsage) -> dict[str, Any]:
    return {"customer": usage.customer_id, "where": Jsonb(dict(usage.where or {}))}


def _counted_value(meter: Meter) -> tuple[sql.Composable, sql.Composable, sql.Composable]:
    """Return the number an event counts for, the text it is told apart by, and if it has them."""
    number, text = sql.SQL("null::numeric"), sql.SQL("null::text")
    if meter.aggregation == "count":
        return number, text, sql.SQL("true")
    path = _path(meter.value or "")
    if meter.aggregation == "unique_count":
        found = sql.SQL("e.data #>> {}").format(path)
        return number, found, sql.SQL("({}) is not null").format(found)
    found = sql.SQL("exact_number(e.data #> {})").format(path)
    return found, text, sql.SQL("({}) is not null").format(found)


def _dimensions(meter: Meter) -> sql.Composed:
    pairs = [
        sql.SQL("{}, coalesce(e.data #>> {}, '')").format(sql.Literal(name), _path(name))
        for name in sorted(meter.dimensions)
    ]
    return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))


def _where(meter: Meter) -> sql.Composed:
    conditions: list[sql.Composable] = [
        sql.SQL("e.data #>> {} = {}").format(_path(name), sql.Literal(value))
        for name, value in sorted(meter.where.items())
    ]
    return sql.SQL(" and ").join([sql.SQL("true"), *conditions])


def _path(name: str) -> sql.Literal:
    """Return the path of a field: `request.tokens` is the field tokens of the field request."""
    return sql.Literal(name.split("."))
