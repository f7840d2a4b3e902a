-- name: unseen_documents
-- Money of the bank that is neither credited whole, nor on the work list, nor closed by somebody, nor about to be read.
select 'bank document ' || d.document_id as subject,
       'is ' || d.state || ', with ' || coalesce(p.amount_tiyn, 0) || ' of ' || d.amount_tiyn || ' tiyn credited' as detail
from payments.bank_document d
left join payments.payment p using (payment_id)
where case d.state
          when 'pending' then false
          when 'returned' then false
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
-- Parts that are not exactly one credit of the ledger, of their sum, that nothing took back; of those written off none.
select 'payment ' || q.payment_id || ' part ' || q.part_no as subject,
       'is ' || q.state || ' with ' || q.amount_tiyn || ' tiyn, the ledger has ' || coalesce(o.amount, 0) as detail
from payments.part q
left join lateral (
    select o.moved + coalesce((select sum(o.grant_lines[n][3]) from generate_subscripts(o.grant_lines, 1) n
                               where o.grant_lines[n][1] = 0), 0)::bigint as amount
    from ledger.operation o
    where o.shard = q.shard and o.account_id = q.account_id and o.op_id = q.op_id and o.kind = 5 and o.status = 0
      and not exists (select from ledger.operation r
                      where r.shard = o.shard and r.account_id = o.account_id and r.target = o.op_id and r.kind = 8
                        and r.status = 0)) o on true
where case when q.state = 'written_off' then o.amount is not null else o.amount is distinct from q.amount_tiyn end
order by q.payment_id, q.part_no limit $1;

-- name: totals
-- Of all bank documents whose money came: what came, what is credited or ours come back, what waits, what people closed.
select coalesce(sum(d.amount_tiyn), 0)::bigint as received,
       coalesce(sum(d.amount_tiyn) filter (where d.state = 'credited'), 0)::bigint as allocated,
       coalesce(sum(d.amount_tiyn) filter (where d.state = 'returned'), 0)::bigint as returned,
       coalesce(sum(d.amount_tiyn) filter (where d.state in ('pending', 'work_list') and not closed), 0)::bigint
           as on_the_list,
       coalesce(sum(d.amount_tiyn) filter (where d.state in ('pending', 'work_list') and closed), 0)::bigint as closed
from (
    select d.*, exists (select from payments.work_item w where w.document_id = d.document_id and w.state = 'closed')
                and not exists (select from payments.work_item w
                                where w.document_id = d.document_id and w.state = 'open') as closed
    from payments.bank_document d
    join payments.bank_account a on a.iban = d.our_account
    where d.received_on is not null) d;
