-- Who may call the API, and what the first answer to each Idempotency-Key was.

create schema web;

-- Staff and machines that call the API.
create table web.principal (
    principal_id  bigint generated always as identity primary key,
    name          text        not null,
    roles         text[]      not null,
    rate_limit_per_s integer,
    created_at    timestamptz not null,
    disabled_at   timestamptz,
    constraint principal_name_unique unique (name),
    constraint principal_name_printable check (name ~ '^[[:alnum:]][[:alnum:] ._@-]{0,63}$'),
    constraint principal_has_role check (cardinality(roles) between 1 and 16),
    constraint principal_rate_positive check (rate_limit_per_s > 0)
);

-- Keys, as SHA-256 with the service's pepper; the key itself is shown once and stored nowhere.
create table web.api_key (
    key_id        text        primary key,
    principal_id  bigint      not null references web.principal,
    digest        bytea       not null check (octet_length(digest) = 32),
    created_at    timestamptz not null,
    expires_at    timestamptz,
    revoked_at    timestamptz
);
create index api_key_principal on web.api_key (principal_id);

-- One row per principal and Idempotency-Key. While state is in_progress the attempt that holds the lease may finish it;
-- after lease_until another attempt may take it over, because the commands behind are idempotent by the same key.
create table web.idempotency (
    principal_id  bigint      not null,
    key           text        not null check (length(key) between 1 and 100),
    route         text        not null,
    request_hash  bytea       not null check (octet_length(request_hash) = 32),
    field_hashes  jsonb       not null,
    state         text        not null check (state in ('in_progress', 'done')),
    attempt       integer     not null default 1,
    lease_until   timestamptz not null,
    created_at    timestamptz not null,
    status        smallint,
    content_type  text,
    headers       jsonb,
    body          bytea,
    primary key (principal_id, key),
    constraint idempotency_done_has_answer
        check ((state = 'done') = (status is not null and body is not null and headers is not null))
);
create index idempotency_created on web.idempotency (created_at);
