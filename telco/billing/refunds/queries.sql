-- name: terms
-- The figures in force on a day.
select distinct on (name) name, value from refunds.term where valid_from <= $1 order by name, valid_from desc;

-- name: lock_request
-- One at a time for one request, so that a repetition waits for the first.
select pg_advisory_xact_lock($1, hashtext($2));

-- name: insert_refund
-- An application; nothing when one for this account is not finished.
insert into refunds.refund
    (request_id, kind, shard, account_id, contract_id, party_id, party_kind, named, iin_bin, applicant, contact_phone,
     language, channel, registered_at, registered_by, ground, asked_tiyn, way, payee_iban, payee_bic, payee_kbe, not_before,
     pay_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
on conflict (shard, account_id) where state in ('applied', 'approved', 'ordered') do nothing
returning *;

-- name: open_refund
-- The unfinished application of an account.
select refund_id from refunds.refund
where shard = $1 and account_id = $2 and state in ('applied', 'approved', 'ordered');

-- name: refund_by_request
-- The application that a request registered.
select * from refunds.refund where request_id = $1;

-- name: refund
-- A refund.
select * from refunds.refund where refund_id = $1;

-- name: lock_refund
-- A refund for the length of a command.
select * from refunds.refund where refund_id = $1 for update;

-- name: refunds_of_account
-- Every refund of an account, the newest first.
select * from refunds.refund where shard = $1 and account_id = $2 order by refund_id desc limit $3;

-- name: refunds_in_state
-- Refunds in a state, the oldest first.
select * from refunds.refund where state = $1 and refund_id > $2 order by refund_id limit $3;

-- name: refunds_due
-- What has to be paid by a day, the most urgent first.
select * from refunds.refund
where state in ('applied', 'approved', 'ordered') and pay_by <= $1 order by pay_by, refund_id limit $2;

-- name: decide
-- What was decided on an application, by whom.
update refunds.refund set state = $2, decided_at = $3, decided_by = $4, decision = $5 where refund_id = $1 returning *;

-- name: set_dates
-- When a refund may and must be paid, as it is known at its order: a contract of credit may have ended meanwhile.
update refunds.refund set not_before = $2, pay_by = $3 where refund_id = $1 returning *;

-- name: orderable
-- Approved refunds whose day has come, the oldest first.
select refund_id from refunds.refund
where state = 'approved' and not_before <= $1 and refund_id > $2 order by refund_id limit $3;

-- name: set_ordered
-- The money has left the personal account.
update refunds.refund set state = 'ordered', amount_tiyn = $2, ordered_at = $3 where refund_id = $1 returning *;

-- name: set_nothing_left
-- Nothing was left when its day came.
update refunds.refund set state = 'nothing_left' where refund_id = $1 returning *;

-- name: set_paid
-- The bank or the cash desk has paid.
update refunds.refund
set state = 'paid', paid_on = $2, paid_at = $3, paid_by = $4, payout_ref = $5, shift_id = $6
where refund_id = $1 returning *;

-- name: set_returned
-- The money is on the personal account again.
update refunds.refund
set state = 'returned', returned_at = $2, returned_by = $3, return_reason = $4 where refund_id = $1 returning *;

-- name: set_return_told
-- When the bank had a returned refund's money again, and which document told so.
update refunds.refund set return_told_on = coalesce(return_told_on, $2), return_document_id = $3 where refund_id = $1;

-- name: file_by_request
-- The file that a request made.
select * from refunds.bank_file where request_id = $1;

-- name: file
-- A file of payment orders.
select * from refunds.bank_file where file_id = $1;

-- name: lock_unfiled
-- Orders that were not given to the bank yet, the oldest first.
select * from refunds.refund
where state = 'ordered' and way = 'bank' and file_id is null order by refund_id limit $1 for update;

-- name: insert_file
-- A file of payment orders.
insert into refunds.bank_file (request_id, iban, made_on, made_at, made_by, orders, total_tiyn, content)
values ($1, $2, $3, $4, $5, $6, $7, $8) returning *;

-- name: set_file
-- Orders that are in a file.
update refunds.refund set file_id = $1 where refund_id = any($2::bigint[]);

-- name: refund_of_order
-- The refund whose payment order, made between two days, this is.
select r.* from refunds.refund r join refunds.bank_file f using (file_id)
where r.refund_id = $1 and f.iban = $2 and f.made_on between $3 and $4;

-- name: answer_by_digest
-- What came of a file from the bank, taken before.
select result from refunds.bank_answer where digest = $1;

-- name: insert_answer
-- A file from the bank that was gone through; nothing when another did at the same time.
insert into refunds.bank_answer (digest, file_name, taken_at, taken_by, result) values ($1, $2, $3, $4, $5)
on conflict on constraint bank_answer_digest_key do nothing;

-- name: lock_clearing
-- One at a time opens the clearing account.
select pg_advisory_xact_lock($1);

-- name: clearing
-- The clearing account.
select shard, account_id from refunds.clearing;

-- name: insert_clearing
-- The clearing account, once.
insert into refunds.clearing (shard, account_id) values ($1, $2);

-- name: account_ended
-- An account whose last number ended; again, when it was in use meanwhile.
insert into refunds.ended_account as known (shard, account_id, ended_at, ground, credit, period_end)
values ($1, $2, $3, $4, $5, $6)
on conflict (shard, account_id) do update
set ended_at = excluded.ended_at, ground = excluded.ground, credit = excluded.credit, period_end = excluded.period_end,
    emptied_at = null, limit_ended_at = null
where known.ended_at < excluded.ended_at;

-- name: lock_unfinished_accounts
-- Ended accounts on which something is still to be taken back or whose credit limit is due to go.
select * from refunds.ended_account
where (emptied_at is null or (limit_ended_at is null and (period_end is null or period_end <= $1)))
  and (shard, account_id) > ($2, $3)
order by shard, account_id limit $4 for update skip locked;

-- name: lock_ended_account
-- One ended account.
select * from refunds.ended_account where shard = $1 and account_id = $2 for update;

-- name: ended_period
-- The day after the last accounting period of an ended account of credit.
select period_end from refunds.ended_account where shard = $1 and account_id = $2;

-- name: account_worked_on
-- How far the end of an account has come.
update refunds.ended_account
set attempts = attempts + 1, emptied_at = coalesce(emptied_at, $3), limit_ended_at = coalesce(limit_ended_at, $4)
where shard = $1 and account_id = $2;

-- name: account_in_use_again
-- A number spends from the account again: it is no longer ended.
delete from refunds.ended_account where shard = $1 and account_id = $2;

-- name: ended_accounts
-- Ended accounts by key, for those who go through all of them.
select * from refunds.ended_account where (shard, account_id) > ($1, $2) order by shard, account_id limit $3;

-- name: insert_incident
-- An incident, when it is heard of first.
insert into refunds.incident (incident, happened_on, opened_at, opened_by) values ($1, $2, $3, $4)
on conflict (incident) do nothing;

-- name: incident_day
-- When an incident happened.
select happened_on from refunds.incident where incident = $1;

-- name: compensated
-- What a party was granted for an incident.
select coalesce(sum(amount_tiyn), 0)::bigint from refunds.compensation where incident = $1 and party_id = $2;

-- name: insert_compensation
-- A compensation.
insert into refunds.compensation
    (request_id, incident, party_id, shard, account_id, loss_tiyn, amount_tiyn, limit_tiyn, ground, evidence, granted_at,
     granted_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning compensation_id;

-- name: compensation_by_request
-- The compensation that a request granted.
select c.*, i.happened_on from refunds.compensation c join refunds.incident i using (incident) where c.request_id = $1;

-- name: compensations
-- Compensations, the newest first; of an incident, or all.
select c.*, i.happened_on from refunds.compensation c join refunds.incident i using (incident)
where ($1::text is null or c.incident = $1) order by c.compensation_id desc limit $2;
