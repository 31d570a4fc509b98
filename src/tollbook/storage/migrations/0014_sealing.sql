-- Sealing: days of events that left PostgreSQL for files, and what proves them. Written by
-- flow/capture/segments and flow/capture/sealing.

-- One row per file. An event is in its day's partition or in one segment whose state is `sealed` or
-- `expiring`, never in both: the row appears in the transaction that empties the partition.
create table sealed_segment (
    day            date not null,
    segment        integer not null,
    path           text not null unique,     -- below the archive's place
    event_count    bigint not null check (event_count > 0),
    bytes          bigint not null,
    sha256         text not null,
    digest_1       numeric not null,         -- sum of f1 of its events
    digest_2       numeric not null,         -- sum of f2
    first_receipt  bigint not null,
    last_receipt   bigint not null,
    first_at       timestamptz not null,     -- the earliest occurred_at
    last_at        timestamptz not null,
    types          jsonb not null,           -- how many events of each type
    fields         jsonb not null,           -- the extracted fields, with the proven bounds of numbers
    format         integer not null,
    sealed_at      timestamptz not null,
    sealed_by      text not null,
    state          text not null default 'sealed'
                   check (state in ('sealed', 'restored', 'expiring', 'deleted')),
    expiring_by    text,                     -- who asked for the deletion; another one confirms it
    primary key (day, segment)
);
create index sealed_segment_read on sealed_segment (day) where state in ('sealed', 'expiring');

-- Manifests stay for ever and say for ever what they said; only the state of the file changes.
create function keep_sealed_segment() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' or to_jsonb(new) - array['state', 'expiring_by']
                           <> to_jsonb(old) - array['state', 'expiring_by'] then
        raise exception 'the manifest of a sealed segment is a fact';
    end if;
    if old.state = 'deleted' and new.state <> 'deleted' then
        raise exception 'a deleted segment does not come back';
    end if;
    return new;
end $$;
create trigger sealed_segment_is_fact before update or delete on sealed_segment
    for each row execute function keep_sealed_segment();

-- What a process that is killed while it seals leaves behind: written before any file is made.
create table segment_attempt (
    attempt_id  text primary key,             -- its staged files begin with it
    day         date not null,
    paths       text[] not null default '{}'  -- files that are about to be kept
);

-- Days (the last one included) whose events must not be deleted, for instance in a dispute.
create table retention_hold (
    hold_id      text primary key,
    first_day    date not null,
    last_day     date not null,
    reason       text not null,
    held_by      text not null,
    held_at      timestamptz not null,
    released_at  timestamptz,
    check (last_day >= first_day)
);
