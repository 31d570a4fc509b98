-- Corrections: amendments, back-fills, watermarks of sources, completeness. Written by flow/capture.

-- What type a refused event said it was; null when that could not be read.
alter table quarantine add column event_type text;
create index quarantine_by_arrival on quarantine (received_at, quarantine_id);

-- A new event that stands for an old one, which no longer counts. Both are kept, and so is who
-- decided it and why.
create table event_amendment (
    h           uuid primary key,          -- the new event
    day         date not null,
    amends_h    uuid not null unique,      -- the old one
    amends_day  date not null,
    reason      text not null,
    decided_at  timestamptz not null,
    decided_by  text not null
);
create trigger event_amendment_is_fact before update or delete on event_amendment
    for each row execute function refuse_change();

-- Files of old events, imported under an id and taken back as a whole. The receipts of a back-fill
-- are those whose door is 'backfill:' and its id.
create table event_backfill (
    backfill_id    text primary key,
    file_name      text not null,
    file_sha256    text not null,
    state          text not null check (state in ('applying', 'applied', 'reverted')),
    began_at       timestamptz not null,
    applied_at     timestamptz,
    applied_by     text not null,
    reason         text not null,
    accepted       bigint not null default 0,
    duplicates     bigint not null default 0,
    conflicts      bigint not null default 0,
    rejected       bigint not null default 0,
    reverted_at    timestamptz,
    reverted_by    text,
    revert_reason  text,
    check ((state = 'reverted') = (reverted_at is not null))
);
create index intake_receipt_of_backfill on intake_receipt (door, receipt)
    where door like 'backfill:%';

-- Up to when a source says that it has sent everything. The newest row of a source counts.
create table source_watermark (
    sequence        bigint generated always as identity primary key,
    source          text not null,
    complete_until  timestamptz not null,
    declared_at     timestamptz not null,
    declared_by     text not null,
    reason          text not null
);
create index source_watermark_by_source on source_watermark (source, sequence desc);
create trigger source_watermark_is_fact before update or delete on source_watermark
    for each row execute function refuse_change();

-- Months that a person lets an entity invoice although a source is not complete.
create table completeness_override (
    entity_id   text not null,
    month       text not null,
    source      text not null,
    reason      text not null,
    decided_at  timestamptz not null,
    decided_by  text not null,
    primary key (entity_id, month, source)
);
create trigger completeness_override_is_fact before update or delete on completeness_override
    for each row execute function refuse_change();

-- What the crosswalk said before, and with which receipts: a usage that was counted through a receipt
-- is counted again by what was known with it. A row of a subject that was never known before holds
-- from receipt 0 on, because no event of it can have been counted otherwise.
alter table subject_crosswalk add column known_from bigint not null default 0;
create table subject_crosswalk_past (
    subject      text not null,
    customer_id  text not null,
    valid        tstzrange not null,
    known_from   bigint not null,
    known_until  bigint not null           -- the first receipt with which it was no longer known
);
create index subject_crosswalk_past_by_subject on subject_crosswalk_past (subject);

create function crosswalk_at(through bigint)
returns table (subject text, customer_id text, valid tstzrange)
language sql stable parallel safe as $$
    select c.subject, c.customer_id, c.valid from subject_crosswalk c where c.known_from <= through
    union all
    select p.subject, p.customer_id, p.valid from subject_crosswalk_past p
    where p.known_from <= through and through < p.known_until
$$;
