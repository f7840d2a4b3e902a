-- Company payments (PSC-3.2.4-1 to -4): a payment has parts, and what companies send about their payments is kept.

create schema company_payments;

-- Where the money of a payment is: one part, or several of a company's. Corrections move a part, or split one.
create table payments.part (
    payment_id        bigint   not null references payments.payment,
    part_no           int      not null constraint part_no_check check (part_no > 0),
    named             text     not null, -- the number, account or invoice that was named for it
    msisdn            text,
    subscriber_id     bigint,
    shard             smallint not null,
    account_id        bigint   not null,
    op_id             text     not null, -- the ledger's operation that put the money where it is now
    amount_tiyn       bigint   not null constraint part_amount_check check (amount_tiyn > 0),
    trust_repaid_tiyn bigint   not null default 0,
    balance_tiyn      bigint   not null,
    state             text     not null default 'credited'
        constraint part_state_check check (state in ('credited', 'moved', 'written_off')),
    primary key (payment_id, part_no)
);

insert into payments.part
    (payment_id, part_no, named, msisdn, subscriber_id, shard, account_id, op_id, amount_tiyn, trust_repaid_tiyn,
     balance_tiyn, state)
select payment_id, 1, named, msisdn, subscriber_id, shard, account_id, op_id, amount_tiyn, trust_repaid_tiyn,
       balance_tiyn, state
from payments.payment;

create index part_account on payments.part (shard, account_id, payment_id);
create index part_msisdn on payments.part (msisdn, payment_id);

alter table payments.payment
    drop column msisdn,
    drop column subscriber_id,
    drop column shard,
    drop column account_id,
    drop column op_id,
    drop column state,
    drop column trust_repaid_tiyn,
    drop column balance_tiyn;

-- A payment with where its money is, as far as that is one place.
create view payments.payment_standing as
select p.*, parts.part_count, parts.state, parts.trust_repaid_tiyn, sole.msisdn, sole.subscriber_id, sole.shard,
       sole.account_id, sole.op_id, sole.balance_tiyn
from payments.payment p
cross join lateral (
    select count(*)::int as part_count, sum(q.trust_repaid_tiyn)::bigint as trust_repaid_tiyn,
           case when count(distinct q.state) = 1 then min(q.state) else 'corrected' end as state
    from payments.part q where q.payment_id = p.payment_id) parts
left join payments.part sole on sole.payment_id = p.payment_id and parts.part_count = 1;

-- A correction is of a part, and may be of less than all of it.
alter table payments.correction
    add column part_no int not null default 1,
    add column amount_tiyn bigint constraint correction_amount_check check (amount_tiyn > 0);
update payments.correction c
set amount_tiyn = (select p.amount_tiyn from payments.payment p where p.payment_id = c.payment_id);
alter table payments.correction
    alter column amount_tiyn set not null,
    alter column part_no drop default;
drop index payments.correction_open_key;
create unique index correction_open_key on payments.correction (payment_id, part_no) where state = 'requested';

-- Bank documents of companies are found by who pays and the order's number.
create index bank_document_order on payments.bank_document (payer_id, number, document_date);
create index work_item_document on payments.work_item (document_id) where document_id is not null;

-- A bank tells of the same transfer in both of its forms, with other days and fewer words: the second telling is kept
-- beside the document, or, where it is only like one, is a document that waits for people. Until now there was one form.
alter table payments.bank_document
    add column form    text not null default '1c' constraint bank_document_form_check check (form in ('1c', 'mt940')),
    add column like_id bigint references payments.bank_document,
    add column explained_by text; -- money of ours that came back: what it was
alter table payments.bank_document
    alter column form drop default,
    drop constraint bank_document_state_check,
    add constraint bank_document_state_check check (state in ('pending', 'credited', 'work_list', 'returned')),
    add constraint bank_document_returned_check check ((state = 'returned') = (explained_by is not null));
create index bank_document_twin on payments.bank_document (our_account, form, amount_tiyn, document_date);
create index bank_document_like on payments.bank_document (like_id) where like_id is not null;

create table payments.bank_telling (
    document_key text   primary key,
    document_id  bigint not null constraint bank_telling_document_key unique references payments.bank_document,
    file_id      bigint not null references payments.bank_file,
    line         int    not null,
    purpose      text   not null
);

-- Who of a company may send its registers and letters. Of the key only a keyed hash is kept.
create table company_payments.contact (
    contact_id  bigint generated always as identity primary key,
    bin         text        not null constraint contact_bin_check check (bin ~ '^[0-9]{12}$'),
    login       text        not null constraint contact_login_key unique
        constraint contact_login_check check (login ~ '^[a-z0-9][a-z0-9-]{1,31}$'),
    name        text        not null,
    key_digest  bytea       not null constraint contact_key_key unique check (octet_length(key_digest) = 32),
    added_at    timestamptz not null,
    added_by    text        not null,
    disabled_at timestamptz
);

-- An electronic register or a covering letter: what one payment order of a company is for.
create table company_payments.sheet (
    sheet_id     bigint generated always as identity primary key,
    bin          text        not null constraint sheet_bin_check check (bin ~ '^[0-9]{12}$'),
    kind         text        not null constraint sheet_kind_check check (kind in ('register', 'letter')),
    order_number text        not null,
    order_date   date        not null,
    file_name    text        not null,
    digest       bytea       not null check (octet_length(digest) = 32),
    line_count   int         not null constraint sheet_count_check check (line_count > 0),
    amount_tiyn  bigint      not null constraint sheet_amount_check check (amount_tiyn > 0),
    state        text        not null default 'waiting'
        constraint sheet_state_check check (state in ('waiting', 'used', 'withdrawn')),
    payment_id   bigint,
    sent_at      timestamptz not null,
    sent_by      text        not null,
    ended_at     timestamptz,
    ended_by     text,
    constraint sheet_used_check check ((state = 'used') = (payment_id is not null)),
    constraint sheet_ended_check check ((state = 'waiting') = (ended_at is null))
);
create unique index sheet_waiting_key on company_payments.sheet (bin, order_number, order_date) where state = 'waiting';
create index sheet_order on company_payments.sheet (bin, order_number, order_date);

create table company_payments.sheet_line (
    sheet_id    bigint not null references company_payments.sheet,
    line_no     int    not null,
    row_no      int    not null, -- of the file
    named       text   not null,
    amount_tiyn bigint not null constraint sheet_line_amount_check check (amount_tiyn > 0),
    primary key (sheet_id, line_no)
);

-- How each company payment was allocated, and why so (PSC-3.2.4-4).
create table company_payments.allocation (
    payment_id   bigint      primary key,
    item_id      bigint      not null constraint allocation_item_key unique,
    manner       text        not null
        constraint allocation_manner_check check (manner in ('purpose', 'register', 'letter', 'oldest_debt', 'people')),
    reason       text        not null,
    sheet_id     bigint references company_payments.sheet,
    allocated_at timestamptz not null,
    allocated_by text        not null
);
