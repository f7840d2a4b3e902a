-- What is asked of a day's operations and of the periods that they paid for. Each check returns one row for each thing
-- that is wrong. Day and moment are in simulation.today, the operations in today_op. Nothing here is taken from the code
-- that is checked.

-- name: books
-- A balance or hold is not yesterday's plus what today's operations moved.
with movement as (
    select shard, account_id, 0 as bucket_no, moved, held from today_op
    union all
    select shard, account_id, lines[n][1]::int, lines[n][3], lines[n][4]
    from today_op, generate_subscripts(lines, 1) n
    union all
    select shard, account_id, grant_lines[n][1]::int, grant_lines[n][3], 0
    from today_op, generate_subscripts(grant_lines, 1) n
), expected as (
    select shard, account_id, bucket_no, sum(balance) as balance, sum(held) as held
    from (select shard, account_id, bucket_no, balance, held from simulation.bucket
          union all select * from movement) posted
    group by shard, account_id, bucket_no
    having sum(balance) <> 0 or sum(held) <> 0
), actual as (
    select shard, account_id, bucket_no, balance, held from ledger.bucket where balance <> 0 or held <> 0
)
select format('account %s:%s bucket %s holds %s (%s held), the journal says %s (%s)', shard, account_id, bucket_no,
              coalesce(a.balance, 0), coalesce(a.held, 0), coalesce(e.balance, 0), coalesce(e.held, 0)) as detail
from actual a full join expected e using (shard, account_id, bucket_no)
where a.balance is distinct from e.balance or a.held is distinct from e.held;

-- name: chain
-- An operation of today does not follow from the one before it.
select format('account %s:%s operation %s leaves %s after %s', o.shard, o.account_id, o.op_id, o.main_after,
              coalesce(p.main_after, 0)) as detail
from today_op o
left join lateral (
    select main_after from ledger.operation
    where shard = o.shard and account_id = o.account_id and op_id = o.previous offset 0 -- never all operations
) p on true
where o.main_after <> coalesce(p.main_after, 0) + o.moved
      + coalesce((select sum(o.grant_lines[n][3]) from generate_subscripts(o.grant_lines, 1) n
                  where o.grant_lines[n][1] = 0), 0);

-- name: billed_twice
-- Two periods of one plan or service overlap, and no change of plan came between.
select format('%s and %s', a.op_id, b.op_id) as detail
from simulation.today d
join simulation.period a on a.starts = d.day and a.superseded is null
cross join lateral (
    select op_id from simulation.period
    where kind = a.kind and owner_id = a.owner_id and superseded is null
      and starts < a.ends and ends > a.starts and op_id < a.op_id offset 0 -- one owner's, never all
) b;

-- name: plan_skipped
-- A plan with a fee runs today, and no period that was paid for covers the day, or more than one does.
select format('subscription %s plan %s is in force today in %s paid periods', s.subscription_id, t.name, count(p.op_id))
       as detail
from subscribers.subscription s
join simulation.term t on t.kind = 'plan' and t.name = s.plan_code || '.' || s.plan_version
cross join simulation.today d
left join lateral (
    select op_id from simulation.period
    where kind = 'plan' and owner_id = s.subscription_id and name = t.name
      and superseded is null and starts <= d.day and ends > d.day offset 0
) p on true
where s.state = 'active' and s.plan_state = 'active' and (s.stop_at is null or s.stop_at > d.now)
group by s.subscription_id, t.name having count(p.op_id) <> 1;

-- name: service_skipped
-- The same of services with a fee.
select format('service %s (%s) is on today in %s paid periods', v.service_id, t.name, count(p.op_id)) as detail
from subscribers.service v
join subscribers.subscription s on s.subscription_id = v.subscription_id and s.state = 'active'
join simulation.term t on t.kind = 'service' and t.name = v.code || '.' || v.version
cross join simulation.today d
left join lateral (
    select op_id from simulation.period
    where kind = 'service' and owner_id = v.service_id and starts <= d.day and ends > d.day offset 0
) p on true
where v.state = 'on' and (s.stop_at is null or s.stop_at > d.now)
group by v.service_id, t.name having count(p.op_id) <> 1;

-- name: fee_price
-- A fee is not what was published, whole or, in the first calendar period, by its days.
select format('%s cost %s, published is %s', p.op_id, p.cost, t.fee) as detail
from simulation.period p
join simulation.term t on t.kind = p.kind and t.name = p.name
cross join simulation.today d
where p.starts = d.day
  and p.cost <> t.fee + case when p.change_id <> '' then t.joining else 0 end
  and not (t.prorated and t.calendar
           and p.cost = case when p.change_id <> '' then t.joining else 0 end
                        + floor(t.fee * (p.ends - p.starts)::numeric / (p.ends - (p.ends - t.span)::date) + 0.5));

-- name: penalty_cap
-- Penalties of an account are more than a tenth of everything that it was ever invoiced, or that was claimed of it by
-- notice after its contract's end (PSC-5.4, PSC-7.6).
select format('account %s:%s paid %s on %s', p.shard, p.account_id, p.penalty, i.total) as detail
from (
    select distinct shard, account_id from today_op where contra_code = 'revenue.penalty'
) t
cross join lateral (
    select t.shard, t.account_id, -sum(o.moved) as penalty
    from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
    where o.shard = t.shard and o.account_id = t.account_id and c.code = 'revenue.penalty' and o.status = 0
) p
cross join lateral (
    select coalesce(sum(total), 0) as total
    from (select total_tiyn as total from invoicing.invoice where shard = t.shard and account_id = t.account_id
          union all
          select total_tiyn from collection.debt
          where shard = t.shard and account_id = t.account_id and kind = 'found') claimed
) i
where p.penalty > i.total * 0.1;

-- name: charged_after_the_end
-- A number that had ended was charged for use or a fee.
select format('account %s:%s operation %s', o.shard, o.account_id, o.op_id) as detail
from today_op o
where o.status = 0 and o.kind in (1, 3, 6) and o.cost > 0
  and (o.contra_code in ('revenue.plan', 'revenue.voice', 'revenue.sms', 'revenue.data', 'revenue.service'))
  and not exists (select from subscribers.subscription s where s.shard = o.shard and s.account_id = o.account_id
                  and (s.state = 'active' or s.ended_at >= o.at));

-- name: refund_above_balance
-- Money back took more than was on the account: it was paid with credit.
select format('account %s:%s operation %s took %s and leaves %s', shard, account_id, op_id, -moved, main_after) as detail
from today_op
where contra_code = 'payable.refund' and status = 0 and moved < 0 and main_after < 0;

-- name: refund_twice
-- What an account lost to refunds is not the sum of its refunds that are on their way or paid; or what left for a
-- refund, by bank or desk, is not its sum once.
select format('account %s:%s lost %s, its refunds are %s', t.shard, t.account_id, j.taken, r.asked) as detail
from (
    select distinct shard, account_id from today_op
    where contra_code = 'payable.refund' and (shard, account_id) not in (select shard, account_id from refunds.clearing)
) t
cross join lateral (
    select coalesce(-sum(o.moved), 0) as taken
    from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
    where o.shard = t.shard and o.account_id = t.account_id and c.code = 'payable.refund' and o.status = 0
) j
cross join lateral (
    select coalesce(sum(amount_tiyn), 0) as asked from refunds.refund
    where shard = t.shard and account_id = t.account_id and state in ('ordered', 'paid')
) r
where j.taken <> r.asked
union all
select format('refund %s is %s with %s, paid out %s', r.refund_id, r.state, r.amount_tiyn, j.paid)
from (
    select distinct split_part(o.op_id, ':', 2) as refund_id, o.shard, o.account_id
    from today_op o join refunds.clearing c using (shard, account_id)
) t
join refunds.refund r on r.refund_id = t.refund_id::bigint
cross join lateral (
    select -coalesce(sum(o.moved + coalesce((select sum(o.grant_lines[n][3])
                                             from generate_subscripts(o.grant_lines, 1) n
                                             where o.grant_lines[n][1] = 0), 0)), 0) as paid
    from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
    where o.shard = t.shard and o.account_id = t.account_id and o.op_id ^@ ('refund:' || t.refund_id || ':')
      and c.code in ('cash.bank', 'cash.desk') and o.status = 0
) j
where j.paid <> case r.state when 'paid' then r.amount_tiyn else 0 end;
