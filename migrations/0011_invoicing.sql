-- Invoices of credit settlement: accounting periods, gapless numbers, open amounts, credit limits (docs/invoicing.md).
--
-- What an account was charged is the ledger's to know and whose account it is the subscribers': the functions that each
-- of them answers with stand first, in their own schemas.

-- What was posted to accounts after the operation that each was read up to (null: from the beginning), by following
-- every operation to the one before it: what it costs does not depend on how old an account is. Step 1 is the newest.
create function ledger.operations_after_v1(p_shards smallint[], p_accounts bigint[], p_after text[])
returns table (
    ord int, step int, op_id text, at timestamptz, kind smallint, status smallint, contra int, terms int,
    quantity bigint, change bigint, main_after bigint, details text
) language sql stable rows 10000
set enable_seqscan = off set enable_bitmapscan = off set enable_hashjoin = off set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
    with recursive walk as (
        select a.ord::int as ord, 1 as step, a.after_op, o.shard, o.account_id, o.op_id, o.previous, o.at, o.kind,
               o.status, o.contra, o.terms, o.quantity, o.moved, o.main_after, o.grant_lines, o.details
        from unnest(p_shards, p_accounts, p_after) with ordinality a (shard, account_id, after_op, ord)
        join ledger.bucket b on b.shard = a.shard and b.account_id = a.account_id and b.bucket_no = 0
        join ledger.operation o on o.shard = b.shard and o.account_id = b.account_id and o.op_id = b.last_op
        where b.last_op is distinct from a.after_op
        union all
        select w.ord, w.step + 1, w.after_op, o.shard, o.account_id, o.op_id, o.previous, o.at, o.kind,
               o.status, o.contra, o.terms, o.quantity, o.moved, o.main_after, o.grant_lines, o.details
        from walk w
        join ledger.operation o on o.shard = w.shard and o.account_id = w.account_id and o.op_id = w.previous
        where w.previous is distinct from w.after_op
    )
    select w.ord, w.step, w.op_id, w.at, w.kind, w.status, w.contra, w.terms, w.quantity,
           w.moved + case when w.grant_lines is null then 0 else (
               select coalesce(sum(w.grant_lines[n][3]), 0)::bigint from generate_subscripts(w.grant_lines, 1) n
               where w.grant_lines[n][1] = 0) end,
           w.main_after, w.details
    from walk w
$$;

-- The newest operation of an account that was posted before a moment, and the main balance it left; none, and 0, where
-- there is no such operation.
create function ledger.operation_before_v1(
    p_shard smallint, p_account bigint, p_before timestamptz, out op_id text, out main_after bigint
) language plpgsql stable as $$
declare
    o record;
begin
    select p.op_id, p.previous, p.at, p.main_after into o
    from ledger.bucket b
    join ledger.operation p on p.shard = b.shard and p.account_id = b.account_id and p.op_id = b.last_op
    where b.shard = p_shard and b.account_id = p_account and b.bucket_no = 0;
    while o.at >= p_before loop
        select p.op_id, p.previous, p.at, p.main_after into o
        from ledger.operation p where p.shard = p_shard and p.account_id = p_account and p.op_id = o.previous;
    end loop;
    op_id := o.op_id;
    main_after := coalesce(o.main_after, 0);
end $$;

-- The operation that took another one back, if any did.
create function ledger.reversal_of_v1(p_shard smallint, p_account bigint, p_op_id text) returns text
language sql stable as $$
    select o.op_id from ledger.operation o
    where o.shard = p_shard and o.account_id = p_account and o.target = p_op_id and o.kind = 8 and o.status = 0
$$;

-- When an operation was posted.
create function ledger.posted_at_v1(p_shard smallint, p_account bigint, p_op_id text) returns timestamptz
language sql stable as $$
    select o.at from ledger.operation o where o.shard = p_shard and o.account_id = p_account and o.op_id = p_op_id
$$;

-- What accounts have on their main balance, and how far it may go down.
create view ledger.main_balance as
select shard, account_id, balance, held, credit_limit from ledger.bucket where bucket_no = 0;

-- What the numbers in operations stand for: the operator's accounts, and the unit that is charged in.
create view ledger.operator_account_code as select operator_no, code from ledger.operator_account;
create view ledger.terms_unit as select terms_no, unit from ledger.terms;

create index subscription_credit on subscribers.subscription (shard, account_id)
    where settlement = 'credit' and state <> 'ended';

-- Accounts after one with a number in credit settlement, the first of those numbers and when it joined its plan.
create function subscribers.credit_accounts_v1(p_shard smallint, p_account bigint, p_limit int)
returns table (shard smallint, account_id bigint, subscription_id bigint, joined_at timestamptz)
language sql stable as $$
    select distinct on (s.shard, s.account_id) s.shard, s.account_id, s.subscription_id, s.plan_joined_at
    from subscribers.subscription s
    where s.settlement = 'credit' and s.state <> 'ended' and (s.shard, s.account_id) > (p_shard, p_account)
    order by s.shard, s.account_id, s.plan_joined_at, s.subscription_id
    limit p_limit
$$;

-- Whose accounts these are: of each the first number that uses it, or the last one that did, or else (it uses another
-- account now) the number `p_known`.
create function subscribers.account_holders_v1(p_shards smallint[], p_accounts bigint[], p_known bigint[])
returns table (
    ord int, contract_id bigint, party_id bigint, subscription_id bigint, msisdn text, language text, brand text,
    in_use boolean, ported_out boolean, credit boolean, numbers int, ended_at timestamptz
) language sql stable rows 1000
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
    select a.ord::int, h.contract_id, h.party_id, h.subscription_id, h.msisdn, h.language, h.brand,
           h.state <> 'ended', h.state = 'ended' and h.end_ground = 'ported_out', h.credit, h.numbers::int, h.ended_at
    from unnest(p_shards, p_accounts, p_known) with ordinality a (shard, account_id, known, ord)
    cross join lateral (
        select * from (
            select s.*, bool_or(s.settlement = 'credit' and s.state <> 'ended') over () as credit,
                   count(*) filter (where s.state <> 'ended') over () as numbers, 1 as choice
            from subscribers.subscription s where s.shard = a.shard and s.account_id = a.account_id
            union all
            select s.*, false, 0, 2 from subscribers.subscription s where s.subscription_id = a.known
        ) s
        order by s.choice, s.state = 'ended', s.ended_at desc, s.subscription_id
        limit 1
    ) h
$$;

create schema invoicing;

-- How far each personal account in credit settlement is invoiced, and where its next accounting period ends
-- (PSC-1.1.26). A row is the lock of everything that invoicing knows of its account.
create table invoicing.account (
    shard        smallint    not null,
    account_id   bigint      not null,
    anchor       date        not null,  -- the day of joining: periods are counted from it
    period_no    int         not null default 0,
    period_start date        not null,
    period_end   date        not null,  -- the first day after the running period
    opening_op   text        collate "C",
    invoiced_op  text        collate "C", -- the newest operation that a closed period covers
    advance_tiyn bigint      not null default 0, -- money in that no invoice has used; below zero a debt to be invoiced
    subscription_id bigint not null,    -- the number that joined first
    opened_at    timestamptz not null,
    closed_at    timestamptz,             -- left credit settlement, or ended long ago
    primary key (shard, account_id)
);
create index account_due on invoicing.account (period_end) where closed_at is null;

-- The last number of each series and year. Whoever numbers invoices holds the row until they are there: no gaps.
create table invoicing.series (
    series  text     not null,
    year    smallint not null,
    last_no int      not null,
    primary key (series, year)
);

create sequence invoicing.invoice_id;

-- Invoices are never changed; what is open of them stands in a row of its own.
create table invoicing.invoice (
    invoice_id      bigint      primary key,
    series          text        not null constraint invoice_series_check check (series ~ '^[A-Z]{2}$'), -- others have more
    year            smallint    not null,
    series_no       int         not null,
    number          text        not null generated always as (
        series || '-' || year || '-' || lpad(series_no::text, greatest(7, length(series_no::text)), '0')) stored,
    shard           smallint    not null,
    account_id      bigint      not null,
    contract_id     bigint      not null,
    party_id        bigint      not null,
    subscription_id bigint      not null,
    msisdn          text        not null,
    language        text        not null,
    period_start    date        not null,
    period_end      date        not null,
    issued_at       timestamptz not null,
    due_on          date        not null,
    total_tiyn      bigint      not null,
    vat_tiyn        bigint      not null,
    constraint invoice_number_key unique (number),
    constraint invoice_period_key unique (shard, account_id, period_start)
);

create table invoicing.invoice_line (
    invoice_id     bigint   not null,
    line_no        smallint not null,
    code           text     not null,
    label          text     not null,
    item           text,
    msisdn         text,
    operations     int      not null,
    quantity       bigint,
    unit           smallint not null,
    amount_tiyn    bigint   not null,
    vat_millionths int,                 -- null: bears no VAT
    vat_tiyn       bigint   not null,
    primary key (invoice_id, line_no)
);

-- Accounting periods that are closed, with the operations that each covers; without charges there is no invoice.
create table invoicing.period (
    shard        smallint    not null,
    account_id   bigint      not null,
    period_start date        not null,
    period_end   date        not null,
    after_op     text        collate "C",
    through_op   text        collate "C",
    invoice_id   bigint,
    closed_at    timestamptz not null,
    primary key (shard, account_id, period_start)
);

create table invoicing.open_amount (
    invoice_id bigint   primary key,
    shard      smallint not null,
    account_id bigint   not null,
    due_on     date     not null,
    open_tiyn  bigint   not null constraint open_amount_check check (open_tiyn >= 0),
    paid_at    timestamptz,
    constraint open_amount_paid_check check ((open_tiyn = 0) = (paid_at is not null))
);
create index open_amount_account on invoicing.open_amount (shard, account_id, invoice_id) where open_tiyn > 0;
create index open_amount_due on invoicing.open_amount (due_on, shard, account_id) where open_tiyn > 0;

-- Money in and out of an account that is no charge, by the ledger's operation: each is settled once.
create table invoicing.settlement (
    shard       smallint    not null,
    account_id  bigint      not null,
    op_id       text        not null collate "C",
    amount_tiyn bigint      not null,
    settled_at  timestamptz not null,
    primary key (shard, account_id, op_id)
);

-- What of a settlement went to which invoice (null: of the advance); negative where it was taken back.
create table invoicing.allocation (
    allocation_id bigint generated always as identity primary key,
    invoice_id    bigint      not null,
    shard         smallint    not null,
    account_id    bigint      not null,
    op_id         text        collate "C",
    amount_tiyn   bigint      not null,
    allocated_at  timestamptz not null
);
create index allocation_invoice on invoicing.allocation (invoice_id);
create index allocation_op on invoicing.allocation (shard, account_id, op_id) where op_id is not null;

create trigger invoice_append_only before update or delete or truncate on invoicing.invoice
    for each statement execute function kernel.refuse_change_v1();
create trigger invoice_line_append_only before update or delete or truncate on invoicing.invoice_line
    for each statement execute function kernel.refuse_change_v1();
create trigger period_append_only before update or delete or truncate on invoicing.period
    for each statement execute function kernel.refuse_change_v1();
create trigger settlement_append_only before update or delete or truncate on invoicing.settlement
    for each statement execute function kernel.refuse_change_v1();
create trigger allocation_append_only before update or delete or truncate on invoicing.allocation
    for each statement execute function kernel.refuse_change_v1();

-- Credit notes: an invoice that was too high is lowered by one and stays as it was issued. `source` says what decided
-- it, once; `op_id` is the ledger's operation that gave the sum back.
create table invoicing.credit_note (
    credit_note_id bigint generated always as identity primary key,
    source         text        not null constraint credit_note_source_key unique,
    series         text        not null,
    year           smallint    not null,
    series_no      int         not null,
    number         text        not null generated always as (
        series || '-' || year || '-' || lpad(series_no::text, greatest(7, length(series_no::text)), '0')) stored,
    invoice_id     bigint      not null references invoicing.invoice,
    shard          smallint    not null,
    account_id     bigint      not null,
    op_id          text        not null collate "C",
    total_tiyn     bigint      not null constraint credit_note_total_check check (total_tiyn > 0),
    vat_tiyn       bigint      not null,
    reason         text        not null,
    issued_at      timestamptz not null,
    issued_by      text        not null,
    constraint credit_note_number_key unique (number),
    constraint credit_note_op_key unique (shard, account_id, op_id)
);
create index credit_note_invoice on invoicing.credit_note (invoice_id);

-- What a credit note takes off the lines of its invoice.
create table invoicing.credit_note_line (
    credit_note_id bigint   not null references invoicing.credit_note,
    line_no        smallint not null,
    amount_tiyn    bigint   not null,
    vat_tiyn       bigint   not null,
    primary key (credit_note_id, line_no)
);

create trigger credit_note_append_only before update or delete or truncate on invoicing.credit_note
    for each statement execute function kernel.refuse_change_v1();
create trigger credit_note_line_append_only before update or delete or truncate on invoicing.credit_note_line
    for each statement execute function kernel.refuse_change_v1();

-- Credit limits that were asked for (PSC-3.2.6); the limit itself is the ledger's.
create table invoicing.limit_request (
    limit_request_id bigint generated always as identity primary key,
    request_id       text        not null,
    shard            smallint    not null,
    account_id       bigint      not null,
    subscription_id  bigint      not null,
    limit_tiyn       bigint      not null constraint limit_request_limit_check check (limit_tiyn >= 0),
    previous_tiyn    bigint      not null,
    ceiling_tiyn     bigint      not null,
    state            text        not null
        constraint limit_request_state_check check (state in ('requested', 'granted', 'refused')),
    asked_at         timestamptz not null,
    asked_by         text        not null,
    channel          text        not null,
    decided_at       timestamptz,
    decided_by       text,
    reason           text,
    constraint limit_request_key unique (subscription_id, request_id),
    constraint limit_request_decided_check check ((state = 'requested') = (decided_at is null))
);
create unique index limit_request_open_key on invoicing.limit_request (shard, account_id) where state = 'requested';
create index limit_request_account on invoicing.limit_request (shard, account_id, limit_request_id);

-- VAT that is in a gross amount, at a rate in millionths: half up, away from zero.
create function invoicing.vat_v1(gross bigint, millionths int) returns bigint
language sql immutable parallel safe as $$
    select case
        when millionths is null then 0
        when gross between 0 and 1000000000000 then -- the same without the cost of numeric
            (2 * gross * millionths + 1000000 + millionths) / (2 * (1000000 + millionths)::bigint)
        else sign(gross)::bigint * div(2 * abs(gross)::numeric * millionths + 1000000 + millionths,
                                       2 * (1000000 + millionths)::numeric)::bigint end
$$;

-- Lower what is open of invoices by these amounts (raise it by negative ones, where money was taken back), on record.
create function invoicing.allocate_v1(p_invoices bigint[], p_amounts bigint[], p_now timestamptz, p_op_id text)
returns table (invoice_id bigint, number text, amount_tiyn bigint, open_after bigint)
language sql as $$
    with share as (
        select s.invoice_id, s.amount from unnest(p_invoices, p_amounts) s (invoice_id, amount)
    ), changed as (
        update invoicing.open_amount o
        set open_tiyn = o.open_tiyn - s.amount, paid_at = case when o.open_tiyn = s.amount then p_now end
        from share s where o.invoice_id = s.invoice_id
        returning o.invoice_id, o.shard, o.account_id, s.amount, new.open_tiyn as open_after
    ), recorded as (
        insert into invoicing.allocation (invoice_id, shard, account_id, op_id, amount_tiyn, allocated_at)
        select c.invoice_id, c.shard, c.account_id, p_op_id, c.amount, p_now from changed c order by c.invoice_id
    ), told as (
        insert into kernel.outbox (topic, key, payload, created_at)
        select 'billing.invoice_paid', 'account:' || i.shard || ':' || i.account_id,
               jsonb_build_object(
                   'invoice_id', i.invoice_id, 'number', i.number, 'shard', i.shard, 'account_id', i.account_id,
                   'subscriber_id', i.subscription_id, 'msisdn', i.msisdn, 'total', i.total_tiyn, 'due_on', i.due_on),
               p_now
        from changed c join invoicing.invoice i on i.invoice_id = c.invoice_id
        where c.open_after = 0
        order by c.invoice_id
    )
    select c.invoice_id, i.number, c.amount, c.open_after
    from changed c join invoicing.invoice i on i.invoice_id = c.invoice_id
    order by c.invoice_id
$$;

-- Give money to the open invoices of accounts, the oldest debt first, and keep the rest as their advance. `p_pools` is
-- the money of each account, what it had as an advance before included.
create function invoicing.spread_v1(
    p_shards smallint[], p_accounts bigint[], p_pools bigint[], p_now timestamptz, p_op_id text
) returns table (invoice_id bigint, number text, amount_tiyn bigint, open_after bigint)
language plpgsql as $$
#variable_conflict use_column
declare
    v_invoices bigint[];
    v_amounts bigint[];
begin
    with pool as (
        select * from unnest(p_shards, p_accounts, p_pools) p (shard, account_id, amount)
    ), share as materialized (
        select q.invoice_id, q.shard, q.account_id, least(q.open_tiyn, q.amount - q.before) as taken
        from (
            select o.invoice_id, p.shard, p.account_id, o.open_tiyn, p.amount,
                   coalesce(sum(o.open_tiyn) over (partition by o.shard, o.account_id order by o.due_on, o.invoice_id
                                                   rows between unbounded preceding and 1 preceding), 0)::bigint as before
            from pool p
            join invoicing.open_amount o on o.shard = p.shard and o.account_id = p.account_id and o.open_tiyn > 0
            where p.amount > 0
        ) q
        where q.amount > q.before
    ), spent as (
        select s.shard, s.account_id, sum(s.taken) as taken from share s group by s.shard, s.account_id
    ), kept as (
        update invoicing.account a set advance_tiyn = p.amount - coalesce(s.taken, 0)
        from pool p left join spent s using (shard, account_id)
        where a.shard = p.shard and a.account_id = p.account_id
    )
    select array_agg(s.invoice_id), array_agg(s.taken) into v_invoices, v_amounts from share s;
    return query select * from invoicing.allocate_v1(v_invoices, v_amounts, p_now, p_op_id);
end $$;

-- What accounts of a batch (by their place in it) were charged in the period that ends, by thing and rate of VAT.
create type invoicing.draft_line as (
    ord int, code text, label text, item text, unit smallint, operations int, quantity bigint, amount bigint,
    vat_millionths int
);

-- The accounts of a batch and their invoices, before those have a number; no invoice where nothing was charged.
create type invoicing.draft_invoice as (
    ord int, invoice_id bigint, total bigint, vat bigint, series text, contract_id bigint, party_id bigint,
    subscription_id bigint, msisdn text, single boolean, language text, stays boolean, due_on date
);

-- Close the accounting period that ends on `p_day` of up to `p_limit` accounts and issue their invoices; `periods` is 0
-- when no account is left that nobody else works on. Days are turned into moments by the caller: `p_end` is the first
-- moment of `p_day`; VAT of `p_vat_millionths[n]` is in force from `p_vat_since[n]` on. Accounts that nobody has used in
-- credit settlement since `p_keep_since` are closed with the period. Invoices are due on `p_due_on`; those of accounts
-- whose numbers were ported out are of what was found later, and due on `p_found_due_on` (PSC-7.6).
--
-- A period covers what was posted after the one before, up to the newest operation before its end in the account's own
-- order: each operation is covered once, whatever clocks said (PSC-4.4). What came in and went out besides charges and
-- was not settled by who posted it is settled here.
--
-- All is read and worked out before the first write, and the rows of the series are taken as late as can be: batches
-- wait for each other only while they write.
create function invoicing.close_periods_v1(
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
            select ord, code, coalesce(t.unit, 0::smallint) as unit, quantity, change, details::jsonb as details,
                   case when code like 'revenue.%' and code <> all (p_untaxed)
                        then p_vat_millionths[greatest(width_bucket(at, p_vat_since), 1)] end as vat_millionths
            from op left join ledger.terms_unit t on t.terms_no = op.terms
            where charge and status = 0 and step >= cut and (change <> 0 or (quantity > 0 and t.unit <> 0))
            offset 0 -- details are read once
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
