-- name: bonus_month
-- A month is the sum of what its days earned, those that are kept one by one and those that are not any more.
select shard, b.account_id, format('month %s of member %s: %s is %s, its days earned %s', month, member_id, rule,
                                   coalesce(m.earned_e4, 0), coalesce(m.purged_e4, 0) + coalesce(e.earned_e4, 0)) as detail
from bonus.month m
full join (select shard, member_id, month, rule, sum(earned_e4) as earned_e4 from bonus.earning group by 1, 2, 3, 4) e
       using (shard, member_id, month, rule)
join bonus.member b using (shard, member_id)
where coalesce(m.earned_e4, 0) <> coalesce(m.purged_e4, 0) + coalesce(e.earned_e4, 0) or m.earned_e4 < 0
limit $1;

-- name: bonus_purged
-- Nothing is left of a day that is kept as a part of its months only.
select e.shard, b.account_id, format('%s of %s earned %s tiyn/10000 on a purged day', e.rule, e.day, e.earned_e4) as detail
from bonus.day d join bonus.earning e using (day, shard) join bonus.member b using (shard, member_id)
where d.purged
limit $1;

-- name: bonus_due
-- What a member is due is the sum of his months.
select b.shard, b.account_id, format('member %s is due %s, his months %s', b.member_id, b.due_tiyn,
                                     coalesce(d.due_tiyn, 0)) as detail
from bonus.member b left join (select member_id, sum(due_tiyn) as due_tiyn from bonus.month_due group by 1) d
       using (member_id)
where b.due_tiyn <> coalesce(d.due_tiyn, 0)
limit $1;

-- name: bonus_credited
-- What was credited is the sum of the credits, and each is what its operation moved.
select b.shard, b.account_id, format('member %s was credited %s, by credits %s, by the journal %s', b.member_id,
                                     b.credited_tiyn, coalesce(c.amount, 0), coalesce(c.moved, 0)) as detail
from bonus.member b
left join (
    select c.member_id, sum(c.amount_tiyn) as amount, sum(j.moved) as moved
    from bonus.credit c
    join bonus.member m using (member_id)
    left join lateral (
        select coalesce((select sum(o.lines[n][3]) from generate_subscripts(o.lines, 1) n), 0)
               + coalesce((select sum(o.grant_lines[n][3]) from generate_subscripts(o.grant_lines, 1) n), 0) as moved
        from ledger.operation o where o.shard = m.shard and o.account_id = m.account_id and o.op_id = c.op_id
    ) j on true
    group by c.member_id
) c using (member_id)
where b.credited_tiyn <> coalesce(c.amount, 0) or coalesce(c.amount, 0) <> coalesce(c.moved, 0)
limit $1;

-- name: bonus_gift
-- A gift is what its operation granted.
select g.shard, g.account_id, format('gift %s %s of %s: the journal has %s', g.gift, g.occasion, g.amount_tiyn, j.moved)
           as detail
from bonus.gift g
left join lateral (
    select sum(o.grant_lines[n][3]) as moved
    from ledger.operation o cross join lateral generate_subscripts(o.grant_lines, 1) n
    where o.shard = g.shard and o.account_id = g.account_id and o.op_id = g.op_id
) j on true
where g.amount_tiyn is distinct from j.moved
limit $1;

-- name: bonus_zeroed
-- Who is not in the programme has no bonuses, but what open sessions hold.
select b.shard, b.account_id, format('%s tiyn of %s are left, who is not in the programme', b.balance, b.origin) as detail
from ledger.bucket b
where b.code = 'bonus' and b.balance > b.held and b.origin like 'bonus:%'
  and not exists (select from bonus.member m where 'bonus:' || m.member_id = b.origin
                  and (m.left_at is null or m.zeroed_at is null))
limit $1;

-- name: bonus_spent
-- Bonuses pay for what the operator itself gives in the country, and nothing else.
select o.shard, o.account_id, format('operation %s on %s was paid by bonuses', o.op_id, a.code) as detail
from ledger.operation o
join ledger.operator_account a on a.operator_no = o.contra
cross join lateral generate_subscripts(o.lines, 1) n
where o.status = 0 and o.kind in (1, 3, 6) and o.lines[n][3] < 0
  and not (a.code in ('revenue.voice', 'revenue.sms', 'revenue.data', 'revenue.plan', 'revenue.service', 'bonus.cost'))
  and exists (
      select from ledger.bucket b where b.shard = o.shard and b.account_id = o.account_id
         and b.bucket_no = o.lines[n][1] and b.code = 'bonus'
      union all
      select from ledger.closed_bucket b where b.shard = o.shard and b.account_id = o.account_id
         and b.bucket_no = o.lines[n][1] and b.code = 'bonus')
limit $1;
