-- Control: work items, audit chain, lineage. Written by worklist/ and controls/.

create type textrange as range (subtype = text, collation = "C");

create table work_item (
    work_item_id  text primary key,
    code          text not null,
    stage         text not null,
    cause         text not null,
    message       text not null,
    owner         text not null,
    blocks_close  boolean not null,
    state         text not null default 'open' check (state in ('open', 'resolved')),
    opened_at     timestamptz not null,
    resolved_at   timestamptz,
    resolved_by   text,
    resolution    text,
    check ((state = 'resolved') = (resolution is not null))
);
create index work_item_open on work_item (stage, code) where state = 'open';

-- The documents, events or customers that one cause holds.
create table work_item_object (
    work_item_id  text not null references work_item,
    object_id     text not null,
    added_at      timestamptz not null,
    primary key (work_item_id, object_id)
);
create index work_item_object_by_object on work_item_object (object_id);

create table audit_record (
    sequence       bigint primary key,
    at             timestamptz not null,
    actor          text not null,
    action         text not null,
    object_id      text not null,
    before         text,
    after          text,
    reason         text not null,
    previous_hash  text not null,
    hash           text not null unique
);

-- This output came from that input. `child_id` was made by `stage`.
create table lineage_edge (
    child_id   text not null,
    parent_id  text not null,
    stage      text not null,
    primary key (child_id, parent_id)
);
create index lineage_edge_by_parent on lineage_edge (parent_id);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is a record of fact: it is corrected by a new record, never changed',
        tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger audit_record_is_fact before update or delete on audit_record
    for each row execute function refuse_change();
