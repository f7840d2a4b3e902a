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
    room           text default repeat('.', 120),  -- room for the next versions of the row, given up at its first change
    primary key (shard, account_id, bucket_no)     -- the auditor checks the rest: each check here costs every operation
);
-- fillfactor stays 100 on purpose: a lower one makes PostgreSQL prune the page at every visit. `room` leaves the space
-- for HOT updates instead (docs/decisions/0003-ledger.md has the figures).

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
    request_hash     int         not null,
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

-- One operation with everything that was asked; batches travel as columns (see `apply_v1`).
create type ledger.request as (
    ord int, kind smallint, flags smallint, account_id bigint, op_id text, request_hash int,
    contra int, grant_contra int, terms int, quantity bigint, fixed bigint,
    reserve_terms int, reserve_quantity bigint, reserve_fixed bigint,
    hold_id text, target text, grants jsonb, details text
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

-- Which field of a repeated request differs from the first one; null for none.
create function ledger.first_difference_v1(o ledger.operation, r ledger.request) returns text
language sql stable as $$
    select case
        when o.kind <> r.kind then 'kind'
        when o.contra <> r.contra and r.kind <> 8 then 'contra' -- a reversal has its target's
        when o.quantity is distinct from r.quantity then 'charge.quantity'
        when o.terms is distinct from r.terms then 'charge.terms'
        when o.fixed is distinct from r.fixed then 'charge.fixed_tiyn'
        when o.reserve_quantity is distinct from r.reserve_quantity then 'reserve.quantity'
        when o.reserve_terms is distinct from r.reserve_terms then 'reserve.terms'
        when o.reserve_fixed is distinct from r.reserve_fixed then 'reserve.fixed_tiyn'
        when o.hold_id is distinct from r.hold_id then 'hold_id'
        when (o.flags & 1) <> (r.flags & 1) then 'partial'
        when o.flags <> r.flags then 'forced'
        when o.grant_contra is distinct from r.grant_contra and r.kind <> 8 then 'grant_contra'
        when o.target is distinct from r.target then 'target'
        when o.grants is distinct from ledger.without_moments_v1(r.grants) then 'grants'
        when o.details is distinct from r.details then 'details'
    end
$$;

-- One operation of a batch: its numbers in the order of `apply_v1`, its texts beside them.
create function ledger.request_v1(i int, numbers bigint[], ops text[], holds text[], details text[], extras text[])
returns ledger.request
language sql immutable as $$
    select row(i, numbers[i][4], numbers[i][5], numbers[i][1], ops[i], numbers[i][2], numbers[i][6],
               (x ->> 'grant_contra')::int, numbers[i][9], numbers[i][10], (x ->> 'fixed')::bigint,
               numbers[i][11], numbers[i][12], (x ->> 'reserve_fixed')::bigint,
               holds[i], x ->> 'target', x -> 'grants', details[i])::ledger.request
    from (select extras[i]::jsonb as x) e
$$;

-- What an operation charged: the codes, units and amounts of its lines, the main balance last.
create function ledger.taken_v1(o ledger.operation, out codes text[], out units smallint[], out amounts bigint[])
language sql stable as $$
    select array_agg(code order by n), array_agg(unit order by n), array_agg(amount order by n)
    from (
        select null::int as n, 'main' as code, 0::smallint as unit, -o.moved as amount
        union all
        select n, coalesce(b.code, c.code), o.lines[n][2]::smallint, -o.lines[n][3]
        from generate_subscripts(o.lines, 1) n
        left join ledger.bucket b
               on (b.shard, b.account_id, b.bucket_no) = (o.shard, o.account_id, o.lines[n][1]::int)
        left join ledger.closed_bucket c
               on (c.shard, c.account_id, c.bucket_no) = (o.shard, o.account_id, o.lines[n][1]::int)
    ) line
    where amount > 0 and o.kind in (1, 3, 6)
$$;

-- What one bucket gives to an operation: `taken` of what it has, `free` of it left for the next portion.
create type ledger.share as (
    row_at tid, bucket_no int, unit smallint, code text, back bigint, taken bigint, free bigint,
    next_allowance boolean, next_money boolean
);

-- Decide operations from their accounts' buckets and write what comes of it. The accounts are locked, the ids new.
--
-- Allowances pay first, in their unit; what is left is priced once and paid from money buckets; both in order of
-- priority, then earliest end. A use first gives back its whole hold, whose buckets may pay even if they ended
-- meanwhile. Then the next portion is held from what is left, the same way.
--
-- Everything is looked up from the operation outward, in lateral subqueries, and written by the place of the row, which
-- the lock keeps: so the plan is the same for ten accounts and for ten million.
create function ledger.settle_v1(
    p_shard smallint, p_now timestamptz, p_rest int[], p_numbers bigint[], p_ops text[], p_holds text[],
    p_details text[], p_extras text[]
) returns setof ledger.outcome
language plpgsql as $$
declare
    v_events jsonb;
    v_outcomes ledger.outcome[];
begin
    with decision as materialized (
        select r.i, r.account_id, r.kind, r.hold_id, r.row_at, r.previous, r.q1, r.last_bucket_no, r.extra, status,
               case when status = 0 then cost else 0 end as cost,
               case when status = 0 then granted else 0 end as granted,
               case when status = 0 then greatest(cost - c.from_money, 0) else 0 end as forced,
               l.*, g.*, r.main_before - l.main_taken + g.to_main as main_after
        from (
            select p.*, m.*, t.unit as unit1, t.allowances as allowances1, t.money as money1,
                   coalesce(t.rating_unit, 1) as rating_unit1, coalesce(t.price_micro, 0) as price1,
                   n.unit as unit2, n.allowances as allowances2, n.money as money2,
                   coalesce(n.rating_unit, 1) as rating_unit2, coalesce(n.price_micro, 0) as price2
            from (
                select i, p_numbers[i][1] as account_id, p_numbers[i][4] as kind, p_numbers[i][5] as flags,
                       coalesce(p_numbers[i][10], 0) as q1, coalesce((extra ->> 'fixed')::bigint, 0) as fixed1,
                       coalesce(p_numbers[i][12], 0) as q2, coalesce((extra ->> 'reserve_fixed')::bigint, 0) as fixed2,
                       p_numbers[i][9] as terms, p_numbers[i][11] as reserve_terms, p_holds[i] as hold_id, extra
                from (select i, p_extras[i]::jsonb as extra
                      from (select p_rest[k] as i from generate_series(1, cardinality(p_rest)) k) place) position
                offset 0 -- here and below: worked out once, not wherever it is named
            ) p
            cross join lateral (
                select b.ctid as row_at, b.balance as main_before, b.last_op as previous, b.last_bucket_no,
                       b.holds -> p.hold_id as hold
                from ledger.bucket b
                where b.shard = p_shard and b.account_id = p.account_id and b.bucket_no = 0
                offset 0
            ) m
            left join lateral (select * from ledger.terms where terms_no = p.terms offset 0) t on true
            left join lateral (select * from ledger.terms where terms_no = p.reserve_terms offset 0) n on true
        ) r
        cross join lateral (
            select array_agg(row(row_at, bucket_no, unit, code, back, take, free - take, allowance2, money2)
                             ::ledger.share) as shares,
                   coalesce(sum(take) filter (where allowance1), 0)::bigint as from_allowances,
                   coalesce(sum(take) filter (where money1), 0)::bigint as from_money,
                   coalesce(sum(free - take) filter (where allowance2), 0)::bigint as left_allowances,
                   coalesce(sum(free - take) filter (where money2), 0)::bigint as left_money
            from (
                select *,
                       case when allowance1 then least(free, greatest(r.q1 - before_allowance, 0))
                            when money1 then least(free, greatest(r.fixed1 - before_money + ledger.price_v1(
                                greatest(r.q1 - before_allowance, 0), r.rating_unit1, r.price1), 0))
                            else 0 end as take
                from (
                    select *,
                           coalesce(sum(case when allowance1 then free end) over w, 0)::bigint as before_allowance,
                           coalesce(sum(case when money1 then free end) over w, 0)::bigint as before_money
                    from (
                        select b.ctid as row_at, b.bucket_no, b.unit, b.code, b.priority, b.valid_until, back,
                               case when b.valid_from <= p_now and (b.valid_until is null or b.valid_until > p_now)
                                    then greatest(b.balance - b.held + back + b.credit_limit, 0)
                                    else least(back, greatest(b.balance - b.held + back, 0)) end as free,
                               b.unit = r.unit1 and b.code = any (r.allowances1) as allowance1,
                               b.unit = 0 and b.code = any (r.money1) as money1,
                               b.unit = r.unit2 and b.code = any (r.allowances2) as allowance2,
                               b.unit = 0 and b.code = any (r.money2) as money2
                        from ledger.bucket b
                        cross join lateral (
                            select coalesce(case when r.kind not in (3, 4) then 0
                                                 when b.bucket_no = 0 then (r.hold ->> 2)::bigint
                                                 else (r.hold -> 3 ->> b.bucket_no::text)::bigint end, 0) as back
                        ) h
                        where b.shard = p_shard and b.account_id = r.account_id
                        offset 0
                    ) stock
                    window w as (order by unit = 0, priority, valid_until, bucket_no
                                 rows between unbounded preceding and 1 preceding)
                ) queue
            ) taken
        ) c
        cross join lateral (
            select r.fixed1 + ledger.price_v1(r.q1 - c.from_allowances, r.rating_unit1, r.price1) as cost,
                   case when r.q2 = 0 then 0
                        when r.flags & 2 <> 0 then r.q2
                        when r.fixed2 + ledger.price_v1(greatest(r.q2 - c.left_allowances, 0), r.rating_unit2, r.price2)
                             <= c.left_money then r.q2
                        when r.flags & 1 <> 0 and r.fixed2 <= c.left_money then
                             least(r.q2, c.left_allowances)
                             + ledger.affordable_v1(c.left_money - r.fixed2, r.rating_unit2, r.price2)
                        else 0 end as granted
            offset 0
        ) v
        cross join lateral (
            select case when r.kind = 2 and r.hold is not null then 5
                        when r.kind = 4 and r.hold is null then 4
                        when r.kind = 4 and r.flags & 4 <> 0
                             and (r.hold ->> 0)::bigint > extract(epoch from p_now) * 1000000 then 6
                        when r.kind in (1, 6) and cost > c.from_money and r.flags & 2 = 0 then 1
                        when r.kind = 2 and granted = 0 then 1
                        else 0 end as status,
                   r.fixed2 + ledger.price_v1(greatest(granted - c.left_allowances, 0), r.rating_unit2, r.price2) as due
            offset 0
        ) d
        cross join lateral (
            select coalesce(sum(taken) filter (where bucket_no = 0), 0)::bigint as main_taken,
                   coalesce(sum(hold - back) filter (where bucket_no = 0), 0)::bigint as main_held,
                   coalesce(sum(hold) filter (where bucket_no = 0), 0)::bigint as main_hold,
                   jsonb_object_agg(bucket_no, hold) filter (where bucket_no > 0 and hold > 0) as other_holds,
                   array_agg(array[bucket_no, unit, -taken, hold - back]) filter (where changed) as lines,
                   array_agg(row_at) filter (where changed) as rows_at,
                   array_agg(code) filter (where taken > 0) as codes,
                   array_agg(unit) filter (where taken > 0) as units,
                   array_agg(taken) filter (where taken > 0) as amounts
            from (
                select *, bucket_no > 0 and (taken <> 0 or hold <> back) as changed
                from (
                    select s.row_at, s.bucket_no, s.unit, s.code, s.back,
                           s.taken + case when s.bucket_no = 0 then greatest(cost - c.from_money, 0) else 0 end as taken,
                           case when granted = 0 then 0
                                when s.next_allowance then least(s.free, greatest(granted - coalesce(sum(
                                    case when s.next_allowance then s.free end) over w, 0)::bigint, 0))
                                else case when s.next_money then least(s.free, greatest(due - coalesce(sum(
                                         case when s.next_money then s.free end) over w, 0)::bigint, 0)) else 0 end
                                     + case when s.bucket_no = 0 then greatest(due - c.left_money, 0) else 0 end
                                end as hold
                    from unnest(c.shares) with ordinality
                         as s (row_at, bucket_no, unit, code, back, taken, free, next_allowance, next_money, n)
                    where status = 0
                    window w as (order by s.n rows between unbounded preceding and 1 preceding)
                ) share
            ) change
        ) l
        cross join lateral (
            select coalesce(sum(amount) filter (where code = 'main'), 0)::bigint as to_main,
                   count(*) filter (where code <> 'main')::int as new_buckets,
                   array_agg(array[case when code = 'main' then 0 else r.last_bucket_no + number end, unit, amount])
                       as grant_lines
            from (
                select *, sum((code <> 'main')::int) over (order by n) as number
                from rows from (jsonb_to_recordset(r.extra -> 'grants') as (code text, unit smallint, amount bigint))
                     with ordinality as x (code, unit, amount, n)
                where status = 0 and r.extra ? 'grants'
            ) spec
        ) g
    ), new_bucket as (
        insert into ledger.bucket (shard, account_id, bucket_no, unit, priority, balance, initial,
                                   valid_from, valid_until, code, origin)
        select p_shard, d.account_id, d.last_bucket_no + row_number() over (partition by d.i order by n), unit,
               priority, amount, amount, valid_from, valid_until, code, origin
        from decision d
        cross join lateral rows from (jsonb_to_recordset(d.extra -> 'grants') as (
            code text, unit smallint, amount bigint, priority smallint,
            valid_from timestamptz, valid_until timestamptz, origin text)) with ordinality
            as x (code, unit, amount, priority, valid_from, valid_until, origin, n)
        where d.new_buckets > 0 and x.code <> 'main'
    ), main as (
        update ledger.bucket b set
            balance = d.main_after,
            held = b.held + d.main_held,
            credit_limit = case when d.kind = 9 and d.status = 0 then d.q1 else b.credit_limit end,
            levels = case when d.main_after >= b.low_mark then b.levels & ~4
                          when d.main_after < b.low_mark and d.main_after < b.balance then b.levels | 4
                          else b.levels end,
            others = b.others + d.new_buckets,
            last_bucket_no = b.last_bucket_no + d.new_buckets,
            last_op = p_ops[d.i],
            holds = case when d.status <> 0 or d.hold_id is null then b.holds
                    else nullif(coalesce(b.holds - d.hold_id, '{}') || case when d.granted > 0 then
                        jsonb_build_object(d.hold_id, case when d.other_holds is null
                            then jsonb_build_array(p_numbers[d.i][3], d.granted, d.main_hold)
                            else jsonb_build_array(p_numbers[d.i][3], d.granted, d.main_hold, d.other_holds) end)
                        else '{}' end, '{}') end,
            room = null
        from decision d
        where b.ctid = d.row_at
        returning d.i, b.account_id, b.bucket_no, b.code, b.unit, new.balance, b.low_mark as initial,
                  case when new.levels & 4 > old.levels & 4 then 'low' end as level
    ), other as (
        update ledger.bucket b set
            balance = b.balance + c.moved,
            held = b.held + c.held,
            levels = case when b.unit = 0 or c.moved = 0 then b.levels
                          when b.balance + c.moved <= 0 then b.levels | 3
                          when (b.balance + c.moved) * 5 <= b.initial then b.levels | 1
                          else b.levels end,
            room = null
        from (
            select d.i, d.rows_at[n] as row_at, d.lines[n][3] as moved, d.lines[n][4] as held
            from decision d cross join lateral generate_series(1, cardinality(d.rows_at)) n
        ) c
        where b.ctid = c.row_at
        returning c.i, b.account_id, b.bucket_no, b.code, b.unit, new.balance, b.initial,
                  case when new.levels & 2 > old.levels & 2 then '100'
                       when new.levels > old.levels then '80' end as level
    ), written as (
        insert into ledger.operation (
            shard, account_id, op_id, at, kind, status, flags, request_hash, contra, grant_contra,
            terms, quantity, fixed, reserve_terms, reserve_quantity, reserve_fixed, hold_id,
            moved, held, cost, granted, forced, main_after, previous, lines, grant_lines, grants, details)
        select p_shard, account_id, p_ops[i], p_now, kind, status, p_numbers[i][5], p_numbers[i][2], p_numbers[i][6],
               (extra ->> 'grant_contra')::int, p_numbers[i][9], p_numbers[i][10], (extra ->> 'fixed')::bigint,
               p_numbers[i][11], p_numbers[i][12], (extra ->> 'reserve_fixed')::bigint, hold_id, -main_taken,
               main_held, cost, granted, forced, main_after, previous, lines, grant_lines,
               case when extra ? 'grants' then ledger.without_moments_v1(extra -> 'grants') end, p_details[i]
        from decision
    )
    select (select array_agg(row(i, status, false, main_after, cost, granted, forced, codes, units, amounts, null)
                             ::ledger.outcome) from decision),
           (select jsonb_agg(jsonb_build_object(
                'shard', p_shard, 'account_id', account_id, 'bucket_id', bucket_no, 'code', code, 'unit', unit,
                'level', level, 'left', balance, 'initial', initial, 'op_id', p_ops[i]))
            from (select * from main union all select * from other) event where level is not null)
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

-- Apply a batch of operations of one shard, at most one per account, in order of account.
--
-- Numbers come as rows {account, request hash, deadline in us, kind, flags, contra, plain, plain reserve, terms,
-- quantity, reserve terms, reserve quantity}; texts as columns whose values are separated by U+001F, or null where no
-- operation of the batch has one: that is what costs a client and us the least. An extra is JSON with what few
-- operations have: fixed, reserve_fixed, grants, grant_contra, target.
--
-- `plain` is the money for the whole charge and for the whole reserve where nothing but the main balance pays and no
-- more than its row is needed to decide; null for every other operation. What the plain statement cannot say yes to is
-- left to `settle_v1`, so it is only a shorter way to the same result. It decides in the very update: where another
-- session holds the row it waits, and decides by what that session left.
--
-- `p_care`: 0 trusts that the ids are new, and fails on the operation's primary key where one is not; 1 looks; 2 locks
-- every account before anything is looked at, which is right whatever other sessions do.
create function ledger.apply_v1(
    p_shard smallint, p_now timestamptz, p_care int,
    p_number_rows text, p_op_column text, p_hold_column text, p_detail_column text, p_extra_column text,
    out done int[], out mains bigint[], out others ledger.outcome[]
) language plpgsql
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
    v_numbers bigint[] := p_number_rows::bigint[];
    v_ops text[] := string_to_array(p_op_column, U&'\001F');
    v_holds text[] := string_to_array(p_hold_column, U&'\001F', '');
    v_details text[] := string_to_array(p_detail_column, U&'\001F', '');
    v_extras text[];
    v_rest int[];
    v_settled ledger.outcome[];
    i int;
begin
    if p_care < 2 then
        with changed as (
            update ledger.bucket b set
                balance = b.balance - r.plain,
                held = b.held + r.plain_reserve - coalesce((b.holds -> r.hold_id ->> 2)::bigint, 0),
                holds = case
                    when r.hold_id is null then b.holds
                    when r.quantity2 is null then nullif(b.holds - r.hold_id, '{}')
                    else coalesce(b.holds, '{}') || jsonb_build_object(
                        r.hold_id, jsonb_build_array(r.deadline, r.quantity2, r.plain_reserve)) end,
                last_op = r.op_id,
                room = null
            from (
                select n::int as i, op_id, v_numbers[n][1] as account_id, v_numbers[n][4] as kind,
                       v_numbers[n][7] as plain, v_numbers[n][8] as plain_reserve, v_numbers[n][12] as quantity2,
                       v_numbers[n][3] as deadline, v_holds[n] as hold_id
                from unnest(v_ops) with ordinality op (op_id, n) -- of which the planner expects few: see the test of plans
            ) r
            where b.shard = p_shard and b.account_id = r.account_id and b.bucket_no = 0 and b.others = 0
              and b.balance - b.held + b.credit_limit + coalesce((b.holds -> r.hold_id ->> 2)::bigint, 0)
                  >= r.plain + r.plain_reserve
              and (r.hold_id is null or coalesce(b.holds ? r.hold_id, false) = (r.kind <> 2))
              and (b.low_mark is null or r.plain = 0 or b.levels & 4 <> 0 or b.balance - r.plain >= b.low_mark)
              and (p_care = 0 or ( -- not `exists`, for which the planner may read all operations of a shard
                  select o.op_id from ledger.operation o
                  where o.shard = p_shard and o.account_id = r.account_id and o.op_id = r.op_id) is null)
            returning r.i, old.last_op as previous, new.balance as main_after, new.held - old.held as held
        ), written as (
            insert into ledger.operation (
                shard, account_id, op_id, at, kind, status, flags, request_hash, contra, terms, quantity,
                reserve_terms, reserve_quantity, hold_id, moved, held, cost, granted, main_after, previous, details)
            select p_shard, v_numbers[c.i][1], v_ops[c.i], p_now, v_numbers[c.i][4], 0, v_numbers[c.i][5],
                   v_numbers[c.i][2], v_numbers[c.i][6], v_numbers[c.i][9], v_numbers[c.i][10],
                   v_numbers[c.i][11], v_numbers[c.i][12], v_holds[c.i], -v_numbers[c.i][7], c.held,
                   v_numbers[c.i][7], coalesce(v_numbers[c.i][12], 0), c.main_after, c.previous, v_details[c.i]
            from changed c
        )
        select array_agg(c.i), array_agg(c.main_after) into done, mains from changed c;
        if cardinality(done) = cardinality(v_ops) then
            return;
        end if;
    end if;

    v_extras := string_to_array(p_extra_column, U&'\001F', '');
    select array_agg(n order by n) into v_rest
    from (select generate_series(1, cardinality(v_ops)) except select unnest(done)) rest (n);

    perform from ledger.bucket b
    where b.shard = p_shard and b.bucket_no = 0
      and b.account_id = any (array(select v_numbers[n][1] from unnest(v_rest) n))
    order by b.account_id for update;

    -- Results in order of precedence: an unknown account, a repeated or conflicting id, then what the account says.
    select array_agg(row(n, 2, false, null, 0, 0, 0, null, null, null, null)::ledger.outcome) into others
    from unnest(v_rest) n
    where not exists (select from ledger.bucket b
                      where b.shard = p_shard and b.account_id = v_numbers[n][1] and b.bucket_no = 0);
    select others || array_agg(
               case when (o).request_hash = v_numbers[n][2] and differs is null then
                    row(n, (o).status, true, (o).main_after, (o).cost, (o).granted, (o).forced,
                        t.codes, t.units, t.amounts, null)::ledger.outcome
               else row(n, 3, false, null, 0, 0, 0, null, null, null, coalesce(differs, 'request'))::ledger.outcome end)
    into others
    from unnest(v_rest) n
    cross join lateral (
        select p from ledger.operation p
        where p.shard = p_shard and p.account_id = v_numbers[n][1] and p.op_id = v_ops[n]
        offset 0
    ) prior (o)
    cross join lateral ledger.taken_v1(o) t
    cross join lateral ledger.first_difference_v1(
        o, ledger.request_v1(n, v_numbers, v_ops, v_holds, v_details, v_extras)) differs;
    if others is not null then
        select array_agg(n order by n) into v_rest
        from (select unnest(v_rest) except select (o).ord from unnest(others) o) rest (n);
    end if;

    foreach i in array coalesce(v_rest, '{}') loop
        if v_numbers[i][4] = 8 then
            others := others || ledger.reverse_v1(
                p_shard, p_now, ledger.request_v1(i, v_numbers, v_ops, v_holds, v_details, v_extras));
        elsif v_numbers[i][4] in (7, 10) then
            others := others || ledger.take_back_v1(
                p_shard, p_now, ledger.request_v1(i, v_numbers, v_ops, v_holds, v_details, v_extras));
        end if;
    end loop;
    select array_agg(n order by n) into v_rest from unnest(v_rest) n where v_numbers[n][4] not in (7, 8, 10);
    if v_rest is not null then
        select array_agg(o) into v_settled
        from ledger.settle_v1(p_shard, p_now, v_rest, v_numbers, v_ops, v_holds, v_details, v_extras) o;
        others := others || v_settled;
    end if;
end $$;
