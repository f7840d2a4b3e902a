-- What is left in buckets that ended is taken back for a whole batch at once: at the end of a month a million accounts
-- have some, and one by one each took a dozen times what it costs to find them.

-- Take back what is left: of every bucket that ended (kind 7) or of the buckets of one origin (kind 10). Buckets that
-- are then empty are closed. What an open hold keeps stays until the hold ends. The accounts are locked, the ids new.
--
-- Looked up from the operation outward and written by the place of the row, as in `settle_v1`.
create function ledger.take_back_v2(
    p_shard smallint, p_now timestamptz, p_rest int[], p_numbers bigint[], p_ops text[], p_details text[],
    p_extras text[]
) returns setof ledger.outcome
language sql as $$
    with stock as materialized (
        select r.i, r.account_id as account, r.kind, r.target, r.main_at, r.main, r.previous, s.*,
               s.held = 0 and (s.balance = 0 or s.due)
               and (s.ended or s.valid_until is null and (r.kind = 7 or s.due)) as closes
        from (
            select k.i, p_numbers[k.i][1] as account_id, p_numbers[k.i][4] as kind,
                   p_extras[k.i]::jsonb ->> 'target' as target, m.*
            from (select p_rest[k] as i from generate_series(1, cardinality(p_rest)) k) k
            cross join lateral (
                select b.ctid as main_at, b.balance as main, b.last_op as previous from ledger.bucket b
                where b.shard = p_shard and b.account_id = p_numbers[k.i][1] and b.bucket_no = 0
                offset 0
            ) m
        ) r
        left join lateral (
            select b.ctid as row_at, b.*, coalesce(b.valid_until <= p_now, false) as ended,
                   case when r.kind = 7 then coalesce(b.valid_until <= p_now, false) else b.origin = r.target end as due
            from ledger.bucket b
            where b.shard = p_shard and b.account_id = r.account_id and b.bucket_no > 0
            offset 0
        ) s on true
    ), emptied as (
        update ledger.bucket b set balance = b.held, room = null
        from stock s where b.ctid = s.row_at and s.due and s.balance <> s.held and not s.closes
    ), closed as (
        delete from ledger.bucket b using stock s where b.ctid = s.row_at and s.closes
    ), kept as (
        insert into ledger.closed_bucket (
            shard, account_id, bucket_no, unit, priority, levels, balance, held, credit_limit, initial, valid_from,
            valid_until, low_mark, others, last_bucket_no, code, origin, last_op, holds, room, closed_at)
        select shard, account_id, bucket_no, unit, priority, levels, 0, held, credit_limit, initial, valid_from,
               valid_until, low_mark, others, last_bucket_no, code, origin, last_op, holds, null, p_now
        from stock where closes
    ), taken as (
        select i, account, kind, target, main_at, main, previous,
               array_agg(array[bucket_no, unit, held - balance, 0] order by bucket_no)
                   filter (where due and balance <> held) as lines,
               coalesce(sum(balance - held) filter (where due), 0)::bigint as taken,
               count(*) filter (where closes)::int as closed
        from stock
        group by i, account, kind, target, main_at, main, previous
    ), main as (
        update ledger.bucket b set others = b.others - t.closed, last_op = p_ops[t.i], room = null
        from taken t where b.ctid = t.main_at
    ), written as (
        insert into ledger.operation (shard, account_id, op_id, at, kind, status, flags, request_hash, contra, target,
                                      granted, main_after, previous, lines, details)
        select p_shard, account, p_ops[i], p_now, kind, 0, p_numbers[i][5], p_numbers[i][2], p_numbers[i][6], target,
               taken, main, previous, lines, p_details[i]
        from taken
    )
    select i, 0::smallint, false, main, 0::bigint, taken, 0::bigint, null::text[], null::smallint[], null::bigint[],
           null::text
    from taken
$$;

create or replace function ledger.apply_v1(
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
    v_taken_back int[];
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

    select array_agg(n order by n) into v_taken_back from unnest(v_rest) n where v_numbers[n][4] in (7, 10);
    if v_taken_back is not null then
        select array_agg(o) into v_settled
        from ledger.take_back_v2(p_shard, p_now, v_taken_back, v_numbers, v_ops, v_details, v_extras) o;
        others := others || v_settled;
    end if;
    foreach i in array coalesce(v_rest, '{}') loop
        if v_numbers[i][4] = 8 then
            others := others || ledger.reverse_v1(
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

drop function ledger.take_back_v1;
