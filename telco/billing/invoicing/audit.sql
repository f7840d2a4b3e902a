-- name: balances
-- Accounts whose open invoices, charges not yet invoiced and advance are not their balance.
with account as (
    select a.*, row_number() over () as ord from invoicing.account a where a.closed_at is null
), recent as (
    select o.ord,
           sum(-o.change) filter (where c.code ~ '^(revenue|receivable)\.') as charged,
           sum(o.change) filter (where c.code !~ '^(revenue|receivable)\.' and s.op_id is null) as unsettled
    from ledger.operations_after_v1((select array_agg(shard order by ord) from account),
                                    (select array_agg(account_id order by ord) from account),
                                    (select array_agg(invoiced_op order by ord) from account)) o
    join account a on a.ord = o.ord
    join ledger.operator_account_code c on c.operator_no = o.contra
    left join invoicing.settlement s on s.shard = a.shard and s.account_id = a.account_id and s.op_id = o.op_id
    where o.status = 0
    group by o.ord
), open as (
    select shard, account_id, sum(open_tiyn) as amount from invoicing.open_amount group by shard, account_id
)
select a.shard, a.account_id,
       format('the balance is %s; open invoices %s, not yet invoiced %s, advance %s, not yet settled %s', m.balance,
              coalesce(o.amount, 0), coalesce(r.charged, 0), a.advance_tiyn, coalesce(r.unsettled, 0)) as detail
from account a
join ledger.main_balance m on m.shard = a.shard and m.account_id = a.account_id
left join recent r on r.ord = a.ord
left join open o on o.shard = a.shard and o.account_id = a.account_id
where m.balance + coalesce(o.amount, 0) + coalesce(r.charged, 0) - a.advance_tiyn - coalesce(r.unsettled, 0) <> 0
limit $1;

-- name: charges
-- Periods whose invoice is not the sum of the charges that were posted in them.
with account as (
    select a.*, row_number() over () as ord from invoicing.account a where a.closed_at is null and a.period_no > 0
), posted as (
    select o.ord, o.op_id, o.step, case when o.status = 0 and c.code ~ '^(revenue|receivable)\.' then -o.change else 0 end
               as charge
    from ledger.operations_after_v1((select array_agg(shard order by ord) from account),
                                    (select array_agg(account_id order by ord) from account),
                                    (select array_agg(opening_op order by ord) from account)) o
    join ledger.operator_account_code c on c.operator_no = o.contra
), cut as (
    select a.ord, p.through_op, min(p.period_start) as period_start
    from account a
    join invoicing.period p on p.shard = a.shard and p.account_id = a.account_id and p.period_start >= a.anchor
    where p.through_op is distinct from a.opening_op
    group by a.ord, p.through_op
), placed as (
    select p.ord, p.charge, max(case when c.ord is not null then p.step end) over w as cut_step
    from posted p left join cut c on c.ord = p.ord and c.through_op = p.op_id
    window w as (partition by p.ord order by p.step)
), covered as (
    select p.ord, c.period_start, sum(p.charge) as charged
    from placed p
    join posted s on s.ord = p.ord and s.step = p.cut_step
    join cut c on c.ord = p.ord and c.through_op = s.op_id
    group by p.ord, c.period_start
), invoiced as (
    select a.ord, p.period_start, i.total_tiyn - l.carried as invoiced
    from account a
    join invoicing.period p on p.shard = a.shard and p.account_id = a.account_id and p.period_start >= a.anchor
    join invoicing.invoice i on i.invoice_id = p.invoice_id
    cross join lateral (
        select coalesce(sum(amount_tiyn) filter (where code = 'carried'), 0) as carried
        from invoicing.invoice_line where invoice_id = i.invoice_id
    ) l
), differing as materialized ( -- grouped, not joined: planned for few, a join would take each with each
    select ord, period_start, sum(charged) as charged, sum(invoiced) as invoiced
    from (
        select ord, period_start, charged, 0 as invoiced from covered
        union all
        select ord, period_start, 0, invoiced from invoiced
    ) both_sides
    group by ord, period_start having sum(charged) <> sum(invoiced)
    limit $1
)
select a.shard, a.account_id,
       format('in the period from %s %s was charged and %s invoiced', d.period_start, d.charged, d.invoiced) as detail
from differing d join account a using (ord);

-- name: periods
-- Accounts with a period that is not the next after the one before, counted from the day of joining.
select a.shard, a.account_id,
       format('period %s is from %s to %s', p.no, p.period_start, p.period_end) as detail
from invoicing.account a
join lateral (
    select p.*, row_number() over (order by p.period_start) - 1 as no, count(*) over () as closed
    from invoicing.period p where p.shard = a.shard and p.account_id = a.account_id and p.period_start >= a.anchor
) p on true
where p.period_start <> (a.anchor + make_interval(months => p.no::int))::date
   or p.period_end <> (a.anchor + make_interval(months => p.no::int + 1))::date
   or p.closed <> a.period_no
limit $1;

-- name: numbers
-- Series with a number left out or given twice.
select 0 as shard, 0 as account_id,
       format('series %s-%s has %s numbers up to %s, and says %s', series, year, count(i.series_no), max(i.series_no),
              s.last_no) as detail
from invoicing.series s
full join (
    select series, year, series_no from invoicing.invoice
    union all
    select series, year, series_no from invoicing.credit_note
) i using (series, year)
group by series, year, s.last_no
having count(i.series_no) <> s.last_no or count(distinct i.series_no) <> s.last_no or max(i.series_no) <> s.last_no
    or s.last_no is null
limit $1;

-- name: lines
-- Invoices that are not the sum of their lines, or whose VAT is not that of their sum at each rate.
select i.shard, i.account_id,
       format('invoice %s is of %s with VAT %s; its lines are %s and %s, VAT by rates %s', i.number, i.total_tiyn,
              i.vat_tiyn, l.amount, l.vat, l.expected) as detail
from invoicing.invoice i
join lateral (
    select sum(amount) as amount, sum(vat) as vat,
           sum(sign(amount) * floor(abs(amount) * rate / (1 + rate) + 0.5)) as expected
    from (
        select sum(amount_tiyn) as amount, sum(vat_tiyn) as vat, coalesce(vat_millionths, 0) / 1000000.0 as rate
        from invoicing.invoice_line where invoice_id = i.invoice_id group by vat_millionths
    ) by_rate
) l on true
where i.total_tiyn is distinct from l.amount or i.vat_tiyn is distinct from l.vat or i.vat_tiyn is distinct from l.expected
limit $1;

-- name: open_amounts
-- Invoices of which another sum is open than their payments leave.
select i.shard, i.account_id,
       format('invoice %s is of %s, %s was allocated, %s is open', i.number, i.total_tiyn, coalesce(p.amount, 0),
              coalesce(o.open_tiyn::text, 'nothing')) as detail
from invoicing.invoice i
left join invoicing.open_amount o using (invoice_id)
left join (select invoice_id, sum(amount_tiyn) as amount from invoicing.allocation group by invoice_id) p using (invoice_id)
where o.open_tiyn is distinct from greatest(i.total_tiyn, 0) - coalesce(p.amount, 0)
limit $1;

-- name: allocations
-- Payments of which more was allocated than they were.
select a.shard, a.account_id, format('%s is of %s, %s was allocated', op_id, s.amount_tiyn, a.amount) as detail
from (
    select shard, account_id, op_id, sum(amount_tiyn) as amount
    from invoicing.allocation where op_id is not null group by shard, account_id, op_id
) a
left join invoicing.settlement s using (shard, account_id, op_id)
where a.amount < 0 or s.amount_tiyn is null or a.amount > s.amount_tiyn
limit $1;

-- name: advances
-- Accounts with money lying idle beside open invoices.
select a.shard, a.account_id, format('an advance of %s while invoices are open', a.advance_tiyn) as detail
from invoicing.account a
where a.advance_tiyn > 0 and exists (
    select from invoicing.open_amount o where o.shard = a.shard and o.account_id = a.account_id and o.open_tiyn > 0)
limit $1;

-- name: credit_notes
-- Credit notes that are not the sum of their lines, or that the ledger did not give back.
select n.shard, n.account_id,
       format('credit note %s is of %s with VAT %s; its lines are %s and %s, %s was given back', n.number, n.total_tiyn,
              n.vat_tiyn, l.amount, l.vat, coalesce(s.amount_tiyn, 0)) as detail
from invoicing.credit_note n
cross join lateral (
    select sum(amount_tiyn) as amount, sum(vat_tiyn) as vat
    from invoicing.credit_note_line where credit_note_id = n.credit_note_id
) l
left join invoicing.settlement s using (shard, account_id, op_id)
where n.total_tiyn is distinct from l.amount or n.vat_tiyn is distinct from l.vat
   or n.total_tiyn is distinct from s.amount_tiyn
limit $1;

-- name: lowered_invoices
-- Invoices that were lowered by more than they were, or whose VAT is not that of what is left at each rate.
select i.shard, i.account_id,
       format('invoice %s of %s was lowered to %s; the VAT left is %s and should be %s', i.number, i.total_tiyn,
              r.amount, r.vat, r.expected) as detail
from invoicing.invoice i
cross join lateral (
    select sum(amount) as amount, sum(vat) as vat,
           sum(sign(amount) * floor(abs(amount) * rate / (1 + rate) + 0.5)) as expected
    from (
        select sum(l.amount_tiyn - coalesce(c.amount, 0)) as amount, sum(l.vat_tiyn - coalesce(c.vat, 0)) as vat,
               coalesce(l.vat_millionths, 0) / 1000000.0 as rate
        from invoicing.invoice_line l
        left join (
            select t.line_no, sum(t.amount_tiyn) as amount, sum(t.vat_tiyn) as vat
            from invoicing.credit_note_line t join invoicing.credit_note n using (credit_note_id)
            where n.invoice_id = i.invoice_id group by t.line_no
        ) c using (line_no)
        where l.invoice_id = i.invoice_id group by l.vat_millionths
    ) by_rate
) r
where i.invoice_id in (select invoice_id from invoicing.credit_note) and (r.amount < 0 or r.vat <> r.expected)
limit $1;
