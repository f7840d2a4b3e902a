-- SMS: what was received, what is to be sent, and which process has it in hand.

create schema sms;

-- A running process. It holds advisory lock (0x534D53, instance_id) while it lives; a row whose lock is free is dead.
create table sms.instance (
    instance_id int generated always as identity primary key,
    started_at  timestamptz not null,
    ended_at    timestamptz
);
create index instance_live on sms.instance (instance_id) where ended_at is null;

-- Ids are given out in blocks, so that a batch whose commit was not confirmed can be sent again unchanged.
create sequence sms.inbound_id as bigint;
create sequence sms.outbound_id as bigint;

-- Whole messages from handsets. `owner` is the process that answers it while it is stored.
create table sms.inbound (
    inbound_id          bigint      primary key,
    received_at         timestamptz not null,
    link                text        not null,
    source              text        not null,
    destination         text        not null,
    body                text        not null,
    fingerprint         bigint      not null,
    state               text        not null
        constraint inbound_state_check check (state in ('stored', 'processed', 'limited', 'ignored', 'failed')),
    owner               int         not null,
    processed_at        timestamptz,
    redeliverable_until timestamptz,
    redelivered_as      bigint
);
comment on column sms.inbound.redeliverable_until is
    'until when an identical message is this one again: its acknowledgement may have been lost';
create index inbound_stored on sms.inbound (owner, inbound_id) where state = 'stored';
create index inbound_redeliverable on sms.inbound (fingerprint) where redeliverable_until is not null;
create unique index inbound_redelivered on sms.inbound (redelivered_as) where redelivered_as is not null;

-- Parts of long messages, kept after they were joined for as long as a part may come again.
create table sms.inbound_part (
    source      text        not null,
    destination text        not null,
    reference   int         not null,
    total       smallint    not null,
    number      smallint    not null,
    alphabet    text        not null,
    octets      bytea       not null,
    received_at timestamptz not null,
    joined_as   bigint,
    primary key (source, destination, reference, total, number),
    constraint inbound_part_number_check check (number between 1 and total)
);
create index inbound_part_received on sms.inbound_part (received_at);

-- What is to be sent: a row for each submit_sm. The parts of a long message share outbound_id.
create table sms.outbound (
    outbound_id bigint      not null,
    part        smallint    not null,
    parts       smallint    not null,
    inbound_id  bigint,
    dedupe_key  text,
    kind        text        not null constraint outbound_kind_check check (kind in ('reply', 'notice', 'bulk')),
    rank        smallint    not null
        generated always as (case kind when 'reply' then 0 when 'notice' then 1 else 2 end) stored,
    sender      text        not null,
    recipient   text        not null,
    body        text        not null,
    coding      smallint    not null,
    wants_receipt boolean   not null,
    state       text        not null constraint outbound_state_check
        check (state in ('queued', 'sending', 'accepted', 'delivered', 'failed', 'expired', 'unknown')),
    owner       int,
    created_at  timestamptz not null,
    valid_until timestamptz not null,
    not_before  timestamptz not null,
    attempts    smallint    not null default 0,
    link        text,
    smsc_id     text,
    settled_at  timestamptz,
    error       text,
    primary key (outbound_id, part),
    constraint outbound_part_check check (part between 1 and parts),
    constraint outbound_sending_check check (state <> 'sending' or owner is not null)
);
create unique index outbound_inbound_key on sms.outbound (inbound_id, part) where inbound_id is not null;
create unique index outbound_dedupe_key on sms.outbound (dedupe_key) where dedupe_key is not null and part = 1;
create index outbound_queued on sms.outbound (rank, not_before, outbound_id, part) where state = 'queued';
create index outbound_sending on sms.outbound (owner) where state = 'sending';
create index outbound_awaited on sms.outbound (smsc_id) where state = 'accepted' and wants_receipt;

-- Receipts that came before the answer that names their message.
create table sms.early_receipt (
    receipt_id  bigint generated always as identity primary key,
    smsc_id     text        not null,
    state       text        not null,
    error       text        not null,
    received_at timestamptz not null
);
create index early_receipt_smsc_id on sms.early_receipt (smsc_id);

-- Hot tables turn over quickly: vacuum them by size of change, not by share of a growing table.
alter table sms.inbound set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
alter table sms.outbound set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
