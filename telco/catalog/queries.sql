-- name: lock_catalogue
-- One publication at a time, so that each is checked against all that was published before.
select pg_advisory_xact_lock(hashtext('telco.catalog'));

-- name: newest_edition
-- The number that tells whether a snapshot is current; 0 before the first publication.
select coalesce(max(edition_id), 0) from catalog.edition;

-- name: items
-- Everything that was ever published.
select kind, code, version, content, digest, file from catalog.item order by kind, code, version;

-- name: withdrawals
-- What is no longer offered, and what is closed.
select kind, code, withdrawn_from, closed_at from catalog.withdrawal;

-- name: add_edition
-- A change of the catalogue; its number orders snapshots.
insert into catalog.edition (at, author, summary) values ($1, $2, $3) returning edition_id;

-- name: add_item
-- One version of one thing; the primary key refuses a second of the same name.
insert into catalog.item (kind, code, version, content, digest, file, edition_id)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: withdraw
-- A plan or service is no longer offered from a moment on; a later word replaces an earlier one until it is closed.
insert into catalog.withdrawal (kind, code, withdrawn_from, edition_id) values ($1, $2, $3, $4)
on conflict (kind, code) do update set withdrawn_from = excluded.withdrawn_from, edition_id = excluded.edition_id
where catalog.withdrawal.closed_at is null
returning withdrawn_from;

-- name: close
-- A withdrawn plan without subscribers ends.
update catalog.withdrawal set closed_at = $3, edition_id = $4
where kind = $1 and code = $2 and closed_at is null
returning closed_at;
