-- name: step_missed
-- Open debts for which something was to be done on a day that is over.
select shard, account_id, 'debt ' || number || ' waits since ' || next_at as detail
from collection.debt where state = 'open' and (next_at at time zone 'Asia/Almaty')::date < $1 order by debt_id limit $2;

-- name: end_missed
-- Contracts that were to end on a day that is over.
select shard, account_id, 'the contract was to end on ' || ends_on as detail
from collection.dossier where ends_on < $1 and ended_at is null and closed_at is null order by case_id limit $2;

-- name: case_left_open
-- Cases that are open without an open debt, or say that services are suspended where they are not.
select c.shard, c.account_id, 'case ' || c.case_id || ' is open without a debt that it says' as detail
from collection.dossier c
where c.closed_at is null and $1::date is not null
  and (not exists (select 1 from collection.debt d where d.case_id = c.case_id and d.state = 'open')
       or (c.suspended_on is not null and not exists (
            select 1 from collection.debt d where d.case_id = c.case_id and d.suspended_at is not null)))
order by c.case_id limit $2;

-- name: handover_kept
-- Debts that are closed and still with a collector.
select d.shard, d.account_id, 'debt ' || d.number || ' is ' || d.state || ' and still handed over' as detail
from collection.handover h join collection.debt d using (debt_id)
where h.withdrawn_on is null and d.state <> 'open' and $1::date is not null order by d.debt_id limit $2;

-- name: penalty_differs
-- Debts whose penalty is not what was posted.
select d.shard, d.account_id, 'penalty of ' || d.number || ' is ' || d.penalty_tiyn || ', posted ' || p.posted as detail
from collection.debt d
cross join lateral (
    select coalesce(sum(amount_tiyn) filter (where reversed_at is null), 0)::bigint as posted
    from collection.penalty_posting where debt_id = d.debt_id) p
where d.penalty_tiyn <> p.posted and $1::date is not null order by d.debt_id limit $2;

-- name: penalty_too_high
-- Debts whose penalty is more than the contract's share of what of them bears one.
select d.shard, d.account_id, 'penalty of ' || d.number || ' is ' || d.penalty_tiyn || ', more than may be' as detail
from collection.debt d
cross join lateral (
    select value from collection.term where name = 'penalty_cap_ppm' and valid_from <= d.due_on
    order by valid_from desc limit 1) as cap
where d.penalty_tiyn > (d.total_tiyn - d.penalty_part_tiyn) * cap.value / 1000000.0
  and $1::date is not null order by d.debt_id limit $2;

-- name: handed_over_disputed
-- Debts that were handed over while the term to answer ran.
select d.shard, d.account_id, 'debt ' || d.number || ' was handed over before its term was over' as detail
from collection.handover h join collection.debt d using (debt_id)
where h.withdrawn_on is null and d.state = 'open' and d.answer_until >= h.day and d.noticed_on <= h.day
  and $1::date is not null
order by d.debt_id limit $2;

-- name: debts_by_number
-- Open debts by their numbers, with whether they are suspended.
select number, debt_id, invoice_id, suspended_at is not null as suspended from collection.debt
where number = any($1::text[]) and state = 'open';

-- name: known_invoices
-- Which of these invoices have a debt.
select invoice_id, state from collection.debt where invoice_id = any($1::bigint[]);
