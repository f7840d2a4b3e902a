-- name: uncounted_accounts
-- Accounts in credit settlement whose accounting periods are not counted.
select c.shard, c.account_id, c.subscription_id, c.joined_at from subscribers.credit_account c
where not exists (
    select from invoicing.account a where a.shard = c.shard and a.account_id = c.account_id and a.closed_at is null)
limit $1;

-- name: open_accounts
-- Begin to count the periods of accounts from the day of joining. What an account had is its advance, less what is
-- still open of earlier invoices; what it owed will be on its first invoice.
insert into invoicing.account as a (shard, account_id, subscription_id, anchor, period_no, period_start, period_end,
                                    opening_op, invoiced_op, advance_tiyn, opened_at)
select f.shard, f.account_id, f.subscription_id, f.anchor, 0, f.anchor, (f.anchor + interval '1 month')::date,
       b.op_id, b.op_id,
       b.main_after + coalesce((select sum(o.open_tiyn) from invoicing.open_amount o
                                where o.shard = f.shard and o.account_id = f.account_id and o.open_tiyn > 0), 0),
       $6
from unnest($1::smallint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::date[])
     f (shard, account_id, subscription_id, joined_at, anchor)
cross join lateral ledger.operation_before_v1(f.shard, f.account_id, f.joined_at) b
order by f.shard, f.account_id
on conflict (shard, account_id) do update set
    subscription_id = excluded.subscription_id, anchor = excluded.anchor, period_no = 0,
    period_start = excluded.period_start, period_end = excluded.period_end, opening_op = excluded.opening_op,
    invoiced_op = excluded.invoiced_op, advance_tiyn = excluded.advance_tiyn, opened_at = excluded.opened_at,
    closed_at = null
where a.closed_at is not null
returning a.shard, a.account_id;

-- name: next_day
-- The next day after $1, not after $2, on which accounting periods end that are not closed.
select min(period_end) from invoicing.account where closed_at is null and period_end > $1 and period_end <= $2;

-- name: close_periods
-- A batch of accounting periods that end on one day.
select periods, invoices, lines, total from invoicing.close_periods_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: lock_account
-- What invoicing knows of an account, locked.
select * from invoicing.account where shard = $1 and account_id = $2 for update;

-- name: account
-- The same, not locked.
select * from invoicing.account where shard = $1 and account_id = $2;

-- name: invoice
-- An invoice with what is open of it.
select i.*, o.open_tiyn, o.paid_at from invoicing.invoice i join invoicing.open_amount o using (invoice_id)
where i.invoice_id = $1;

-- name: invoice_by_number
-- The same by its number.
select i.*, o.open_tiyn, o.paid_at from invoicing.invoice i join invoicing.open_amount o using (invoice_id)
where i.number = $1;

-- name: invoices_of_account
-- An account's invoices from before one on, the newest first.
select i.*, o.open_tiyn, o.paid_at from invoicing.invoice i join invoicing.open_amount o using (invoice_id)
where i.shard = $1 and i.account_id = $2 and i.invoice_id < $3
order by i.invoice_id desc limit $4;

-- name: invoices_by_number
-- The same of many numbers.
select i.*, o.open_tiyn, o.paid_at from invoicing.invoice i join invoicing.open_amount o using (invoice_id)
where i.number = any($1::text[]);

-- name: billed_accounts
-- Which of these accounts are invoiced.
select shard, account_id from invoicing.account
join unnest($1::smallint[], $2::bigint[]) as wanted (shard, account_id) using (shard, account_id);

-- name: open_of_accounts
-- What is to be paid in any of these accounts, the oldest debt first.
select i.*, o.open_tiyn, o.paid_at
from unnest($1::smallint[], $2::bigint[]) as wanted (shard, account_id)
join invoicing.open_amount o using (shard, account_id) join invoicing.invoice i using (invoice_id)
where o.open_tiyn > 0
order by o.due_on, o.invoice_id;

-- name: open_invoices
-- What is to be paid, the oldest debt first.
select i.*, o.open_tiyn, o.paid_at from invoicing.open_amount o join invoicing.invoice i using (invoice_id)
where o.shard = $1 and o.account_id = $2 and o.open_tiyn > 0
order by o.due_on, o.invoice_id;

-- name: invoice_lines
-- What an invoice charges.
select * from invoicing.invoice_line where invoice_id = $1 order by line_no;

-- name: settle
-- Money in or out of an account is settled once.
insert into invoicing.settlement (shard, account_id, op_id, amount_tiyn, settled_at) values ($1, $2, $3, $4, $5)
on conflict do nothing returning op_id;

-- name: lock_open
-- The open amounts of invoices of an account, locked.
select o.invoice_id, o.open_tiyn, i.number from invoicing.open_amount o join invoicing.invoice i using (invoice_id)
where o.shard = $1 and o.account_id = $2 and o.invoice_id = any($3::bigint[])
order by o.invoice_id for update of o;

-- name: allocate
-- So much to these invoices.
select * from invoicing.allocate_v1($1, $2, $3, $4);

-- name: spread
-- The oldest open invoices first; the rest is the advance.
select * from invoicing.spread_v1(array[$1::smallint], array[$2::bigint], array[$3::bigint], $4, $5);

-- name: set_advance
-- What no invoice has used; below zero a debt to be invoiced.
update invoicing.account set advance_tiyn = $3 where shard = $1 and account_id = $2;

-- name: allocations_of
-- What of a settlement went where, as it is now.
select a.invoice_id, i.number, sum(a.amount_tiyn)::bigint as amount_tiyn, min(o.open_tiyn) as open_after
from invoicing.allocation a join invoicing.invoice i using (invoice_id) join invoicing.open_amount o using (invoice_id)
where a.shard = $1 and a.account_id = $2 and a.op_id = $3
group by a.invoice_id, i.number having sum(a.amount_tiyn) <> 0
order by a.invoice_id;

-- name: paid_in_advance
-- What the run itself gave to an invoice in the transaction that issued it.
select coalesce(sum(a.amount_tiyn), 0)::bigint
from invoicing.allocation a join invoicing.invoice i using (invoice_id)
where a.invoice_id = $1 and a.op_id is null and a.amount_tiyn > 0 and a.allocated_at = i.issued_at;

-- name: settled_amount
-- What a settlement was of.
select amount_tiyn from invoicing.settlement where shard = $1 and account_id = $2 and op_id = $3;

-- name: reversal_of
-- The ledger's operation that took another one back.
select ledger.reversal_of_v1($1, $2, $3);

-- name: paid_invoices
-- Invoices that something was paid of, and how much, the newest first; what a credit note took off them was not paid.
select i.invoice_id, i.total_tiyn - o.open_tiyn - c.credited as paid_tiyn
from invoicing.invoice i join invoicing.open_amount o using (invoice_id)
cross join lateral (
    select coalesce(sum(a.amount_tiyn), 0)::bigint as credited
    from invoicing.credit_note n join invoicing.allocation a using (invoice_id, shard, account_id, op_id)
    where n.invoice_id = i.invoice_id
) c
where i.shard = $1 and i.account_id = $2 and i.total_tiyn > o.open_tiyn + c.credited
order by i.due_on desc, i.invoice_id desc
for update of o;

-- name: amounts_due
-- What is open of an account's invoices, of it past the last day to pay, and that day of the oldest.
select coalesce(sum(open_tiyn), 0)::bigint as open, coalesce(sum(open_tiyn) filter (where due_on < $3), 0)::bigint as overdue,
       min(due_on) as next_due_on
from invoicing.open_amount where shard = $1 and account_id = $2 and open_tiyn > 0;

-- name: overdue_of
-- What of accounts' invoices is open past the last day to pay.
select shard, account_id, sum(o.open_tiyn)::bigint as overdue
from unnest($1::smallint[], $2::bigint[]) a (shard, account_id) join invoicing.open_amount o using (shard, account_id)
where o.open_tiyn > 0 and o.due_on < $3
group by shard, account_id;

-- name: overdue
-- Accounts after one that have invoices past the last day to pay, with the newest of these to say whose they are.
select o.shard, o.account_id, o.amount, o.oldest_due_on, o.invoices, i.subscription_id, i.contract_id, i.party_id,
       i.msisdn, i.language
from (
    select shard, account_id, sum(open_tiyn)::bigint as amount, min(due_on) as oldest_due_on,
           array_agg(invoice_id order by due_on, invoice_id) as invoices
    from invoicing.open_amount
    where open_tiyn > 0 and due_on < $1 and (shard, account_id) > ($2, $3)
    group by shard, account_id
    order by shard, account_id limit $4
) o
join invoicing.invoice i on i.invoice_id = o.invoices[cardinality(o.invoices)]
order by o.shard, o.account_id;

-- name: limit_by_request
-- The credit limit that the same request asked for.
select * from invoicing.limit_request where subscription_id = $1 and request_id = $2;

-- name: insert_limit_request
-- A credit limit that is asked for; nothing when the same request came at once, or another one waits.
insert into invoicing.limit_request (request_id, shard, account_id, subscription_id, limit_tiyn, previous_tiyn,
                                     ceiling_tiyn, state, asked_at, asked_by, channel)
values ($1, $2, $3, $4, $5, $6, $7, 'requested', $8, $9, $10)
on conflict do nothing returning *;

-- name: limit_request
-- A request for a credit limit.
select * from invoicing.limit_request where limit_request_id = $1;

-- name: lock_limit_request
-- The same, locked.
select * from invoicing.limit_request where limit_request_id = $1 for update;

-- name: decide_limit_request
-- What was decided, once.
update invoicing.limit_request
set state = $2, limit_tiyn = $3, decided_at = $4, decided_by = $5, reason = $6
where limit_request_id = $1 and state = 'requested' returning *;

-- name: waiting_limit_request
-- The request of an account that waits for a decision.
select * from invoicing.limit_request where shard = $1 and account_id = $2 and state = 'requested';

-- name: limit_requests
-- Requests in a state, the oldest first.
select * from invoicing.limit_request where state = $1 and limit_request_id > $2 order by limit_request_id limit $3;

-- name: not_invoiced
-- What of a span of time is on no invoice of accounts and will not be: after the last period that was closed before each
-- left credit settlement, before it joined (again).
select w.shard, w.account_id,
       greatest($3::timestamptz, (
           select max(p.period_end)::timestamp at time zone 'Asia/Almaty' from invoicing.period p
           where p.shard = a.shard and p.account_id = a.account_id
             and (a.closed_at is not null or p.period_start < a.anchor))) as since,
       case when a.account_id is null or a.closed_at is not null then $4::timestamptz
            else least($4, coalesce(ledger.posted_at_v1(a.shard, a.account_id, a.opening_op) + interval '1 microsecond', $3))
       end as until
from unnest($1::smallint[], $2::bigint[]) as w (shard, account_id)
left join invoicing.account a using (shard, account_id);
