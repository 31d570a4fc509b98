-- Objects that sources of files have seen, a row for each version of each, kept for ever.

-- Counts are written in the transaction of the events they count. `lane` is that of source_position.
create table source_object (
    source          text not null,
    lane            text not null,
    place           text not null,
    key             text not null,
    version         text not null,
    seen            bigint generated always as identity,
    size            bigint not null,
    modified_at     timestamptz not null,
    sha256          text not null default '',
    said_by         text not null default '',
    complete_up_to  timestamptz,
    state           text not null check (state in ('open', 'done', 'refused', 'damaged', 'held')),
    rows            bigint not null default 0,
    accepted        bigint not null default 0,
    duplicates      bigint not null default 0,
    conflicts       bigint not null default 0,
    rejected        bigint not null default 0,
    ignored         bigint not null default 0,
    first_seen_at   timestamptz not null,
    done_at         timestamptz,
    code            text not null default '',
    message         text not null default '',
    notice          text not null default '',
    primary key (source, lane),
    check ((state = 'done') = (done_at is not null))
);
create index source_object_by_key on source_object (source, key, seen);
