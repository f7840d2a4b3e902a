-- name: apply
-- A batch of one shard, decided and written in one pass.
select done, mains, others from ledger.apply_v1($1, $2, $3, $4, $5, $6, $7, $8);

-- name: register_terms
-- Terms get a number when they are first used.
insert into ledger.terms (unit, rating_unit, price_micro, allowances, money) values ($1, $2, $3, $4, $5)
on conflict do nothing;

-- name: find_terms
-- The number of some terms.
select terms_no from ledger.terms
where unit = $1 and rating_unit = $2 and price_micro = $3 and allowances = $4 and money = $5;

-- name: register_operator_account
-- An account of the operator's exists from its first use on.
insert into ledger.operator_account (code) values ($1) on conflict do nothing;

-- name: find_operator_account
-- The number of an account of the operator's.
select operator_no from ledger.operator_account where code = $1;

-- name: open_account
-- A new account with its main balance; shards take turns.
with account as (select nextval('ledger.account_id') as account_id)
insert into ledger.bucket (shard, account_id, bucket_no, unit, priority, balance, initial, credit_limit,
                           valid_from, low_mark, others, last_bucket_no, code, origin)
select account_id % $1::int, account_id, 0, 0, $2, 0, 0, $3, $4, $5, 0, 0, 'main', 'opening' from account
returning shard, account_id;

-- name: lock_accounts
-- The accounts' locks, in one order for everybody.
select b.shard, b.account_id
from unnest(array(select unnest($1::smallint[])), array(select unnest($2::bigint[]))) a (shard, account_id)
join ledger.bucket b on b.shard = a.shard and b.account_id = a.account_id and b.bucket_no = 0
order by b.shard, b.account_id
for update of b;

-- name: set_low_mark
-- The main balance below which the subscriber is told; null for never.
update ledger.bucket set low_mark = $3, levels = levels & ~4
where shard = $1 and account_id = $2 and bucket_no = 0
returning account_id;

-- name: buckets
-- Accounts' buckets that are or will be valid, or still hold something; of each account the main balance first.
select b.shard, b.account_id, bucket_no, code, unit, balance, held, credit_limit, low_mark, initial, priority,
       valid_from, valid_until, origin
from unnest(array(select unnest($1::smallint[])), array(select unnest($2::bigint[]))) a (shard, account_id)
cross join lateral (
    select * from ledger.bucket b
    where b.shard = a.shard and b.account_id = a.account_id
      and (valid_until is null or valid_until > $3 or held > 0) offset 0 -- one account's, never all
) b
order by b.shard, b.account_id, bucket_no = 0 desc, unit, priority, valid_until, bucket_no;

-- name: knows
-- Whether an account has an operation of this id.
select exists (select from ledger.operation where shard = $1 and account_id = $2 and op_id = $3);

-- name: taken
-- What operations whose ids begin with $3 and a colon took, and how much of it the main balance paid.
select coalesce(sum(cost), 0)::bigint as cost, coalesce(-sum(moved), 0)::bigint as main
from ledger.operation
where shard = $1 and account_id = $2 and op_id > $3 || ':' and op_id < $3 || ';' and status = 0;

-- name: statement
-- The account's newest operations that went through, of the kinds asked for, following each to the one before it.
with recursive walk as (
    select o.*, 1 as step, (o.status = 0 and o.kind = any ($3::smallint[]))::int as found
    from ledger.bucket b
    join ledger.operation o on o.shard = b.shard and o.account_id = b.account_id and o.op_id = b.last_op
    where b.shard = $1 and b.account_id = $2 and b.bucket_no = 0
    union all
    select o.*, w.step + 1, w.found + (o.status = 0 and o.kind = any ($3::smallint[]))::int
    from walk w
    join ledger.operation o on o.shard = $1 and o.account_id = $2 and o.op_id = w.previous
    where w.found < $4 and w.step < $5
)
select w.op_id, w.at, w.kind, c.code as contra, w.moved, w.lines, w.grant_lines, w.cost, w.main_after, w.details
from walk w join ledger.operator_account c on c.operator_no = w.contra
where w.status = 0 and w.kind = any ($3::smallint[])
order by w.step;

-- name: statement_between
-- The account's operations of a time that went through, of the kinds asked for, the oldest first, following each to the
-- one before it: several of one moment are then told in their order.
with recursive walk as (
    select o.*, 1 as step
    from ledger.bucket b
    join ledger.operation o on o.shard = b.shard and o.account_id = b.account_id and o.op_id = b.last_op
    where b.shard = $1 and b.account_id = $2 and b.bucket_no = 0
    union all
    select o.*, w.step + 1
    from walk w
    join ledger.operation o on o.shard = $1 and o.account_id = $2 and o.op_id = w.previous
    where w.at >= $4
)
select w.op_id, w.at, w.kind, c.code as contra, w.moved, w.lines, w.grant_lines, w.cost, w.main_after, w.details
from walk w join ledger.operator_account c on c.operator_no = w.contra
where w.status = 0 and w.kind = any ($3::smallint[]) and w.at >= $4 and w.at < $5
order by w.step desc limit $6;

-- name: bucket_codes
-- The codes of an account's buckets, closed ones too.
select bucket_no, code from ledger.bucket where shard = $1 and account_id = $2
union all
select bucket_no, code from ledger.closed_bucket where shard = $1 and account_id = $2;

-- name: due_holds
-- Holds whose deadline has passed. It reads the accounts from end to end: an index on deadlines would cost every
-- reserve and use more than a scan a minute does.
select b.shard, b.account_id, h.key as hold_id
from ledger.bucket b cross join lateral jsonb_each(b.holds) h
where b.bucket_no = 0 and b.holds is not null and (h.value ->> 0)::bigint <= $1
limit $2;

-- name: due_accounts
-- Accounts with something to take back from buckets whose time is over.
select distinct shard, account_id from ledger.bucket
where valid_until <= $1 and (balance <> held or held = 0)
limit $2;
