-- Capture: the door keeps each identity once a UTC day; the ledger of all identities follows behind
-- it (ADR 11). Written by flow/capture.

alter table usage_event drop constraint usage_event_pkey;
alter table usage_event add primary key (h, day);
-- Canonical JSON, kept as it was hashed: turning it into jsonb costs the door more than a count from
-- the events gains, which the summaries make rare.
alter table usage_event alter column data type json using data::text::json;
-- Events of a receipt lie together: a summary of page ranges finds them and costs nearly nothing.
create index usage_event_by_receipt on usage_event using brin (receipt) with (pages_per_range = 16);

-- Which days a receipt brought new events for, and how many.
create table intake_day (
    receipt  bigint not null,
    day      date not null,
    events   integer not null,
    primary key (receipt, day)
);
insert into intake_day (receipt, day, events)
    select receipt, day, count(*) from usage_event group by 1, 2;

-- event_identity becomes the ledger: what was taken of an event is known from the event itself.
alter table event_identity drop column f1, drop column f2;

-- The ledger holds the events of exactly the receipts up to this one.
create table identity_sweep (
    only_row         boolean primary key default true check (only_row),
    through_receipt  bigint not null
);
insert into identity_sweep (through_receipt) select coalesce(max(receipt), 0) from intake_receipt;

-- Counting from the events finds each subject's customer.
create index subject_crosswalk_by_subject on subject_crosswalk (subject);
