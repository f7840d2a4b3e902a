-- Unpaid invoices as collection follows them, with what of each is penalty for earlier ones.
create view invoicing.unpaid as
select o.invoice_id, i.number, o.shard, o.account_id, i.subscription_id, o.due_on, i.total_tiyn,
       (select coalesce(sum(l.amount_tiyn), 0)::bigint from invoicing.invoice_line l
        where l.invoice_id = o.invoice_id and l.code = 'revenue.penalty') as penalty_tiyn
from invoicing.open_amount o join invoicing.invoice i using (invoice_id)
where o.open_tiyn > 0;
