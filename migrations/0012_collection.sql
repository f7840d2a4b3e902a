-- Collection: what follows when an invoice is not paid in time. The money itself is the ledger's, the invoices invoicing's.

create schema collection;

-- Figures of the contract that may change, each in force from a day on; a debt keeps those of its due date.
create table collection.term (
    name       text   not null,
    valid_from date   not null,
    value      bigint not null constraint collection_term_value_check check (value >= 0),
    primary key (name, valid_from)
);
insert into collection.term (name, valid_from, value) values
    ('penalty_ppm_per_day', '2000-01-01', 1000),   -- PSC-5.4: 0.1 % a day
    ('penalty_cap_ppm', '2000-01-01', 100000),     -- PSC-5.4: at most 10 %
    ('acknowledgment_wd', '2000-01-01', 5),        -- PSC-3.1.4-1, working days
    ('found_debt_wd', '2000-01-01', 10),           -- PSC-7.6, working days
    ('end_after_months', '2000-01-01', 2),         -- PSC-6.3.3, calendar months
    ('found_debt_watch_days', '2000-01-01', 1095), -- how long ended accounts are watched for debts found later
    ('sms_from_minute', '2000-01-01', 540),        -- reminders and notices by SMS go out from 09:00 ...
    ('sms_until_minute', '2000-01-01', 1260),      -- ... to before 21:00, as the clocks of Kazakhstan show it
    ('least_debt_tiyn', '2000-01-01', 10000);      -- below 100 tenge nobody is suspended or handed to a collector

-- The dunning steps: what, when relative to the due date, by which channel. A step's row holds for debts due from its day on.
create table collection.step (
    code        text not null constraint step_code_check check (code ~ '^[a-z][a-z0-9_]{0,31}$'),
    valid_from  date not null,
    action      text not null constraint step_action_check check (action in ('remind', 'notice', 'suspend', 'hand_over')),
    offset_days int  not null constraint step_offset_check check (offset_days between -60 and 1095),
    unit        text not null constraint step_unit_check check (unit in ('cd', 'wd')),
    channel     text not null constraint step_channel_check check (channel in ('sms', 'email', 'letter', 'none')),
    enabled     boolean not null default true,
    set_by      text not null,
    primary key (code, valid_from),
    constraint step_told_check check ((action in ('remind', 'notice')) = (channel <> 'none')),
    constraint step_late_check check (action = 'remind' or offset_days > 0)
);
insert into collection.step (code, valid_from, action, offset_days, unit, channel, set_by) values
    ('remind_before', '2000-01-01', 'remind', -3, 'cd', 'sms', 'system:release'),
    ('remind_after', '2000-01-01', 'remind', 1, 'cd', 'sms', 'system:release'),
    ('notice', '2000-01-01', 'notice', 3, 'wd', 'sms', 'system:release'),
    ('suspend', '2000-01-01', 'suspend', 5, 'wd', 'none', 'system:release'),
    ('remind_suspended', '2000-01-01', 'remind', 30, 'cd', 'sms', 'system:release'),
    ('hand_over', '2000-01-01', 'hand_over', 60, 'cd', 'none', 'system:release');

-- A debtor's case: from an account's first overdue debt until none is left. An account has at most one open.
create table collection.dossier (
    case_id      bigint generated always as identity primary key,
    shard        smallint    not null,
    account_id   bigint      not null,
    opened_at    timestamptz not null,
    suspended_on date,       -- since when services are suspended without a break for non-payment
    ends_on      date,       -- the day the contract ends if nothing is paid until then
    ended_at     timestamptz,
    closed_at    timestamptz,
    constraint dossier_suspended_check check ((suspended_on is null) = (ends_on is null))
);
create unique index dossier_open_key on collection.dossier (shard, account_id) where closed_at is null;
create index dossier_ends on collection.dossier (ends_on) where ends_on is not null and ended_at is null and closed_at is null;

-- A debt: an invoice that is due or will be soon, or a debt found after the end of the contract.
create table collection.debt (
    debt_id           bigint generated always as identity primary key,
    case_id           bigint      references collection.dossier,
    shard             smallint    not null,
    account_id        bigint      not null,
    kind              text        not null constraint debt_kind_check check (kind in ('invoice', 'found')),
    invoice_id        bigint      constraint debt_invoice_key unique,
    number            text        not null constraint debt_number_key unique,
    subscriber_id     bigint      not null,
    due_on            date        not null,  -- the last day of the term
    total_tiyn        bigint      not null constraint debt_total_check check (total_tiyn > 0),
    penalty_part_tiyn bigint      not null default 0
        constraint debt_penalty_part_check check (penalty_part_tiyn between 0 and total_tiyn),
    opened_at         timestamptz not null,
    round             int         not null default 1, -- one more each time that it is unpaid again after it was paid
    state             text        not null default 'open'
        constraint debt_state_check check (state in ('open', 'paid', 'withdrawn')),
    closed_at         timestamptz,
    next_at           timestamptz, -- when something is to be done next
    notice_again      boolean     not null default false, -- an objection was refused, and the notice waits for the morning
    noticed_on        date,
    answer_until      date,       -- the last day to pay or to object
    acknowledged_at   timestamptz,
    suspended_at      timestamptz, -- in force while it is set
    post_on           date,       -- when the penalty is posted next
    penalty_tiyn      bigint      not null default 0 constraint debt_penalty_check check (penalty_tiyn >= 0),
    constraint debt_kind_invoice_check check ((kind = 'invoice') = (invoice_id is not null)),
    constraint debt_closed_check check ((state = 'open') = (closed_at is null)),
    constraint debt_noticed_check check ((noticed_on is null) = (answer_until is null)),
    constraint debt_open_check check (state = 'open' or (next_at is null and post_on is null and suspended_at is null))
);
create index debt_next on collection.debt (next_at, debt_id) where state = 'open' and next_at is not null;
create index debt_account on collection.debt (shard, account_id, debt_id);
create index debt_overdue on collection.debt (debt_id) where state = 'open' and case_id is not null;
create index debt_case on collection.debt (case_id) where case_id is not null;

-- Which steps were taken of a debt, each once in a round. A step that came too late to be true is kept as lapsed.
create table collection.step_taken (
    debt_id  bigint      not null references collection.debt,
    round    int         not null,
    step     text        not null,
    action   text        not null,
    due_on   date        not null,
    taken_at timestamptz not null,
    channel  text        not null,
    outcome  text        not null constraint step_taken_outcome_check check (outcome in ('done', 'lapsed')),
    constraint step_taken_pkey primary key (debt_id, round, step)
);

-- What a debtor says against a debt. While one is open the debt is not acknowledged and not handed over.
create table collection.objection (
    objection_id  bigint generated always as identity primary key,
    request_id    text        not null constraint objection_request_key unique,
    debt_id       bigint      not null references collection.debt,
    registered_at timestamptz not null,
    channel       text        not null,
    author        text        not null,
    body          text        not null,
    in_time       boolean     not null,
    decided_at    timestamptz,
    decided_by    text,
    upheld        boolean,
    decision      text,
    constraint objection_decided_check check (
        (decided_at is null) = (decided_by is null) and (decided_at is null) = (upheld is null)
        and (decided_at is null) = (decision is null))
);
create unique index objection_open_key on collection.objection (debt_id) where decided_at is null;
create index objection_waiting on collection.objection (objection_id) where decided_at is null;
create index objection_debt on collection.objection (debt_id);

-- Each posting of a penalty to the ledger, through which day it is counted.
create table collection.penalty_posting (
    debt_id     bigint      not null references collection.debt,
    through     date        not null,
    amount_tiyn bigint      not null constraint penalty_posting_amount_check check (amount_tiyn <> 0), -- below: given back
    op_id       text        not null,
    posted_at   timestamptz not null,
    reversed_at timestamptz,
    constraint penalty_posting_pkey primary key (debt_id, op_id)
);

-- Payments of a debt found later, which is on no invoice.
create table collection.found_payment (
    debt_id     bigint not null references collection.debt,
    event_id    bigint not null,
    paid_on     date   not null,
    amount_tiyn bigint not null constraint found_payment_amount_check check (amount_tiyn > 0),
    constraint found_payment_pkey primary key (debt_id, event_id)
);

-- What was handed to a collector: the data as they were handed, once in a debt's round, withdrawn when it is paid.
create table collection.handover (
    debt_id      bigint      not null references collection.debt,
    round        int         not null,
    case_id      bigint      not null references collection.dossier,
    day          date        not null,
    handed_at    timestamptz not null,
    data         jsonb       not null,
    withdrawn_on date,
    withdrawal   text,
    constraint handover_pkey primary key (debt_id, round),
    constraint handover_withdrawn_check check ((withdrawn_on is null) = (withdrawal is null))
);
create index handover_day on collection.handover (day, debt_id);
create index handover_withdrawn on collection.handover (withdrawn_on, debt_id) where withdrawn_on is not null;

-- What goes by post: the list of a day.
create table collection.letter (
    debt_id bigint not null references collection.debt,
    step    text   not null,
    day     date   not null,
    data    jsonb  not null,
    constraint letter_pkey primary key (debt_id, step, day)
);
create index letter_day on collection.letter (day, debt_id);

-- Accounts whose last number ended: debts of theirs may still be found (PSC-6.3.5, PSC-7.6).
create table collection.ended_account (
    shard       smallint not null,
    account_id  bigint   not null,
    subscriber_id bigint not null,
    ground      text     not null,
    watch_until date     not null,
    primary key (shard, account_id)
);

-- A paid debt ends the suspensions that name it, whatever account their numbers spend from by then.
create index suspension_reference on subscribers.suspension (reference) where ended_at is null and reference <> '';
