-- Outgoing e-mail: stored in the transaction that causes it, sent after its commit, kept for a while.

create schema email;

create table email.message (
    message_id   bigint generated always as identity primary key,
    recipient    text        not null,
    subject      text        not null,
    body         text        not null,
    reference    text        not null,  -- what it is about: subscriber:42
    dedupe_key   text        not null constraint message_dedupe_key unique,
    state        text        not null default 'queued'
        constraint message_state_check check (state in ('queued', 'sent', 'failed')),
    attempts     int         not null default 0,
    created_at   timestamptz not null,
    valid_until  timestamptz not null,
    not_before   timestamptz not null,
    leased_until timestamptz,           -- a sender has it in hand until then
    finished_at  timestamptz,
    last_error   text,
    constraint message_finished_check check ((state = 'queued') = (finished_at is null)),
    constraint message_valid_check check (valid_until > created_at)
);
create index message_waiting on email.message (not_before) where state = 'queued';
create index message_finished on email.message (finished_at) where finished_at is not null;

create table email.attachment (
    message_id    bigint not null references email.message on delete cascade,
    attachment_no int    not null,
    name          text   not null,
    content_type  text   not null,
    data          bytea  not null,
    primary key (message_id, attachment_no)
);
