-- What is asked of the state in which a day leaves everything. Each check returns one row for each thing that is wrong. Day
-- and moment are in simulation.today. Nothing here is taken from the code that is checked.

-- name: fee_late
-- A fee was due and is neither taken nor put off.
select format('subscription %s was due %s', s.subscription_id, s.next_fee_at) as detail
from subscribers.subscription s, simulation.today d
where s.state = 'active' and s.next_fee_at <= d.now and (s.stop_at is null or s.stop_at > d.now)
union all
select format('service %s was due %s', v.service_id, v.next_fee_at)
from subscribers.service v join subscribers.subscription s using (subscription_id), simulation.today d
where v.state <> 'off' and s.state = 'active' and v.next_fee_at <= d.now and (s.stop_at is null or s.stop_at > d.now);

-- name: waits_with_money
-- A plan, or the change to another one, waits for payment although its account could pay.
select format('subscription %s waits for %s with %s', s.subscription_id, t.fee, b.balance - b.held + b.credit_limit)
       as detail
from subscribers.subscription s
left join subscribers.plan_change c on c.subscription_id = s.subscription_id and c.state = 'waiting'
join simulation.term t on t.kind = 'plan' and t.name = coalesce(c.to_plan || '.' || c.to_version,
                                                                s.plan_code || '.' || s.plan_version)
join ledger.bucket b on b.shard = s.shard and b.account_id = s.account_id and b.bucket_no = 0
cross join simulation.today d
where s.state = 'active' and s.plan_state = 'awaiting_payment' and (s.stop_at is null or s.stop_at > d.now)
  and b.balance - b.held + b.credit_limit >= t.fee + case when c.change_id is null then 0 else t.joining end;

-- name: end_missed
-- Something should have ended and goes on.
select format('subscription %s should have stopped %s', subscription_id, stop_at) as detail
from subscribers.subscription, simulation.today d where state = 'active' and stop_at <= d.now
union all
select format('the promotional plan of subscription %s should have ended %s', subscription_id, plan_until)
from subscribers.subscription, simulation.today d where state = 'active' and plan_until <= d.now
union all
select format('service %s should have ended %s', service_id, until_at)
from subscribers.service, simulation.today d where state <> 'off' and until_at <= d.now
union all
select format('suspension %s should have ended %s', suspension_id, ends_at)
from subscribers.suspension, simulation.today d where ended_at is null and ends_at <= d.now
union all
select format('trust payment %s should have ended %s', trust_id, usable_until)
from billing.trust_payment, simulation.today d where ended_at is null and usable_until <= d.now
union all
select format('bucket %s of account %s:%s should have ended %s', bucket_no, shard, account_id, valid_until)
from ledger.bucket, simulation.today d where valid_until <= d.now and balance <> held;

-- name: outbox
-- An event was not handed over, or its consumer failed.
select format('event %s %s waits since %s: %s', event_id, topic, created_at, coalesce(last_error, '')) as detail
from kernel.outbox where dispatched_at is null;

-- name: suspended_without_ground
-- Services are stopped for non-payment, and no invoice is overdue nor the credit limit used up.
select format('subscription %s since %s with balance %s', s.subscription_id, x.started_at, b.balance) as detail
from subscribers.suspension x
join subscribers.subscription s using (subscription_id)
join ledger.bucket b on b.shard = s.shard and b.account_id = s.account_id and b.bucket_no = 0
cross join simulation.today d
where x.ground = 'money' and x.ended_at is null and (x.ends_at is null or x.ends_at > d.now) and s.state = 'active'
  and b.balance - b.held + b.credit_limit > 0
  and not exists (select from invoicing.open_amount o where o.shard = s.shard and o.account_id = s.account_id
                  and o.open_tiyn > 0 and o.due_on < d.day);

-- name: suspension_missed
-- An invoice of at least 100 tenge is two weeks late, and services go on.
select format('subscription %s goes on with %s open since %s', s.subscription_id, o.open_tiyn, o.due_on) as detail
from invoicing.open_amount o
join subscribers.subscription s on s.shard = o.shard and s.account_id = o.account_id and s.state = 'active'
cross join simulation.today d
where o.open_tiyn >= 10000 and d.day - o.due_on > 14
  and not exists (select from subscribers.suspension x where x.subscription_id = s.subscription_id
                  and x.ground = 'money' and x.ended_at is null);

-- name: end_for_debt_missed
-- Services have been stopped for non-payment for more than two calendar months, and the contract goes on (PSC-6.3.3).
select format('subscription %s is suspended since %s', s.subscription_id, x.started_at) as detail
from subscribers.suspension x
join subscribers.subscription s using (subscription_id)
cross join simulation.today d
where x.ground = 'money' and x.ended_at is null and s.state = 'active'
  and ((x.started_at at time zone 'Asia/Almaty')::date + interval '2 months 2 days')::date < d.day;

-- name: invoice_sum
-- An invoice of today is not the sum of its lines.
select format('invoice %s says %s (VAT %s), its lines %s (%s)', i.number, i.total_tiyn, i.vat_tiyn, l.total, l.vat)
       as detail
from invoicing.invoice i
cross join lateral (select coalesce(sum(amount_tiyn), 0) as total, coalesce(sum(vat_tiyn), 0) as vat
                    from invoicing.invoice_line where invoice_id = i.invoice_id) l
cross join simulation.today d
where i.issued_at > d.since and i.total_tiyn <> l.total;

-- name: invoice_charges
-- An invoice of today is not the usage and fees of its period, by the time of each.
select format('account %s:%s was charged %s from %s to %s, invoiced %s', i.shard, i.account_id, c.charged,
              i.period_start, i.period_end, i.total_tiyn - l.carried) as detail
from invoicing.invoice i
cross join lateral (
    select coalesce(sum(amount_tiyn) filter (where code = 'carried'), 0) as carried
    from invoicing.invoice_line where invoice_id = i.invoice_id
) l
cross join lateral (
    select coalesce(-sum(o.moved + coalesce((select sum(o.grant_lines[n][3])
                                             from generate_subscripts(o.grant_lines, 1) n
                                             where o.grant_lines[n][1] = 0), 0)), 0) as charged
    from ledger.operation o join ledger.operator_account a on a.operator_no = o.contra
    where o.shard = i.shard and o.account_id = i.account_id and o.status = 0 and a.code ~ '^(revenue|receivable)[.]'
      and (o.at at time zone 'Asia/Almaty')::date >= i.period_start
      and (o.at at time zone 'Asia/Almaty')::date < i.period_end
) c
cross join simulation.today d
where i.issued_at > d.since and c.charged <> i.total_tiyn - l.carried;

-- name: invoice_missing
-- A number is in credit settlement, and no running accounting period covers the day.
select format('subscription %s, account %s:%s', s.subscription_id, s.shard, s.account_id) as detail
from subscribers.subscription s
cross join simulation.today d
where s.state = 'active' and s.settlement = 'credit'
  and not exists (select from invoicing.account a where a.shard = s.shard and a.account_id = s.account_id
                  and a.closed_at is null and a.period_start <= d.day and d.day < a.period_end);

-- name: invoice_numbers
-- A series has a gap.
select format('series %s of %s counts %s invoices to number %s', s.series, s.year, count(i.invoice_id), s.last_no)
       as detail
from invoicing.series s
left join invoicing.invoice i on i.series = s.series and i.year = s.year
group by s.series, s.year, s.last_no having count(i.invoice_id) <> s.last_no;

-- name: left_on_the_work_list
-- Money of a company lies unallocated although its register came. What to do with money for a number that ended
-- meanwhile is for people to decide, whom nobody acts here.
select format('item %s: %s', item_id, reason) as detail
from payments.work_item, simulation.today d
where state = 'open' and opened_at < d.since and reason <> 'number_ended';

-- name: refund_ordered_twice
-- The bank was given two orders for one refund, or an order of another sum.
select format('refund %s is in %s orders, with %s instead of %s', o.refund_id, count(*), sum(o.amount),
              min(r.amount_tiyn)) as detail
from (
    select (regexp_match(part, 'Номер=(\d+)'))[1]::bigint as refund_id,
           (regexp_match(part, 'Сумма=([\d.]+)'))[1]::numeric * 100 as amount
    from refunds.bank_file f,
         regexp_split_to_table(convert_from(f.content, 'WIN1251'), 'КонецДокумента') part
    where part ~ 'Номер=' and exists (select from refunds.bank_file today, simulation.today d where today.made_on = d.day)
) o
left join refunds.refund r using (refund_id)
group by o.refund_id having count(*) <> 1 or sum(o.amount) is distinct from min(r.amount_tiyn);

-- name: refund_late
-- A written application is older than 30 days and not paid (PSC-6.4): money of credit is free 15 days after the end of
-- the accounting period, and a week more is for days on which banks rest. Or it was paid before that. What lies in cash
-- waits for its owner.
select format('refund %s of %s is %s%s, could be paid from %s on', r.refund_id,
              (r.registered_at at time zone 'Asia/Almaty')::date, r.state, coalesce(' on ' || r.paid_on, ''), p.free)
       as detail
from refunds.refund r
cross join simulation.today d
left join lateral (
    select min(e.period_end) + 15 as free
    from (select period_start, period_end from invoicing.period
          where shard = r.shard and account_id = r.account_id
          union all
          select period_start, period_end from invoicing.account
          where shard = r.shard and account_id = r.account_id) e
    where r.kind = 'ended' and e.period_end > (
        select max(ended_at at time zone 'Asia/Almaty')::date from subscribers.subscription
        where shard = r.shard and account_id = r.account_id and settlement = 'credit')
) p on true
where r.way = 'bank'
  and (r.state in ('applied', 'approved', 'ordered')
       and d.day > greatest((r.registered_at at time zone 'Asia/Almaty')::date + 30, p.free + 7)
       or r.state = 'paid' and r.paid_at > d.since
          and (r.paid_on > greatest((r.registered_at at time zone 'Asia/Almaty')::date + 30, p.free + 7)
               or r.paid_on < p.free));

-- name: limit_above_ceiling
-- An account may go further than the plans of its numbers allow (PSC-3.2.6), as they were published.
select format('account %s:%s has the limit %s, at most %s is published', s.shard, s.account_id, b.credit_limit,
              max((i.content -> 'credit' ->> 'ceiling')::numeric * 100)) as detail
from subscribers.subscription s
join ledger.bucket b on b.shard = s.shard and b.account_id = s.account_id and b.bucket_no = 0 and b.credit_limit > 0
left join catalog.item i on i.kind = 'plan' and i.code = s.plan_code and i.version = s.plan_version
where s.state = 'active'
group by s.shard, s.account_id, b.credit_limit
having b.credit_limit > coalesce(max((i.content -> 'credit' ->> 'ceiling')::numeric * 100), 0);

-- name: limit_without_consent
-- An account of credit may go further than its plan's limit and than any limit that was consented to by another person
-- than who asked.
select format('account %s:%s has the limit %s, %s was granted', s.shard, s.account_id, b.credit_limit, g.granted)
       as detail
from subscribers.subscription s
join ledger.bucket b on b.shard = s.shard and b.account_id = s.account_id and b.bucket_no = 0
join catalog.item i on i.kind = 'plan' and i.code = s.plan_code and i.version = s.plan_version
cross join lateral (
    select coalesce(max(limit_tiyn), 0) as granted from invoicing.limit_request
    where shard = s.shard and account_id = s.account_id and state = 'granted' and decided_by <> asked_by
) g
where s.state = 'active' and s.settlement = 'credit'
  and b.credit_limit > greatest((i.content -> 'credit' ->> 'limit')::numeric * 100, g.granted);

-- name: instalment_schedule
-- The parts of a device are not its price, or not one a month on the day of the sale.
select format('%s: price %s in %s months is %s in %s parts', a.number, a.price_tiyn, a.months, sum(p.amount_tiyn),
              count(*)) as detail
from instalments.agreement a join instalments.part p using (agreement_id), simulation.today d
where a.signed_at > d.since
group by a.agreement_id
having sum(p.amount_tiyn) <> a.price_tiyn
    or count(*) filter (where p.part_no > 0) <> a.months
    or bool_or(p.due_on <> (a.signed_on + p.part_no * interval '1 month')::date)
    or coalesce(sum(p.amount_tiyn) filter (where p.part_no = 0), 0) <> a.down_tiyn;

-- name: instalment_booked
-- What an account was charged for a device is not the parts whose day has come; or, once it is repaid or fell due, not
-- its price.
select format('%s is %s: charged %s, %s is due', a.number, a.state, j.charged, p.due) as detail
from instalments.agreement a
cross join simulation.today d
cross join lateral (
    select coalesce(sum(amount_tiyn) filter (where a.state <> 'returned' and (a.state <> 'open' or due_on <= d.day)), 0)
           as due
    from instalments.part where agreement_id = a.agreement_id
) p
cross join lateral (
    select coalesce(-sum(o.moved), 0) as charged
    from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
    where o.shard = a.shard and o.account_id = a.account_id and o.op_id ^@ ('device:' || a.number || ':')
      and c.code = 'receivable.device' and o.status = 0
) j
where (a.state = 'open' or a.closed_at > d.since) and j.charged <> p.due;

-- name: instalment_invoiced
-- What an account was charged for devices is not what its invoices say of them, each charge in one invoice.
select format('account %s:%s was charged %s for devices before %s, invoiced %s', i.shard, i.account_id, j.charged,
              i.period_end, l.invoiced) as detail
from invoicing.invoice i
cross join simulation.today d
cross join lateral (
    select coalesce(-sum(o.moved), 0) as charged
    from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
    where o.shard = i.shard and o.account_id = i.account_id and c.code = 'receivable.device' and o.status = 0
      and (o.at at time zone 'Asia/Almaty')::date < i.period_end
) j
cross join lateral (
    select coalesce(sum(l.amount_tiyn), 0) as invoiced
    from invoicing.invoice n join invoicing.invoice_line l using (invoice_id)
    where n.shard = i.shard and n.account_id = i.account_id and l.code = 'receivable.device'
) l
where i.issued_at > d.since and j.charged <> l.invoiced
  and exists (select from instalments.agreement a where a.shard = i.shard and a.account_id = i.account_id);
