-- Sources of usage that we read: how far each lane is stored, who paused one, what each reader said.

-- Written in the transaction of the events, compared and set: of two readers that hold one lane only
-- the one that goes on from `next` gets in. `facts` are the source's own: size or digest of an object.
create table source_position (
    source      text not null,
    lane        text not null,
    next        bigint not null,
    is_done     boolean not null,
    records     bigint not null,
    facts       jsonb not null,
    updated_at  timestamptz not null,
    primary key (source, lane)
);

-- A row while a source is paused by a person.
create table source_pause (
    source     text primary key,
    paused_at  timestamptz not null,
    paused_by  text not null,
    reason     text not null
);

-- What each process that reads a source last said of it; backlogs are of the lanes it holds.
create table source_report (
    source           text not null,
    process          text not null,
    reported_at      timestamptz not null,
    state            text not null check (state in ('reading', 'idle', 'paused', 'failing', 'ended')),
    read_at          timestamptz,
    records          bigint not null,
    backlog_records  bigint,
    oldest_seconds   bigint,
    code             text not null,
    message          text not null,
    failed_at        timestamptz,
    primary key (source, process)
);
