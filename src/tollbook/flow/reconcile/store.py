"""The SQL of reconciliation: what the subledger says was earned, and results kept."""

from datetime import datetime

from psycopg.types.json import Jsonb

from tollbook.flow.reconcile.checkpoints import Earned
from tollbook.flow.reconcile.match import Amount
from tollbook.storage.database import Connection
from tollbook.values.codec import to_builtins
from tollbook.values.money import Money
from tollbook.values.period import Month


def earned(connection: Connection, month: Month) -> list[Earned]:
    """Return what the issued documents of a service month became in the subledger.

    Revenue is what was credited to revenue; deferred is what stays owed on contract liability,
    counting the document's own entry and those of its schedules.
    """
    rows = connection.execute(
        """with caused as (
               select i.invoice_id, e.entry_id
               from invoice i join journal_entry e on e.cause = i.invoice_id
               where i.service_month = %(month)s
               union all
               select i.invoice_id, d.entry_id
               from invoice i join revenue_schedule s using (invoice_id)
                   join revenue_schedule_line d using (schedule_id)
               where i.service_month = %(month)s and d.entry_id is not null
           )
           select i.invoice_id, i.entity_id, i.currency,
                  coalesce(-sum(l.amount_minor) filter (where l.role like 'revenue%%'), 0)::bigint,
                  coalesce(-sum(l.amount_minor)
                           filter (where l.role = 'contract_liability'), 0)::bigint
           from invoice i
               left join caused using (invoice_id)
               left join journal_line l using (entry_id)
           where i.service_month = %(month)s and i.state = 'issued'
           group by 1, 2, 3 order by 1""",
        {"month": str(month)},
    )
    return [
        Earned(invoice_id, entity_id, Money(revenue, currency), Money(deferred, currency))
        for invoice_id, entity_id, currency, revenue, deferred in rows
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


def keep(
    connection: Connection,
    *,
    reconciliation_id: str,
    month: Month,
    content_hash: str,
    result: object,
    at: datetime,
) -> None:
    """Store a result; the same result again is not stored twice."""
    connection.execute(
        """insert into reconciliation (reconciliation_id, month, content_hash, result, decided_at)
           values (%s, %s, %s, %s, %s) on conflict do nothing""",
        [reconciliation_id, str(month), content_hash, Jsonb(to_builtins(result)), at],
    )


def kept(connection: Connection, month: Month) -> list[tuple[str, str, datetime, object]]:
    """Return (id, content hash, decided at, result) of a month's reconciliations, newest first."""
    return connection.execute(
        """select reconciliation_id, content_hash, decided_at, result from reconciliation
           where month = %s order by decided_at desc, reconciliation_id""",
        [str(month)],
    ).fetchall()
