-- The ledger: balances, holds and the journal. docs/ledger.md explains it; telco.ledger is its only writer.
--
-- Every hot table begins its primary key with the shard, so that on Citus a batch runs on one worker.

create schema ledger;

create sequence ledger.account_id;

-- The operator's side of double entry: revenue by service, cash by channel, bonus cost, breakage ...
-- Its totals are sums over the journal, never rows that every operation would have to lock.
create table ledger.operator_account (
    operator_no int  generated always as identity primary key,
    code        text not null unique collate "C"
);

-- How a quantity turns into what is taken: written once, then named by its number in every operation.
create table ledger.terms (
    terms_no    int      generated always as identity primary key,
    unit        smallint not null,
    allowances  text[]   not null,
    rating_unit bigint   not null check (rating_unit > 0),
    price_micro bigint   not null check (price_micro >= 0),
    money       text[]   not null,
    unique (unit, allowances, rating_unit, price_micro, money)
);

-- What an account holds. Bucket 0 is its main balance, always there, and the lock of the whole account: whoever
-- changes anything of the account holds that row.
create table ledger.bucket (
    shard          smallint    not null,
    account_id     bigint      not null,
    bucket_no      int         not null,
    unit           smallint    not null,
    priority       smallint    not null,
    levels         smallint    not null default 0, -- notices given: 1 = 80 % used, 2 = used up, 4 = low
    balance        bigint      not null,
    held           bigint      not null default 0 check (held >= 0),
    credit_limit   bigint      not null default 0 check (credit_limit >= 0),
    initial        bigint      not null,
    valid_from     timestamptz not null,
    valid_until    timestamptz,
    low_mark       bigint,                         -- bucket 0: the balance below which the subscriber is told
    others         int,                            -- bucket 0: how many buckets there are beside it
    last_bucket_no int,                            -- bucket 0: the number given last
    code           text        not null,
    origin         text        not null,
    last_op        text,                           -- bucket 0: the account's newest operation
    holds          jsonb,                          -- bucket 0: {hold: [deadline us, granted, held here, {bucket: held}]}
    room           text default repeat('.', 200),  -- room for the next versions of the row, given up at its first change
    primary key (shard, account_id, bucket_no),
    check ((bucket_no = 0) = (code = 'main')),
    check (bucket_no = 0 or (credit_limit = 0 and others is null and holds is null))
);
-- fillfactor stays 100 on purpose: a lower one makes PostgreSQL prune the page at every visit. `room` leaves the space
-- for HOT updates instead (docs/decisions/0001-ledger.md has the figures).

create index bucket_expiry on ledger.bucket (valid_until) where valid_until is not null;

-- Buckets that ended and are empty: kept for the journal, out of the way of the hot table.
create table ledger.closed_bucket (like ledger.bucket, closed_at timestamptz not null,
    primary key (shard, account_id, bucket_no));

-- One row per operation: its request, its result and its journal lines. Rows are never changed.
create table ledger.operation (
    shard            smallint    not null,
    kind             smallint    not null,
    status           smallint    not null,
    flags            smallint    not null,           -- 1 = partial, 2 = forced, 4 = only a hold that is due
    account_id       bigint      not null,
    at               timestamptz not null,
    request_hash     bigint      not null,
    contra           int         not null,
    grant_contra     int,
    terms            int,
    reserve_terms    int,
    quantity         bigint,
    fixed            bigint,
    reserve_quantity bigint,
    reserve_fixed    bigint,
    moved            bigint      not null default 0, -- into the main balance, from `contra`
    held             bigint      not null default 0, -- more held of the main balance
    cost             bigint      not null default 0,
    granted          bigint      not null default 0,
    forced           bigint      not null default 0, -- taken from the main balance beyond what was available
    main_after       bigint      not null,
    op_id            text        not null collate "C",
    previous         text        collate "C",        -- the account's operation before this one
    hold_id          text,
    target           text        collate "C",        -- what is reversed, or the origin that is drained
    lines            bigint[],                       -- {{bucket_no, unit, moved, more held}, ...} beside the main balance
    grant_lines      bigint[],                       -- {{bucket_no, unit, moved}, ...}, from `grant_contra`
    grants           jsonb,
    details          text,
    primary key (shard, account_id, op_id)
);
create unique index operation_reversal on ledger.operation (shard, account_id, target) where kind = 8 and status = 0;

create trigger operation_append_only before update or delete or truncate on ledger.operation
    for each statement execute function kernel.refuse_change_v1();

-- The journal in double entry: each line twice, once for the bucket and once for the operator's account.
create view ledger.journal_line as
with movement as (
    select o.shard, o.account_id, o.op_id, o.at, o.contra as operator_no, 0 as bucket_no, 0 as unit, o.moved as amount
    from ledger.operation o where o.moved <> 0
    union all
    select o.shard, o.account_id, o.op_id, o.at, o.contra, o.lines[n][1]::int, o.lines[n][2]::int, o.lines[n][3]
    from ledger.operation o, generate_subscripts(o.lines, 1) n where o.lines[n][3] <> 0
    union all
    select o.shard, o.account_id, o.op_id, o.at, o.grant_contra,
           o.grant_lines[n][1]::int, o.grant_lines[n][2]::int, o.grant_lines[n][3]
    from ledger.operation o, generate_subscripts(o.grant_lines, 1) n
)
select shard, account_id, op_id, at, bucket_no, null::text as operator_account, unit, amount from movement
union all
select m.shard, m.account_id, m.op_id, m.at, null, a.code, m.unit, -m.amount
from movement m join ledger.operator_account a using (operator_no);

create view ledger.operator_total as
select operator_account, unit, sum(amount) as amount, count(*) as lines
from ledger.journal_line where operator_account is not null group by operator_account, unit;

-- The open holds, one row per hold and bucket.
create view ledger.hold as
select b.shard, b.account_id, h.key as hold_id,
       to_timestamp((h.value ->> 0)::bigint / 1000000.0) as deadline, (h.value ->> 1)::bigint as granted,
       l.bucket_no::int, l.held
from ledger.bucket b
cross join lateral jsonb_each(b.holds) h
cross join lateral (
    select '0' as bucket_no, (h.value ->> 2)::bigint as held
    union all
    select key, value::bigint from jsonb_each_text(coalesce(h.value -> 3, '{}'))
) l
where b.bucket_no = 0 and b.holds is not null;

-- An operation that the plain path left, with everything that was asked.
create type ledger.request as (
    ord int, kind smallint, flags smallint, account_id bigint, op_id text, request_hash bigint,
    contra int, grant_contra int, terms int, quantity bigint, fixed bigint,
    reserve_terms int, reserve_quantity bigint, reserve_fixed bigint,
    hold_id text, deadline bigint, target text, grants jsonb, details text
);

-- What came of it; the arrays are the lines that were taken: bucket code, unit, amount.
create type ledger.outcome as (
    ord int, status smallint, replayed boolean, main_after bigint, cost bigint, granted bigint, forced bigint,
    codes text[], units smallint[], amounts bigint[], differs text
);

-- Money for `quantity` at so many micro-tiyn per rating unit begun: half up, once per event.
create function ledger.price_v1(quantity bigint, rating_unit bigint, price_micro bigint) returns bigint
language sql immutable parallel safe as $$
    select ((quantity + rating_unit - 1) / rating_unit * price_micro + 500000) / 1000000
$$;

-- The most whole rating units, as a quantity, whose price is at most `money`; for a price above zero.
create function ledger.affordable_v1(money bigint, rating_unit bigint, price_micro bigint) returns bigint
language sql immutable parallel safe as $$
    select (least(money, 9000000000000) * 1000000 + 499999) / price_micro * rating_unit
$$;

-- Grants as far as they identify a request: a repeated one may have computed its moments anew.
create function ledger.without_moments_v1(grants jsonb) returns jsonb
language sql immutable as $$
    select jsonb_agg(g - 'valid_from' - 'valid_until') from jsonb_array_elements(grants) g
$$;

-- Which field of a repeated request differs from the first one.
create function ledger.first_difference_v1(o ledger.operation, r ledger.request) returns text
language sql stable as $$
    select case
        when o.kind <> r.kind then 'kind'
        when o.contra <> r.contra then 'contra'
        when o.quantity is distinct from r.quantity then 'charge.quantity'
        when o.terms is distinct from r.terms then 'charge.terms'
        when o.fixed is distinct from r.fixed then 'charge.fixed_tiyn'
        when o.reserve_quantity is distinct from r.reserve_quantity then 'reserve.quantity'
        when o.reserve_terms is distinct from r.reserve_terms then 'reserve.terms'
        when o.reserve_fixed is distinct from r.reserve_fixed then 'reserve.fixed_tiyn'
        when o.hold_id is distinct from r.hold_id then 'hold_id'
        when (o.flags & 1) <> (r.flags & 1) then 'partial'
        when o.flags <> r.flags then 'forced'
        when o.grant_contra is distinct from r.grant_contra then 'grant_contra'
        when o.target is distinct from r.target then 'target'
        when o.grants is distinct from ledger.without_moments_v1(r.grants) then 'grants'
        when o.details is distinct from r.details then 'details'
        else 'request'
    end
$$;

-- Answer the requests that were decided before: with the first result, or with the field that differs from it.
create function ledger.answer_again_v1(p_shard smallint, requests ledger.request[]) returns setof ledger.outcome
language sql stable as $$
    select r.ord,
           case when same then o.status else 3 end::smallint, same,
           case when same then o.main_after end,
           case when same then o.cost else 0 end,
           case when same then o.granted else 0 end,
           case when same then o.forced else 0 end,
           taken.codes, taken.units, taken.amounts,
           case when not same then ledger.first_difference_v1(o, r) end
    from unnest(requests) r
    join ledger.operation o on o.shard = p_shard and o.account_id = r.account_id and o.op_id = r.op_id
    cross join lateral (select o.request_hash = r.request_hash as same) h
    cross join lateral (
        select array_agg(code order by n) as codes, array_agg(unit order by n) as units,
               array_agg(amount order by n) as amounts
        from (
            select 0 as n, 'main' as code, 0::smallint as unit, -o.moved as amount
            union all
            select n, coalesce(b.code, c.code), o.lines[n][2]::smallint, -o.lines[n][3]
            from generate_subscripts(o.lines, 1) n
            left join ledger.bucket b on (b.shard, b.account_id, b.bucket_no)
                                       = (p_shard, r.account_id, o.lines[n][1]::int)
            left join ledger.closed_bucket c on (c.shard, c.account_id, c.bucket_no)
                                              = (p_shard, r.account_id, o.lines[n][1]::int)
        ) line
        where same and amount > 0
    ) taken
$$;

-- Decide requests from the account's buckets and write what comes of it. The accounts are locked, the requests new.
--
-- Allowances pay first, in their unit; what is left is priced once and paid from money buckets; both in order of
-- priority, then earliest end. A use first gives back its whole hold, whose buckets may pay even if they ended
-- meanwhile. Then the next portion is held from what is left, the same way.
create function ledger.settle_v1(p_shard smallint, p_now timestamptz, requests ledger.request[])
returns setof ledger.outcome
language plpgsql as $$
declare
    v_events jsonb;
    v_outcomes ledger.outcome[];
begin
    with request as materialized (
        select r.*, coalesce(r.quantity, 0) as q1, coalesce(r.fixed, 0) as fixed1,
               coalesce(r.reserve_quantity, 0) as q2, coalesce(r.reserve_fixed, 0) as fixed2,
               coalesce(t.rating_unit, 1) as rating_unit1, coalesce(t.price_micro, 0) as price1,
               coalesce(n.rating_unit, 1) as rating_unit2, coalesce(n.price_micro, 0) as price2,
               t.unit as unit1, t.allowances as allowances1, t.money as money1,
               n.unit as unit2, n.allowances as allowances2, n.money as money2,
               m.holds -> r.hold_id as hold, m.last_op as previous, m.last_bucket_no, m.balance as main_before,
               case when r.kind = 2 and m.holds ? r.hold_id then 5
                    when r.kind = 4 and not coalesce(m.holds ? r.hold_id, false) then 4
                    when r.kind = 4 and r.flags & 4 <> 0 and (m.holds -> r.hold_id ->> 0)::bigint
                         > extract(epoch from p_now) * 1000000 then 6
                    else 0 end as refused
        from unnest(requests) r
        join ledger.bucket m on m.shard = p_shard and m.account_id = r.account_id and m.bucket_no = 0
        left join ledger.terms t on t.terms_no = r.terms
        left join ledger.terms n on n.terms_no = r.reserve_terms
    ), stock as (
        select r.ord, r.q1, r.fixed1, r.rating_unit1, r.price1,
               b.bucket_no, b.code, b.unit, b.priority, b.valid_until, back,
               case when b.valid_from <= p_now and (b.valid_until is null or b.valid_until > p_now)
                    then greatest(b.balance - b.held + back + b.credit_limit, 0)
                    else least(back, greatest(b.balance - b.held + back, 0)) end as free,
               b.unit = r.unit1 and b.code = any (r.allowances1) as allowance1,
               b.unit = 0 and b.code = any (r.money1) as money1,
               b.unit = r.unit2 and b.code = any (r.allowances2) as allowance2,
               b.unit = 0 and b.code = any (r.money2) as money2
        from request r
        join ledger.bucket b on b.shard = p_shard and b.account_id = r.account_id
        cross join lateral (
            select coalesce(case when r.kind not in (3, 4) then 0
                                 when b.bucket_no = 0 then (r.hold ->> 2)::bigint
                                 else (r.hold -> 3 ->> b.bucket_no::text)::bigint end, 0) as back
        ) h
        where r.refused = 0
    ), charge_window as (
        select *,
               coalesce(sum(case when allowance1 then free end) over w, 0)::bigint as before_allowance,
               coalesce(sum(case when money1 then free end) over w, 0)::bigint as before_money
        from stock
        window w as (partition by ord order by unit = 0, priority, valid_until, bucket_no
                     rows between unbounded preceding and 1 preceding)
    ), charged as (
        select *,
               case when allowance1 then least(free, greatest(q1 - before_allowance, 0))
                    when money1 then least(free, greatest(
                        fixed1 + ledger.price_v1(greatest(q1 - before_allowance, 0), rating_unit1, price1)
                        - before_money, 0))
                    else 0 end as take
        from charge_window
    ), charged_sum as (
        select ord,
               coalesce(sum(take) filter (where allowance1), 0)::bigint as from_allowances,
               coalesce(sum(take) filter (where money1), 0)::bigint as from_money,
               coalesce(sum(free - take) filter (where allowance2), 0)::bigint as left_allowances,
               coalesce(sum(free - take) filter (where money2), 0)::bigint as left_money
        from charged group by ord
    ), verdict as (
        select r.*, cost, cost - from_money as short, granted, left_allowances, left_money,
               case when r.refused <> 0 then r.refused
                    when r.kind in (1, 6) and cost > from_money and r.flags & 2 = 0 then 1
                    when r.kind = 2 and granted = 0 then 1
                    else 0 end as status
        from request r
        left join charged_sum using (ord)
        cross join lateral (
            select case when r.q1 + r.fixed1 = 0 then 0
                   else r.fixed1 + ledger.price_v1(r.q1 - from_allowances, r.rating_unit1, r.price1) end as cost
        ) c
        cross join lateral (
            select case
                when r.q2 = 0 or r.refused <> 0 then 0
                when r.flags & 2 <> 0 then r.q2
                when r.fixed2 + ledger.price_v1(greatest(r.q2 - left_allowances, 0), r.rating_unit2, r.price2)
                     <= left_money then r.q2
                when r.flags & 1 <> 0 and r.fixed2 <= left_money then
                     least(r.q2, left_allowances)
                     + ledger.affordable_v1(left_money - r.fixed2, r.rating_unit2, r.price2)
                else 0 end as granted
        ) g
    ), hold_window as (
        select c.ord, c.bucket_no, c.code, c.unit, c.back, c.take, c.free - c.take as free, allowance2, c.money2,
               v.granted, v.fixed2, v.rating_unit2, v.price2, v.short, v.left_money, v.left_allowances,
               coalesce(sum(case when allowance2 then c.free - c.take end) over w, 0)::bigint as before_allowance,
               coalesce(sum(case when c.money2 then c.free - c.take end) over w, 0)::bigint as before_money
        from charged c join verdict v on v.ord = c.ord and v.status = 0
        window w as (partition by c.ord order by c.unit = 0, c.priority, c.valid_until, c.bucket_no
                     rows between unbounded preceding and 1 preceding)
    ), change as (
        select ord, bucket_no, code, unit,
               take + case when bucket_no = 0 then greatest(short, 0) else 0 end as taken,
               case when granted = 0 then 0
                    when allowance2 then least(free, greatest(granted - before_allowance, 0))
                    when money2 then least(free, greatest(due - before_money, 0))
                    else 0 end
               + case when bucket_no = 0 and granted > 0 then greatest(due - left_money, 0) else 0 end as hold,
               back
        from hold_window
        cross join lateral (
            select fixed2 + ledger.price_v1(greatest(granted - left_allowances, 0), rating_unit2, price2) as due
        ) d
    ), grant_line as (
        select v.ord, g.*, case when g.code = 'main' then 0 else v.last_bucket_no + (
                   sum((g.code <> 'main')::int) over (partition by v.ord order by g.n))::int end as bucket_no
        from verdict v
        cross join lateral rows from (jsonb_to_recordset(v.grants) as (
            code text, unit smallint, amount bigint, priority smallint,
            valid_from timestamptz, valid_until timestamptz, origin text)) with ordinality
            as g (code, unit, amount, priority, valid_from, valid_until, origin, n)
        where v.status = 0 and v.grants is not null
    ), granted_sum as (
        select ord, coalesce(sum(amount) filter (where bucket_no = 0), 0)::bigint as to_main,
               count(*) filter (where bucket_no > 0)::int as buckets,
               array_agg(array[bucket_no, unit, amount] order by n) as lines
        from grant_line group by ord
    ), line as (
        select ord,
               coalesce(sum(taken) filter (where bucket_no = 0), 0)::bigint as main_taken,
               coalesce(sum(hold - back) filter (where bucket_no = 0), 0)::bigint as main_held,
               coalesce(sum(hold) filter (where bucket_no = 0), 0)::bigint as main_hold,
               jsonb_object_agg(bucket_no, hold) filter (where bucket_no > 0 and hold > 0) as other_holds,
               array_agg(array[bucket_no, unit, -taken, hold - back] order by bucket_no)
                   filter (where bucket_no > 0 and (taken <> 0 or hold <> back)) as others,
               array_agg(code order by bucket_no) filter (where taken > 0) as codes,
               array_agg(unit order by bucket_no) filter (where taken > 0) as units,
               array_agg(taken order by bucket_no) filter (where taken > 0) as amounts
        from change group by ord
    ), new_bucket as (
        insert into ledger.bucket (shard, account_id, bucket_no, unit, priority, balance, initial,
                                   valid_from, valid_until, code, origin)
        select p_shard, v.account_id, g.bucket_no, g.unit, g.priority, g.amount, g.amount,
               g.valid_from, g.valid_until, g.code, g.origin
        from grant_line g join verdict v using (ord)
        where g.bucket_no > 0
    ), main as (
        update ledger.bucket b set
            balance = after,
            held = b.held + coalesce(l.main_held, 0),
            credit_limit = case when v.kind = 9 and v.status = 0 then v.q1 else b.credit_limit end,
            levels = case when after >= b.low_mark then b.levels & ~4
                          when after < b.low_mark and after < b.balance then b.levels | 4
                          else b.levels end,
            others = b.others + coalesce(g.buckets, 0),
            last_bucket_no = b.last_bucket_no + coalesce(g.buckets, 0),
            last_op = v.op_id,
            holds = case when v.status <> 0 or v.kind not in (2, 3, 4) then b.holds
                    else nullif(coalesce(b.holds - v.hold_id, '{}') || case when v.granted > 0 then
                        jsonb_build_object(v.hold_id, case when l.other_holds is null
                            then jsonb_build_array(v.deadline, v.granted, l.main_hold)
                            else jsonb_build_array(v.deadline, v.granted, l.main_hold, l.other_holds) end)
                        else '{}' end, '{}') end,
            room = null
        from verdict v
        left join line l on l.ord = v.ord
        left join granted_sum g on g.ord = v.ord
        cross join lateral (
            select v.main_before - coalesce(l.main_taken, 0) + coalesce(g.to_main, 0) as after
        ) a
        where b.shard = p_shard and b.account_id = v.account_id and b.bucket_no = 0
        returning v.ord, new.balance as main_after, old.levels as old_levels, new.levels as new_levels,
                  b.low_mark, b.initial
    ), other as (
        update ledger.bucket b set
            balance = b.balance - c.taken,
            held = b.held + c.hold - c.back,
            levels = case when b.unit = 0 or c.taken = 0 then b.levels
                          when b.balance - c.taken <= 0 then b.levels | 3
                          when (b.balance - c.taken) * 5 <= b.initial then b.levels | 1
                          else b.levels end,
            room = null
        from change c join request r using (ord)
        where b.shard = p_shard and b.account_id = r.account_id and b.bucket_no = c.bucket_no and b.bucket_no > 0
          and (c.taken <> 0 or c.hold <> c.back)
        returning c.ord, b.bucket_no, b.code, b.unit, new.balance, b.initial,
                  old.levels as old_levels, new.levels as new_levels
    ), written as (
        insert into ledger.operation (
            shard, account_id, op_id, at, kind, status, flags, request_hash, contra, grant_contra,
            terms, quantity, fixed, reserve_terms, reserve_quantity, reserve_fixed, hold_id, target,
            moved, held, cost, granted, forced, main_after, previous, lines, grant_lines, grants, details)
        select p_shard, v.account_id, v.op_id, p_now, v.kind, v.status, v.flags, v.request_hash, v.contra,
               v.grant_contra, v.terms, v.quantity, v.fixed, v.reserve_terms, v.reserve_quantity, v.reserve_fixed,
               v.hold_id, v.target, -coalesce(l.main_taken, 0), coalesce(l.main_held, 0), 
               case when v.status = 0 then v.cost else 0 end, case when v.status = 0 then v.granted else 0 end,
               case when v.status = 0 then greatest(v.short, 0) else 0 end,
               m.main_after, v.previous, l.others, g.lines, ledger.without_moments_v1(v.grants), v.details
        from verdict v join main m using (ord) left join line l using (ord) left join granted_sum g using (ord)
    ), event as (
        select o.ord, o.bucket_no, o.code, o.unit, o.balance as left, o.initial,
               case when o.new_levels & 2 > o.old_levels & 2 then '100' else '80' end as level
        from other o where o.new_levels <> o.old_levels
        union all
        select m.ord, 0, 'main', 0, m.main_after, m.low_mark, 'low'
        from main m where m.new_levels & 4 > m.old_levels & 4
    )
    select (select array_agg(row(v.ord, v.status, false, m.main_after,
                                 case when v.status = 0 then v.cost else 0 end,
                                 case when v.status = 0 then v.granted else 0 end,
                                 case when v.status = 0 then greatest(v.short, 0) else 0 end,
                                 l.codes, l.units, l.amounts, null)::ledger.outcome)
            from verdict v join main m using (ord) left join line l using (ord)),
           (select jsonb_agg(jsonb_build_object(
                'shard', p_shard, 'account_id', r.account_id, 'bucket_id', e.bucket_no, 'code', e.code,
                'unit', e.unit, 'level', e.level, 'left', e.left, 'initial', e.initial, 'op_id', r.op_id))
            from event e join request r using (ord))
    into v_outcomes, v_events;

    if v_events is not null then
        insert into kernel.outbox (topic, key, payload, created_at)
        select 'ledger.threshold', 'account:' || (e ->> 'shard') || ':' || (e ->> 'account_id'), e, p_now
        from jsonb_array_elements(v_events) e;
    end if;
    return query select (o).* from unnest(v_outcomes) o;
end $$;

-- Take back what is left: of every bucket that ended (kind 7) or of the buckets of one origin (kind 10). Buckets that
-- are then empty are closed. What an open hold keeps stays until the hold ends.
create function ledger.take_back_v1(p_shard smallint, p_now timestamptz, r ledger.request) returns ledger.outcome
language plpgsql as $$
declare
    v_main ledger.bucket;
    v_lines bigint[];
    v_taken bigint;
    v_closed int;
begin
    select * into v_main from ledger.bucket
    where shard = p_shard and account_id = r.account_id and bucket_no = 0;

    with due as (
        select bucket_no from ledger.bucket
        where shard = p_shard and account_id = r.account_id and bucket_no > 0
          and case when r.kind = 7 then valid_until <= p_now else origin = r.target end
    ), emptied as (
        update ledger.bucket b set balance = b.held, room = null
        from due
        where b.shard = p_shard and b.account_id = r.account_id and b.bucket_no = due.bucket_no and b.balance <> b.held
        returning b.bucket_no, b.unit, old.balance - new.balance as taken
    )
    select array_agg(array[bucket_no, unit, -taken, 0] order by bucket_no), coalesce(sum(taken), 0)
    into v_lines, v_taken from emptied;

    with closed as (
        delete from ledger.bucket
        where shard = p_shard and account_id = r.account_id and bucket_no > 0 and balance = 0 and held = 0
          and (valid_until <= p_now or (valid_until is null and (r.kind = 7 or origin = r.target)))
        returning *
    ), kept as (
        insert into ledger.closed_bucket select *, p_now from closed
    )
    select count(*) into v_closed from closed;

    update ledger.bucket set others = others - v_closed, last_op = r.op_id, room = null
    where shard = p_shard and account_id = r.account_id and bucket_no = 0;

    insert into ledger.operation (shard, account_id, op_id, at, kind, status, flags, request_hash, contra, target,
                                  granted, main_after, previous, lines, details)
    values (p_shard, r.account_id, r.op_id, p_now, r.kind, 0, r.flags, r.request_hash, r.contra, r.target,
            v_taken, v_main.balance, v_main.last_op, v_lines, r.details);
    return (r.ord, 0, false, v_main.balance, 0, v_taken, 0, null, null, null, null)::ledger.outcome;
end $$;

-- Post the exact opposite of an operation's lines, once.
create function ledger.reverse_v1(p_shard smallint, p_now timestamptz, r ledger.request) returns ledger.outcome
language plpgsql as $$
declare
    v_main ledger.bucket;
    o ledger.operation;
    v_status smallint := 0;
    v_lines bigint[];
    v_grant_lines bigint[];
    v_main_delta bigint;
    v_reopened int;
begin
    select * into v_main from ledger.bucket
    where shard = p_shard and account_id = r.account_id and bucket_no = 0;
    select * into o from ledger.operation
    where shard = p_shard and account_id = r.account_id and op_id = r.target;

    select array_agg(array[o.lines[n][1], o.lines[n][2], -o.lines[n][3], 0] order by n)
    into v_lines from generate_subscripts(o.lines, 1) n where o.lines[n][3] <> 0;
    select array_agg(array[o.grant_lines[n][1], o.grant_lines[n][2], -o.grant_lines[n][3]] order by n)
    into v_grant_lines from generate_subscripts(o.grant_lines, 1) n;

    if o.op_id is null then
        v_status := 7;
    elsif o.kind = 8 or (o.moved = 0 and v_lines is null and v_grant_lines is null) then
        v_status := 8;
    elsif exists (select from ledger.operation p where p.shard = p_shard and p.account_id = r.account_id
                  and p.target = r.target and p.kind = 8 and p.status = 0) then
        v_status := 9;
    else
        with reopened as (
            delete from ledger.closed_bucket c
            where c.shard = p_shard and c.account_id = r.account_id and c.bucket_no in (
                select v_lines[n][1] from generate_subscripts(v_lines, 1) n
                union select v_grant_lines[n][1] from generate_subscripts(v_grant_lines, 1) n)
            returning *
        ), opened as (
            insert into ledger.bucket
            select shard, account_id, bucket_no, unit, priority, levels, balance, held, credit_limit, initial,
                   valid_from, valid_until, low_mark, others, last_bucket_no, code, origin, last_op, holds, null
            from reopened
        )
        select count(*) into v_reopened from reopened;
        with delta as (
            select bucket_no, sum(amount)::bigint as amount from (
                select 0 as bucket_no, -o.moved as amount
                union all select v_lines[n][1], v_lines[n][3] from generate_subscripts(v_lines, 1) n
                union all select v_grant_lines[n][1], v_grant_lines[n][3] from generate_subscripts(v_grant_lines, 1) n
            ) l group by bucket_no
        ), spent as (
            select count(*) as buckets from delta d
            join ledger.bucket b on b.shard = p_shard and b.account_id = r.account_id and b.bucket_no = d.bucket_no
            where d.amount < 0 and b.balance - b.held + d.amount < 0 and r.flags & 2 = 0
        ), posted as (
            update ledger.bucket b set balance = b.balance + d.amount, room = null
            from delta d, spent
            where spent.buckets = 0
              and b.shard = p_shard and b.account_id = r.account_id and b.bucket_no = d.bucket_no
        )
        select case when spent.buckets > 0 then 10 else 0 end,
               (select amount from delta where bucket_no = 0)
        into v_status, v_main_delta from spent;
        update ledger.bucket set others = others + v_reopened
        where v_reopened > 0 and shard = p_shard and account_id = r.account_id and bucket_no = 0;
    end if;

    if v_status <> 0 then
        v_lines := null;
        v_grant_lines := null;
        v_main_delta := 0;
    end if;
    update ledger.bucket set last_op = r.op_id, room = null,
        levels = case when balance >= low_mark then levels & ~4 else levels end
    where shard = p_shard and account_id = r.account_id and bucket_no = 0;

    insert into ledger.operation (shard, account_id, op_id, at, kind, status, flags, request_hash, contra,
                                  grant_contra, target, moved, main_after, previous, lines, grant_lines, details)
    values (p_shard, r.account_id, r.op_id, p_now, 8, v_status, r.flags, r.request_hash, coalesce(o.contra, r.contra),
            o.grant_contra, r.target, case when v_status = 0 then -o.moved else 0 end, v_main.balance + v_main_delta,
            v_main.last_op, v_lines, v_grant_lines, r.details);
    return (r.ord, v_status, false, v_main.balance + v_main_delta, 0, 0, 0, null, null, null, null)::ledger.outcome;
end $$;

-- Apply a batch of operations of one shard, at most one per account, in order of account. Arrays are parallel; one
-- that no operation of the batch needs is null.
--
-- `plain`: money for the whole charge and for the whole reserve where nothing but the main balance pays and no more
-- than the row itself is needed to decide; null for every other operation. What the plain statement cannot say yes to
-- is left to `settle_v1`, so it only ever shortens the way to the same result. With `careful`, every account is locked
-- before anything is looked at; a batch is sent again so when another session got between, or when it runs in a
-- caller's transaction.
create function ledger.apply_v1(
    p_shard smallint, p_now timestamptz, p_careful boolean, p_accounts bigint[], p_ops text[], p_hashes bigint[],
    p_kinds smallint[], p_flags smallint[], p_contras int[],
    p_plain bigint[], p_plain_reserve bigint[],
    p_terms int[], p_quantities bigint[], p_reserve_terms int[], p_reserve_quantities bigint[],
    p_holds text[], p_deadlines bigint[], p_details text[],
    p_fixed bigint[], p_reserve_fixed bigint[], p_grant_contras int[], p_targets text[], p_grants text[],
    out done int[], out mains bigint[], out others ledger.outcome[]
) language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set plan_cache_mode = force_generic_plan
as $$
declare
    v_rest int[];
    v_requests ledger.request[];
    v_request ledger.request;
begin
    if not p_careful then
        with changed as (
            update ledger.bucket b set
                balance = b.balance - p_plain[i],
                held = b.held + p_plain_reserve[i] - coalesce((b.holds -> p_holds[i] ->> 2)::bigint, 0),
                holds = case
                    when p_holds[i] is null then b.holds
                    when p_plain_reserve[i] > 0 then coalesce(b.holds, '{}') || jsonb_build_object(
                        p_holds[i], jsonb_build_array(p_deadlines[i], p_reserve_quantities[i], p_plain_reserve[i]))
                    else nullif(b.holds - p_holds[i], '{}') end,
                last_op = p_ops[i],
                room = null
            from generate_series(1, cardinality(p_accounts)) i
            where b.shard = p_shard and b.account_id = p_accounts[i] and b.bucket_no = 0 and b.others = 0
              and b.balance - b.held + b.credit_limit + coalesce((b.holds -> p_holds[i] ->> 2)::bigint, 0)
                  >= p_plain[i] + p_plain_reserve[i]
              and (p_holds[i] is null or coalesce(b.holds ? p_holds[i], false) = (p_kinds[i] <> 2))
              and (b.low_mark is null or p_plain[i] = 0 or b.levels & 4 <> 0 or b.balance - p_plain[i] >= b.low_mark)
              and not exists (select from ledger.operation o
                              where o.shard = p_shard and o.account_id = p_accounts[i] and o.op_id = p_ops[i])
            returning i, old.last_op as previous, new.balance as main_after, new.held - old.held as held
        ), written as (
            insert into ledger.operation (
                shard, account_id, op_id, at, kind, status, flags, request_hash, contra, terms, quantity,
                reserve_terms, reserve_quantity, hold_id, moved, held, cost, granted, main_after, previous, details)
            select p_shard, p_accounts[i], p_ops[i], p_now, p_kinds[i], 0, p_flags[i], p_hashes[i], p_contras[i],
                   p_terms[i], p_quantities[i], p_reserve_terms[i], p_reserve_quantities[i], p_holds[i],
                   -p_plain[i], c.held, p_plain[i], coalesce(p_reserve_quantities[i], 0), c.main_after, c.previous,
                   p_details[i]
            from changed c
        )
        select array_agg(i), array_agg(main_after) into done, mains from changed;
        if cardinality(done) = cardinality(p_accounts) then
            return;
        end if;
    end if;

    select array_agg(i order by i) into v_rest
    from (select generate_series(1, cardinality(p_accounts)) except select unnest(done)) rest (i);

    perform from unnest(v_rest) i
    join ledger.bucket b on b.shard = p_shard and b.account_id = p_accounts[i] and b.bucket_no = 0
    order by b.account_id for update of b;

    select array_agg(row(i, p_kinds[i], p_flags[i], p_accounts[i], p_ops[i], p_hashes[i], p_contras[i],
                         p_grant_contras[i], p_terms[i], p_quantities[i], p_fixed[i], p_reserve_terms[i],
                         p_reserve_quantities[i], p_reserve_fixed[i], p_holds[i], p_deadlines[i], p_targets[i],
                         p_grants[i]::jsonb, p_details[i])::ledger.request order by i)
    into v_requests from unnest(v_rest) i;

    -- Results in order of precedence: an unknown account, a repeated or conflicting id, then what the account says.
    select array_agg((i, 2, false, null, 0, 0, 0, null, null, null, null)::ledger.outcome) into others
    from unnest(v_rest) i
    where not exists (select from ledger.bucket b
                      where b.shard = p_shard and b.account_id = p_accounts[i] and b.bucket_no = 0);
    others := coalesce(others, '{}') || coalesce(
        (select array_agg(o) from ledger.answer_again_v1(p_shard, v_requests) o), '{}');
    select array_agg(r) into v_requests from unnest(v_requests) r
    where r.ord <> all (select o.ord from unnest(others) o);

    others := others || coalesce((
        select array_agg(o) from ledger.settle_v1(p_shard, p_now, (
            select array_agg(r) from unnest(v_requests) r where r.kind not in (7, 8, 10))) o), '{}');
    for v_request in select (r).* from unnest(v_requests) r where r.kind in (7, 8, 10) loop
        others := others || case when v_request.kind = 8 then ledger.reverse_v1(p_shard, p_now, v_request)
                                 else ledger.take_back_v1(p_shard, p_now, v_request) end;
    end loop;
end $$;
