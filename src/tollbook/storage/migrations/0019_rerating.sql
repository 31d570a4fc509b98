-- Re-rating: what a month would come to on other terms, kept so that another person can approve it.
create table rerate_run (
    run_id          text primary key,
    sequence        bigint generated always as identity,
    service_month   text not null,
    customers       text[] not null,          -- none: all of them
    as_if_in_force  boolean not null,
    is_whole        boolean not null,         -- no contract that the terms reach was left out
    inputs_hash     text not null,            -- of usage, versions and terms that it rests on
    documents       jsonb not null,           -- the terms, by section, as they were written
    report          jsonb not null,
    author          text not null,
    reason          text not null,
    saved_at        timestamptz not null
);
create trigger rerate_run_is_fact before update or delete on rerate_run
    for each row execute function refuse_change();

create table rerate_approval (
    run_id       text primary key references rerate_run,
    approver     text not null,
    reason       text not null,
    approved_at  timestamptz not null
);
create trigger rerate_approval_is_fact before update or delete on rerate_approval
    for each row execute function refuse_change();
