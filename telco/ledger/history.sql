-- name: movements
-- What an account's main balance did in a period and what was used of allowances, the oldest first; one more than the
-- limit tells that there is more.
with first as (select (ledger.operation_before_v1($1, $2, $3)).op_id as op_id)
select o.op_id, o.at, o.kind, c.code as contra, coalesce(t.unit, 0::smallint) as unit, o.quantity, o.change,
       o.main_after, o.details
from first,
     lateral ledger.operations_after_v1(array[$1], array[$2], array[first.op_id]) o
     join ledger.operator_account_code c on c.operator_no = o.contra
     left join ledger.terms t on t.terms_no = o.terms
where o.status = 0 and o.at < $4 and (o.change <> 0 or o.kind = any ($5::smallint[]) and o.quantity > 0)
order by o.step desc
limit $6;

-- name: opening
-- The main balance before a moment.
select (ledger.operation_before_v1($1, $2, $3)).main_after;

-- name: totals
-- What an account's main balance got from or gave to each of the operator's accounts before a moment.
select c.code as contra, sum(o.change)::bigint as change
from ledger.operations_after_v1(array[$1::smallint], array[$2::bigint], array[null::text]) o
     join ledger.operator_account_code c on c.operator_no = o.contra
where o.status = 0 and o.change <> 0 and o.at < $3
group by c.code;

-- name: supplied
-- What was charged to revenue in a span of time, with what allowances paid of it, by thing and by which of the moments
-- $5 it was supplied after (1: after the first): usage reported late when it was used.
with first as (select (ledger.operation_before_v1($1, $2, $3)).op_id as op_id)
select c.code, coalesce(o.details::jsonb ->> 'label', c.code) as label, o.details::jsonb ->> 'code' as item,
       coalesce(t.unit, 0::smallint) as unit, count(*)::int as operations,
       sum(o.quantity) filter (where coalesce(t.unit, 0) <> 0)::bigint as quantity, -sum(o.change)::bigint as amount,
       greatest(width_bucket(coalesce((o.details::jsonb ->> 'used_at')::timestamptz, o.at), $5::timestamptz[]), 1)
           as rate_no
from first,
     lateral ledger.operations_after_v1(array[$1], array[$2], array[first.op_id]) o
     join ledger.operator_account_code c on c.operator_no = o.contra
     left join ledger.terms_unit t on t.terms_no = o.terms
where o.status = 0 and o.at >= $3 and o.at < $4 and c.code like 'revenue.%'
    and (o.change <> 0 or (o.quantity > 0 and coalesce(t.unit, 0) <> 0))
group by 1, 2, 3, 4, 8
order by 1, 2, 3, 4, 8;
