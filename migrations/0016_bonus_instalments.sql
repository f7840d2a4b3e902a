-- The bonus programme and device instalments. The money itself is the ledger's.

-- Which kinds of declaration there are is the loader's to know; here they only have to look like one.
alter table catalog.item drop constraint item_kind_check;
alter table catalog.item add constraint item_kind_check check (kind ~ '^[a-z][a-z_]{0,39}$');

-- What moved in a time, without reading what is older: rows come in the order of time, so a few pages of index do.
create index operation_at on ledger.operation using brin (at) with (pages_per_range = 32, autosummarize = on);

create index operation_reversed_at on ledger.operation (shard, at) where kind = 8 and status = 0;

-- What the main balances of a shard paid to (negative: got from) the operator's accounts in a time. What gives a charge
-- back belongs to it: a reversal has the opposite amount, and the moment of its target as `earned_at`; a credit that
-- gives back a part of a period's fee names the period's first day, by whose end that fee was taken.
create function ledger.main_moved_v1(p_shard smallint, p_from timestamptz, p_until timestamptz)
returns table (account_id bigint, op_id text, contra text, at timestamptz, earned_at timestamptz, paid bigint)
language sql stable parallel safe as $$
    select o.account_id, o.op_id, a.code, o.at,
           case o.kind
               when 8 then t.at
               when 5 then least(o.at, (substring(o.details from '"of_day":"([0-9]{4}-[0-9]{2}-[0-9]{2})"')::date + 1
                                       )::timestamp at time zone 'Asia/Almaty' - interval '1 microsecond')
               else o.at end,
           -o.moved - case when o.grant_lines is null then 0 else (
               select coalesce(sum(o.grant_lines[n][3]), 0)::bigint
               from generate_subscripts(o.grant_lines, 1) n where o.grant_lines[n][1] = 0) end
    from ledger.operation o
    join ledger.operator_account a on a.operator_no = o.contra
    left join ledger.operation t
           on o.kind = 8 and t.shard = o.shard and t.account_id = o.account_id and t.op_id = o.target
    where o.at >= p_from and o.at < p_until and o.shard = p_shard and o.status = 0
      and (o.moved <> 0 or o.grant_lines is not null)
$$;

-- The accounts of a shard on which something was reversed in a time.
create function ledger.reversed_accounts_v1(p_shard smallint, p_from timestamptz, p_until timestamptz)
returns table (account_id bigint)
language sql stable parallel safe as $$
    select distinct o.account_id from ledger.operation o
    where o.shard = p_shard and o.kind = 8 and o.status = 0 and o.at >= p_from and o.at < p_until
$$;

create schema bonus;

-- A personal account in the bonus programme, from joining to leaving (PSC-3.1.9): a new row each time it is joined.
-- due = what its months earned, credited = what of that was credited, less what was taken back.
create table bonus.member (
    member_id     bigint      generated always as identity primary key,
    shard         smallint    not null,
    account_id    bigint      not null,
    joined_at     timestamptz not null,
    tenure_from   date        not null,
    birthday      smallint    constraint member_birthday_check check (birthday between 101 and 1231),
    left_at       timestamptz,
    left_ground   text,
    zeroed_at     timestamptz, -- when nothing was left in its buckets
    due_tiyn      bigint      not null default 0,
    credited_tiyn bigint      not null default 0,
    credits       int         not null default 0,
    constraint member_left_check check ((left_at is null) = (left_ground is null)),
    constraint member_zeroed_check check (zeroed_at is null or left_at is not null),
    constraint member_order_check check (left_at >= joined_at)
);
create unique index member_open_key on bonus.member (shard, account_id) where left_at is null;
create index member_account on bonus.member (shard, account_id, member_id);
create index member_zero on bonus.member (member_id) where left_at is not null and zeroed_at is null;
create index member_birthday on bonus.member (birthday, member_id) where left_at is null;
create index member_tenure on bonus.member (tenure_from, member_id) where left_at is null;

-- The numbers whose consent keeps an account in the programme.
create table bonus.number (
    subscriber_id bigint      primary key,
    shard         smallint    not null,
    account_id    bigint      not null,
    consent_at    timestamptz not null
);
create index number_account on bonus.number (shard, account_id);

-- The days whose operations were read, by shard.
create table bonus.day (
    day     date        not null,
    shard   smallint    not null,
    read_at timestamptz not null,
    primary key (day, shard)
);

-- What a day's operations earned by one rule, in ten-thousandths of a tiyn: paid times basis points, exactly. What was
-- reversed on the day is here with a minus, for the month of what it reversed.
create table bonus.earning (
    day        date     not null,
    shard      smallint not null,
    member_id  bigint   not null,
    month      date     not null,
    rule       text     not null,
    operations int      not null,
    paid_tiyn  bigint   not null,
    earned_e4  bigint   not null,
    primary key (day, shard, member_id, month, rule)
);

-- What a calendar month earned by one rule; `changed` until it was looked at for crediting.
create table bonus.month (
    shard     smallint not null,
    member_id bigint   not null,
    month     date     not null,
    rule      text     not null,
    earned_e4 bigint   not null,
    changed   boolean  not null default true,
    primary key (shard, member_id, month, rule)
) with (fillfactor = 80);
create index month_changed on bonus.month (shard, month, member_id) where changed;

-- What of a month's earnings is due after the caps.
create table bonus.month_due (
    shard     smallint not null,
    member_id bigint   not null,
    month     date     not null,
    due_tiyn  bigint   not null constraint month_due_check check (due_tiyn >= 0),
    primary key (shard, member_id, month)
);

-- Every credit and taking back, with its operation in the ledger.
create table bonus.credit (
    shard      smallint    not null,
    member_id  bigint      not null,
    credit_no  int         not null,
    amount_tiyn bigint     not null constraint credit_amount_check check (amount_tiyn <> 0),
    at         timestamptz not null,
    op_id      text        not null,
    primary key (shard, member_id, credit_no)
);

-- Gifts: each once an occasion, whoever leaves and joins again.
create table bonus.gift (
    shard       smallint    not null,
    account_id  bigint      not null,
    gift        text        not null,
    occasion    text        not null, -- the year of a birthday, the months of a term, the day
    member_id   bigint      not null,
    amount_tiyn bigint      not null constraint gift_amount_check check (amount_tiyn > 0),
    at          timestamptz not null,
    op_id       text        not null,
    primary key (shard, account_id, gift, occasion)
);
create index gift_member on bonus.gift (member_id);

-- Who acceded before there was a programme to keep, and consented then, is in it from now on.
with consenting as (
    select s.subscription_id, s.shard, s.account_id, c.given_at, s.acceded_at, p.kind, p.iin_bin
    from subscribers.consent c
    join subscribers.subscription s using (subscription_id)
    join subscribers.party p on p.party_id = s.party_id
    where c.kind = 'bonus' and c.withdrawn_at is null and s.state <> 'ended'
), numbers as (
    insert into bonus.number (subscriber_id, shard, account_id, consent_at)
    select subscription_id, shard, account_id, given_at from consenting
)
insert into bonus.member (shard, account_id, joined_at, tenure_from, birthday)
select shard, account_id, greatest(min(given_at), now()), (min(acceded_at) at time zone 'Asia/Almaty')::date,
       min(case when kind = 'person' then substr(iin_bin, 3, 4)::smallint end)
from consenting group by shard, account_id;

create schema instalments;

-- A device sold by instalments, with the consent to exchange credit history that buying so gives (PSC-3.2.12).
create table instalments.agreement (
    agreement_id    bigint      generated always as identity primary key,
    number          text        not null constraint agreement_number_key unique,
    request_id      text        not null constraint agreement_request_key unique,
    subscriber_id   bigint      not null,
    party_id        bigint      not null,
    contract_id     bigint      not null,
    msisdn          text        not null,
    shard           smallint    not null,
    account_id      bigint      not null,
    plan_code       text        not null,
    plan_version    int         not null,
    device          text        not null,
    imei            text        not null constraint agreement_imei_check check (imei ~ '^[0-9]{15}$'),
    price_tiyn      bigint      not null constraint agreement_price_check check (price_tiyn > 0),
    down_tiyn       bigint      not null,
    months          int         not null constraint agreement_months_check check (months between 1 and 60),
    signed_at       timestamptz not null,
    signed_on       date        not null,
    signed_by       text        not null,
    consent_version text        not null,
    consent_channel text        not null,
    consent_at      timestamptz not null,
    state           text        not null default 'open'
        constraint agreement_state_check check (state in ('open', 'paid', 'repaid', 'due', 'returned')),
    closed_at       timestamptz,
    closed_by       text,
    close_reason    text,
    constraint agreement_down_check check (down_tiyn >= 0 and down_tiyn < price_tiyn),
    constraint agreement_closed_check check ((state = 'open') = (closed_at is null))
);
create index agreement_account on instalments.agreement (shard, account_id);
create index agreement_subscriber on instalments.agreement (subscriber_id, agreement_id);
create unique index agreement_imei_key on instalments.agreement (imei) where state = 'open';

-- The parts of the price, each posted to the personal account on its day; part 0 is the down payment.
create table instalments.part (
    agreement_id bigint not null references instalments.agreement,
    part_no      int    not null,
    due_on       date   not null,
    amount_tiyn  bigint not null constraint part_amount_check check (amount_tiyn > 0),
    posted_at    timestamptz,
    op_id        text,   -- of the ledger: its own, or that of all parts that fell due together
    cancelled_at timestamptz,
    primary key (agreement_id, part_no),
    constraint part_posted_check check ((posted_at is null) = (op_id is null))
);
create index part_waiting on instalments.part (due_on, agreement_id, part_no)
    where posted_at is null and cancelled_at is null;

-- The last number that was given in a year: agreements are numbered without gaps.
create table instalments.series (
    year        int primary key,
    last_number int not null
);

-- Files for credit bureaus; a file that was not confirmed is sent again.
create table instalments.bureau_file (
    file_id   bigint      generated always as identity primary key,
    bureau    text        not null,
    day       date        not null,
    name      text        not null constraint bureau_file_name_key unique,
    content   bytea       not null,
    digest    bytea       not null constraint bureau_file_digest_check check (octet_length(digest) = 32),
    records   int         not null,
    made_at   timestamptz not null,
    sent_at   timestamptz,
    receipt   text,
    attempts  int         not null default 0,
    last_error text,
    constraint bureau_file_day_key unique (bureau, day),
    constraint bureau_file_sent_check check ((sent_at is null) = (receipt is null))
);
create index bureau_file_waiting on instalments.bureau_file (file_id) where sent_at is null;

-- What each bureau was told last of an agreement: only what changed is told again.
create table instalments.bureau_record (
    bureau       text   not null,
    agreement_id bigint not null references instalments.agreement,
    digest       bytea  not null,
    file_id      bigint not null references instalments.bureau_file,
    primary key (bureau, agreement_id)
);
