-- name: terms
-- The figures in force on days: the newest row of each that is not later.
select day, name, value from (
    select d.day, t.name, t.value, row_number() over (partition by d.day, t.name order by t.valid_from desc) as newest
    from unnest($1::date[]) as d (day) join collection.term t on t.valid_from <= d.day) as known
where newest = 1;

-- name: term_days
-- A day and the later ones on which a figure changes.
select $1::date as valid_from union select valid_from from collection.term where valid_from > $1;

-- name: set_term
-- A figure from a day on.
insert into collection.term (name, valid_from, value) values ($1, $2, $3)
on conflict (name, valid_from) do update set value = excluded.value;

-- name: steps
-- Every version of every step.
select * from collection.step order by code, valid_from;

-- name: set_step
-- A step from a day on.
insert into collection.step (code, valid_from, action, offset_days, unit, channel, enabled, set_by)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (code, valid_from) do update set action = excluded.action, offset_days = excluded.offset_days,
    unit = excluded.unit, channel = excluded.channel, enabled = excluded.enabled, set_by = excluded.set_by;

-- name: enrol
-- Debts that are new here begin; one that was paid and is not any more begins again where it stopped.
insert into collection.debt as d (shard, account_id, kind, invoice_id, number, subscriber_id, due_on, total_tiyn,
    penalty_part_tiyn, opened_at, next_at, post_on)
select shard, account_id, 'invoice', invoice_id, number, subscriber_id, due_on, total_tiyn, penalty_part_tiyn, $10, $11,
    post_on
from unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::date[], $7::bigint[], $8::bigint[],
    $9::date[]) as b (shard, account_id, invoice_id, number, subscriber_id, due_on, total_tiyn, penalty_part_tiyn, post_on)
on conflict (invoice_id) do update set state = 'open', closed_at = null, next_at = excluded.next_at,
    post_on = excluded.post_on, case_id = null, round = d.round + 1, noticed_on = null, answer_until = null,
    acknowledged_at = null, notice_again = false
where d.state = 'paid'
returning debt_id;

-- name: add_found
-- A debt found after the end of the contract.
insert into collection.debt (shard, account_id, kind, number, subscriber_id, due_on, total_tiyn, penalty_part_tiyn,
    opened_at, next_at, post_on)
values ($1, $2, 'found', $3, $4, $5, $6, $7, $8, $9, $10) returning *;

-- name: found_before
-- How many debts were found of an account so far, and what penalties of the closed ones no later one has claimed.
select count(*) as debts,
       coalesce(sum(penalty_tiyn) filter (where state <> 'open'), 0)::bigint
           - coalesce(sum(penalty_part_tiyn), 0)::bigint as penalties
from collection.debt where shard = $1 and account_id = $2 and kind = 'found';

-- name: has_open
-- Whether an account has a debt that is not paid.
select exists (select 1 from collection.debt where shard = $1 and account_id = $2 and state = 'open');

-- name: lock_due
-- Open debts for which something is to be done, the longest waiting first; those that another run holds are left to it.
select * from collection.debt where state = 'open' and next_at <= $1
order by next_at, debt_id limit $2 for update skip locked;

-- name: lock_of_account
-- The open debts of an account.
select * from collection.debt where shard = $1 and account_id = $2 and state = 'open' order by debt_id for update;

-- name: open_of_account
-- The same, not locked.
select * from collection.debt where shard = $1 and account_id = $2 and state = 'open' order by debt_id;

-- name: lock_debt
-- One debt.
select * from collection.debt where debt_id = $1 for update;

-- name: lock_of_invoice
-- The debt of an invoice.
select * from collection.debt where invoice_id = $1 for update;

-- name: lock_overdue
-- Open overdue debts from beyond an id; those that another transaction holds are left to it.
select * from collection.debt where state = 'open' and case_id is not null and debt_id > $1
order by debt_id limit $2 for update skip locked;

-- name: debts_of_account
-- The debts of an account, the newest first.
select * from collection.debt where shard = $1 and account_id = $2 order by debt_id desc limit $3;

-- name: debt
-- One debt, not locked.
select * from collection.debt where debt_id = $1;

-- name: save_debts
-- What a run decided of debts.
update collection.debt d set case_id = n.case_id, state = n.state, closed_at = n.closed_at, next_at = n.next_at,
    noticed_on = n.noticed_on, answer_until = n.answer_until, acknowledged_at = n.acknowledged_at,
    suspended_at = n.suspended_at, post_on = n.post_on, penalty_tiyn = n.penalty_tiyn, notice_again = n.notice_again
from unnest($1::bigint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::date[], $7::date[],
    $8::timestamptz[], $9::timestamptz[], $10::date[], $11::bigint[], $12::boolean[]) as n (debt_id, case_id, state,
    closed_at, next_at, noticed_on, answer_until, acknowledged_at, suspended_at, post_on, penalty_tiyn, notice_again)
where d.debt_id = n.debt_id;

-- name: taken_of
-- The steps that were taken of debts in their running round, in their order.
select t.* from collection.step_taken t join collection.debt d using (debt_id, round)
where t.debt_id = any($1::bigint[]) order by t.debt_id, t.due_on, t.step;

-- name: take_steps
-- Steps are taken, each once.
insert into collection.step_taken (debt_id, round, step, action, due_on, taken_at, channel, outcome)
select debt_id, round, step, action, due_on, $8, channel, outcome
from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::date[], $6::text[], $7::text[])
    as s (debt_id, round, step, action, due_on, channel, outcome);

-- name: open_cases
-- The open case of each account, made where there is none.
insert into collection.dossier as c (shard, account_id, opened_at)
select shard, account_id, $3 from unnest($1::smallint[], $2::bigint[]) as a (shard, account_id)
order by shard, account_id
on conflict (shard, account_id) where closed_at is null do update set opened_at = c.opened_at
returning case_id, shard, account_id;

-- name: suspend_cases
-- Services are suspended from a day on; a suspension that runs already keeps its beginning.
update collection.dossier set suspended_on = n.suspended_on, ends_on = n.ends_on
from unnest($1::bigint[], $2::date[], $3::date[]) as n (case_id, suspended_on, ends_on)
where dossier.case_id = n.case_id and dossier.suspended_on is null;

-- name: settle_cases
-- Cases without a suspended debt are served again; those without an open overdue debt are closed.
update collection.dossier c set
    suspended_on = case when n.suspended then c.suspended_on end,
    ends_on = case when n.suspended then c.ends_on end,
    closed_at = case when n.overdue then null else $2::timestamptz end
from (select case_id, bool_or(suspended_at is not null) as suspended, bool_or(state = 'open') as overdue
      from collection.debt where case_id = any($1::bigint[]) group by case_id) as n
where c.case_id = n.case_id and c.closed_at is null
  and (not n.overdue or (c.suspended_on is not null and not n.suspended));

-- name: lock_cases
-- Cases, in one order for everybody.
select * from collection.dossier where case_id = any($1::bigint[]) order by case_id for update;

-- name: ending_cases
-- Cases whose contract is to end, the oldest first.
select case_id, shard, account_id from collection.dossier
where ends_on <= $1 and ended_at is null and closed_at is null order by ends_on, case_id limit $2;

-- name: end_case
-- The contract has ended for non-payment; the debt remains.
update collection.dossier set ended_at = $2, suspended_on = null, ends_on = null where case_id = $1;

-- name: add_posting
-- A penalty was posted.
insert into collection.penalty_posting (debt_id, through, amount_tiyn, op_id, posted_at)
select debt_id, $4, amount_tiyn, op_id, $5
from unnest($1::bigint[], $2::bigint[], $3::text[]) as p (debt_id, amount_tiyn, op_id);

-- name: postings
-- What was posted of a debt's penalty.
select * from collection.penalty_posting where debt_id = $1 order by posted_at, op_id;

-- name: reverse_postings
-- The penalties of a debt are given back.
update collection.penalty_posting set reversed_at = $2 where debt_id = $1 and reversed_at is null returning *;

-- name: disputed
-- Which debts have an objection that waits.
select debt_id, in_time from collection.objection where debt_id = any($1::bigint[]) and decided_at is null;

-- name: add_objection
-- An objection is registered, once for a request.
insert into collection.objection (request_id, debt_id, registered_at, channel, author, body, in_time)
values ($1, $2, $3, $4, $5, $6, $7) returning *;

-- name: objection_by_request
-- The objection that a request made.
select * from collection.objection where request_id = $1;

-- name: open_objection
-- The objection to a debt that waits for its decision.
select * from collection.objection where debt_id = $1 and decided_at is null;

-- name: objection
-- An objection, not locked.
select * from collection.objection where objection_id = $1;

-- name: lock_objection
-- An objection.
select * from collection.objection where objection_id = $1 for update;

-- name: decide_objection
-- An objection is decided.
update collection.objection set decided_at = $2, decided_by = $3, upheld = $4, decision = $5
where objection_id = $1 returning *;

-- name: objections_of
-- The objections to a debt.
select * from collection.objection where debt_id = $1 order by objection_id;

-- name: waiting_objections
-- Objections that wait, the oldest first.
select * from collection.objection where decided_at is null and objection_id > $1 order by objection_id limit $2;

-- name: hand_over
-- Debts go into the day's file for collectors, each once in its round.
insert into collection.handover (debt_id, round, case_id, day, handed_at, data)
select debt_id, round, case_id, $5, $6, data
from unnest($1::bigint[], $2::int[], $3::bigint[], $4::jsonb[]) as h (debt_id, round, case_id, data)
on conflict do nothing;

-- name: withdraw
-- Debts that were handed over are taken back from the collector.
update collection.handover set withdrawn_on = $2, withdrawal = $3
where debt_id = any($1::bigint[]) and withdrawn_on is null returning debt_id;

-- name: handed_over
-- The file of a day, from beyond a debt; of the last debt every row.
select debt_id, case_id, day, data, withdrawn_on from collection.handover where day = $1 and debt_id > $2
order by debt_id fetch first $3 rows with ties;

-- name: withdrawn
-- What was taken back on a day, from beyond a debt; of the last debt every row.
select debt_id, case_id, withdrawn_on as day, data, withdrawn_on from collection.handover
where withdrawn_on = $1 and debt_id > $2 order by debt_id fetch first $3 rows with ties;

-- name: handover_days
-- The days that have a file, the newest first.
select day, count(*) as debts, count(withdrawn_on) as withdrawn from collection.handover
where day >= $1 group by day order by day desc limit $2;

-- name: add_letters
-- Letters go onto the day's list, each once.
insert into collection.letter (debt_id, step, day, data)
select debt_id, step, $3, data from unnest($1::bigint[], $2::text[], $4::jsonb[]) as l (debt_id, step, data)
on conflict do nothing;

-- name: letters
-- The list of a day, from beyond a debt; of the last debt every row.
select debt_id, null::bigint as case_id, day, data || jsonb_build_object('step', step) as data, null::date as withdrawn_on
from (select * from collection.letter where day = $1 and debt_id > $2
      order by debt_id fetch first $3 rows with ties) as page
order by debt_id, step;

-- name: watch
-- An account whose last number ended is watched for debts found later.
insert into collection.ended_account (shard, account_id, subscriber_id, ground, watch_until) values ($1, $2, $3, $4, $5)
on conflict (shard, account_id) do update set subscriber_id = excluded.subscriber_id, ground = excluded.ground,
    watch_until = excluded.watch_until;

-- name: watched
-- Ended accounts, from beyond one.
select shard, account_id, subscriber_id, ground from collection.ended_account
where (shard, account_id) > ($1, $2) and watch_until >= $3 order by shard, account_id limit $4;

-- name: lock_watched
-- An ended account.
select shard, account_id, subscriber_id, ground from collection.ended_account
where shard = $1 and account_id = $2 for update;

-- name: forget_watched
-- Accounts that need no watching any more.
with gone as (
    delete from collection.ended_account where (shard, account_id) in (
        select shard, account_id from collection.ended_account where watch_until < $1 limit $2)
    returning 1)
select count(*) from gone;

-- name: found_payments
-- What was paid of debts found later.
select debt_id, paid_on, amount_tiyn from collection.found_payment where debt_id = any($1::bigint[]);

-- name: add_found_payment
-- A payment of a debt found later, once for an event.
insert into collection.found_payment (debt_id, event_id, paid_on, amount_tiyn) values ($1, $2, $3, $4)
on conflict do nothing;
