-- name: owners
-- Whose these personal accounts are, each with its first number in use or, without one, the last that was.
select a.shard, a.account_id, a.contract_id, c.party_id, c.ended_at, s.subscription_id, s.msisdn, s.in_use
from unnest($1::smallint[], $2::bigint[]) as wanted (shard, account_id)
join subscribers.personal_account a using (shard, account_id)
join subscribers.contract c using (contract_id)
cross join lateral (
    select s.subscription_id, s.msisdn, s.state <> 'ended' and (s.stop_at is null or s.stop_at > $3) as in_use
    from subscribers.subscription s where s.shard = a.shard and s.account_id = a.account_id
    order by 3 desc, case when s.state = 'ended' then -s.subscription_id else s.subscription_id end limit 1) s;

-- name: last_owners
-- Whose accounts numbers spent from that nobody uses now: the last subscription of each.
select h.msisdn as named, s.subscription_id, s.shard, s.account_id
from unnest($1::text[]) as h (msisdn)
cross join lateral (
    select s.subscription_id, s.shard, s.account_id from subscribers.number_history n
    join subscribers.subscription s using (subscription_id)
    where n.msisdn = h.msisdn order by n.use_id desc limit 1) s;

-- name: accounts_of_company
-- The personal accounts of every contract of a company, ended contracts too, the oldest first.
select a.shard, a.account_id
from subscribers.party p
join subscribers.contract c using (party_id)
join subscribers.personal_account a using (contract_id)
where p.kind = 'company' and p.iin_bin = $1
order by a.opened_at, a.account_id;
