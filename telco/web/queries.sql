-- name: insert_principal
-- A new member of staff or machine; nothing when the name is taken.
insert into web.principal (name, roles, rate_limit_per_s, created_at) values ($1, $2, $3, $4)
on conflict (name) do nothing
returning principal_id;

-- name: insert_key
-- A new key of a principal.
insert into web.api_key (key_id, principal_id, digest, created_at, expires_at) values ($1, $2, $3, $4, $5);

-- name: find_key
-- A key that may be used now, with whom it belongs to.
select k.digest, k.expires_at, p.principal_id, p.name, p.roles, p.rate_limit_per_s
from web.api_key k join web.principal p using (principal_id)
where k.key_id = $1
  and k.revoked_at is null and p.disabled_at is null
  and (k.expires_at is null or k.expires_at > $2);

-- name: find_principal
-- A principal by name, locked for a change.
select principal_id, name, roles, disabled_at from web.principal where name = $1 for update;

-- name: disable_principal
-- A principal whose keys work no more.
update web.principal set disabled_at = $2 where principal_id = $1 and disabled_at is null;

-- name: revoke_keys
-- Every key of a principal.
update web.api_key set revoked_at = $2 where principal_id = $1 and revoked_at is null;

-- name: list_principals
-- Everybody who may call, with how many keys work.
select p.principal_id, p.name, p.roles, p.rate_limit_per_s, p.created_at, p.disabled_at,
       count(k.key_id) filter (where k.revoked_at is null and (k.expires_at is null or k.expires_at > $1)) as keys
from web.principal p left join web.api_key k using (principal_id)
group by p.principal_id
order by p.name;

-- name: begin_request
-- Take an Idempotency-Key: new, or left by an attempt whose lease ran out. Nothing when it is taken or answered.
insert into web.idempotency as i
    (principal_id, key, route, request_hash, field_hashes, state, lease_until, created_at)
values ($1, $2, $3, $4, $5, 'in_progress', $6, $7)
on conflict (principal_id, key) do update
    set attempt = i.attempt + 1, lease_until = excluded.lease_until
    where i.state = 'in_progress' and i.lease_until <= $7 and i.request_hash = excluded.request_hash
returning attempt;

-- name: read_request
-- What is known of an Idempotency-Key.
select route, request_hash, field_hashes, state, lease_until, status, content_type, headers, body
from web.idempotency where principal_id = $1 and key = $2;

-- name: finish_request
-- The answer, if the attempt still holds the key.
update web.idempotency
set state = 'done', status = $4, content_type = $5, headers = $6, body = $7
where principal_id = $1 and key = $2 and attempt = $3 and state = 'in_progress';

-- name: release_request
-- The attempt gives the key back without an answer: the next one runs again.
update web.idempotency set lease_until = $4
where principal_id = $1 and key = $2 and attempt = $3 and state = 'in_progress';

-- name: delete_old_requests
-- Keys begun before a moment, a bounded number of them.
delete from web.idempotency
where (principal_id, key) in (
    select principal_id, key from web.idempotency
    where created_at < $1 and (state = 'done' or lease_until < $1)
    order by created_at limit $2);
