"""The SQL of revenue schedules and what became of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tollbook.flow.recognize.booking import DueRevenue
from tollbook.records.invoice import Invoice
from tollbook.records.revenue import RevenueSchedule, ScheduleLine
from tollbook.storage.database import Connection
from tollbook.values.ids import CustomerId, EntityId, InvoiceId, ScheduleId
from tollbook.values.money import Money
from tollbook.values.period import Month, Period


@dataclass(frozen=True, slots=True)
class RecognizedTotal:
    """What a service month's invoices became: revenue so far, and what is still owed as service."""

    entity_id: EntityId
    currency: str
    recognized: Money
    deferred: Money


def unscheduled(connection: Connection, month: Month) -> list[InvoiceId]:
    """Return the issued documents of a service month or earlier that have a line without schedule."""
    rows = connection.execute(
        """select distinct i.invoice_id
           from invoice i
               join invoice_line l using (invoice_id)
               left join revenue_schedule s using (invoice_id, line_no)
           where i.state = 'issued' and i.service_month <= %s and s.schedule_id is null
           order by i.invoice_id""",
        [str(month)],
    )
    return [InvoiceId(row[0]) for row in rows]


def insert_schedule(
    connection: Connection, schedule: RevenueSchedule, *, invoice: Invoice, at: datetime
) -> bool:
    """Store a schedule with its lines; False when it is there already."""
    inserted = connection.execute(
        """insert into revenue_schedule (schedule_id, invoice_id, line_no, method, entity_id,
                                         currency, starts_at, ends_at, amount_minor, from_role,
                                         to_role, decided_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict do nothing returning schedule_id""",
        [
            schedule.schedule_id,
            schedule.invoice_id,
            schedule.line_no,
            schedule.method,
            invoice.entity_id,
            invoice.currency,
            schedule.period.start,
            schedule.period.end,
            schedule.amount.minor,
            schedule.from_role,
            schedule.to_role,
            at,
        ],
    ).fetchone()
    if inserted is None:
        return False
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into revenue_schedule_line (schedule_id, month, amount_minor)
               values (%s, %s, %s)""",
            [(schedule.schedule_id, str(line.month), line.amount.minor) for line in schedule.lines],
        )
    return True


def lock_due(connection: Connection, month: Month) -> list[DueRevenue]:
    """Return schedule lines of a month or earlier that are not revenue yet, locked until commit."""
    rows = connection.execute(
        """select s.schedule_id, d.month, d.amount_minor, s.currency, s.from_role, s.to_role,
                  l.product_id, s.entity_id, i.customer_id, i.number, i.booked_on
           from revenue_schedule_line d
               join revenue_schedule s using (schedule_id)
               join invoice i using (invoice_id)
               join invoice_line l using (invoice_id, line_no)
           where d.entry_id is null and d.month <= %s
           order by s.entity_id, i.number, s.line_no, d.month
           for update of d""",
        [str(month)],
    )
    return [
        DueRevenue(
            schedule_id=ScheduleId(schedule_id),
            month=Month.parse(due_month),
            amount=Money(minor, currency),
            from_role=from_role,
            to_role=to_role,
            product_id=product_id,
            entity_id=EntityId(entity_id),
            customer_id=CustomerId(customer_id),
            number=number,
            invoiced_on=invoiced_on,
        )
        for (
            schedule_id,
            due_month,
            minor,
            currency,
            from_role,
            to_role,
            product_id,
            entity_id,
            customer_id,
            number,
            invoiced_on,
        ) in rows
    ]


def set_recognized(connection: Connection, entries: Iterable[tuple[str, str, Month]]) -> None:
    """Note on schedule lines by which entry they became revenue: (entry, schedule, month)."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """update revenue_schedule_line set entry_id = %s
               where schedule_id = %s and month = %s""",
            [(entry_id, schedule_id, str(month)) for entry_id, schedule_id, month in entries],
        )


def schedules_of_invoice(connection: Connection, invoice_id: str) -> list[RevenueSchedule]:
    """Return the schedules of a document's lines, in the order of the lines."""
    rows = connection.execute(
        """select schedule_id, invoice_id, line_no, method, starts_at, ends_at, amount_minor,
                  currency, from_role, to_role
           from revenue_schedule where invoice_id = %s order by line_no""",
        [invoice_id],
    ).fetchall()
    return [
        RevenueSchedule(
            schedule_id=ScheduleId(schedule_id),
            invoice_id=InvoiceId(invoice),
            line_no=line_no,
            method=method,
            period=Period(starts_at, ends_at),
            amount=Money(minor, currency),
            from_role=from_role,
            to_role=to_role,
            lines=_lines(connection, schedule_id, currency),
        )
        for (
            schedule_id,
            invoice,
            line_no,
            method,
            starts_at,
            ends_at,
            minor,
            currency,
            from_role,
            to_role,
        ) in rows
    ]


def recognized_totals(connection: Connection, month: Month) -> list[RecognizedTotal]:
    """Return per entity and currency what the documents of a service month became.

    Credits have no schedule lines: a purchase is deferred, and its use releases it. A document
    without schedules counts for nothing here, so a forgotten one shows as a variance.
    """
    rows = connection.execute(
        """select s.entity_id, s.currency,
                  coalesce(sum(d.recognized), 0)::bigint,
                  sum(s.amount_minor - coalesce(d.recognized, 0))::bigint
           from revenue_schedule s
               join invoice i using (invoice_id)
               left join (select schedule_id, sum(amount_minor) as recognized
                          from revenue_schedule_line where entry_id is not null
                          group by schedule_id) d using (schedule_id)
           where i.service_month = %s
           group by 1, 2 order by 1, 2""",
        [str(month)],
    )
    return [
        RecognizedTotal(
            EntityId(entity_id), currency, Money(recognized, currency), Money(deferred, currency)
        )
        for entity_id, currency, recognized, deferred in rows
    ]


def deferred_balance(connection: Connection, month: Month) -> dict[tuple[str, str], Money]:
    """Return what is owed as service at the end of a month, per (entity, currency).

    It is the sum of ratable amounts of later months and of prepaid credits neither used nor
    expired: what the contract liability of the subledger must show once the month is recognized.
    """
    rows = connection.execute(
        """select entity_id, currency, sum(owed)::bigint
           from (select s.entity_id, s.currency,
                        case s.method when 'ratable' then coalesce(later.minor, 0)
                                      else s.amount_minor end as owed
                 from revenue_schedule s
                     join invoice i using (invoice_id)
                     left join (select schedule_id, sum(amount_minor) as minor
                                from revenue_schedule_line where month > %(month)s
                                group by schedule_id) later using (schedule_id)
                 where s.method in ('ratable', 'on_drawdown')
                   and i.service_month <= %(month)s
                 union all
                 select e.entity_id, e.currency, -l.amount_minor
                 from credit_movement m
                     join journal_entry e on e.cause = m.movement_id
                     join journal_line l using (entry_id)
                 where m.kind = 'expiry' and l.role = 'contract_liability'
                   and to_char(e.booked_on, 'YYYY-MM') <= %(month)s) each
           group by 1, 2 order by 1, 2""",
        {"month": str(month)},
    )
    return {(entity_id, currency): Money(minor, currency) for entity_id, currency, minor in rows}


def _lines(connection: Connection, schedule_id: str, currency: str) -> tuple[ScheduleLine, ...]:
    rows = connection.execute(
        """select month, amount_minor from revenue_schedule_line
           where schedule_id = %s order by month""",
        [schedule_id],
    )
    return tuple(ScheduleLine(Month.parse(month), Money(minor, currency)) for month, minor in rows)
