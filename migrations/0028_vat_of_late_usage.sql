-- The rate of VAT is the one that was in force when a service was supplied: of usage that a partner reports late (`used_at`
-- in its details), when it was used. Everything else of the run is as it was.

create or replace function invoicing.close_periods_v1(
    p_day date, p_end timestamptz, p_due_on date, p_found_due_on date, p_year smallint, p_now timestamptz, p_keep_since timestamptz,
    p_limit int, p_vat_since timestamptz[], p_vat_millionths int[], p_untaxed text[],
    out periods int, out invoices int, out lines int, out total bigint
) language plpgsql
set work_mem = '64MB'
as $$
#variable_conflict use_column
declare
    v_shards smallint[];
    v_accounts bigint[];
    v_known bigint[];
    v_starts date[];
    v_after text[];
    v_advances bigint[];
    v_cuts text[];
    v_pools bigint[];
    v_lines invoicing.draft_line[];
    v_drafts invoicing.draft_invoice[];
    v_series text[];
    v_last int[];
begin
    select array_agg(a.shard), array_agg(a.account_id), array_agg(a.subscription_id), array_agg(a.period_start),
           array_agg(a.invoiced_op), array_agg(a.advance_tiyn)
    into v_shards, v_accounts, v_known, v_starts, v_after, v_advances
    from (
        select * from invoicing.account
        where period_end = p_day and closed_at is null
        limit p_limit for update skip locked
    ) a;
    periods := coalesce(cardinality(v_shards), 0);
    invoices := 0;
    lines := 0;
    total := 0;
    if periods = 0 then
        return;
    end if;

    with op as materialized (
        select o.*, c.code, c.code like 'revenue.%' or c.code like 'receivable.%' as charge,
               min(o.step) filter (where o.at < p_end) over (partition by o.ord) as cut
        from ledger.operations_after_v1(v_shards, v_accounts, v_after) o
        join ledger.operator_account_code c on c.operator_no = o.contra
    ), settled as (
        insert into invoicing.settlement (shard, account_id, op_id, amount_tiyn, settled_at)
        select v_shards[ord], v_accounts[ord], op_id, change, p_now
        from op where not charge and status = 0 and change <> 0
        on conflict do nothing
        returning shard, account_id, amount_tiyn
    ), line as (
        select ord, code, coalesce(details ->> 'label', code) as label, details ->> 'code' as item,
               unit, count(*)::int as operations,
               sum(quantity) filter (where unit <> 0)::bigint as quantity, -sum(change)::bigint as amount, vat_millionths
        from (
            select *, case when code like 'revenue.%' and code <> all (p_untaxed)
                           then p_vat_millionths[greatest(width_bucket(
                               coalesce((details ->> 'used_at')::timestamptz, at), p_vat_since), 1)] end as vat_millionths
            from (
                select ord, code, coalesce(t.unit, 0::smallint) as unit, quantity, change, at, details::jsonb as details
                from op left join ledger.terms_unit t on t.terms_no = op.terms
                where charge and status = 0 and step >= cut and (change <> 0 or (quantity > 0 and t.unit <> 0))
                offset 0 -- details are read once
            ) read
        ) charge
        group by 1, 2, 3, 4, 5, 9
    ), come as (
        select shard, account_id, sum(amount_tiyn)::bigint as amount from settled group by shard, account_id
    )
    select (select array_agg(coalesce(o.op_id, a.invoiced_op) order by n)
            from unnest(v_after) with ordinality a (invoiced_op, n)
            left join op o on o.ord = a.n and o.step = o.cut),
           (select array_agg(a.advance_tiyn + coalesce(c.amount, 0) order by n)
            from unnest(v_shards, v_accounts, v_advances) with ordinality a (shard, account_id, advance_tiyn, n)
            left join come c using (shard, account_id)),
           (select array_agg(row(ord, code, label, item, unit, operations, quantity, amount, vat_millionths)
                             ::invoicing.draft_line) from line)
    into v_cuts, v_pools, v_lines;

    -- A debt that no invoice knows of (roaming before credit, money taken back) goes on this one, without VAT.
    v_lines := v_lines || (
        select array_agg(row(n, 'carried', 'carried', null, 0, 1, null, -v_pools[n], null)::invoicing.draft_line)
        from generate_series(1, periods) n where v_pools[n] < 0);

    with rate as (
        select ord, sum(amount)::bigint as amount, bool_or(amount <> 0) as charged, vat_millionths
        from unnest(v_lines) group by ord, vat_millionths
    ), sum as (
        select ord, sum(amount)::bigint as total, sum(invoicing.vat_v1(amount, vat_millionths))::bigint as vat
        from rate group by ord having bool_or(charged)
    )
    select array_agg(row(h.ord, case when t.ord is not null then nextval('invoicing.invoice_id') end, t.total, t.vat,
                         upper(left(h.brand, 2)), h.contract_id, h.party_id, h.subscription_id, h.msisdn,
                         h.numbers <= 1, h.language, h.credit or (not h.in_use and h.ended_at >= p_keep_since),
                         case when h.ported_out then p_found_due_on else p_due_on end)
                     ::invoicing.draft_invoice order by h.ord),
           count(t.ord), coalesce(sum(t.total), 0)
    into v_drafts, invoices, total
    from subscribers.account_holders_v1(v_shards, v_accounts, v_known) h left join sum t on t.ord = h.ord;

    with numbered as (
        insert into invoicing.series as s (series, year, last_no)
        select series, p_year, count(*) from unnest(v_drafts) where invoice_id is not null group by series order by series
        on conflict on constraint series_pkey do update set last_no = s.last_no + excluded.last_no
        returning s.series, s.last_no
    )
    select array_agg(n.series), array_agg(n.last_no) into v_series, v_last from numbered n;

    insert into invoicing.invoice (
        invoice_id, series, year, series_no, shard, account_id, contract_id, party_id, subscription_id, msisdn, language,
        period_start, period_end, issued_at, due_on, total_tiyn, vat_tiyn)
    select d.invoice_id, d.series, p_year,
           v_last[array_position(v_series, d.series)] - count(*) over (partition by d.series)
               + row_number() over (partition by d.series order by d.ord),
           v_shards[d.ord], v_accounts[d.ord], d.contract_id, d.party_id, d.subscription_id, d.msisdn, d.language,
           v_starts[d.ord], p_day, p_now, d.due_on, d.total, d.vat
    from unnest(v_drafts) d where d.invoice_id is not null;

    insert into invoicing.invoice_line (
        invoice_id, line_no, code, label, item, msisdn, operations, quantity, unit, amount_tiyn, vat_millionths, vat_tiyn)
    select d.invoice_id, l.line_no, l.code, l.label, l.item, case when d.single then d.msisdn end, l.operations,
           l.quantity, l.unit, l.amount, l.vat_millionths,
           invoicing.vat_v1(l.upto, l.vat_millionths) - invoicing.vat_v1(l.upto - l.amount, l.vat_millionths)
    from unnest(v_drafts) d
    join (
        select l.*, row_number() over (partition by l.ord order by l.code, l.label, l.item, l.unit, l.vat_millionths)
                        as line_no,
               sum(l.amount) over (partition by l.ord, l.vat_millionths order by l.code, l.label, l.item, l.unit
                                   rows unbounded preceding)::bigint as upto
        from unnest(v_lines) l
    ) l on l.ord = d.ord
    where d.invoice_id is not null;
    get diagnostics lines = row_count;

    insert into invoicing.open_amount (invoice_id, shard, account_id, due_on, open_tiyn, paid_at)
    select invoice_id, v_shards[ord], v_accounts[ord], due_on, greatest(total, 0),
           case when d.total <= 0 then p_now end
    from unnest(v_drafts) d where invoice_id is not null;

    insert into invoicing.period (
        shard, account_id, period_start, period_end, after_op, through_op, invoice_id, closed_at)
    select v_shards[ord], v_accounts[ord], v_starts[ord], p_day, v_after[ord], v_cuts[ord],
           invoice_id, p_now
    from unnest(v_drafts);

    update invoicing.account a
    set period_no = a.period_no + 1, period_start = a.period_end,
        period_end = (a.anchor + make_interval(months => a.period_no + 2))::date,
        invoiced_op = v_cuts[d.ord], advance_tiyn = greatest(v_pools[d.ord], 0),
        closed_at = case when not d.stays then p_now end
    from unnest(v_drafts) d
    where a.shard = v_shards[d.ord] and a.account_id = v_accounts[d.ord];

    -- What was given back beyond what was charged is money of the account like any other.
    perform invoicing.spread_v1(array_agg(v_shards[d.ord]), array_agg(v_accounts[d.ord]),
                                array_agg(greatest(v_pools[d.ord], 0) + greatest(-d.total, 0)), p_now, null)
    from unnest(v_drafts) d where v_pools[d.ord] > 0 or d.total < 0;

    insert into kernel.outbox (topic, key, payload, created_at)
    select 'billing.invoice_issued', 'account:' || i.shard || ':' || i.account_id,
           jsonb_build_object(
               'invoice_id', i.invoice_id, 'number', i.number, 'shard', i.shard, 'account_id', i.account_id,
               'subscriber_id', i.subscription_id, 'msisdn', i.msisdn, 'total', i.total_tiyn, 'open', o.open_tiyn,
               'due_on', i.due_on),
           p_now
    from unnest(v_drafts) d
    join invoicing.invoice i on i.invoice_id = d.invoice_id
    join invoicing.open_amount o on o.invoice_id = d.invoice_id;
end $$;
