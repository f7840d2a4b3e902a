-- name: account_holder
-- Whose a personal account is and which numbers spend from it; of the numbers, one in use or the one that ended last.
select a.shard, a.account_id, a.contract_id, p.party_id, p.kind as party_kind, p.iin_bin, p.full_name, p.contact_phone,
       last.msisdn, last.language, last.settlement, last.plan_joined_at, last.ended_at, last.end_ground,
       (select count(*) from subscribers.subscription s
        where s.shard = a.shard and s.account_id = a.account_id and s.state <> 'ended')::int as numbers
from subscribers.personal_account a
join subscribers.contract c on c.contract_id = a.contract_id
join subscribers.party p on p.party_id = c.party_id
left join lateral (
    select * from subscribers.subscription s
    where s.shard = a.shard and s.account_id = a.account_id
    order by s.ended_at desc nulls first, s.subscription_id desc limit 1
) last on true
where a.shard = $1 and a.account_id = $2;

-- name: accounts_by_number
-- Personal accounts of a party from which a number was ever used, the newest first.
select distinct on (s.shard, s.account_id) s.shard, s.account_id, s.subscription_id
from subscribers.number_history h
join subscribers.subscription s on s.subscription_id = h.subscription_id
join subscribers.party p on p.party_id = s.party_id
where h.msisdn = $1 and p.iin_bin = $2
order by s.shard, s.account_id, s.subscription_id desc;

-- name: origins_in_use
-- What the numbers that still spend from an account have: their plans and services.
select 'plan:' || s.plan_code || ':' || s.plan_version as origin
from subscribers.subscription s where s.shard = $1 and s.account_id = $2 and s.state <> 'ended'
union
select 'service:' || v.code || ':' || v.version
from subscribers.subscription s join subscribers.service v on v.subscription_id = s.subscription_id and v.state <> 'off'
where s.shard = $1 and s.account_id = $2 and s.state <> 'ended';

-- name: contract_accounts
-- The personal accounts of a contract.
select shard, account_id from subscribers.personal_account where contract_id = $1 order by shard, account_id;
