-- name: seats
-- Every number that an actor has or had, with what its owner knows of it at a moment: one that stops now is not his.
select p.iin_bin, s.subscription_id, s.msisdn,
       s.state = 'active' and (s.stop_at is null or s.stop_at > $1) as live, s.settlement, s.brand, s.plan_code,
       s.plan_version, s.plan_state, s.next_fee_at, s.shard, s.account_id, b.balance - b.held as main,
       coalesce(v.codes, '{}') as services, x.subscription_id is not null as lost
from subscribers.subscription s
join subscribers.party p on p.party_id = s.party_id
join ledger.bucket b on b.shard = s.shard and b.account_id = s.account_id and b.bucket_no = 0
left join (select subscription_id, array_agg(code order by code) as codes from subscribers.service
           where state = 'on' and single group by subscription_id) v on v.subscription_id = s.subscription_id
left join (select distinct subscription_id from subscribers.suspension
           where ended_at is null and ground = 'lost_device') x on x.subscription_id = s.subscription_id
order by s.subscription_id;

-- name: debts
-- What is open of invoices, by IIN or BIN.
select p.iin_bin, sum(o.open_tiyn)::bigint as owed
from invoicing.open_amount o
join invoicing.invoice i using (invoice_id)
join subscribers.party p on p.party_id = i.party_id
where o.open_tiyn > 0
group by p.iin_bin;

-- name: refund_files
-- Payment orders that were given to the bank from a day on.
select made_on, content from refunds.bank_file where made_on >= $1 order by file_id;
