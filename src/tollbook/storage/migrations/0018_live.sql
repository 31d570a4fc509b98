-- Real time: whose usage is watched, what its thresholds say, and what a person decided over them.

-- Customers whose contracts have alerts or prepaid credits. `changes` counts how often summaries of
-- their usage changed, or their credits; `basis` names the master data they are rated by.
create table usage_watch (
    customer_id  text primary key,
    contracts    text[] not null,
    basis        text not null,
    changes      bigint not null default 0
) with (fillfactor = 50);

-- What was found when a customer was last looked at, after so many changes (`seen`) and by `basis`.
-- Derived, and replaced; `due_at` is when time alone asks for another look.
create table credit_standing (
    customer_id   text primary key,
    reasons       jsonb not null,
    balances      jsonb not null,
    as_of         timestamptz not null,
    ends_at       timestamptz not null,
    seen          bigint not null,
    basis         text not null,
    due_at        timestamptz not null
) with (fillfactor = 50);

-- The event alert.threshold_reached: once for each threshold and billing period, whoever looks.
create table threshold_reached (
    sequence          bigint primary key generated always as identity,
    event_id          text not null unique,
    customer_id       text not null,
    contract_id       text not null,
    contract_version  integer not null,
    alert_id          text not null,
    watches           text not null,
    action            text not null,
    product_id        text not null,
    threshold         numeric not null,
    value             numeric not null,
    currency          text not null,
    starts_on         date not null,
    ends_before       date not null,
    reached_at        timestamptz not null,
    through_receipt   bigint not null,
    unique (contract_id, alert_id, watches, threshold, starts_on)
);
create index threshold_reached_by_customer on threshold_reached (customer_id, sequence);
create trigger threshold_reached_is_fact before update or delete on threshold_reached
    for each row execute function refuse_change();

-- What a person decided over the thresholds; the latest of a customer stands, until `until`.
create table credit_override (
    sequence     bigint primary key generated always as identity,
    customer_id  text not null,
    mode         text not null check (mode in ('block', 'release')),
    by           text not null,
    reason       text not null,
    at           timestamptz not null,
    until        timestamptz
);
create index credit_override_by_customer on credit_override (customer_id, sequence desc);
create trigger credit_override_is_fact before update or delete on credit_override
    for each row execute function refuse_change();

-- The last month for which a contract was charged is looked up for a contract.
create index charge_by_contract on charge (contract_id, service_month);
