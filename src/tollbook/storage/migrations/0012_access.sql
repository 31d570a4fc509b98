-- Access: who may call the API. Written by access/. Keys are never deleted: they end.

-- `digest` is the SHA-256 of the secret, which is random and shown once. Empty `sources` means any
-- source of events; a rate of 0 means the one of the settings.
create table access_key (
    key_id               text primary key,
    name                 text not null,
    digest               bytea not null unique check (length(digest) = 32),
    scopes               text[] not null check (cardinality(scopes) > 0),
    sources              text[] not null,
    events_per_second    integer not null check (events_per_second >= 0),
    requests_per_second  integer not null check (requests_per_second >= 0),
    created_at           timestamptz not null,
    created_by           text not null,
    expires_at           timestamptz,
    revoked_at           timestamptz,
    revoked_by           text,
    check ((revoked_at is null) = (revoked_by is null))
);

-- What access tokens are signed with. A retired key verifies nothing any more.
create table access_signing_key (
    kid          text primary key,
    private_jwk  jsonb not null,
    created_at   timestamptz not null,
    retired_at   timestamptz
);

-- What each process of the API last said about itself, so that any of them can answer for all.
create table process_signal (
    process  text primary key,
    at       timestamptz not null,
    body     jsonb not null
);

-- Answers are counted by door too, and refusals by their code.
alter table intake_tally add column door text not null default '(any)';
alter table intake_tally drop constraint intake_tally_pkey;
alter table intake_tally add primary key (process, door, answer);
