-- Recognize and reconcile. Written by flow/recognize and flow/reconcile.

create table revenue_schedule (
    schedule_id   text primary key,
    invoice_id    text not null references invoice,
    line_no       integer not null,
    method        text not null,
    entity_id     text not null,
    currency      text not null,
    starts_at     timestamptz not null,
    ends_at       timestamptz not null,
    amount_minor  bigint not null,
    from_role     text not null,
    to_role       text not null,
    decided_at    timestamptz not null,
    unique (invoice_id, line_no)
);

create table revenue_schedule_line (
    schedule_id   text not null references revenue_schedule,
    month         text not null,
    amount_minor  bigint not null,
    entry_id      text references journal_entry,   -- set when recognized
    primary key (schedule_id, month)
);
create index revenue_schedule_line_open on revenue_schedule_line (month) where entry_id is null;

create table reconciliation (
    reconciliation_id  text primary key,
    month              text not null,
    content_hash       text not null,       -- same inputs, same hash
    result             jsonb not null,
    decided_at         timestamptz not null
);
