-- name: next_number
-- The year's next number; the row is locked until the agreement is committed, so there are no gaps.
insert into instalments.series as s (year, last_number) values ($1, 1)
on conflict (year) do update set last_number = s.last_number + 1
returning last_number;

-- name: insert_agreement
-- An agreement is signed.
insert into instalments.agreement (
    number, request_id, subscriber_id, party_id, contract_id, msisdn, shard, account_id, plan_code, plan_version,
    device, imei, price_tiyn, down_tiyn, months, signed_at, signed_on, signed_by, consent_version, consent_channel,
    consent_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $16)
returning *;

-- name: insert_parts
-- The schedule of an agreement.
insert into instalments.part (agreement_id, part_no, due_on, amount_tiyn)
select $1, part_no, due_on, amount from unnest($2::int[], $3::date[], $4::bigint[]) p (part_no, due_on, amount);

-- name: lock_request
-- One command with a request id at a time.
select pg_advisory_xact_lock(hashtextextended('instalments:' || $1::text, 0));

-- name: by_request
-- The agreement that a request made.
select * from instalments.agreement where request_id = $1;

-- name: by_number
-- An agreement by its number.
select * from instalments.agreement where number = $1;

-- name: lock_by_number
-- An agreement for the length of a command.
select * from instalments.agreement where number = $1 for update;

-- name: imei_sold
-- Whether an open agreement has sold a device.
select exists (select from instalments.agreement where imei = $1 and state = 'open');

-- name: parts_of
-- The parts of agreements.
select * from instalments.part where agreement_id = any($1::bigint[]) order by agreement_id, part_no;

-- name: of_subscriber
-- A number's agreements, the newest first.
select * from instalments.agreement where subscriber_id = $1 order by agreement_id desc limit $2;

-- name: open_of_subscriber
-- A number's open agreements that were signed until a moment, locked.
select * from instalments.agreement where subscriber_id = $1 and state = 'open' and signed_at <= $2
order by agreement_id for update;

-- name: open_rests
-- What is still to come of the agreements of accounts.
select a.number, a.shard, a.account_id, sum(p.amount_tiyn)::bigint as rest
from unnest($1::smallint[], $2::bigint[]) w (shard, account_id)
join instalments.agreement a using (shard, account_id)
join instalments.part p using (agreement_id)
where a.state = 'open' and p.posted_at is null and p.cancelled_at is null
group by a.agreement_id order by a.agreement_id;

-- name: due_parts
-- Parts whose day has come, the oldest first; those that another run holds are left to it.
select p.agreement_id, p.part_no, p.due_on, p.amount_tiyn, a.number, a.months, a.shard, a.account_id, a.subscriber_id,
       a.msisdn
from instalments.part p join instalments.agreement a using (agreement_id)
where p.posted_at is null and p.cancelled_at is null and p.due_on <= $1 and a.state = 'open'
order by p.due_on, p.agreement_id, p.part_no limit $2
for update of p, a skip locked;

-- name: mark_posted
-- Parts are on the account.
update instalments.part p set posted_at = $1, op_id = m.op_id
from unnest($2::bigint[], $3::int[], $4::text[]) m (agreement_id, part_no, op_id)
where p.agreement_id = m.agreement_id and p.part_no = m.part_no;

-- name: close_paid
-- Agreements of which nothing is left to post are paid.
update instalments.agreement a set state = 'paid', closed_at = $1, closed_by = 'system:instalments',
    close_reason = 'every part was posted'
where a.agreement_id = any($2::bigint[]) and a.state = 'open'
  and not exists (select from instalments.part p where p.agreement_id = a.agreement_id and p.posted_at is null);

-- name: close
-- An agreement is closed before its time.
update instalments.agreement set state = $2, closed_at = $3, closed_by = $4, close_reason = $5
where agreement_id = $1 returning *;

-- name: cancel_parts
-- Parts that will never be due.
update instalments.part set cancelled_at = $2 where agreement_id = $1 and posted_at is null;

-- name: lock_bureau
-- One file of a bureau is made at a time.
select pg_advisory_xact_lock(hashtextextended('bureau:' || $1::text, 0));

-- name: bureau_day_made
-- Whether a bureau's file of a day is made.
select exists (select from instalments.bureau_file where bureau = $1 and day = $2);

-- name: bureau_agreements
-- Agreements that a bureau may have to be told of, with the digest of what it was told last: open ones, and those that
-- were closed lately, whose debt may change.
select a.*, r.digest as told
from instalments.agreement a left join instalments.bureau_record r on r.bureau = $1 and r.agreement_id = a.agreement_id
where a.agreement_id > $3 and (a.state = 'open' or a.closed_at > $2)
order by a.agreement_id limit $4;

-- name: insert_bureau_file
-- A file is made.
insert into instalments.bureau_file (bureau, day, name, content, digest, records, made_at)
values ($1, $2, $3, $4, $5, $6, $7) returning *;

-- name: set_bureau_records
-- What a bureau was told last.
insert into instalments.bureau_record (bureau, agreement_id, digest, file_id)
select $1, agreement_id, digest, $2 from unnest($3::bigint[], $4::bytea[]) r (agreement_id, digest)
on conflict (bureau, agreement_id) do update set digest = excluded.digest, file_id = excluded.file_id;

-- name: bureau_files_waiting
-- Files that no bureau confirmed.
select * from instalments.bureau_file where sent_at is null order by file_id limit 20;

-- name: bureau_file_sent
-- The bureau took a file.
update instalments.bureau_file set sent_at = $2, receipt = $3, attempts = attempts + 1, last_error = null
where file_id = $1 and sent_at is null;

-- name: bureau_file_failed
-- The bureau did not take a file.
update instalments.bureau_file set attempts = attempts + 1, last_error = $2 where file_id = $1 and sent_at is null;

-- name: bureau_files
-- The latest files.
select * from instalments.bureau_file order by file_id desc limit $1;

-- name: bureau_file
-- A file.
select * from instalments.bureau_file where file_id = $1;
