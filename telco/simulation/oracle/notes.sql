-- name: make
-- What the oracle notes for itself from day to day.
create schema if not exists simulation;
create table if not exists simulation.today (
    one   boolean primary key default true check (one),
    day   date        not null,
    since timestamptz not null,
    now   timestamptz not null
);
create table if not exists simulation.bucket (
    shard smallint not null, account_id bigint not null, bucket_no int not null,
    balance bigint not null, held bigint not null,
    primary key (shard, account_id, bucket_no)
);
create table if not exists simulation.term (
    kind     text     not null,
    name     text     not null,  -- code.version
    span     interval not null,
    calendar boolean  not null,
    prorated boolean  not null,
    fee      bigint   not null,
    joining  bigint   not null,
    primary key (kind, name)
);
create table if not exists simulation.period (
    kind       text   not null,
    owner_id   bigint not null,
    op_id      text   not null,
    name       text   not null,
    starts     date   not null,
    ends       date   not null,
    change_id  text   not null,
    cost       bigint not null,
    superseded date,
    primary key (kind, owner_id, op_id)
);
create index if not exists period_starts on simulation.period (starts);
create index if not exists period_ends on simulation.period (kind, owner_id, ends);

-- name: begin
-- The day that is looked at, from the moment of the last one on; the same again changes nothing.
insert into simulation.today (day, since, now) values ($1, $2, $2)
on conflict (one) do update set day = excluded.day, since = simulation.today.now, now = excluded.now
where simulation.today.now <> excluded.now;

-- name: summarize
-- Have the journal's index on time know the newest pages. Autovacuum does it each minute, in which a simulation is a
-- month further.
select brin_summarize_new_values('ledger.operation_at');

-- name: today_op
-- The day's operations, once for every question about them.
create temporary table today_op on commit drop as
select o.*, c.code as contra_code
from ledger.operation o join ledger.operator_account c on c.operator_no = o.contra
where o.at > (select since from simulation.today);

-- name: set_terms
-- What plans and services cost in which interval, as they were published.
insert into simulation.term (kind, name, span, calendar, prorated, fee, joining)
select * from unnest($1::text[], $2::text[], $3::text[]::interval[], $4::boolean[], $5::boolean[], $6::bigint[], $7::bigint[])
on conflict do nothing;

-- name: note_periods
-- The periods that were paid for today, and until when each lasts: counted from its owner's anchor.
insert into simulation.period (kind, owner_id, op_id, name, starts, ends, change_id, cost)
select f.kind, f.owner_id, f.op_id, f.name, f.starts,
       coalesce((s.period_anchor + (s.period_index + 1) * t.span)::date,
                (v.period_anchor + (v.period_index + 1) * t.span)::date, (f.starts + t.span)::date),
       f.change_id, f.cost
from (
    select split_part(op_id, ':', 1) as kind, split_part(op_id, ':', 2)::bigint as owner_id, op_id,
           split_part(op_id, ':', 3) as name, split_part(op_id, ':', 4)::date as starts,
           split_part(op_id, ':', 6) as change_id, cost
    from today_op where kind = 6 and status = 0 and (op_id like 'plan:%' or op_id like 'service:%')
) f
join simulation.term t on t.kind = f.kind and t.name = f.name
left join subscribers.subscription s
       on f.kind = 'plan' and s.subscription_id = f.owner_id and s.period_start = f.starts
      and s.plan_code || '.' || s.plan_version = f.name
left join subscribers.service v
       on f.kind = 'service' and v.service_id = f.owner_id and v.period_start = f.starts;

-- name: supersede
-- A change of plan ends the period that ran.
update simulation.period p set superseded = hit.ended
from (
    select old.kind, old.owner_id, old.op_id, new.starts as ended
    from simulation.today d
    join simulation.period new on new.starts = d.day
    cross join lateral (
        select * from simulation.period
        where kind = new.kind and owner_id = new.owner_id and superseded is null
          and ends > new.starts and op_id <> new.op_id offset 0 -- one owner's, never all
    ) old
    where (new.change_id <> '' or old.name <> new.name) and (old.starts < new.starts or old.change_id < new.change_id)
) hit
where (p.kind, p.owner_id, p.op_id) = (hit.kind, hit.owner_id, hit.op_id);

-- name: note_buckets
-- What every bucket holds tonight, for tomorrow.
insert into simulation.bucket select shard, account_id, bucket_no, balance, held
from ledger.bucket where balance <> 0 or held <> 0;

-- name: digest
-- All balances in one line: by the account's number, for ids may differ from run to run.
select md5(coalesce(string_agg(format('%s %s %s', name, code, balance), ';' order by name, code), '')) as digest
from (
    select a.name, b.code, sum(b.balance) as balance
    from (select shard, account_id, min(msisdn collate "C") as name from subscribers.subscription
          group by shard, account_id) a
    join ledger.bucket b using (shard, account_id)
    where b.balance <> 0
    group by a.name, b.code
) balances;

-- name: moved
-- What the day's operations moved into subscribers' money from each of the operator's accounts.
select c.code as account, sum(m.amount)::bigint as moved
from (
    select contra as operator_no, moved as amount from today_op where moved <> 0
    union all
    select contra, lines[n][3] from today_op, generate_subscripts(lines, 1) n where lines[n][2] = 0
    union all
    select grant_contra, grant_lines[n][3] from today_op, generate_subscripts(grant_lines, 1) n
    where grant_lines[n][2] = 0
) m join ledger.operator_account c using (operator_no)
group by c.code order by c.code;

-- name: figures
-- The state of the operator tonight.
select
    (select count(*) from subscribers.subscription where state = 'active') as numbers,
    (select count(*) from subscribers.subscription where state = 'active' and plan_state = 'awaiting_payment') as unpaid,
    (select count(*) from subscribers.subscription where state = 'ended') as ended,
    (select coalesce(sum(balance) filter (where balance > 0), 0)::bigint from ledger.bucket where bucket_no = 0) as money,
    (select coalesce(-sum(balance) filter (where balance < 0), 0)::bigint from ledger.bucket where bucket_no = 0) as debt;

-- name: suspended
-- Numbers that are suspended tonight, by ground.
select ground, count(distinct subscription_id) as numbers
from subscribers.suspension, simulation.today t
where ended_at is null and (ends_at is null or ends_at > t.now) group by ground order by ground;

-- name: debts_by_age
-- Open invoices by how many days they are late, and debts that are on no invoice yet.
select case when o.due_on >= t.day then 'not due' when t.day - o.due_on <= 30 then '1-30'
            when t.day - o.due_on <= 60 then '31-60' when t.day - o.due_on <= 90 then '61-90' else '91+' end as age,
       sum(o.open_tiyn)::bigint as debt
from invoicing.open_amount o cross join simulation.today t
where o.open_tiyn > 0
group by 1
union all
select 'not invoiced', (select coalesce(-sum(balance) filter (where balance < 0), 0)::bigint from ledger.bucket where bucket_no = 0)
                       - (select coalesce(sum(open_tiyn), 0) from invoicing.open_amount)::bigint;
