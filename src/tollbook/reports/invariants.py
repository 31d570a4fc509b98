"""The invariants of the books that one question answers; each must find nothing."""

from typing import Final, LiteralString

# Invariant -> a query of the ids that break it, in order.
QUESTIONS: Final[dict[str, LiteralString]] = {
    "every event has one identity and every identity one event": """
        select coalesce(e.source || '|' || e.event_id, i.h::text)
        from event_identity i full join (
            select * from usage_event
            where receipt <= (select through_receipt from identity_sweep)) e
            using (h, day, receipt, ordinal)
        where e.h is null and not exists (select from sealed_segment s
                                          where s.day = i.day and s.state <> 'restored')
           or i.h is null and not exists (
               select from event_identity o join event_exclusion x using (h)
               where o.h = e.h and o.day <> e.day and x.day = e.day)
        order by 1""",
    "a sealed day has an identity for each of its events, in files and in the database": """
        select s.day::text
        from (select day, sum(event_count) as events from sealed_segment
              where state <> 'restored' group by day) s
        where s.events
              + (select count(*) from usage_event e
                 where e.day = s.day
                   and e.receipt <= (select through_receipt from identity_sweep))
              <> (select count(*) from event_identity i where i.day = s.day)
                 + (select count(*) from event_exclusion x join event_identity i using (h)
                    where x.day = s.day and i.day <> s.day)
        order by 1""",
    "every event came with a receipt": """
        select e.source || '|' || e.event_id from usage_event e
        where not exists (select from intake_receipt r where r.receipt = e.receipt) order by 1""",
    "every refused event is on the worklist": """
        select q.quarantine_id from quarantine q
        where q.state = 'open' and not exists (
            select from work_item_object o where o.object_id = q.quarantine_id)
        order by 1""",
    "no use is counted under two contracts or products": """
        select a.usage_id from metered_usage a join metered_usage b
            on a.usage_id < b.usage_id and a.customer_id = b.customer_id
               and a.meter_id = b.meter_id and a.starts_at < b.ends_at and b.starts_at < a.ends_at
        where not exists (select from metered_usage n where n.replaces in (a.usage_id, b.usage_id))
          and exists (
            select from usage_of_meter u
            where u.customer_id = a.customer_id and u.meter_id = a.meter_id
              and u.hour >= greatest(a.starts_at, b.starts_at)
              and u.hour < least(a.ends_at, b.ends_at)
              and u.dimensions @> a.where_equal and u.dimensions @> b.where_equal)
        order by 1""",
    "every usage charge names its metered usage": """
        select charge_id from charge
        where kind = 'usage' and quantity <> 0 and usage_id is null and corrects is null
        order by 1""",
    "prepaid credits are never overdrawn": """
        select contract_id || '/' || grant_id from credit_movement
        group by contract_id, grant_id having sum(amount) < 0 order by 1""",
    "credits moved are credits charged": """
        select coalesce(m.contract_id, c.contract_id)
        from (select contract_id, sum(value) as amount from credit_movement group by 1) m
            full join (
                select contract_id, sum(amount) as amount from charge
                where kind in ('credit_purchase', 'credit_applied', 'credit_discount')
                  and not exists (select from charge_superseded s
                                  where s.charge_id = charge.charge_id)
                group by 1) c using (contract_id)
        where coalesce(m.amount, 0) <> coalesce(c.amount, 0) order by 1""",
    "every line of an issued document stands on a charge that counts": """
        select l.invoice_id || '#' || l.line_no
        from invoice_line l join invoice i using (invoice_id) join charge_superseded s
            using (charge_id)
        where i.state = 'issued' order by 1""",
    "a charge is billed if and only if an issued line says so": """
        select coalesce(b.charge_id, l.charge_id)
        from charge_billed b full join (
            select invoice_id, charge_id from invoice_line join invoice using (invoice_id)
            where state = 'issued') l using (invoice_id, charge_id)
        where b.charge_id is null or l.charge_id is null order by 1""",
    "every issued line leads back to its charge": """
        select l.invoice_id || '#' || l.line_no
        from invoice_line l join invoice i using (invoice_id)
        where i.state = 'issued' and not exists (
            select from lineage_edge g
            where g.child_id = l.invoice_id || '#' || l.line_no and g.parent_id = l.charge_id)
        order by 1""",
    "every usage charge leads back to its usage": """
        select c.charge_id from charge c
        where c.usage_id is not null and not exists (
            select from lineage_edge g
            where g.child_id = c.charge_id and g.parent_id = c.usage_id)
        order by 1""",
    "invoice numbers have no gaps": """
        select coalesce(i.number, s.entity_id || '/' || s.series || '/' || s.sequence)
        from (select entity_id, series, generate_series(1, last_number) as sequence
              from invoice_series) s
            full join (
                select entity_id, kind as series, number,
                       substring(number from '[0-9]+$')::bigint as sequence
                from invoice where number is not null) i using (entity_id, series, sequence)
        where i.number is null or s.sequence is null order by 1""",
    "a credit memo names the invoice it corrects": """
        select coalesce(number, invoice_id) from invoice
        where kind = 'credit_memo' and corrects is null order by 1""",
    "every tax stands on the amount of its line": """
        select t.invoice_id || '#' || t.line_no
        from invoice_tax t left join invoice_line l using (invoice_id, line_no)
        where t.base_minor is distinct from l.amount_minor order by 1""",
    "every journal entry balances": """
        select entry_id from journal_line group by 1 having sum(amount_minor) <> 0 order by 1""",
    "every issued document that moves an account is in the subledger": """
        select coalesce(i.number, i.invoice_id) from invoice i
        where i.state = 'issued'
          and not exists (select from journal_entry e where e.cause = i.invoice_id)
          and (exists (select from invoice_line l where l.invoice_id = i.invoice_id
                       group by l.role having sum(l.amount_minor) <> 0)
               or exists (select from invoice_tax t where t.invoice_id = i.invoice_id
                          having sum(t.amount_minor) <> 0))
        order by 1""",
    "receivables booked equal the document's total": """
        select coalesce(i.number, i.invoice_id)
        from invoice i join journal_entry e on e.cause = i.invoice_id
            join journal_line j on j.entry_id = e.entry_id and j.role = 'accounts_receivable'
        group by i.invoice_id
        having sum(j.amount_minor) <>
               (select coalesce(sum(l.amount_minor), 0) from invoice_line l
                where l.invoice_id = i.invoice_id)
               + (select coalesce(sum(t.amount_minor), 0) from invoice_tax t
                  where t.invoice_id = i.invoice_id)
        order by 1""",
    "revenue schedules sum to their line": """
        select s.schedule_id
        from revenue_schedule s join invoice_line l using (invoice_id, line_no)
            left join revenue_schedule_line d using (schedule_id)
        group by s.schedule_id, s.method, s.amount_minor, l.amount_minor
        having s.amount_minor <> l.amount_minor
            or s.method <> 'on_drawdown' and coalesce(sum(d.amount_minor), 0) <> s.amount_minor
        order by 1""",
    "revenue booked is revenue scheduled": """
        select d.schedule_id || ':' || d.month
        from revenue_schedule_line d join revenue_schedule s using (schedule_id)
            left join journal_line l on l.entry_id = d.entry_id and l.role = s.to_role
        where d.entry_id is not null and l.amount_minor is distinct from -d.amount_minor
        order by 1""",
    "what the subledger defers is what schedules have still to release": """
        select coalesce(i.number, i.invoice_id)
        from invoice i
        where i.state = 'issued'
          and (select coalesce(-sum(l.amount_minor), 0)
               from journal_line l join journal_entry e using (entry_id)
               where l.role = 'contract_liability'
                 and (e.cause = i.invoice_id or e.entry_id in (
                     select d.entry_id
                     from revenue_schedule s join revenue_schedule_line d using (schedule_id)
                     where s.invoice_id = i.invoice_id)))
              <> (select coalesce(sum(l.amount_minor), 0) from invoice_line l
                  where l.invoice_id = i.invoice_id and l.role = 'contract_liability')
                 - (select coalesce(sum(d.amount_minor), 0)
                    from revenue_schedule s join revenue_schedule_line d using (schedule_id)
                    where s.invoice_id = i.invoice_id and s.from_role = 'contract_liability'
                      and d.entry_id is not null)
        order by 1""",
    "every document has one posting": """
        select document_id from posting group by 1 having count(*) > 1 order by 1""",
    "no two postings are one document in the ERP": """
        select target || ':' || (receipt ->> 'reference') from posting
        where receipt is not null group by target, document_kind, receipt ->> 'reference'
        having count(*) > 1 order by 1""",
    "a posting counts as posted only with a receipt or a person's word": """
        select p.posting_id from posting p
        where p.state = 'posted' and p.receipt is null and not exists (
            select from posting_attempt a
            where a.posting_id = p.posting_id and a.signal = 'confirmed')
        order by 1""",
    "no credit memo is posted before its invoice": """
        select p.posting_id
        from posting p left join posting first
            on first.document_id = p.after_document and first.target = p.target
        where p.after_document is not null and p.state = 'posted'
          and first.state is distinct from 'posted'
        order by 1""",
}
