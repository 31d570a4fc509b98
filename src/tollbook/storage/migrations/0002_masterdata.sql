-- Master data: one immutable row per version. Written by masterdata/.

create table master_version (
    kind            text not null,
    key             text not null,
    version         integer not null check (version > 0),
    effective_from  date not null,
    document        jsonb not null,
    content_hash    text not null,
    decided_at      timestamptz not null,
    decided_by      text not null,
    primary key (kind, key, version)
);

create trigger master_version_is_fact before update or delete on master_version
    for each row execute function refuse_change();

-- Which customer a subject means at an instant. Rebuilt from the customers when they change.
create table subject_crosswalk (
    subject      text not null,
    customer_id  text not null,
    valid        tstzrange not null,
    exclude using gist (textrange(subject, subject, '[]') with &&, valid with &&)
);
create index subject_crosswalk_by_customer on subject_crosswalk (customer_id);
