-- What a number owed before it passed to somebody else stays its former holder's: his account is found by what the
-- history of numbers keeps of him, and never through the subscription, which is another party's by then.

alter table subscribers.number_history add column language text;
create index number_history_passed on subscribers.number_history (shard, account_id) where passed_at is not null;

-- The numbers that spend from personal accounts, that did until they ended, or until they passed to somebody else.
create view subscribers.account_number as
select shard, account_id, subscription_id, msisdn, language, brand, settlement, state <> 'ended' as in_use, stop_at,
       ended_at, end_ground
from subscribers.subscription
union all
select h.shard, h.account_id, h.subscription_id, h.msisdn, coalesce(h.language, s.language), s.brand, 'prepaid', false,
       null, h.passed_at, null
from subscribers.number_history h join subscribers.subscription s using (subscription_id)
where h.passed_at is not null and h.until_at = h.passed_at;

-- Whose accounts these are: of each the first number that uses it, or the last one that did, or else (it uses another
-- account now) the number `p_known`. Contract and party are those of the account.
create or replace function subscribers.account_holders_v1(p_shards smallint[], p_accounts bigint[], p_known bigint[])
returns table (
    ord int, contract_id bigint, party_id bigint, subscription_id bigint, msisdn text, language text, brand text,
    in_use boolean, ported_out boolean, credit boolean, numbers int, ended_at timestamptz
) language sql stable rows 1000
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
    select a.ord::int, p.contract_id, c.party_id, h.subscription_id, h.msisdn, h.language, h.brand, h.in_use,
           not h.in_use and h.end_ground is not distinct from 'ported_out', h.credit, h.numbers::int, h.ended_at
    from unnest(p_shards, p_accounts, p_known) with ordinality a (shard, account_id, known, ord)
    join subscribers.personal_account p using (shard, account_id)
    join subscribers.contract c using (contract_id)
    cross join lateral (
        select * from (
            select n.subscription_id, n.msisdn, n.language, n.brand, n.in_use, n.end_ground, n.ended_at,
                   bool_or(n.settlement = 'credit' and n.in_use) over () as credit,
                   count(*) filter (where n.in_use) over () as numbers, 1 as choice
            from subscribers.account_number n where n.shard = a.shard and n.account_id = a.account_id
            union all
            select s.subscription_id, s.msisdn, s.language, s.brand, s.state <> 'ended', s.end_ground, s.ended_at,
                   false, 0, 2
            from subscribers.subscription s where s.subscription_id = a.known
        ) s
        order by s.choice, not s.in_use, s.ended_at desc, s.subscription_id
        limit 1
    ) h
$$;
