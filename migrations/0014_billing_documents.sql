-- Documents: what billing gives out in writing, and its way through the state's e-invoice system.

create schema documents;

-- The operator's requisites, each set in force from a day on. They are printed as they were on the day of issue.
create table documents.requisites (
    valid_from date        primary key,
    requisites jsonb       not null,
    set_at     timestamptz not null,
    set_by     text        not null
);

-- The last number of each series and year. It is taken in the transaction that writes the document: no gaps, ever.
create table documents.series (
    series  text   not null constraint series_name_check check (series ~ '^[A-Z]{3,4}$'),
    year    int    not null,
    last_no bigint not null constraint series_last_check check (last_no > 0),
    primary key (series, year)
);

-- Every document as it was issued: canonical JSON and its SHA-256. Rows are never changed (trigger below).
create table documents.document (
    document_id  bigint generated always as identity primary key,
    kind         text        not null constraint document_kind_check
        check (kind in ('invoice', 'credit_note', 'act', 'statement', 'refund_order', 'reconciliation')),
    number       text        not null constraint document_number_key unique,
    series       text,                 -- null for an invoice or credit note, which has a number of its own
    year         int,
    series_no    bigint,
    source       text        not null constraint document_source_key unique,
    shard        smallint    not null,
    account_id   bigint      not null,
    contract_id  bigint      not null,
    party_id     bigint      not null,
    iin_bin      text        not null,
    issued_on    date        not null,
    issued_at    timestamptz not null,
    issued_by    text        not null,
    total_tiyn   bigint      not null,
    corrects     bigint constraint document_corrects_key unique references documents.document,
    data         text        not null,
    sha256       bytea       not null,
    constraint document_series_key unique (series, year, series_no),
    constraint document_series_check check (num_nulls(series, year, series_no) in (0, 3)),
    constraint document_sha256_check check (sha256 = pg_catalog.sha256(pg_catalog.convert_to(data, 'UTF8')))
);
create index document_account on documents.document (shard, account_id, document_id);
create index document_contract on documents.document (contract_id, document_id);
create index document_party on documents.document (iin_bin, document_id);

create function documents.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'documents never change: correct one by issuing another' using errcode = 'raise_exception';
end $$;

create trigger document_unchangeable before update or delete on documents.document
    for each row execute function documents.refuse_change();
create trigger document_undeletable before truncate on documents.document
    for each statement execute function documents.refuse_change();

-- What has to be issued, and by when (PSC-4.5); `source` is that of the document.
create table documents.duty (
    duty_id     bigint generated always as identity primary key,
    source      text        not null constraint duty_source_key unique,
    due_on      date        not null,
    opened_at   timestamptz not null,
    next_at     timestamptz not null,
    attempts    int         not null default 0,
    error       text,
    document_id bigint references documents.document,
    done_on     date,
    constraint duty_done_check check ((document_id is null) = (done_on is null))
);
create index duty_open on documents.duty (next_at, duty_id) where document_id is null;
create index duty_due on documents.duty (due_on, duty_id) where document_id is null;

-- The months whose acts for companies in prepaid settlement are among the duties.
create table documents.act_month (
    month    date        primary key,
    noted_at timestamptz not null
);

-- The queue to the state's e-invoice system, and what came of each document there.
create table documents.einvoice (
    document_id         bigint      primary key references documents.document,
    state               text        not null default 'queued' constraint einvoice_state_check
        check (state in ('queued', 'sent', 'registered', 'refused')),
    external_id         text,
    registration_number text,
    errors              jsonb       not null default '[]',
    attempts            int         not null default 0,
    trouble             text,
    next_at             timestamptz,
    queued_at           timestamptz not null,
    settled_at          timestamptz,
    constraint einvoice_sent_check check (state <> 'sent' or external_id is not null),
    constraint einvoice_registered_check check ((state = 'registered') = (registration_number is not null)),
    constraint einvoice_open_check check ((state in ('queued', 'sent')) = (next_at is not null)),
    constraint einvoice_settled_check check ((state in ('registered', 'refused')) = (settled_at is not null))
);
create index einvoice_due on documents.einvoice (next_at) where next_at is not null;
create index einvoice_refused on documents.einvoice (document_id) where state = 'refused';
