-- name: falling_due
-- Unpaid invoices that are due on or before a day, by id.
select * from invoicing.unpaid where due_on <= $1 and invoice_id > $2 order by invoice_id limit $3;

-- name: unpaid
-- Those of the invoices that are unpaid.
select * from invoicing.unpaid where invoice_id = any($1::bigint[]) order by invoice_id;

-- name: unpaid_of_account
-- The same of an account's.
select * from invoicing.unpaid where shard = $1 and account_id = $2 order by invoice_id;

-- name: number
-- The number printed on an invoice.
select number from invoicing.invoice where invoice_id = $1;

-- name: standings
-- What of invoices is open.
select invoice_id, open_tiyn from invoicing.open_amount where invoice_id = any($1::bigint[]);

-- name: changes
-- What went to invoices or was taken back from them, in order; what a credit note took off one was never owed.
select a.invoice_id, a.amount_tiyn, case when n.op_id is null then a.allocated_at else i.issued_at end as allocated_at
from invoicing.allocation a join invoicing.invoice i on i.invoice_id = a.invoice_id
left join invoicing.credit_note n on n.invoice_id = a.invoice_id and n.op_id = a.op_id
where a.invoice_id = any($1::bigint[]) order by a.invoice_id, a.allocation_id;

-- name: open_total
-- What of an account's invoices is open.
select coalesce(sum(open_tiyn), 0)::bigint from invoicing.open_amount
where shard = $1 and account_id = $2 and open_tiyn > 0;

-- name: invoiced
-- Which of these accounts still get invoices.
select a.shard, a.account_id from unnest($1::smallint[], $2::bigint[]) as w (shard, account_id)
join invoicing.account a using (shard, account_id) where a.closed_at is null;
