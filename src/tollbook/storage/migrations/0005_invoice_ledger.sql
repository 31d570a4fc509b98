-- Invoices, taxes, subledger, prepaid credits. Written by flow/invoice, flow/tax and ledger.

create table invoice (
    invoice_id     text primary key,
    kind           text not null check (kind in ('invoice', 'credit_memo')),
    state          text not null check (state in ('draft', 'approved', 'issued')),
    entity_id      text not null,
    customer_id    text not null,
    contract_id    text not null,
    currency       text not null,
    service_month  text not null,
    number         text,
    booked_on      date,
    due_on         date,
    corrects       text references invoice,
    drafted_at     timestamptz not null,
    approved_at    timestamptz,
    approved_by    text,
    issued_at      timestamptz,
    unique (entity_id, number),
    check ((state = 'issued') = (number is not null and booked_on is not null)),
    check (state = 'draft' or approved_by is not null)
);
create index invoice_by_month on invoice (service_month, entity_id);

create table invoice_line (
    invoice_id    text not null references invoice,
    line_no       integer not null,
    charge_id     text not null unique references charge,
    kind          text not null,
    product_id    text not null,
    description   text not null,
    quantity      numeric not null,
    amount_minor  bigint not null,
    residue       numeric not null,
    starts_at     timestamptz not null,
    ends_at       timestamptz not null,
    role          text not null,
    tax_class     text not null,
    primary key (invoice_id, line_no)
);

create table invoice_tax (
    invoice_id    text not null references invoice,
    line_no       integer not null,
    jurisdiction  text not null,
    tax_code      text not null,
    rate          numeric not null,
    base_minor    bigint not null,
    amount_minor  bigint not null,
    tax_version   integer not null,
    primary key (invoice_id, line_no, tax_code)
);

-- The last number given per legal entity and series; the row lock makes numbers gapless.
create table invoice_series (
    entity_id    text not null,
    series       text not null,
    last_number  bigint not null,
    primary key (entity_id, series)
);

create function refuse_change_of_issued_invoice() returns trigger language plpgsql as $$
begin
    if old.state = 'issued' or (tg_op = 'DELETE' and old.state <> 'draft') then
        raise exception 'invoice % is %: what was issued is corrected with a credit memo, what '
            'was approved is reopened first', old.invoice_id, old.state
            using errcode = 'restrict_violation';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end $$;
create trigger invoice_issued_is_fact before update or delete on invoice
    for each row execute function refuse_change_of_issued_invoice();

create function refuse_change_of_issued_line() returns trigger language plpgsql as $$
begin
    if exists (select from invoice
               where invoice_id in (new.invoice_id, old.invoice_id) and state = 'issued') then
        raise exception 'the lines and taxes of an issued invoice are facts'
            using errcode = 'restrict_violation';
    end if;
    return coalesce(new, old);
end $$;
create trigger invoice_line_issued_is_fact before insert or update or delete on invoice_line
    for each row execute function refuse_change_of_issued_line();
create trigger invoice_tax_issued_is_fact before insert or update or delete on invoice_tax
    for each row execute function refuse_change_of_issued_line();

create table journal_entry (
    entry_id       text primary key,
    entity_id      text not null,
    book           text not null,
    currency       text not null,
    booked_on      date not null,
    service_month  text not null,
    kind           text not null,
    cause          text not null,           -- id of the document or schedule that caused it
    reverses       text references journal_entry,
    decided_at     timestamptz not null
);
create index journal_entry_by_cause on journal_entry (cause);

create table journal_line (
    entry_id      text not null references journal_entry,
    line_no       integer not null,
    role          text not null,            -- account role of the chart, such as unbilled_receivable
    amount_minor  bigint not null,          -- debit positive, credit negative
    customer_id   text not null,
    memo          text not null,
    primary key (entry_id, line_no)
);
create index journal_line_by_role on journal_line (role);

create trigger journal_entry_is_fact before update or delete on journal_entry
    for each row execute function refuse_change();
create trigger journal_line_is_fact before update or delete on journal_line
    for each row execute function refuse_change();

create function require_balance() returns trigger language plpgsql as $$
begin
    if (select sum(amount_minor) from journal_line where entry_id = new.entry_id) <> 0 then
        raise exception 'journal entry % does not balance', new.entry_id
            using errcode = 'check_violation';
    end if;
    return null;
end $$;
create constraint trigger journal_entry_balances after insert on journal_line
    deferrable initially deferred for each row execute function require_balance();

-- Prepaid credits: every movement of a grant. A grant's balance is the sum of its movements.
create table credit_movement (
    movement_id  text primary key,
    grant_id     text not null,
    contract_id  text not null,
    customer_id  text not null,
    currency     text not null,
    kind         text not null check (kind in ('grant', 'drawdown', 'expiry', 'return')),
    amount       numeric not null,          -- grant positive, drawdown and expiry negative
    charge_id    text references charge,
    moved_on     date not null,
    decided_at   timestamptz not null
);
create index credit_movement_by_contract on credit_movement (contract_id, grant_id);

create trigger credit_movement_is_fact before update or delete on credit_movement
    for each row execute function refuse_change();
