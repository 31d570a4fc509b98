-- Records of foreign systems. quarantine keeps the record as it came, and by which mapping it became
-- events; otlp_series the last point of each cumulative series, from which the next one is counted.

alter table quarantine
    add column mapping  text,
    add column metadata jsonb,
    add constraint quarantine_origin check ((mapping is null) = (metadata is null));
create index quarantine_mapping on quarantine (mapping) where state = 'open' and mapping is not null;

create table otlp_series (
    series_id   uuid primary key,             -- hash of resource, scope, metric and attributes
    started_at  bigint not null,              -- startTimeUnixNano of the last point
    point_at    bigint not null,              -- timeUnixNano of the last point
    total       numeric not null,             -- its value
    received_at timestamptz not null
);
