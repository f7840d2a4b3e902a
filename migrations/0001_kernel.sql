-- What every feature shares: the outbox, the audit trail, the journal of scheduled jobs.

create schema if not exists kernel;

-- Events leave through here: written in the transaction of the command, dispatched after its commit, at least once.
create table kernel.outbox (
    event_id      bigint generated always as identity primary key,
    topic         text        not null,
    key           text        not null,
    payload       jsonb       not null,
    created_at    timestamptz not null default now(),
    attempts      smallint    not null default 0,
    not_before    timestamptz not null default '-infinity',
    last_error    text,
    dispatched_at timestamptz
);
create index outbox_waiting on kernel.outbox (event_id) where dispatched_at is null;

create function kernel.outbox_notify_v1() returns trigger language plpgsql as $$
begin
    notify telco_outbox;
    return null;
end $$;
create trigger outbox_notify after insert on kernel.outbox
    for each statement execute function kernel.outbox_notify_v1();

-- Who read or changed what, on what ground. Rows are never changed.
create table kernel.audit_trail (
    audit_id bigint generated always as identity primary key,
    at       timestamptz not null,
    actor    text        not null,
    action   text        not null,
    subject  text        not null,
    ground   text        not null,
    details  jsonb       not null default '{}'
);
create index audit_trail_subject on kernel.audit_trail (subject, audit_id);

create function kernel.refuse_change_v1() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_relid::regclass using errcode = 'restrict_violation';
end $$;
create trigger audit_trail_append_only before update or delete or truncate on kernel.audit_trail
    for each statement execute function kernel.refuse_change_v1();

-- One row per job and due date: what was missed while the service was down is caught up, in order, once.
create table kernel.job_run (
    job         text        not null,
    due_at      timestamptz not null,
    started_at  timestamptz not null,
    finished_at timestamptz,
    result      jsonb,
    primary key (job, due_at)
);
