-- The end of a contract and the money after it: the last use of each number, accounts that ended, refunds with their way
-- through the bank or a cash desk, compensations. The money itself is the ledger's.

-- The last day on which a number was used: calls and messages in or out, data (PSC-6.3.4). A row is written at most once a
-- day, so it has no index on the day: the nightly job reads the whole narrow table, which costs less than keeping one.
create table subscribers.last_use (
    subscription_id bigint primary key references subscribers.subscription,
    used_on         date not null,
    warned_on       date     -- when the subscriber was told that the contract would end; a use clears it
) with (fillfactor = 80);

-- Nobody is silent because nothing was counted before: counting begins today.
insert into subscribers.last_use (subscription_id, used_on)
select subscription_id, (now() at time zone 'Asia/Almaty')::date from subscribers.subscription where state <> 'ended';

insert into subscribers.term (name, valid_from, value) values
    ('silence_months', '2000-01-01', 12),         -- PSC-6.3.4
    ('silence_warning_days', '2000-01-01', 30);   -- how long before the end the subscriber is warned

create schema refunds;

-- Figures that the contract or the operator changes, each in force from a day on.
create table refunds.term (
    name       text not null,
    valid_from date not null,
    value      int  not null constraint term_value_check check (value >= 0),
    primary key (name, valid_from)
);
insert into refunds.term (name, valid_from, value) values
    ('refund_days', '2000-01-01', 30),             -- PSC-6.4, 7.7: calendar days from the registration
    ('credit_wait_days', '2000-01-01', 15),        -- PSC-6.4: calendar days after the end of the accounting period
    ('compensation_mci', '2000-01-01', 5);         -- PSC-5.3

-- Personal accounts whose last number ended. Bonuses and allowances are taken back at once; the credit limit goes when the
-- last accounting period is over and invoiced.
create table refunds.ended_account (
    shard       smallint    not null,
    account_id  bigint      not null,
    ended_at    timestamptz not null,
    ground      text        not null,
    credit      boolean     not null,
    period_end  date,                  -- the day after the accounting period in which it ended; credit only
    attempts    int         not null default 0,
    emptied_at  timestamptz,
    limit_ended_at timestamptz,
    primary key (shard, account_id),
    constraint ended_account_period_check check (credit = (period_end is not null))
);
create index ended_account_open on refunds.ended_account (ended_at) where emptied_at is null or limit_ended_at is null;

insert into refunds.ended_account (shard, account_id, ended_at, ground, credit, period_end)
select shard, account_id, ended_at, end_ground, settlement = 'credit',
       case when settlement = 'credit' then (ended_at at time zone 'Asia/Almaty')::date + 31 end
from (select distinct on (shard, account_id) * from subscribers.subscription
      order by shard, account_id, state = 'ended', ended_at desc) last
where state = 'ended';

-- Payment orders handed to the bank together. The content is kept as it was given.
create table refunds.bank_file (
    file_id    bigint generated always as identity primary key,
    request_id text        not null constraint bank_file_request_key unique,
    iban       text        not null,
    made_on    date        not null,
    made_at    timestamptz not null,
    made_by    text        not null,
    orders     int         not null constraint bank_file_orders_check check (orders > 0),
    total_tiyn bigint      not null,
    content    bytea       not null
);
create trigger bank_file_append_only before update or delete or truncate on refunds.bank_file
    for each statement execute function kernel.refuse_change_v1();

-- Files by which the bank answered: each is taken once, its lines are compared with the orders.
create table refunds.bank_answer (
    answer_id  bigint generated always as identity primary key,
    digest     bytea       not null constraint bank_answer_digest_key unique,
    file_name  text        not null,
    taken_at   timestamptz not null,
    taken_by   text        not null,
    result     jsonb       not null
);

-- Applications for money back (PSC-3.1.7, 6.4, 7.7), each with its way to the end.
create table refunds.refund (
    refund_id     bigint generated always as identity primary key,
    request_id    text        not null constraint refund_request_key unique,
    kind          text        not null constraint refund_kind_check check (kind in ('ended', 'overpaid')),
    shard         smallint    not null,
    account_id    bigint      not null,
    contract_id   bigint      not null,
    party_id      bigint      not null,
    party_kind    text        not null,
    named         text        not null,   -- the number or account that the application names
    iin_bin       text        not null,
    applicant     text        not null,   -- name as registered
    contact_phone text,
    language      text        not null,
    channel       text        not null,
    registered_at timestamptz not null,
    registered_by text        not null,
    ground        text        not null,
    asked_tiyn    bigint constraint refund_asked_check check (asked_tiyn > 0),  -- null: all that is left
    way           text        not null constraint refund_way_check check (way in ('bank', 'cash')),
    payee_iban    text,
    payee_bic     text,
    not_before    date        not null,
    pay_by        date        not null,
    state         text        not null default 'applied' constraint refund_state_check
        check (state in ('applied', 'approved', 'refused', 'nothing_left', 'ordered', 'paid', 'returned')),
    decided_at    timestamptz,
    decided_by    text,
    decision      text,
    amount_tiyn   bigint constraint refund_amount_check check (amount_tiyn > 0),
    ordered_at    timestamptz,
    file_id       bigint references refunds.bank_file,
    paid_on       date,
    paid_at       timestamptz,
    paid_by       text,
    payout_ref    text,                   -- the bank's document, or the cash desk's voucher
    shift_id      bigint,
    returned_at   timestamptz,
    returned_by   text,
    return_reason text,
    constraint refund_payee_check check ((way = 'bank') = (payee_iban is not null)),
    constraint refund_two_people_check check (decided_by <> registered_by),
    constraint refund_decided_check check ((state = 'applied') = (decided_at is null)),
    constraint refund_decider_check check ((decided_at is null) = (decided_by is null)),
    constraint refund_ordered_check check ((state in ('ordered', 'paid', 'returned')) = (amount_tiyn is not null)),
    constraint refund_order_time_check check ((amount_tiyn is null) = (ordered_at is null)),
    constraint refund_dates_check check (not_before <= pay_by),
    constraint refund_paid_check check (state <> 'paid' or paid_on is not null),
    return_told_on date,                -- when the bank credited us with it again, as a file of the bank told
    return_document_id bigint constraint refund_return_document_key unique, -- which of payments' documents told it
    constraint refund_returned_check check ((state = 'returned') = (returned_at is not null)),
    constraint refund_return_told_check check (return_told_on is null or state = 'returned'),
    constraint refund_return_document_check check (return_document_id is null or return_told_on is not null)
);
create unique index refund_open_key on refunds.refund (shard, account_id) where state in ('applied', 'approved', 'ordered');
create index refund_due on refunds.refund (pay_by, refund_id) where state in ('applied', 'approved', 'ordered');
create index refund_account on refunds.refund (shard, account_id, refund_id);
create index refund_file on refunds.refund (file_id) where file_id is not null;
create index refund_unfiled on refunds.refund (refund_id) where state = 'ordered' and way = 'bank' and file_id is null;

-- The account of the ledger through which payouts leave; its balance is always zero.
create table refunds.clearing (
    only_one   boolean primary key default true constraint clearing_only_one_check check (only_one),
    shard      smallint not null,
    account_id bigint   not null
);

-- What happened to subscribers by the operator's fault (PSC-5.3), with the limit in force on that day.
create table refunds.incident (
    incident    text primary key,
    happened_on date        not null,
    opened_at   timestamptz not null,
    opened_by   text        not null
);

-- Compensations: proven direct loss only, limited per incident and party.
create table refunds.compensation (
    compensation_id bigint generated always as identity primary key,
    request_id      text        not null constraint compensation_request_key unique,
    incident        text        not null references refunds.incident,
    party_id        bigint      not null,
    shard           smallint    not null,
    account_id      bigint      not null,
    loss_tiyn       bigint      not null constraint compensation_loss_check check (loss_tiyn > 0),
    amount_tiyn     bigint      not null constraint compensation_amount_check check (amount_tiyn > 0),
    limit_tiyn      bigint      not null,
    ground          text        not null,
    evidence        text        not null,
    granted_at      timestamptz not null,
    granted_by      text        not null,
    constraint compensation_proven_check check (amount_tiyn <= loss_tiyn and amount_tiyn <= limit_tiyn)
);
create index compensation_incident on refunds.compensation (incident, party_id);
create trigger compensation_append_only before update or delete or truncate on refunds.compensation
    for each statement execute function kernel.refuse_change_v1();

-- What cashiers gave out in a shift: the drawer is counted with it.
create table payments.cash_payout (
    payout_id   bigint generated always as identity primary key,
    shift_id    bigint      not null references payments.cash_shift,
    voucher_no  text        not null constraint cash_payout_voucher_key unique,
    reference   text        not null constraint cash_payout_reference_key unique,
    amount_tiyn bigint      not null constraint cash_payout_amount_check check (amount_tiyn > 0),
    paid_at     timestamptz not null
);
create index cash_payout_shift on payments.cash_payout (shift_id);
