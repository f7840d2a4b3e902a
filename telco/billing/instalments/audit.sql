-- name: instalment_price
-- The parts of an agreement add up to its price.
select a.shard, a.account_id, format('%s: parts of %s, price %s', a.number, sum(p.amount_tiyn), a.price_tiyn) as detail
from instalments.agreement a join instalments.part p using (agreement_id)
group by a.agreement_id having sum(p.amount_tiyn) <> a.price_tiyn
limit $1;

-- name: instalment_posted
-- What was posted is what its operation took, once.
select a.shard, a.account_id, format('%s: operation %s posted %s, the journal has %s', a.number, p.op_id, p.amount, j.paid)
           as detail
from (select agreement_id, op_id, sum(amount_tiyn) as amount from instalments.part where op_id is not null
      group by 1, 2) p
join instalments.agreement a using (agreement_id)
left join lateral (
    select -o.moved as paid
    from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
    where o.shard = a.shard and o.account_id = a.account_id and o.op_id = p.op_id and o.status = 0
      and c.code = 'receivable.device'
) j on true
where p.amount is distinct from j.paid
limit $1;

-- name: instalment_closed
-- Nothing is to come of an agreement that is closed.
select a.shard, a.account_id, format('%s is %s, part %s waits', a.number, a.state, p.part_no) as detail
from instalments.agreement a join instalments.part p using (agreement_id)
where a.state <> 'open' and p.posted_at is null and p.cancelled_at is null
limit $1;

-- name: instalment_open
-- Something is to come of an agreement that is open.
select a.shard, a.account_id, format('%s is open, nothing is to come', a.number) as detail
from instalments.agreement a
where a.state = 'open' and not exists (
    select from instalments.part p where p.agreement_id = a.agreement_id and p.posted_at is null)
limit $1;

-- name: instalment_returned
-- Of a device that came back everything was reversed.
select a.shard, a.account_id, format('%s was returned, %s was not reversed', a.number, p.op_id) as detail
from instalments.agreement a
join (select distinct agreement_id, op_id from instalments.part where op_id is not null) p using (agreement_id)
where a.state = 'returned' and not exists (
    select from ledger.operation o where o.shard = a.shard and o.account_id = a.account_id and o.kind = 8
       and o.status = 0 and o.target = p.op_id)
limit $1;

-- name: instalment_receivable
-- The operator's account of devices is what agreements posted and did not give back.
select 0::smallint as shard, 0::bigint as account_id,
       format('receivable.device is %s, agreements posted %s', j.amount, p.amount) as detail
from (select coalesce(sum(-o.moved), 0) as amount
      from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
      where c.code = 'receivable.device' and o.status = 0) j,
     (select coalesce(sum(p.amount_tiyn), 0) as amount
      from instalments.part p join instalments.agreement a using (agreement_id)
      where p.posted_at is not null and a.state <> 'returned') p
where j.amount <> p.amount
limit $1;

-- name: instalment_number
-- Agreements are numbered without gaps.
select 0::smallint as shard, 0::bigint as account_id,
       format('year %s: %s agreements, the last number is %s', s.year, count(a.number), s.last_number) as detail
from instalments.series s left join instalments.agreement a on a.number like 'DIA-' || s.year || '-%'
group by s.year, s.last_number having count(a.number) <> s.last_number
limit $1;

-- name: instalment_late
-- The parts whose day was before a day and that are not on the account.
select a.shard, a.account_id, format('%s: part %s was due on %s', a.number, p.part_no, p.due_on) as detail
from instalments.part p join instalments.agreement a using (agreement_id)
where p.posted_at is null and p.cancelled_at is null and a.state = 'open' and p.due_on < $1
limit $2;
