-- name: account_of_invoice
-- Whose invoice it is.
select shard, account_id from invoicing.invoice where invoice_id = $1;

-- name: lock_invoice
-- An invoice, with its account locked: nothing of its invoices changes meanwhile.
select i.invoice_id, i.number, i.shard, i.account_id, i.subscription_id, i.msisdn, o.open_tiyn
from invoicing.invoice i
join invoicing.account a using (shard, account_id)
join invoicing.open_amount o using (invoice_id)
where i.invoice_id = $1 for update of a, o;

-- name: credit_note_by_source
-- The credit note that a decision has made.
select credit_note_id from invoicing.credit_note where source = $1;

-- name: credit_note
-- A credit note.
select * from invoicing.credit_note where credit_note_id = $1;

-- name: credit_notes_of
-- The credit notes of an invoice, the oldest first.
select credit_note_id from invoicing.credit_note where invoice_id = $1 order by credit_note_id;

-- name: credit_note_lines
-- What a credit note takes off the lines of its invoice.
select l.*, c.amount_tiyn as taken_tiyn, c.vat_tiyn as taken_vat_tiyn
from invoicing.credit_note_line c
join invoicing.credit_note n using (credit_note_id)
join invoicing.invoice_line l on l.invoice_id = n.invoice_id and l.line_no = c.line_no
where c.credit_note_id = $1 order by c.line_no;

-- name: lines_left
-- The lines of an invoice, less what credit notes took off them.
select l.invoice_id, l.line_no, l.code, l.label, l.item, l.msisdn, l.operations, l.quantity, l.unit, l.vat_millionths,
       l.amount_tiyn - coalesce(c.amount, 0) as amount_tiyn, l.vat_tiyn - coalesce(c.vat, 0) as vat_tiyn
from invoicing.invoice_line l
left join (
    select t.line_no, sum(t.amount_tiyn)::bigint as amount, sum(t.vat_tiyn)::bigint as vat
    from invoicing.credit_note_line t join invoicing.credit_note n using (credit_note_id)
    where n.invoice_id = $1 group by t.line_no
) c using (line_no)
where l.invoice_id = $1 order by l.line_no;

-- name: insert_credit_note
-- A credit note under the next number of its series, which is given back with the transaction when that fails.
with numbered as (
    insert into invoicing.series as s (series, year, last_no) values ($2, $3, 1)
    on conflict (series, year) do update set last_no = s.last_no + 1
    returning series, year, last_no
)
insert into invoicing.credit_note (source, series, year, series_no, invoice_id, shard, account_id, op_id, total_tiyn, vat_tiyn,
                                   reason, issued_at, issued_by)
select $1, series, year, last_no, $4, $5, $6, $7, $8, $9, $10, $11, $12 from numbered
returning credit_note_id, number;

-- name: insert_lines
-- What a credit note takes off the lines of its invoice.
insert into invoicing.credit_note_line (credit_note_id, line_no, amount_tiyn, vat_tiyn)
select $1, line_no, amount, vat from unnest($2::smallint[], $3::bigint[], $4::bigint[]) l (line_no, amount, vat);
