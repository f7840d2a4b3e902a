-- Charging sessions: what a call or data session was asked for and how far it has been counted. Money and holds are the
-- ledger's; a session's operations there are named by session and sequence number, so a repeated request charges once.

create schema charging;

create table charging.session (
    session_id     text        primary key constraint session_id_check check (length(session_id) between 1 and 100),
    request_sha256 bytea       not null,
    msisdn         text        not null,
    shard          smallint    not null,
    account_id     bigint      not null,
    request        jsonb       not null,
    rate           jsonb       not null,
    fair_use       jsonb,
    last_seq       int         not null,
    used_before    bigint      not null,
    used           bigint      not null,
    state          text        not null constraint session_state_check check (state in ('open', 'closed')),
    started_at     timestamptz not null,
    seen_at        timestamptz not null,
    constraint session_used_check check (0 <= used_before and used_before <= used)
);
create index session_open on charging.session (seen_at) where state = 'open';
create index session_account on charging.session (shard, account_id) where state = 'open';

-- Networks of other countries that a subscriber was seen in, so that each arrival is told of once.
create table charging.roaming_presence (
    msisdn     text        primary key,
    network    text        not null,
    country    text,
    entered_at timestamptz not null
);
