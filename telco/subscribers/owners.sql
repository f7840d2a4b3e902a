-- name: owners
-- Whose these personal accounts are, each with its first number in use or, without one, the last that was.
select a.shard, a.account_id, a.contract_id, c.party_id, c.ended_at, s.subscription_id, s.msisdn, s.in_use
from unnest($1::smallint[], $2::bigint[]) as wanted (shard, account_id)
join subscribers.personal_account a using (shard, account_id)
join subscribers.contract c using (contract_id)
cross join lateral (
    select s.subscription_id, s.msisdn, s.in_use and (s.stop_at is null or s.stop_at > $3) as in_use
    from subscribers.account_number s where s.shard = a.shard and s.account_id = a.account_id
    order by 3 desc, case when s.in_use then s.subscription_id else -s.subscription_id end limit 1) s;

-- name: last_owners
-- Whose accounts numbers spent from that nobody uses now: the last subscription of each.
select h.msisdn as named, s.subscription_id, s.shard, s.account_id
from unnest($1::text[]) as h (msisdn)
cross join lateral (
    select s.subscription_id, s.shard, s.account_id from subscribers.number_history n
    join subscribers.subscription s using (subscription_id)
    where n.msisdn = h.msisdn order by n.use_id desc limit 1) s;

-- name: use_at
-- Who had a number at a moment, with the plan and the services of that moment, whether or not the contract has ended
-- since or the subscription passed to another holder or account. A plan was the one that the holder's first change after the moment
-- left; without such a change it is his last one.
select s.subscription_id, coalesce(n.shard, s.shard) as shard, coalesce(n.account_id, s.account_id) as account_id,
       coalesce(c.from_plan, n.plan_code, s.plan_code) as plan_code,
       coalesce(c.from_version, n.plan_version, s.plan_version) as plan_version,
       array(select distinct v.code from subscribers.service v
             where v.subscription_id = s.subscription_id and v.state <> 'awaiting_payment' and v.switched_on_at <= $2
               and (v.switched_off_at is null or v.switched_off_at > $2)
               and (v.until_at is null or v.until_at > $2)) as services
from subscribers.number_history n
join subscribers.subscription s using (subscription_id)
left join lateral (
    select p.from_plan, p.from_version from subscribers.plan_change p
    where p.subscription_id = n.subscription_id and p.state = 'done' and p.effective_at > $2
      and (n.passed_at is null or p.effective_at < n.passed_at)
    order by p.effective_at, p.change_id limit 1) c on true
where n.msisdn = $1 and n.from_at <= $2 and (n.until_at is null or n.until_at > $2);

-- name: accounts_of_company
-- The personal accounts of every contract of a company, ended contracts too, the oldest first.
select a.shard, a.account_id
from subscribers.party p
join subscribers.contract c using (party_id)
join subscribers.personal_account a using (contract_id)
where p.kind = 'company' and p.iin_bin = $1
order by a.opened_at, a.account_id;
