"""When events came, seen from the state of their month: in time, after metering, after invoicing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import sql
from psycopg.rows import class_row

from tollbook.flow.capture.corrections.store import amendments
from tollbook.flow.capture.events.store import StoredEvent
from tollbook.flow.capture.segments.store import opened
from tollbook.storage.database import Connection
from tollbook.values.ids import EventId, read_event_id
from tollbook.values.period import Month

# on_time: before its month was metered after its end; late_open: after that, before an invoice of
# the month was issued to the customer; late_invoiced: after that, so it is billed as a difference.
Arrived = Literal["on_time", "late_open", "late_invoiced"]

_CLASS: Final = sql.SQL("""
    case when exists (select from invoice i
                      join subject_crosswalk c on c.customer_id = i.customer_id
                      where c.subject = e.subject and c.valid @> e.occurred_at
                        and i.state = 'issued' and i.issued_at < e.received_at
                        and i.service_month = to_char(e.occurred_at, 'YYYY-MM'))
         then 'late_invoiced'
         when exists (select from metered_usage m
                      where m.starts_at >= date_trunc('month', e.occurred_at)
                        and m.starts_at < date_trunc('month', e.occurred_at) + interval '1 month'
                        and m.decided_at >= date_trunc('month', e.occurred_at) + interval '1 month'
                        and m.decided_at < e.received_at)
         then 'late_open' else 'on_time' end""")


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """A captured event with how it came and what became of it.

    `ahead_seconds` is how far its time was ahead of our clock when it came: the sender's clock is
    wrong by at least that. `amends` and `amended_by` are our ids of events.
    """

    event_id: EventId
    source: str
    id: str
    type: str
    subject: str
    occurred_at: datetime
    received_at: datetime
    receipt: int
    door: str
    arrived: Arrived
    ahead_seconds: int
    data: Any
    voided_for: str | None
    amends: EventId | None
    amended_by: EventId | None


@dataclass(frozen=True, slots=True)
class Late:
    """How many events of a customer and type came late, in which state of the month, and when."""

    arrived: Arrived
    customer_id: str
    type: str
    events: int
    first_received_at: datetime
    last_received_at: datetime


@dataclass(frozen=True, slots=True)
class LateReport:
    """How the events of a month came: all of them, and those that were late."""

    month: str
    events: int
    late: tuple[Late, ...]


def seen(connection: Connection, events: Sequence[StoredEvent]) -> list[SeenEvent]:
    """Return events with how they came, in their order."""
    rows = connection.execute(
        sql.SQL(
            """select {arrived}, r.door
            from unnest(%(no)s::int[], %(subject)s::text[], %(occurred)s::timestamptz[],
                        %(received)s::timestamptz[], %(receipt)s::bigint[])
                as e (no, subject, occurred_at, received_at, receipt)
            join intake_receipt r using (receipt) order by e.no"""
        ).format(arrived=_CLASS),
        {
            "no": list(range(len(events))),
            "subject": [event.subject for event in events],
            "occurred": [event.occurred_at for event in events],
            "received": [event.received_at for event in events],
            "receipt": [event.receipt for event in events],
        },
    ).fetchall()
    found = amendments(connection, [read_event_id(event.event_id) for event in events])
    amends = {one.event_id: one.amends for one in found}
    amended_by = {one.amends: one.event_id for one in found}
    return [
        SeenEvent(
            event_id=event.event_id,
            source=event.source,
            id=event.id,
            type=event.type,
            subject=event.subject,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            receipt=event.receipt,
            door=door,
            arrived=arrived,
            ahead_seconds=max(0, int((event.occurred_at - event.received_at).total_seconds())),
            data=event.data,
            voided_for=event.voided_for,
            amends=amends.get(event.event_id),
            amended_by=amended_by.get(event.event_id),
        )
        for event, (arrived, door) in zip(events, rows, strict=True)
    ]


def late_events(connection: Connection, month: Month) -> LateReport:
    """Return how many events of a month came after it was metered or invoiced, by customer."""
    with opened(connection, month.first, month.plus(1).first):
        return _late_events(connection, month)


def _late_events(connection: Connection, month: Month) -> LateReport:
    days = {"first": month.first, "until": month.plus(1).first, "month": str(month)}
    total = connection.execute(
        "select count(*)::bigint from usage_event where day >= %(first)s and day < %(until)s", days
    ).fetchone()
    assert total is not None
    with connection.cursor(row_factory=class_row(Late)) as cursor:
        late = cursor.execute(
            sql.SQL(
                """select e.arrived, coalesce(c.customer_id, '') as customer_id, e.type,
                       count(*)::bigint as events, min(e.received_at) as first_received_at,
                       max(e.received_at) as last_received_at
                from (
                    select e.subject, e.type, e.occurred_at, e.received_at, {arrived} as arrived
                    from (select u.subject, u.type, u.occurred_at, r.received_at
                          from usage_event u join intake_receipt r using (receipt)
                          where u.day >= %(first)s and u.day < %(until)s
                            and r.received_at >= least(
                                %(until)s::timestamptz,
                                (select min(issued_at) from invoice
                                 where service_month = %(month)s))) e
                ) e
                left join subject_crosswalk c on c.subject = e.subject and c.valid @> e.occurred_at
                where e.arrived <> 'on_time' group by 1, 2, 3 order by 1, 2, 3"""
            ).format(arrived=_CLASS),
            days,
        ).fetchall()
    return LateReport(str(month), total[0], tuple(late))
