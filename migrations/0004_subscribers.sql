-- Subscribers: who acceded to the contract, which numbers, SIMs, plans and services they have, what forbids them service.
-- Every constraint that a command can run into has a name; telco/subscribers/errors.py says which error it is.

create schema subscribers;

-- Figures that the operator or a regulator may change, each in force from a day on.
create table subscribers.term (
    name       text not null,
    valid_from date not null,
    value      int  not null constraint term_value_check check (value >= 0),
    primary key (name, valid_from)
);
insert into subscribers.term (name, valid_from, value) values
    ('numbers_per_person', '2000-01-01', 10),          -- FUP-11
    ('edition_refusal_days', '2000-01-01', 30),        -- PSC-2.4, calendar days
    ('data_change_working_days', '2000-01-01', 5),     -- PSC-3.2.7
    ('number_quarantine_days', '2000-01-01', 90),      -- PSC-2.11, calendar days
    ('number_reservation_minutes', '2000-01-01', 30),
    ('numbers_reserved_at_once', '2000-01-01', 5),
    ('low_balance_tiyn', '2000-01-01', 20000),         -- 200 tenge: below it a prepaid subscriber is told
    ('secret_tries', '2000-01-01', 5),                 -- PSC-1.1.5
    ('secret_lock_minutes', '2000-01-01', 60);

-- Persons and companies (PSC-3.2.7). A person is known by the IIN, a company by the BIN.
create table subscribers.party (
    party_id       bigint generated always as identity primary key,
    kind           text        not null constraint party_kind_check check (kind in ('person', 'company')),
    iin_bin        text        not null constraint party_iin_bin_check check (iin_bin ~ '^[0-9]{12}$'),
    full_name      text        not null,
    postal_address text,
    email          text,
    contact_phone  text,
    registered_at  timestamptz not null,
    constraint party_iin_bin_key unique (kind, iin_bin)
);

-- What a party reported about itself later, and whether in time.
create table subscribers.party_change (
    change_id   bigint generated always as identity primary key,
    party_id    bigint      not null references subscribers.party,
    field       text        not null,
    old_value   text,
    new_value   text        not null,
    changed_on  date        not null,
    reported_at timestamptz not null,
    late        boolean     not null
);
create index party_change_party on subscribers.party_change (party_id);

-- Groups of subscribers that a plan may be limited to (PSC-1.1.22).
create table subscribers.group_member (
    group_code text   not null,
    party_id   bigint not null references subscribers.party,
    primary key (party_id, group_code)
);

-- Editions of the contract (PSC-2.4, 6.6); silence_counted_at is set once silence has been counted as acceptance.
create table subscribers.edition (
    edition            text        primary key,
    published_at       timestamptz not null,
    refusable_until    timestamptz not null,
    url                text        not null,
    sha256             bytea       not null,
    silence_counted_at timestamptz,
    constraint edition_order_check check (refusable_until > published_at)
);

create table subscribers.contract (
    contract_id bigint generated always as identity primary key,
    party_id    bigint      not null references subscribers.party,
    opened_at   timestamptz not null,
    ended_at    timestamptz
);
create index contract_party on subscribers.contract (party_id);
create index contract_open on subscribers.contract (contract_id) where ended_at is null;

-- Which edition each subscriber accepted or refused, when and how.
create table subscribers.edition_answer (
    contract_id bigint      not null references subscribers.contract,
    edition     text        not null references subscribers.edition,
    answer      text        not null constraint edition_answer_check check (answer in ('accepted', 'refused')),
    manner      text        not null
        constraint edition_manner_check check (manner in ('sheet', 'message', 'silence', 'written')),
    channel     text        not null,
    answered_at timestamptz not null,
    constraint edition_answer_pkey primary key (contract_id, edition)
);

-- Personal accounts (PSC-1.1.12): one contract may hold several; the money itself is the ledger's.
create table subscribers.personal_account (
    shard       smallint    not null,
    account_id  bigint      not null,
    contract_id bigint      not null references subscribers.contract,
    name        text        not null,
    opened_at   timestamptz not null,
    primary key (shard, account_id)
);
create index personal_account_contract on subscribers.personal_account (contract_id);

create table subscribers.number_category (
    category   text   primary key,
    price_tiyn bigint not null constraint number_category_price_check check (price_tiyn >= 0)
);
insert into subscribers.number_category (category, price_tiyn) values
    ('ordinary', 0), ('bronze', 200000), ('silver', 500000), ('gold', 2500000), ('platinum', 10000000), ('data', 0);

-- The number pool (PSC-2.5, 2.11). A reservation past its deadline counts as free at once, and so does a quarantine.
create table subscribers.number (
    msisdn            text primary key constraint number_msisdn_check check (msisdn ~ '^[1-9][0-9]{6,14}$'),
    category          text not null references subscribers.number_category,
    state             text not null default 'free' constraint number_state_check
        check (state in ('free', 'reserved', 'assigned', 'temporary', 'quarantine', 'ported_out')),
    reserved_by       text,
    reserved_until    timestamptz,
    quarantined_until timestamptz,
    porting_ref       text,
    constraint number_reserved_check check ((state = 'reserved') = (reserved_by is not null and reserved_until is not null)),
    constraint number_quarantine_check check ((state = 'quarantine') = (quarantined_until is not null)),
    constraint number_temporary_check check ((state = 'temporary') = (porting_ref is not null))
);
create index number_choice on subscribers.number (category, msisdn) where state = 'free';
create index number_reservations on subscribers.number (reserved_until) where state = 'reserved';
create index number_quarantines on subscribers.number (quarantined_until) where state = 'quarantine';

-- Identification cards (PSC-1.1.28). A starter pack has its number beside it.
create table subscribers.sim (
    sim_id      bigint generated always as identity primary key,
    iccid       text not null constraint sim_iccid_check check (iccid ~ '^89[0-9]{16,18}$'),
    imsi        text not null constraint sim_imsi_check check (imsi ~ '^[0-9]{14,15}$'),
    kind        text not null constraint sim_kind_check check (kind in ('sim', 'ruim', 'esim')),
    state       text not null default 'stock' constraint sim_state_check check (state in ('stock', 'active', 'retired')),
    pack_msisdn text references subscribers.number,
    constraint sim_iccid_key unique (iccid),
    constraint sim_imsi_key unique (imsi)
);
create unique index sim_pack_key on subscribers.sim (pack_msisdn) where state = 'stock' and pack_msisdn is not null;

-- A subscription: one number under a contract, with its plan. The row that every face of the service reads first.
create table subscribers.subscription (
    subscription_id bigint generated always as identity primary key,
    contract_id     bigint      not null references subscribers.contract,
    party_id        bigint      not null references subscribers.party,
    party_kind      text        not null,
    shard           smallint    not null,
    account_id      bigint      not null,
    msisdn          text        not null references subscribers.number,
    state           text        not null constraint subscription_state_check check (state in ('active', 'ended')),
    brand           text        not null,
    language        text        not null constraint subscription_language_check check (language in ('kk', 'ru', 'en')),
    device_kind     text        not null constraint subscription_device_check check (device_kind in ('phone', 'm2m')),
    region          text,
    settlement      text        not null
        constraint subscription_settlement_check check (settlement in ('prepaid', 'credit')),
    plan_code       text        not null,
    plan_version    int         not null,
    plan_state      text        not null
        constraint subscription_plan_state_check check (plan_state in ('awaiting_payment', 'active')),
    plan_joined_at  timestamptz not null,
    plan_until      timestamptz,
    period_anchor   date        not null,
    period_index    int         not null,  -- -1 until the plan's first period is paid
    period_start    date        not null,
    next_fee_at     timestamptz,
    fee_attempt     int         not null default 0,
    user_note       text,
    acceded_at      timestamptz not null,
    stop_at         timestamptz,
    ended_at        timestamptz,
    end_ground      text,
    constraint subscription_account_fkey foreign key (shard, account_id) references subscribers.personal_account,
    constraint subscription_ended_check check ((state = 'ended') = (ended_at is not null and end_ground is not null))
);
create unique index subscription_msisdn_key on subscribers.subscription (msisdn) where state <> 'ended';
create index subscription_party on subscribers.subscription (party_id) where state <> 'ended';
create index subscription_contract on subscribers.subscription (contract_id);
create index subscription_account on subscribers.subscription (shard, account_id);
create index subscription_fee_due on subscribers.subscription (next_fee_at) where state <> 'ended';
create index subscription_stop on subscribers.subscription (stop_at) where state <> 'ended' and stop_at is not null;
create index subscription_plan_until on subscribers.subscription (plan_until)
    where state <> 'ended' and plan_until is not null;
create index subscription_plan on subscribers.subscription (plan_code) where state <> 'ended';

-- The registration sheet proves accession (PSC-1.1.18); the same sheet or message accedes once.
create table subscribers.registration_sheet (
    request_id      text        primary key,
    request_sha256  bytea       not null,
    subscription_id bigint      not null references subscribers.subscription,
    edition         text        not null references subscribers.edition,
    channel         text        not null,
    signed_at       timestamptz not null,
    author          text        not null,
    body            jsonb       not null
);
create index registration_sheet_subscription on subscribers.registration_sheet (subscription_id);

create table subscribers.number_history (
    use_id          bigint generated always as identity primary key,
    subscription_id bigint      not null references subscribers.subscription,
    msisdn          text        not null references subscribers.number,
    from_at         timestamptz not null,
    until_at        timestamptz,
    reason          text        not null
);
create unique index number_history_open_key on subscribers.number_history (msisdn) where until_at is null;
create index number_history_subscription on subscribers.number_history (subscription_id, use_id);

create table subscribers.sim_history (
    use_id          bigint generated always as identity primary key,
    subscription_id bigint      not null references subscribers.subscription,
    sim_id          bigint      not null references subscribers.sim,
    from_at         timestamptz not null,
    until_at        timestamptz,
    reason          text        not null,
    author          text        not null
);
create unique index sim_history_sim_key on subscribers.sim_history (sim_id) where until_at is null;
create unique index sim_history_subscription_key on subscribers.sim_history (subscription_id) where until_at is null;
create index sim_history_subscription on subscribers.sim_history (subscription_id, use_id);

-- A plan change that waits for the next period, or one that happened.
create table subscribers.plan_change (
    change_id       bigint generated always as identity primary key,
    subscription_id bigint      not null references subscribers.subscription,
    from_plan       text        not null,
    from_version    int         not null,
    to_plan         text        not null,
    to_version      int         not null,
    requested_at    timestamptz not null,
    effective_at    timestamptz not null,
    cost_tiyn       bigint      not null,
    state           text        not null
        constraint plan_change_state_check check (state in ('waiting', 'done', 'cancelled')),
    author          text        not null
);
create unique index plan_change_waiting_key on subscribers.plan_change (subscription_id) where state = 'waiting';
create index plan_change_subscription on subscribers.plan_change (subscription_id);

-- Additional services that a subscription has or had. One-off packs end by themselves at until_at.
create table subscribers.service (
    service_id      bigint generated always as identity primary key,
    subscription_id bigint      not null references subscribers.subscription,
    code            text        not null,
    version         int         not null,
    third_party     boolean     not null,
    paid            boolean     not null,
    single          boolean     not null,  -- on until switched off, one at a time; packs may be bought again
    state           text        not null constraint service_state_check check (state in ('on', 'awaiting_payment', 'off')),
    request_id      text        not null,
    switched_on_at  timestamptz not null,
    until_at        timestamptz,
    switched_off_at timestamptz,
    period_anchor   date        not null,
    period_index    int         not null,
    period_start    date        not null,
    next_fee_at     timestamptz,
    fee_attempt     int         not null default 0,
    constraint service_request_key unique (subscription_id, request_id)
);
create unique index service_on_key on subscribers.service (subscription_id, code) where state <> 'off' and single;
create index service_on on subscribers.service (subscription_id) where state <> 'off';
create index service_fee_due on subscribers.service (next_fee_at) where state <> 'off' and next_fee_at is not null;
create index service_until on subscribers.service (until_at) where state <> 'off' and until_at is not null;

-- Suspensions (PSC-3.1.5): several at once, service returns only when none forbids it.
create table subscribers.suspension (
    suspension_id   bigint generated always as identity primary key,
    subscription_id bigint      not null references subscribers.subscription,
    ground          text        not null,
    scopes          text[]      not null constraint suspension_scopes_check check (cardinality(scopes) > 0),
    reference       text        not null,
    reason          text        not null,
    author          text        not null,
    started_at      timestamptz not null,
    ends_at         timestamptz constraint suspension_ends_check check (ends_at > started_at),
    ended_at        timestamptz,
    ended_by        text,
    end_reason      text
);
create unique index suspension_open_key on subscribers.suspension (subscription_id, ground, reference)
    where ended_at is null;
create index suspension_history on subscribers.suspension (subscription_id, suspension_id);
create index suspension_ends on subscribers.suspension (ends_at) where ended_at is null and ends_at is not null;

-- Consents (PSC-3.1.9, 3.1.13, 3.2.10): of the party, or of one number.
create table subscribers.consent (
    consent_id        bigint generated always as identity primary key,
    party_id          bigint      not null references subscribers.party,
    subscription_id   bigint      references subscribers.subscription,
    kind              text        not null,
    version           text        not null,
    channel           text        not null,
    given_at          timestamptz not null,
    withdrawn_at      timestamptz,
    withdrawn_channel text
);
create unique index consent_party_key on subscribers.consent (party_id, kind)
    where withdrawn_at is null and subscription_id is null;
create unique index consent_subscription_key on subscribers.consent (subscription_id, kind)
    where withdrawn_at is null and subscription_id is not null;

-- The register of applications (PSC-1.1.7): whichever way one came, with its time, channel and outcome.
create table subscribers.application (
    application_id  bigint generated always as identity primary key,
    subscription_id bigint      references subscribers.subscription,
    party_id        bigint      references subscribers.party,
    applicant       text        not null,
    kind            text        not null,
    channel         text        not null,
    author          text        not null,
    body            text        not null,
    registered_at   timestamptz not null,
    state           text        not null
        constraint application_state_check check (state in ('registered', 'done', 'refused')),
    outcome         text        not null,
    decided_at      timestamptz,
    decided_by      text,
    constraint application_decided_check check ((state = 'registered') = (decided_at is null))
);
create index application_subscription on subscribers.application (subscription_id, application_id);
create index application_open on subscribers.application (application_id) where state = 'registered';

-- PIN or code word (PSC-1.1.5), kept apart from what is read often. A try is claimed before the secret is looked at.
create table subscribers.secret (
    subscription_id bigint      primary key references subscribers.subscription,
    kind            text        not null constraint secret_kind_check check (kind in ('pin', 'code_word')),
    hash            text        not null,
    set_at          timestamptz not null,
    tries           int         not null default 0,
    locked_until    timestamptz
);

-- Registered devices (PSC-3.2.16): IMEI with its owner and number.
create table subscribers.device (
    device_id       bigint generated always as identity primary key,
    imei            text        not null constraint device_imei_check check (imei ~ '^[0-9]{15}$'),
    party_id        bigint      not null references subscribers.party,
    subscription_id bigint      not null references subscribers.subscription,
    registered_at   timestamptz not null,
    ended_at        timestamptz,
    end_reason      text
);
create unique index device_open_key on subscribers.device (imei) where ended_at is null;
create index device_subscription on subscribers.device (subscription_id);
