"""The SQL of reconciliation: what the subledger says was earned, and results kept."""

from datetime import datetime

from psycopg.types.json import Jsonb

from tollbook.flow.reconcile.checkpoints import Earned
from tollbook.flow.reconcile.match import Amount
from tollbook.storage.database import Connection
from tollbook.values.codec import to_builtins
from tollbook.values.ids import derive
from tollbook.values.money import Money
from tollbook.values.period import Month


def earned(connection: Connection, month: Month) -> list[Earned]:
    """Return what the issued documents of a service month became, by entity and number.

    Revenue is what the subledger credited to revenue. Deferred is what the schedules have for later
    months, and prepaid credits; an amount that was due and is not booked is neither.
    """
    rows = connection.execute(
        """select i.number, i.entity_id, i.currency, coalesce(revenue.minor, 0)::bigint,
                  coalesce(later.minor, 0)::bigint
           from invoice i
               left join lateral (
                   select -sum(l.amount_minor) as minor
                   from revenue_schedule s join revenue_schedule_line d using (schedule_id)
                       join journal_line l using (entry_id)
                   where s.invoice_id = i.invoice_id and l.role like 'revenue%%') revenue on true
               left join lateral (
                   select sum(coalesce(d.amount_minor, s.amount_minor)) as minor
                   from revenue_schedule s left join revenue_schedule_line d using (schedule_id)
                   where s.invoice_id = i.invoice_id
                     and (s.method = 'on_drawdown' or d.month > i.service_month)
                     and d.entry_id is null) later on true
           where i.service_month = %s and i.state = 'issued'
           order by i.entity_id, i.number""",
        [str(month)],
    )
    return [
        Earned(number, entity_id, Money(revenue, currency), Money(deferred, currency))
        for number, entity_id, currency, revenue, deferred in rows
    ]


def journal_debits(connection: Connection, month: Month) -> list[Amount]:
    """Return the debits of each summarized journal booked in a month, as the subledger has them.

    Per account role, as the ERP receives it: movements that cancel out are not posted.
    """
    rows = connection.execute(
        """select document_id, entity_id, currency, sum(greatest(moved, 0))::bigint
           from (select d.document_id, d.entity_id, d.currency, l.role,
                        sum(l.amount_minor) as moved
                 from journal_document d
                     join journal_document_entry e using (document_id)
                     join journal_line l using (entry_id)
                 where d.service_month = %s
                 group by 1, 2, 3, 4) movement
           group by 1, 2, 3 having bool_or(moved <> 0) order by 1""",
        [str(month)],
    )
    return [
        Amount(document_id, entity_id, currency, Money(minor, currency))
        for document_id, entity_id, currency, minor in rows
    ]


def entries_outside_journals(connection: Connection, month: Month) -> list[Amount]:
    """Return recognition entries booked in a month that no summarized journal holds yet."""
    rows = connection.execute(
        """select e.entry_id, e.entity_id, e.currency, sum(greatest(l.amount_minor, 0))::bigint
           from journal_entry e join journal_line l using (entry_id)
           where e.kind = 'recognition' and to_char(e.booked_on, 'YYYY-MM') = %s
             and not exists (select 1 from journal_document_entry d
                             where d.entry_id = e.entry_id)
           group by 1, 2, 3 order by 1""",
        [str(month)],
    )
    return [
        Amount(entry_id, entity_id, currency, Money(minor, currency))
        for entry_id, entity_id, currency, minor in rows
    ]


def id_of(connection: Connection, month: Month, digest: str) -> str:
    """Return the id of a result: that of the latest one when it says the same, else a new one."""
    row = connection.execute(
        """select reconciliation_id, content_hash from reconciliation
           where month = %s order by decided_at desc, reconciliation_id limit 1""",
        [str(month)],
    ).fetchone()
    latest, known = row or ("", "")
    return latest if known == digest else derive("rec", str(month), digest, latest)


def keep(
    connection: Connection,
    reconciliation_id: str,
    *,
    month: Month,
    digest: str,
    result: object,
    at: datetime,
) -> None:
    """Store a result; the same result again is not stored twice."""
    connection.execute(
        """insert into reconciliation (reconciliation_id, month, content_hash, result, decided_at)
           values (%s, %s, %s, %s, %s) on conflict do nothing""",
        [reconciliation_id, str(month), digest, Jsonb(to_builtins(result)), at],
    )


def kept(connection: Connection, month: Month) -> list[tuple[str, str, datetime, object]]:
    """Return (id, content hash, decided at, result) of a month's reconciliations, newest first."""
    return connection.execute(
        """select reconciliation_id, content_hash, decided_at, result from reconciliation
           where month = %s order by decided_at desc, reconciliation_id""",
        [str(month)],
    ).fetchall()
