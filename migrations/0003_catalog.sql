-- The catalogue as it was published: every version of everything, for ever. Prices that anybody was promised are never
-- edited in place; another price is another version.

create schema catalog;

-- One publication, withdrawal or closing; the newest number tells every process whether its snapshot is current.
create table catalog.edition (
    edition_id bigint generated always as identity primary key,
    at         timestamptz not null,
    author     text        not null constraint edition_author_check check (author <> ''),
    summary    jsonb       not null
);

-- A declaration of a catalogue file in JSON, without what it leaves at its default; digest is the SHA-256 of that.
create table catalog.item (
    kind           text   not null constraint item_kind_check check (
        kind in ('allowance', 'figure', 'numbering', 'plan', 'portions', 'price_list', 'roaming', 'service')),
    code           text   not null,
    version        int    not null constraint item_version_check check (version > 0),
    content        jsonb  not null,
    digest         bytea  not null constraint item_digest_check check (length(digest) = 32),
    file           text   not null,
    edition_id     bigint not null references catalog.edition,
    primary key (kind, code, version)
);
create trigger item_append_only before update or delete or truncate on catalog.item
    for each statement execute function kernel.refuse_change_v1();

-- What is no longer offered, from when, and when the last subscriber had left.
create table catalog.withdrawal (
    kind           text        not null constraint withdrawal_kind_check check (kind in ('plan', 'service')),
    code           text        not null,
    withdrawn_from timestamptz not null,
    closed_at      timestamptz,
    edition_id     bigint      not null references catalog.edition,
    primary key (kind, code),
    constraint withdrawal_closed_after_check check (closed_at >= withdrawn_from)
);

create function catalog.edition_notify_v1() returns trigger language plpgsql as $$
begin
    notify telco_catalog;
    return null;
end $$;
create trigger edition_notify after insert on catalog.edition
    for each statement execute function catalog.edition_notify_v1();
