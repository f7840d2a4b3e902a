-- Billing: payment cards, trust payments. The money itself is the ledger's.

create schema billing;

-- A batch of payment cards is printed together: one face value, one end of validity (PSC-1.1.10).
create table billing.card_batch (
    batch_id        bigint generated always as identity primary key,
    request_id      text        not null constraint card_batch_request_key unique,
    face_value_tiyn bigint      not null constraint card_batch_face_value_check check (face_value_tiyn > 0),
    card_count      int         not null constraint card_batch_count_check check (card_count between 1 and 100000),
    expires_on      date        not null,
    created_at      timestamptz not null,
    created_by      text        not null
);

-- A card is known by its serial; of its secret code only a keyed hash is kept.
create table billing.payment_card (
    batch_id     bigint      not null references billing.card_batch,
    serial       text        primary key constraint payment_card_serial_check check (serial ~ '^[0-9]{12}$'),
    code_hash    bytea       not null constraint payment_card_code_key unique,
    state        text        not null default 'ready'
        constraint payment_card_state_check check (state in ('ready', 'used', 'blocked')),
    used_by      bigint,
    used_at      timestamptz,
    block_reason text,
    constraint payment_card_used_check check ((state = 'used') = (used_by is not null and used_at is not null)),
    constraint payment_card_blocked_check check ((state = 'blocked') = (block_reason is not null))
);
create index payment_card_batch on billing.payment_card (batch_id);

-- Every try to activate a card, by the message that asked for it: a repeat gets the first answer, and wrong codes count.
create table billing.card_attempt (
    subscriber_id   bigint      not null,
    request_id      text        not null,
    code_hash       bytea       not null,
    at              timestamptz not null,
    status          text        not null,
    serial          text,
    face_value_tiyn bigint      not null default 0,
    trust_repaid_tiyn bigint    not null default 0,
    balance_tiyn    bigint      not null default 0,
    primary key (subscriber_id, request_id)
);
create index card_attempt_wrong on billing.card_attempt (subscriber_id, at) where status = 'wrong_code';

-- Services given against future payments (PSC-3.1.6): at most one open in a personal account.
create table billing.trust_payment (
    trust_id      bigint generated always as identity primary key,
    shard         smallint    not null,
    account_id    bigint      not null,
    subscriber_id bigint      not null,
    request_id    text        not null,
    amount_tiyn   bigint      not null constraint trust_payment_amount_check check (amount_tiyn > 0),
    price_tiyn    bigint      not null constraint trust_payment_price_check check (price_tiyn >= 0),
    given_at      timestamptz not null,
    usable_until  timestamptz not null,
    ended_at      timestamptz,
    consumed_tiyn bigint      constraint trust_payment_consumed_check check (consumed_tiyn between 0 and amount_tiyn),
    repaid_at     timestamptz,
    constraint trust_payment_request_key unique (subscriber_id, request_id),
    constraint trust_payment_ended_check check ((ended_at is null) = (consumed_tiyn is null))
);
create unique index trust_payment_open_key on billing.trust_payment (shard, account_id) where repaid_at is null;
create index trust_payment_usable on billing.trust_payment (usable_until) where ended_at is null;
