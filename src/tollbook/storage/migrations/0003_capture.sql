-- Capture: usage events and what was refused. Written by flow/capture.

-- One row per group commit of the intake. Numbers follow the order of commits only for readers
-- that take a share lock on this table first (see capture.store.intake_watermark).
create table intake_receipt (
    receipt      bigint generated always as identity primary key,
    door         text not null,
    received_at  timestamptz not null
);

-- How many events had each answer, a row for each process that takes events: no two processes wait
-- for one row, and the sum over them is the total since ever.
create table intake_tally (
    process  text not null,
    answer   text not null,
    count    bigint not null,
    primary key (process, answer)
);

-- Every (source, id) ever taken, whatever its day and for ever, so that a second arrival is known at
-- the door even when the events of its day were archived. h is the 128-bit hash of source and id,
-- f1 and f2 the 128-bit hash of identity and content.
create table event_identity (
    h        uuid primary key,
    day      date not null,
    receipt  bigint not null,
    ordinal  integer not null,
    f1       bigint not null,
    f2       bigint not null
);

-- The events themselves, once each because event_identity is. Partitioned by UTC day of occurred_at;
-- partitions are made when a day is first seen.
create table usage_event (
    h            uuid not null,
    day          date not null,
    f1           bigint not null,
    f2           bigint not null,
    receipt      bigint not null,
    ordinal      integer not null,
    occurred_at  timestamptz not null,
    source       text not null,
    event_id     text not null,
    type         text not null,
    subject      text not null,
    data         jsonb not null,
    primary key (receipt, ordinal, day)
) partition by range (day);

-- A reused id with other content. The first event stands; a person looks at the other.
create table event_conflict (
    conflict_id  text primary key,
    h            uuid not null,
    source       text not null,
    event_id     text not null,
    subject      text not null,
    occurred_at  timestamptz not null,
    found_at     timestamptz not null,
    raw          bytea not null
);
create index event_conflict_by_time on event_conflict (found_at, conflict_id);

-- Events that a person voided: stored but not counted, from the receipt on at which this was known.
create table event_exclusion (
    h              uuid not null,
    day            date not null,
    reason         text not null,
    known_receipt  bigint not null,
    decided_at     timestamptz not null,
    primary key (h, day)
);

-- Days whose summaries are older than their events. Each group of arrivals adds its own mark, so
-- that intake never waits for a summary that takes marks away, and none is lost between them.
create table dirty_day (
    day      date not null,
    type     text not null,
    receipt  bigint not null,
    primary key (day, type, receipt)
);

create table quarantine (
    quarantine_id  text primary key,
    door           text not null,
    received_at    timestamptz not null,
    code           text not null,
    message        text not null,
    cause          text not null,
    source         text,
    event_id       text,
    raw            bytea not null,
    state          text not null default 'open'
                   check (state in ('open', 'replayed', 'discarded')),
    corrected      bytea,
    closed_at      timestamptz,
    closed_by      text,
    reason         text,
    check ((state = 'open') = (closed_at is null))
);
create index quarantine_open on quarantine (code, cause) where state = 'open';
