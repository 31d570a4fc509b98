-- Capture: usage events and what was refused. Written by flow/capture.

-- One row per group commit of the intake. Numbers follow the order of commits only for readers
-- that take a share lock on this table first (see capture.store.intake_watermark).
create table intake_receipt (
    receipt      bigint generated always as identity primary key,
    door         text not null,
    received_at  timestamptz not null
);

-- h is the 128-bit identity of (source, event_id); f1 and f2 the 128-bit hash of identity and
-- content. Partitioned by UTC day of occurred_at; partitions are made when a day is first seen.
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
    primary key (h, day)
) partition by range (day);

-- A reused id with other content. The first event stands; a person looks at the other.
create table event_conflict (
    conflict_id  text primary key,
    h            uuid not null,
    source       text not null,
    event_id     text not null,
    subject      text not null,
    occurred_at  timestamptz not null,
    found_by     text not null check (found_by in ('door', 'sweep')),
    found_at     timestamptz not null,
    raw          bytea not null
);

-- Events that are stored but not counted, from the receipt on at which this was known.
create table event_exclusion (
    h              uuid not null,
    day            date not null,
    reason         text not null,
    known_receipt  bigint not null,
    decided_at     timestamptz not null,
    primary key (h, day)
);

-- Days whose summaries are older than their events.
create table dirty_day (
    day   date not null,
    type  text not null,
    primary key (day, type)
);

create table conflict_sweep (
    only_row         boolean primary key default true check (only_row),
    through_receipt  bigint not null
);
insert into conflict_sweep (through_receipt) values (0);

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
