-- Accounts in credit settlement, as a view: who asks for a few of them does not read them all.

drop function subscribers.credit_accounts_v1(smallint, bigint, int);

-- Accounts with a number in credit settlement, the first of those numbers and when it joined its plan.
create view subscribers.credit_account as
select distinct on (shard, account_id) shard, account_id, subscription_id, plan_joined_at as joined_at
from subscribers.subscription
where settlement = 'credit' and state <> 'ended'
order by shard, account_id, plan_joined_at, subscription_id;
