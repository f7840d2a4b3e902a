-- name: missed_deadlines
-- Refunds that were not paid in their term; what waits in cash for its owner is not late by our fault.
select 'refund:' || refund_id as subject,
       format('to be paid by %s, is %s%s', pay_by, state, coalesce(' on ' || paid_on, '')) as detail
from refunds.refund
where (state in ('applied', 'approved') and pay_by < $1)
   or (state = 'ordered' and way = 'bank' and pay_by < $1)
   or (state = 'paid' and way = 'bank' and paid_on > pay_by)
   or (state = 'paid' and way = 'bank' and paid_on < not_before)
order by refund_id limit $2;

-- name: compensations_above_limit
-- Parties that were granted more for an incident than the limit in force on its day.
select 'party:' || party_id as subject,
       format('incident %s: %s tiyn granted, limit %s', incident, sum(amount_tiyn), min(limit_tiyn)) as detail
from refunds.compensation where $1::date is not null
group by party_id, incident having sum(amount_tiyn) > min(limit_tiyn) order by party_id limit $2;

-- name: payable
-- What the books say is on its way to payees, and what the orders say.
select 'payable.refund' as subject, format('%s tiyn in the books, %s ordered', booked, ordered) as detail
from (select coalesce((select sum(amount) from ledger.operator_total
                       where operator_account = 'payable.refund' and unit = 0), 0)::bigint as booked,
             coalesce((select sum(amount_tiyn) from refunds.refund where state = 'ordered'), 0)::bigint as ordered) sums
where booked <> ordered and $1::date is not null limit $2;

-- name: clearing
-- The clearing account holds nothing, ever.
select 'clearing' as subject, format('%s tiyn on it', b.balance) as detail
from refunds.clearing c
join ledger.bucket b on b.shard = c.shard and b.account_id = c.account_id and b.bucket_no = 0
where b.balance <> 0 and $1::date is not null limit $2;

-- name: ended_with_volumes
-- Accounts whose end is complete and which hold something else than money again.
select format('account:%s:%s', e.shard, e.account_id) as subject, format('%s of %s', b.balance, b.code) as detail
from refunds.ended_account e
join ledger.bucket b on b.shard = e.shard and b.account_id = e.account_id and b.bucket_no > 0 and b.balance <> 0
where e.emptied_at is not null and $1::date is not null
order by e.shard, e.account_id limit $2;

-- name: ended_with_limit
-- Accounts that ended and still have a credit limit long after their last period.
select format('account:%s:%s', e.shard, e.account_id) as subject, format('credit limit %s', b.credit_limit) as detail
from refunds.ended_account e
join ledger.bucket b on b.shard = e.shard and b.account_id = e.account_id and b.bucket_no = 0 and b.credit_limit <> 0
where coalesce(e.period_end, e.ended_at::date) + 7 < $1
order by e.shard, e.account_id limit $2;
