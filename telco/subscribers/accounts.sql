-- name: suspend_accounts
-- Suspend every number in use of these accounts, each under its reference; what is suspended so already stays as it is.
with made as (
    insert into subscribers.suspension (subscription_id, ground, scopes, reference, reason, author, started_at)
    select s.subscription_id, $4, $5, w.reference, $6, $7, $8
    from unnest($1::smallint[], $2::bigint[], $3::text[]) as w (shard, account_id, reference)
    join subscribers.subscription s using (shard, account_id)
    where s.state <> 'ended'
    order by s.subscription_id, w.reference
    on conflict (subscription_id, ground, reference) where ended_at is null do nothing
    returning suspension_id, subscription_id, reference)
select made.*, s.msisdn, s.language, s.shard, s.account_id
from made join subscribers.subscription s using (subscription_id)
order by made.suspension_id;

-- name: resume_references
-- End suspensions on a ground by their references, whatever account their numbers spend from now.
update subscribers.suspension set ended_at = $3, ended_by = $4, end_reason = $5
where suspension_id in (
    select suspension_id from subscribers.suspension
    where ground = $1 and reference = any($2::text[]) and ended_at is null
    order by suspension_id for update)
returning suspension_id, subscription_id, reference;

-- name: still_barred
-- What other suspensions in force still forbid, by subscription.
select s.subscription_id, s.state,
       array(select distinct scope from subscribers.suspension p, unnest(p.scopes) scope
             where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $2
               and (p.ends_at is null or p.ends_at > $2) order by scope) as barred
from subscribers.subscription s where s.subscription_id = any($1::bigint[]);

-- name: in_use_of_account
-- The numbers in use of an account.
select subscription_id from subscribers.subscription
where shard = $1 and account_id = $2 and state <> 'ended' order by subscription_id;

-- name: holders
-- Who answers for accounts: the party of each one's contract, with its oldest number in use or the last that was.
select a.shard, a.account_id, a.contract_id, p.kind as party_kind, p.iin_bin, p.full_name, p.postal_address, p.email,
       p.contact_phone, n.subscription_id, n.msisdn, n.language, n.in_use
from unnest($1::smallint[], $2::bigint[]) as w (shard, account_id)
join subscribers.personal_account a using (shard, account_id)
join subscribers.contract c using (contract_id)
join subscribers.party p using (party_id)
left join lateral (
    select * from subscribers.account_number n where n.shard = a.shard and n.account_id = a.account_id
    order by n.in_use desc, n.ended_at desc, n.subscription_id limit 1) n on true;

-- name: open_on_ground
-- Suspensions of numbers in use that are in force on a ground, from beyond an id.
select p.suspension_id, p.subscription_id, p.reference, s.shard, s.account_id
from subscribers.suspension p join subscribers.subscription s using (subscription_id)
where p.suspension_id > $2 and p.ended_at is null and p.ground = $1 and p.author = $3 and s.state <> 'ended'
order by p.suspension_id limit $4;
