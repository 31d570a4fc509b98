-- Meter: summaries kept by what arrives, in buckets of an hour or, with zones off the hour, of 15
-- minutes. Derived and replaced; the first round of the worker fills them again from the events.

drop table usage_hour, usage_hour_member;
truncate summarized_meters;
update usage_summary set through_receipt = 0;

-- An exact number of at most 26 digits before the point and 12 after it; null for all else.
create function exact_quantity(value jsonb) returns numeric
language sql immutable parallel safe as $$
    select case jsonb_typeof(value)
        when 'number' then
            case when abs(value::numeric) < 1e26 and min_scale(value::numeric) <= 12
                 then value::numeric end
        when 'string' then
            case when length(value #>> '{}') <= 100
                      and value #>> '{}' ~ '^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$'
                 then case when abs((value #>> '{}')::numeric) < 1e26
                                and min_scale((value #>> '{}')::numeric) <= 12
                           then (value #>> '{}')::numeric end
            end
    end
$$;

-- Meters of one event type that keep the same dimensions under the same conditions share rows.
-- `layout` is derived from what it is made of.
create table usage_layout (
    layout      bigint primary key,
    event_type  text not null
);
create index usage_layout_by_type on usage_layout (event_type);

-- `slot` is the column that holds the meter's number: total_1 to total_3, smallest, largest,
-- newest; empty when the number of events is enough or usage_point has more.
create table usage_layout_meter (
    layout         bigint not null references usage_layout,
    meter_id       text not null,
    meter_version  integer not null,
    slot           text not null,
    primary key (layout, meter_id)
);
create index usage_layout_meter_by_meter on usage_layout_meter (meter_id);

create table usage_hour (
    customer_id  text not null,
    layout       bigint not null,
    hour         timestamptz not null,    -- when the bucket starts
    dimensions   jsonb not null,
    events       bigint not null,
    digest_1     numeric not null,        -- sum of f1 of the events, up to multiples of 2^64
    digest_2     numeric not null,
    total_1      numeric,
    total_2      numeric,
    total_3      numeric,
    smallest     numeric,
    largest      numeric,
    newest       numeric,                 -- the value of the latest event
    latest_at    timestamptz,
    latest_h     uuid,                    -- which event that was; the largest h wins a tie
    primary key (customer_id, layout, hour, dimensions)
) with (fillfactor = 70);
create index usage_hour_by_hour on usage_hour (layout, hour);

-- The same by UTC day, so that a month is read from a few rows. `hour` is the day's midnight.
create table usage_day (like usage_hour including all);

-- What a number is not enough for: the members of a unique count, the values or samples of a
-- percentile, the points of a gauge. The columns that a kind does not need hold what stands here.
create table usage_point (
    customer_id  text not null,
    meter_id     text not null,
    layout       bigint not null,
    hour         timestamptz not null,
    dimensions   jsonb not null,
    key          text not null default '',               -- member; series of a gauge
    at           timestamptz not null default 'epoch',   -- start of a sample; instant of a point
    h            uuid not null default '00000000-0000-0000-0000-000000000000',
    value        numeric not null default 0,
    amount       numeric not null default 1,             -- how often; the sum of a sample
    first        bigint not null default 0,
    second       bigint not null default 0,
    primary key (customer_id, meter_id, layout, hour, dimensions, key, at, h, value)
);
create index usage_point_by_hour on usage_point (layout, hour);
create index usage_point_by_series on usage_point (customer_id, meter_id, at desc, h desc)
    where h <> '00000000-0000-0000-0000-000000000000';

-- What intake counted and no summary holds yet. Each row is added to the summaries once, or its day
-- is counted again from the events. Unlogged it must not be: it is acknowledged usage.
create table usage_delta (
    customer_id  text not null,
    layout       bigint not null,
    hour         timestamptz not null,
    dimensions   text not null,
    events       bigint not null,
    digest_1     numeric not null,
    digest_2     numeric not null,
    total_1      numeric,
    total_2      numeric,
    total_3      numeric,
    smallest     numeric,
    largest      numeric,
    newest       numeric,
    latest_at    timestamptz,
    latest_h     uuid,
    receipt      bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0);
create index usage_delta_by_customer on usage_delta (customer_id);

create table usage_delta_point (
    customer_id  text not null,
    meter_id     text not null,
    layout       bigint not null,
    hour         timestamptz not null,
    dimensions   text not null,
    key          text not null,
    at           timestamptz not null,
    h            uuid not null,
    value        numeric not null,
    amount       numeric not null,
    first        bigint not null,
    second       bigint not null,
    receipt      bigint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0);
create index usage_delta_point_by_customer on usage_delta_point (customer_id, meter_id);

-- Which days a receipt's deltas are for, by which meters they were counted (`basis`), and how many
-- versions of master data the door knew then: deltas of an older knowledge are not believed.
create table usage_delta_day (
    day         date not null,
    type        text not null,
    receipt     bigint not null,
    basis       text not null,
    generation  bigint not null,
    rows        bigint not null,
    primary key (receipt, day, type)
);

-- Which customers a subject meant when the summaries were made; empty when none any more.
create table summarized_subject (
    subject  text primary key,
    meaning  text not null
);

-- How many versions of master data were known when the summaries were brought up to date, and when
-- a subject last got another meaning; of how many minutes their buckets are.
alter table usage_summary add column generation bigint not null default -1;
alter table usage_summary add column crosswalk_generation bigint not null default 0;
alter table usage_summary add column bucket_minutes integer not null default 60;

-- In which time zone the days of a usage begin. A period is the calendar's; the zone says when.
alter table metered_usage add column zone text not null default 'UTC';

-- The rows of all layouts by meter, with the meter's own number as every aggregation needs it.
create view usage_of_meter as
    select m.meter_id, m.meter_version, u.customer_id, u.dimensions, u.hour, u.events,
           u.digest_1, u.digest_2,
           case m.slot when 'total_1' then u.total_1 when 'total_2' then u.total_2
                       when 'total_3' then u.total_3 end as total,
           case m.slot when 'smallest' then u.smallest end as smallest,
           case m.slot when 'largest' then u.largest end as largest,
           case m.slot when 'newest' then u.newest end as newest,
           u.latest_at, u.latest_h
    from usage_hour u join usage_layout_meter m using (layout);
