-- Payments: every way in for money but cards, which billing keeps. The money itself is the ledger's.

create schema payments;

-- Who may send payments from terminals and banks (PSC-4.1). Of its key only a keyed hash is kept.
create table payments.provider (
    provider_code text        primary key constraint provider_code_check check (provider_code ~ '^[a-z0-9][a-z0-9-]{1,31}$'),
    name          text        not null,
    key_digest    bytea       not null constraint provider_key_key unique check (octet_length(key_digest) = 32),
    min_tiyn      bigint      not null,
    max_tiyn      bigint      not null,
    created_at    timestamptz not null,
    disabled_at   timestamptz,
    constraint provider_limits_check check (0 < min_tiyn and min_tiyn <= max_tiyn and max_tiyn <= 9000000000000)
);

-- What one payment may be in a channel that has no provider, from a day on.
create table payments.channel_limit (
    channel    text   not null,
    valid_from date   not null,
    min_tiyn   bigint not null,
    max_tiyn   bigint not null,
    primary key (channel, valid_from),
    constraint channel_limit_check check (0 < min_tiyn and min_tiyn <= max_tiyn and max_tiyn <= 9000000000000)
);
insert into payments.channel_limit (channel, valid_from, min_tiyn, max_tiyn) values
    ('cash_desk', '2000-01-01', 100, 500000000),
    ('bank', '2000-01-01', 1, 9000000000000);

-- A cashier's shift at a desk; its last number makes receipts without gaps.
create table payments.cash_shift (
    shift_id     bigint generated always as identity primary key,
    desk         text        not null constraint cash_shift_desk_check check (desk ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
    cashier      text        not null,
    opened_at    timestamptz not null,
    closed_at    timestamptz,
    receipts     int         not null default 0,
    counted_tiyn bigint,
    constraint cash_shift_closed_check check ((closed_at is null) = (counted_tiyn is null))
);
create unique index cash_shift_open_key on payments.cash_shift (cashier) where closed_at is null;

-- Every payment. shard, account_id and op_id say where its money is now; a correction moves them.
create table payments.payment (
    payment_id      bigint generated always as identity primary key,
    channel         text        not null constraint payment_channel_check check (channel in ('terminal', 'bank', 'cash_desk')),
    source          text        not null, -- the provider, our bank account, the cash desk
    external_id     text        not null, -- its id there: txn_id, document, request
    named           text        not null, -- the number or account that the payer named
    msisdn          text,
    subscriber_id   bigint,
    shard           smallint    not null,
    account_id      bigint      not null,
    op_id           text        not null,
    amount_tiyn     bigint      not null constraint payment_amount_check check (amount_tiyn > 0),
    paid_at         timestamptz not null, -- as the source says
    booked_at       timestamptz not null,
    booked_by       text        not null,
    state           text        not null default 'credited'
        constraint payment_state_check check (state in ('credited', 'moved', 'written_off')),
    trust_repaid_tiyn bigint    not null default 0,
    balance_tiyn    bigint      not null,
    payer_id        text,                 -- the payer's IIN or BIN
    payer_name      text,
    document_number text,
    receipt_no      text constraint payment_receipt_key unique,
    shift_id        bigint references payments.cash_shift,
    constraint payment_external_key unique (channel, source, external_id),
    constraint payment_cash_check check ((channel = 'cash_desk') = (receipt_no is not null and shift_id is not null))
);
create index payment_external on payments.payment (external_id);
create index payment_document on payments.payment (document_number) where document_number is not null;
create index payment_account on payments.payment (shard, account_id, booked_at);
create index payment_msisdn on payments.payment (msisdn, booked_at);
create index payment_day on payments.payment (channel, source, paid_at);
create index payment_shift on payments.payment (shift_id) where shift_id is not null;

-- The first answer to each of a provider's transactions: a repeated one gets it again.
create table payments.terminal_answer (
    provider_code text        not null references payments.provider,
    txn_id        text        not null,
    account       text        not null,
    amount_tiyn   bigint      not null,
    txn_at        timestamptz not null,
    result        smallint    not null,
    reason        text        not null,
    payment_id    bigint references payments.payment,
    answered_at   timestamptz not null,
    primary key (provider_code, txn_id),
    constraint terminal_answer_paid_check check ((result = 0) = (payment_id is not null))
);

-- A provider's register of one of its days; a corrected one replaces it.
create table payments.register (
    register_id   bigint generated always as identity primary key,
    provider_code text        not null references payments.provider,
    day           date        not null,
    digest        bytea       not null check (octet_length(digest) = 32),
    line_count    int         not null,
    amount_tiyn   bigint      not null,
    our_count     int         not null,
    our_tiyn      bigint      not null,
    differences   int         not null,
    uploaded_at   timestamptz not null,
    uploaded_by   text        not null
);
create index register_day on payments.register (provider_code, day, register_id);

-- The accounts at banks to which transfers come.
create table payments.bank_account (
    iban     text        primary key constraint bank_account_iban_check check (iban ~ '^KZ[0-9]{2}[0-9A-Z]{16}$'),
    name     text        not null,
    added_at timestamptz not null
);

-- Bank files that were taken; the same again changes nothing.
create table payments.bank_file (
    file_id     bigint generated always as identity primary key,
    digest      bytea       not null constraint bank_file_digest_key unique check (octet_length(digest) = 32),
    file_name   text        not null,
    documents   int         not null,
    outgoing    int         not null,
    repeated    int         not null default 0,
    taken_at    timestamptz not null,
    taken_by    text        not null
);

-- Incoming documents of bank files: each once, however many files tell of it.
create table payments.bank_document (
    document_id   bigint generated always as identity primary key,
    file_id       bigint      not null references payments.bank_file,
    line          int         not null,
    document_key  text        not null constraint bank_document_key unique,
    our_account   text        not null,
    payer_account text        not null,
    payer_id      text        not null,
    payer_name    text        not null,
    number        text        not null,
    document_date date        not null,
    received_on   date,
    amount_tiyn   bigint      not null constraint bank_document_amount_check check (amount_tiyn > 0),
    purpose       text        not null,
    state         text        not null default 'pending'
        constraint bank_document_state_check check (state in ('pending', 'credited', 'work_list')),
    payment_id    bigint references payments.payment,
    constraint bank_document_paid_check check ((state = 'credited') = (payment_id is not null))
);
create index bank_document_pending on payments.bank_document (document_id) where state = 'pending';
create index bank_document_file on payments.bank_document (file_id);

-- What people have to decide: nothing that came in is unallocated and unseen.
create table payments.work_item (
    item_id      bigint generated always as identity primary key,
    item_key     text        not null constraint work_item_key unique,
    kind         text        not null,
    reason       text        not null,
    channel      text        not null,
    source       text        not null,
    external_id  text        not null,
    named        text        not null,
    amount_tiyn  bigint      not null,
    other_tiyn   bigint,
    paid_at      timestamptz not null,
    payment_id   bigint references payments.payment,
    document_id  bigint references payments.bank_document,
    facts        jsonb       not null default '{}',
    proposal     text        not null default 'none',
    state        text        not null default 'open'
        constraint work_item_state_check check (state in ('open', 'allocated', 'closed')),
    opened_at    timestamptz not null,
    decided_at   timestamptz,
    decided_by   text,
    decision     text,
    constraint work_item_decided_check check ((state = 'open') = (decided_at is null))
);
create index work_item_open on payments.work_item (item_id) where state = 'open';
create index work_item_external on payments.work_item (external_id);

-- Corrections of mistaken payments: asked for by one person, decided by another (PSC-3.1.8, 5.2.2).
create table payments.correction (
    correction_id  bigint generated always as identity primary key,
    payment_id     bigint      not null references payments.payment,
    request_id     text        not null constraint correction_request_key unique,
    kind           text        not null constraint correction_kind_check check (kind in ('move', 'write_off')),
    target_msisdn  text,
    from_shard     smallint    not null,
    from_account_id bigint     not null,
    from_op_id     text        not null,
    reason         text        not null,
    state          text        not null default 'requested'
        constraint correction_state_check check (state in ('requested', 'approved', 'refused')),
    requested_at   timestamptz not null,
    requested_by   text        not null,
    decided_at     timestamptz,
    decided_by     text,
    decision       text,
    debt_allowed   boolean     not null default false,
    forced_tiyn    bigint      not null default 0,
    to_shard       smallint,
    to_account_id  bigint,
    constraint correction_target_check check ((kind = 'move') = (target_msisdn is not null)),
    constraint correction_two_people_check check (decided_by <> requested_by),
    constraint correction_decided_check check ((state = 'requested') = (decided_at is null)),
    constraint correction_decider_check check ((decided_at is null) = (decided_by is null))
);
create unique index correction_open_key on payments.correction (payment_id) where state = 'requested';
create index correction_payment on payments.correction (payment_id);

-- A payment for a number that nobody uses any more asks whether anybody ever did.
create index number_history_msisdn on subscribers.number_history (msisdn);
