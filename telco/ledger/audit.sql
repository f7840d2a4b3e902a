-- name: buckets
-- Balances and holds that are not what the journal adds up to.
with posted as (
    select shard, account_id, 0 as bucket_no, 0 as unit, moved, held from ledger.operation
    union all
    select o.shard, o.account_id, l[1]::int, l[2]::int, l[3], l[4]
    from ledger.operation o
    cross join lateral (select array(select o.lines[n][k] from generate_series(1, 4) k) as l
                        from generate_series(1, coalesce(array_length(o.lines, 1), 0)) n) x
    union all
    select o.shard, o.account_id, o.grant_lines[n][1]::int, o.grant_lines[n][2]::int, o.grant_lines[n][3], 0
    from ledger.operation o, generate_series(1, coalesce(array_length(o.grant_lines, 1), 0)) n
), expected as (
    select shard, account_id, bucket_no, max(unit) as unit, min(unit) as least_unit,
           sum(moved) as balance, sum(held) as held
    from posted group by shard, account_id, bucket_no
), actual as (
    select shard, account_id, bucket_no, unit, balance, held from ledger.bucket
    union all
    select shard, account_id, bucket_no, unit, balance, held from ledger.closed_bucket
)
select shard, account_id,
       format('bucket %s holds %s, of it held %s; the journal says %s and %s', bucket_no,
              a.balance, a.held, coalesce(e.balance, 0), coalesce(e.held, 0)) as detail
from actual a full join expected e using (shard, account_id, bucket_no)
where a.balance is distinct from coalesce(e.balance, 0) or a.held is distinct from coalesce(e.held, 0)
   or (e.unit is not null and (e.unit <> a.unit or e.least_unit <> a.unit))
limit $1;

-- name: holds
-- Open holds that are not what reserves and uses add up to, and holds that should be open.
with posted as (
    select shard, account_id, hold_id, 0 as bucket_no, held from ledger.operation where hold_id is not null
    union all
    select o.shard, o.account_id, o.hold_id, o.lines[n][1]::int, o.lines[n][4]
    from ledger.operation o, generate_series(1, coalesce(array_length(o.lines, 1), 0)) n
    where o.hold_id is not null
), expected as (
    select shard, account_id, hold_id, bucket_no, sum(held) as held
    from posted group by shard, account_id, hold_id, bucket_no
), actual as (
    select b.shard, b.account_id, h.key as hold_id, 0 as bucket_no, (h.value ->> 2)::bigint as held
    from ledger.bucket b, jsonb_each(b.holds) h where b.holds is not null
    union all
    select b.shard, b.account_id, h.key, l.key::int, l.value::bigint
    from ledger.bucket b, jsonb_each(b.holds) h, jsonb_each_text(h.value -> 3) l where b.holds is not null
)
select shard, account_id,
       format('hold %s keeps %s of bucket %s; the journal says %s', hold_id, coalesce(a.held, 0), bucket_no,
              coalesce(e.held, 0)) as detail
from actual a full join expected e using (shard, account_id, hold_id, bucket_no)
where coalesce(a.held, 0) <> coalesce(e.held, 0)
limit $1;

-- name: held
-- Buckets that hold more or less than their account's open holds keep of them.
with kept as (
    select b.shard, b.account_id, 0 as bucket_no, (h.value ->> 2)::bigint as held
    from ledger.bucket b, jsonb_each(b.holds) h where b.holds is not null
    union all
    select b.shard, b.account_id, l.key::int, l.value::bigint
    from ledger.bucket b, jsonb_each(b.holds) h, jsonb_each_text(h.value -> 3) l where b.holds is not null
), total as (
    select shard, account_id, bucket_no, sum(held) as held from kept group by shard, account_id, bucket_no
)
select shard, account_id,
       format('bucket %s holds %s, its account''s holds keep %s', bucket_no, b.held, coalesce(t.held, 0)) as detail
from ledger.bucket b full join total t using (shard, account_id, bucket_no)
where b.held is distinct from coalesce(t.held, 0)
limit $1;

-- name: chain
-- Operations whose balance does not follow from the one before, and accounts whose chain has an end too many.
with step as (
    select o.shard, o.account_id, o.op_id, o.previous, o.main_after,
           o.moved + coalesce((select sum(o.grant_lines[n][3])
                               from generate_series(1, coalesce(array_length(o.grant_lines, 1), 0)) n
                               where o.grant_lines[n][1] = 0), 0) as change
    from ledger.operation o
)
select s.shard, s.account_id,
       format('operation %s leaves %s, the one before left %s and it moved %s', s.op_id, s.main_after,
              coalesce(p.main_after, 0), s.change) as detail
from step s
left join ledger.operation p on (p.shard, p.account_id, p.op_id) = (s.shard, s.account_id, s.previous)
where s.main_after <> coalesce(p.main_after, 0) + s.change
union all
select b.shard, b.account_id, format('%s operations are newest, %s are oldest', c.newest, c.oldest)
from (
    select o.shard, o.account_id, count(*) filter (where n.op_id is null) as newest,
           count(*) filter (where o.previous is null) as oldest,
           max(o.op_id) filter (where n.op_id is null) as last_op
    from ledger.operation o
    left join ledger.operation n on (n.shard, n.account_id, n.previous) = (o.shard, o.account_id, o.op_id)
    group by o.shard, o.account_id
) c
join ledger.bucket b on b.shard = c.shard and b.account_id = c.account_id and b.bucket_no = 0
where c.newest <> 1 or c.oldest <> 1 or b.last_op is distinct from c.last_op
limit $1;

-- name: entries
-- Units in which the two sides of the journal do not add up to zero.
select 0 as shard, 0 as account_id, format('unit %s is out of balance by %s', unit, sum(amount)) as detail
from ledger.journal_line group by unit having sum(amount) <> 0
limit $1;

-- name: refusals
-- Refused operations that moved something all the same.
select shard, account_id, format('operation %s was refused and moved something', op_id) as detail
from ledger.operation
where status <> 0 and (moved <> 0 or held <> 0 or lines is not null or grant_lines is not null or cost <> 0)
limit $1;

-- name: prices
-- Operations whose cost is not the price of what allowances left over, or not what money buckets gave.
with paid as (
    select o.*, t.unit, t.rating_unit, t.price_micro,
           coalesce((select -sum(o.lines[n][3]) from generate_series(1, coalesce(array_length(o.lines, 1), 0)) n
                     where o.lines[n][2] = t.unit and t.unit <> 0), 0) as in_units,
           -o.moved + coalesce((select -sum(o.lines[n][3])
                                from generate_series(1, coalesce(array_length(o.lines, 1), 0)) n
                                where o.lines[n][2] = 0), 0) as in_money
    from ledger.operation o join ledger.terms t on t.terms_no = o.terms
    where o.status = 0 and o.kind in (1, 3, 6)
)
select shard, account_id,
       format('operation %s cost %s and took %s for %s of which allowances gave %s', op_id, cost, in_money, quantity,
              in_units) as detail
from paid
where cost <> in_money or in_units > quantity
   or cost <> coalesce(fixed, 0)
              + floor(ceil((quantity - in_units)::numeric / rating_unit) * price_micro / 1000000 + 0.5)
limit $1;

-- name: limits
-- Balances below what the account allows though nothing was ever forced on it.
select b.shard, b.account_id,
       format('bucket %s has %s, holds %s, may go to -%s', b.bucket_no, b.balance, b.held, b.credit_limit) as detail
from ledger.bucket b
where b.balance - b.held + b.credit_limit < 0
  and not exists (select from ledger.operation o where o.shard = b.shard and o.account_id = b.account_id
                  and (o.forced > 0 or o.flags & 2 <> 0 or o.kind = 9))
limit $1;

-- name: rows
-- Buckets whose row is not made as its kind has to be.
select shard, account_id, format('bucket %s is called %s', bucket_no, code) as detail
from ledger.bucket
where (bucket_no = 0) <> (code = 'main')
   or (bucket_no = 0) <> (others is not null and last_bucket_no is not null)
   or (bucket_no > 0 and (credit_limit <> 0 or holds is not null or last_op is not null or low_mark is not null))
limit $1;

-- name: counters
-- Accounts whose row does not know how many buckets there are.
select m.shard, m.account_id,
       format('the account counts %s other buckets and %s given; there are %s and %s', m.others, m.last_bucket_no,
              coalesce(c.open, 0), coalesce(c.newest, 0)) as detail
from ledger.bucket m
left join (
    select shard, account_id, count(*) filter (where open) as open, max(bucket_no) as newest
    from (
        select shard, account_id, bucket_no, true as open from ledger.bucket where bucket_no > 0
        union all
        select shard, account_id, bucket_no, false from ledger.closed_bucket
    ) b group by shard, account_id
) c on c.shard = m.shard and c.account_id = m.account_id
where m.bucket_no = 0 and (m.others <> coalesce(c.open, 0) or m.last_bucket_no <> coalesce(c.newest, 0))
limit $1;
