-- name: unseen_documents
-- Money of the bank that is neither credited whole, nor on the work list, nor closed by somebody, nor about to be read.
select 'bank document ' || d.document_id as subject,
       'is ' || d.state || ', with ' || coalesce(p.amount_tiyn, 0) || ' of ' || d.amount_tiyn || ' tiyn credited' as detail
from payments.bank_document d
left join payments.payment p using (payment_id)
where case d.state
          when 'pending' then false
          when 'credited' then p.amount_tiyn is distinct from d.amount_tiyn
          else not exists (select from payments.work_item w
                           where w.document_id = d.document_id and w.amount_tiyn = d.amount_tiyn
                             and w.state <> 'allocated')
      end
order by d.document_id limit $1;

-- name: parts_differ
-- Payments whose parts are not their sum.
select 'payment ' || p.payment_id as subject,
       'is of ' || p.amount_tiyn || ' tiyn, its parts of ' || coalesce(sum(q.amount_tiyn), 0) as detail
from payments.payment p left join payments.part q using (payment_id)
group by p.payment_id, p.amount_tiyn
having coalesce(sum(q.amount_tiyn), 0) <> p.amount_tiyn
order by p.payment_id limit $1;

-- name: decided_without_payment
-- Items of the work list that count as allocated and brought nothing, or less.
select 'work item ' || w.item_id as subject, 'is allocated, with ' || coalesce(p.amount_tiyn, 0) || ' tiyn' as detail
from payments.work_item w left join payments.payment p using (payment_id)
where w.state = 'allocated' and p.amount_tiyn is distinct from w.amount_tiyn
order by w.item_id limit $1;

-- name: books_differ
-- What the registry says each channel brought, against the operator's account for it in the ledger.
select 'channel ' || c.channel as subject,
       'the registry has ' || c.here || ' tiyn, the ledger ' || c.there as detail
from (
    select n.channel, n.contra,
           (select coalesce(sum(q.amount_tiyn), 0)::bigint from payments.payment p join payments.part q using (payment_id)
            where p.channel = n.channel and q.state <> 'written_off') as here,
           (select coalesce(-sum(t.amount), 0)::bigint from ledger.operator_total t
            where t.operator_account = n.contra) as there
    from (values ('terminal', 'cash.terminal'), ('bank', 'cash.bank'), ('cash_desk', 'cash.desk')) n (channel, contra)) c
where c.here <> c.there
order by c.channel limit $1;

-- name: totals
-- Of all bank documents whose money came: what came, what is credited, what waits, what people closed.
select coalesce(sum(d.amount_tiyn), 0)::bigint as received,
       coalesce(sum(d.amount_tiyn) filter (where d.state = 'credited'), 0)::bigint as allocated,
       coalesce(sum(d.amount_tiyn) filter (where d.state <> 'credited' and not closed), 0)::bigint as on_the_list,
       coalesce(sum(d.amount_tiyn) filter (where d.state <> 'credited' and closed), 0)::bigint as closed
from (
    select d.*, exists (select from payments.work_item w where w.document_id = d.document_id and w.state = 'closed')
                and not exists (select from payments.work_item w
                                where w.document_id = d.document_id and w.state = 'open') as closed
    from payments.bank_document d
    join payments.bank_account a on a.iban = d.our_account
    where d.received_on is not null) d;
