-- Posting: the outbox of finance documents. Written by flow/post.

create table posting (
    posting_id       text primary key,
    position         bigint generated always as identity,  -- the order of queueing
    document_id      text not null,           -- invoice, credit memo or journal that is posted
    document_kind    text not null check (document_kind in ('invoice', 'credit_memo', 'journal')),
    entity_id        text not null,
    target           text not null,
    key              text not null,
    key16            text not null,
    after_document   text,                    -- posted only once this document is posted
    service_month    text not null,
    state            text not null,
    payload          jsonb,                   -- the finance document, frozen at first send
    payload_sha256   text,
    attempts         integer not null default 0,
    available_at     timestamptz not null,
    lease_token      bigint,
    lease_until      timestamptz,
    sent_at          timestamptz,
    frozen_until     timestamptz,             -- by then no earlier send can take effect any more
    code             text,
    message          text,
    receipt          jsonb,
    receipt_at       timestamptz,
    created_at       timestamptz not null,
    unique (target, key),
    unique (target, document_id),
    check (state in ('ready', 'leased', 'sending', 'posted', 'differently', 'pending_remote',
                     'held', 'failed', 'doubtful')),
    check ((lease_token is null) = (lease_until is null)),
    check ((payload is null) = (payload_sha256 is null))
);
create index posting_ready on posting (target, available_at, position)
    where state in ('ready', 'doubtful', 'pending_remote');
create index posting_by_document on posting (document_id);
create index posting_by_month on posting (service_month, state);
create index posting_waiting on posting (target, available_at) where state in ('held', 'failed');
create index posting_leased on posting (lease_until) where state in ('leased', 'sending');
create sequence posting_lease_token;

create function refuse_change_of_payload() returns trigger language plpgsql as $$
begin
    if old.payload is not null and new.payload is distinct from old.payload
       and old.sent_at is not null and new.sent_at is not null then
        raise exception 'posting % was sent: its payload is frozen', old.posting_id
            using errcode = 'restrict_violation';
    end if;
    return new;
end $$;
create trigger posting_payload_frozen before update on posting
    for each row execute function refuse_change_of_payload();

-- Every intention and every answer, in order.
create table posting_attempt (
    posting_id  text not null references posting,
    number      integer not null,
    at          timestamptz not null,
    signal      text not null,
    state       text not null,
    code        text,
    message     text,
    primary key (posting_id, number)
);

-- Which subledger entries a posted journal summarizes.
create table journal_document (
    document_id    text primary key,
    entity_id      text not null,
    currency       text not null,
    service_month  text not null,
    booked_on      date not null,
    created_at     timestamptz not null
);
create table journal_document_entry (
    entry_id     text primary key references journal_entry,
    document_id  text not null references journal_document
);
