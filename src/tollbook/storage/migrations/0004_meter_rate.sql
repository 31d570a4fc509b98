-- Meter and rate. usage_hour is derived and replaced; metered_usage and charge are facts.

create table usage_hour (
    meter_id       text not null,
    meter_version  integer not null,
    customer_id    text not null,
    dimensions     jsonb not null,
    hour           timestamptz not null,
    event_type     text not null,
    event_count    bigint not null,
    quantity       numeric not null,       -- by the meter's aggregation, within the hour
    latest_at      timestamptz not null,   -- when the newest event occurred
    latest_h       uuid not null,          -- which event that was; the largest h wins a tie
    digest_1       numeric not null,       -- sum of f1 of the events behind this row
    digest_2       numeric not null,       -- sum of f2
    primary key (meter_id, meter_version, customer_id, dimensions, hour)
);
create index usage_hour_by_customer on usage_hour (customer_id, meter_id, hour);
create index usage_hour_by_hour on usage_hour (event_type, hour);

-- Distinct values behind a unique count; a period's count is the union of its hours.
create table usage_hour_member (
    meter_id       text not null,
    meter_version  integer not null,
    customer_id    text not null,
    dimensions     jsonb not null,
    hour           timestamptz not null,
    event_type     text not null,
    member         text not null,
    primary key (meter_id, meter_version, customer_id, dimensions, hour, member)
);
create index usage_hour_member_by_customer on usage_hour_member (customer_id, meter_id, hour);
create index usage_hour_member_by_hour on usage_hour_member (event_type, hour);

-- The summaries hold the events of exactly the receipts up to this one.
create table usage_summary (
    only_row         boolean primary key default true check (only_row),
    through_receipt  bigint not null
);
insert into usage_summary (through_receipt) values (0);

-- By which meters an event type was summarized; other meters make all its days dirty.
create table summarized_meters (
    event_type  text primary key,
    basis       text not null
);

-- The number in a JSON value, exact: a JSON number or a decimal in a string; null for all else.
create function exact_number(value jsonb) returns numeric
language sql immutable parallel safe as $$
    select case jsonb_typeof(value)
        when 'number' then value::numeric
        when 'string' then
            case when value #>> '{}' ~ '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$'
                 then (value #>> '{}')::numeric end
    end
$$;

create table metered_usage (
    usage_id          text primary key,
    customer_id       text not null,
    contract_id       text not null,
    contract_version  integer not null,
    product_id        text not null,
    meter_id          text not null,
    meter_version     integer not null,
    where_equal       jsonb not null,
    starts_at         timestamptz not null,
    ends_at           timestamptz not null,
    quantity          numeric not null,
    event_count       bigint not null,
    digest            text not null,
    through_receipt   bigint not null,
    replaces          text unique references metered_usage,   -- what was known of it before
    decided_at        timestamptz not null
);
create index metered_usage_by_window on metered_usage (starts_at, contract_id, product_id);
create index metered_usage_by_customer on metered_usage (customer_id, meter_id, starts_at);

create trigger metered_usage_is_fact before update or delete on metered_usage
    for each row execute function refuse_change();

create table charge (
    charge_id         text primary key,
    sequence          bigint generated always as identity,   -- the order of decisions
    kind              text not null,
    entity_id         text not null,
    customer_id       text not null,
    contract_id       text not null,
    contract_version  integer not null,
    product_id        text not null,
    price_version_id  text not null,
    usage_id          text references metered_usage,
    meter_version     integer not null,
    service_month     text not null,
    starts_at         timestamptz not null,
    ends_at           timestamptz not null,
    currency          text not null,
    amount            numeric not null,      -- major units, exact
    quantity          numeric not null,
    rounding          text not null,
    parts             jsonb not null,
    price             jsonb not null,        -- the pinned price version, whole
    corrects          text references charge,
    decided_at        timestamptz not null
);
create index charge_by_month on charge (service_month, contract_id);
create index charge_by_usage on charge (usage_id);

create trigger charge_is_fact before update or delete on charge
    for each row execute function refuse_change();

-- Charges that no longer count: replaced before they were billed. A billed charge never is.
create table charge_superseded (
    charge_id   text primary key references charge,
    decided_at  timestamptz not null
);

-- Charges on issued invoices. Told by the stage that issues; from then on only a difference helps.
create table charge_billed (
    charge_id   text primary key references charge,
    invoice_id  text not null,
    billed_at   timestamptz not null
);
create trigger charge_billed_is_fact before update or delete on charge_billed
    for each row execute function refuse_change();
