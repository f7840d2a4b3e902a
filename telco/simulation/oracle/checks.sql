-- Each check returns one row for each thing that is wrong. Day, moment and the day's operations are in simulation.today
-- and today_op. Nothing here is taken from the code that is checked.

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
left join ledger.operation p on p.shard = o.shard and p.account_id = o.account_id and p.op_id = o.previous
where o.main_after <> coalesce(p.main_after, 0) + o.moved
      + coalesce((select sum(o.grant_lines[n][3]) from generate_subscripts(o.grant_lines, 1) n
                  where o.grant_lines[n][1] = 0), 0);

-- name: billed_twice
-- Two periods of one plan or service overlap, and no change of plan came between.
select format('%s and %s', a.op_id, b.op_id) as detail
from simulation.period a
join simulation.period b on b.kind = a.kind and b.owner_id = a.owner_id and b.op_id <> a.op_id
cross join simulation.today d
where a.starts = d.day and a.superseded is null and b.superseded is null
  and b.starts < a.ends and b.ends > a.starts and b.op_id < a.op_id;

-- name: plan_skipped
-- A plan with a fee runs today, and no period that was paid for covers the day, or more than one does.
select format('subscription %s plan %s is in force today in %s paid periods', s.subscription_id, t.name, count(p.op_id))
       as detail
from subscribers.subscription s
join simulation.term t on t.kind = 'plan' and t.name = s.plan_code || '.' || s.plan_version
cross join simulation.today d
left join simulation.period p on p.kind = 'plan' and p.owner_id = s.subscription_id and p.name = t.name
     and p.superseded is null and p.starts <= d.day and d.day < p.ends
where s.state = 'active' and s.plan_state = 'active' and (s.stop_at is null or s.stop_at > d.now)
group by s.subscription_id, t.name having count(p.op_id) <> 1;

-- name: service_skipped
-- The same of services with a fee.
select format('service %s (%s) is on today in %s paid periods', v.service_id, t.name, count(p.op_id)) as detail
from subscribers.service v
join subscribers.subscription s on s.subscription_id = v.subscription_id and s.state = 'active'
join simulation.term t on t.kind = 'service' and t.name = v.code || '.' || v.version
cross join simulation.today d
left join simulation.period p on p.kind = 'service' and p.owner_id = v.service_id
     and p.starts <= d.day and d.day < p.ends
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

-- name: fee_late
-- A fee was due and is neither taken nor put off.
select format('subscription %s was due %s', s.subscription_id, s.next_fee_at) as detail
from subscribers.subscription s, simulation.today d
where s.state = 'active' and s.next_fee_at <= d.now and (s.stop_at is null or s.stop_at > d.now)
union all
select format('service %s was due %s', v.service_id, v.next_fee_at)
from subscribers.service v join subscribers.subscription s using (subscription_id), simulation.today d
where v.state <> 'off' and s.state = 'active' and v.next_fee_at <= d.now and (s.stop_at is null or s.stop_at > d.now);

-- name: waits_with_money
-- A plan, or the change to another one, waits for payment although its account could pay.
select format('subscription %s waits for %s with %s', s.subscription_id, t.fee, b.balance - b.held + b.credit_limit)
       as detail
from subscribers.subscription s
left join subscribers.plan_change c on c.subscription_id = s.subscription_id and c.state = 'waiting'
join simulation.term t on t.kind = 'plan' and t.name = coalesce(c.to_plan || '.' || c.to_version,
                                                                s.plan_code || '.' || s.plan_version)
join ledger.bucket b on b.shard = s.shard and b.account_id = s.account_id and b.bucket_no = 0
cross join simulation.today d
where s.state = 'active' and s.plan_state = 'awaiting_payment' and (s.stop_at is null or s.stop_at > d.now)
  and b.balance - b.held + b.credit_limit >= t.fee + case when c.change_id is null then 0 else t.joining end;

-- name: end_missed
-- Something should have ended and goes on.
select format('subscription %s should have stopped %s', subscription_id, stop_at) as detail
from subscribers.subscription, simulation.today d where state = 'active' and stop_at <= d.now
union all
select format('the promotional plan of subscription %s should have ended %s', subscription_id, plan_until)
from subscribers.subscription, simulation.today d where state = 'active' and plan_until <= d.now
union all
select format('service %s should have ended %s', service_id, until_at)
from subscribers.service, simulation.today d where state <> 'off' and until_at <= d.now
union all
select format('suspension %s should have ended %s', suspension_id, ends_at)
from subscribers.suspension, simulation.today d where ended_at is null and ends_at <= d.now
union all
select format('trust payment %s should have ended %s', trust_id, usable_until)
from billing.trust_payment, simulation.today d where ended_at is null and usable_until <= d.now
union all
select format('bucket %s of account %s:%s should have ended %s', bucket_no, shard, account_id, valid_until)
from ledger.bucket, simulation.today d where valid_until <= d.now and balance <> held;

-- name: outbox
-- An event was not handed over, or its consumer failed.
select format('event %s %s waits since %s: %s', event_id, topic, created_at, coalesce(last_error, '')) as detail
from kernel.outbox where dispatched_at is null;

-- name: suspended_without_ground
-- Services are stopped for want of money, and nothing is owed.
select format('subscription %s since %s with balance %s', s.subscription_id, x.started_at, b.balance) as detail
from subscribers.suspension x
join subscribers.subscription s using (subscription_id)
join ledger.bucket b on b.shard = s.shard and b.account_id = s.account_id and b.bucket_no = 0
cross join simulation.today d
where x.ground = 'money' and x.ended_at is null and (x.ends_at is null or x.ends_at > d.now) and b.balance >= 0;

-- name: charged_after_the_end
-- A number that had ended was charged for use or a fee.
select format('account %s:%s operation %s', o.shard, o.account_id, o.op_id) as detail
from today_op o
where o.status = 0 and o.kind in (1, 3, 6) and o.cost > 0
  and (o.contra_code in ('revenue.plan', 'revenue.voice', 'revenue.sms', 'revenue.data', 'revenue.service'))
  and not exists (select from subscribers.subscription s where s.shard = o.shard and s.account_id = o.account_id
                  and (s.state = 'active' or s.ended_at >= o.at));
