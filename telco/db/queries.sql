-- name: record_audit
-- One row of the audit trail.
insert into kernel.audit_trail (at, actor, action, subject, ground, details) values ($1, $2, $3, $4, $5, $6);

-- name: record_audit_of_each
-- A row of the audit trail for each subject.
insert into kernel.audit_trail (at, actor, action, subject, ground, details)
select $1, $2, $3, subject, $5, '{}' from unnest($4::text[]) subject;

-- name: emit_event
-- One event, in the transaction of the command that caused it.
insert into kernel.outbox (topic, key, payload, created_at) values ($1, $2, $3, $4);

-- name: emit_events
-- Many events at once, in their order.
insert into kernel.outbox (topic, key, payload, created_at)
select topic, key, payload, $4
from unnest($1::text[], $2::text[], $3::jsonb[]) with ordinality as event (topic, key, payload, n) order by n;

-- name: claim_events
-- The oldest waiting events that no other dispatcher holds, and whether it is their turn: not while another dispatcher
-- has an earlier one of the same key. Where an earlier one failed and waits, the later ones wait with it, for $3 tries.
with mine as materialized (
    select event_id, topic, key, payload, created_at, attempts
    from kernel.outbox e
    where dispatched_at is null and not_before <= $1
      and not exists (select from kernel.outbox h
                      where h.key = e.key and h.event_id < e.event_id and h.dispatched_at is null
                        and h.attempts > 0 and h.attempts <= $3 and h.not_before > $1)
    order by event_id
    limit $2
    for update skip locked
)
select e.*, not exists (select from kernel.outbox h
                        where h.key = e.key and h.event_id < e.event_id and h.dispatched_at is null
                          and h.attempts <= $3 and h.event_id not in (select event_id from mine)) as in_turn
from mine e
order by event_id;

-- name: mark_dispatched
-- Events whose consumers are done.
update kernel.outbox set dispatched_at = $2 where event_id = any($1::bigint[]);

-- name: postpone_events
-- Events whose consumer failed wait longer each time.
update kernel.outbox e set attempts = least(e.attempts + 1, 30000), not_before = f.not_before, last_error = f.error
from unnest($1::bigint[], $2::timestamptz[], $3::text[]) f (event_id, not_before, error)
where e.event_id = f.event_id;

-- name: delete_dispatched
-- Events dispatched before a moment, a bounded number of them.
delete from kernel.outbox
where event_id in (select event_id from kernel.outbox where dispatched_at < $1 order by event_id limit $2);

-- name: last_finished_run
-- The newest due date a job has finished.
select max(due_at) from kernel.job_run where job = $1 and finished_at is not null;

-- name: start_run
-- A run begins, or begins again after a crash.
insert into kernel.job_run (job, due_at, started_at) values ($1, $2, $3)
on conflict (job, due_at) do update set started_at = excluded.started_at where kernel.job_run.finished_at is null
returning due_at;

-- name: finish_run
-- A run is done.
update kernel.job_run set finished_at = $3, result = $4 where job = $1 and due_at = $2;
