-- name: insert_batch
-- A new batch of cards; nothing when the same request already made one.
insert into billing.card_batch (request_id, face_value_tiyn, card_count, expires_on, created_at, created_by)
values ($1, $2, $3, $4, $5, $6)
on conflict (request_id) do nothing
returning batch_id;

-- name: insert_cards
-- The cards of a batch; a serial or code that exists already fails the whole batch.
insert into billing.payment_card (batch_id, serial, code_hash)
select $1, serial, code_hash from unnest($2::text[], $3::bytea[]) as card (serial, code_hash);

-- name: find_batch
-- A batch by its id.
select batch_id, face_value_tiyn, card_count, expires_on, created_at, created_by
from billing.card_batch where batch_id = $1;

-- name: lock_card_by_code
-- The card that has this code, locked until the transaction ends.
select card.serial, card.batch_id, batch.face_value_tiyn, batch.expires_on, card.state, card.used_by, card.used_at,
       card.block_reason
from billing.payment_card card join billing.card_batch batch using (batch_id)
where card.code_hash = $1
for update of card;

-- name: find_card
-- A card by its serial.
select card.serial, card.batch_id, batch.face_value_tiyn, batch.expires_on, card.state, card.used_by, card.used_at,
       card.block_reason
from billing.payment_card card join billing.card_batch batch using (batch_id)
where card.serial = $1;

-- name: lock_card_by_serial
-- A card by its serial, locked until the transaction ends.
select card.serial, card.batch_id, batch.face_value_tiyn, batch.expires_on, card.state, card.used_by, card.used_at,
       card.block_reason
from billing.payment_card card join billing.card_batch batch using (batch_id)
where card.serial = $1
for update of card;

-- name: mark_card_used
-- The card's one use.
update billing.payment_card set state = 'used', used_by = $2, used_at = $3 where serial = $1 and state = 'ready';

-- name: block_card
-- A lost or stolen card is no longer accepted.
update billing.payment_card set state = 'blocked', block_reason = $2 where serial = $1 and state = 'ready';

-- name: lock_attempts
-- One activation at a time for a subscriber, so that parallel guesses are counted.
select pg_advisory_xact_lock($1, hashint8($2));

-- name: find_attempt
-- The first answer to the same request.
select code_hash, status, face_value_tiyn, trust_repaid_tiyn, balance_tiyn
from billing.card_attempt where subscriber_id = $1 and request_id = $2;

-- name: wrong_attempts
-- Wrong codes since a moment, and when the oldest of them was.
select count(*) as wrong, min(at) as oldest
from billing.card_attempt where subscriber_id = $1 and status = 'wrong_code' and at > $2;

-- name: insert_attempt
-- An attempt and its outcome.
insert into billing.card_attempt
    (subscriber_id, request_id, code_hash, at, status, serial, face_value_tiyn, trust_repaid_tiyn, balance_tiyn)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: insert_trust
-- A trust payment; the unique index on open ones refuses a second.
insert into billing.trust_payment
    (shard, account_id, subscriber_id, request_id, amount_tiyn, price_tiyn, given_at, usable_until)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning trust_id;

-- name: find_trust_request
-- The trust payment that the same request gave.
select usable_until from billing.trust_payment where subscriber_id = $1 and request_id = $2;

-- name: open_trusts
-- Which of these accounts have a trust payment that is not repaid.
select t.shard, t.account_id from billing.trust_payment t
join unnest($1::smallint[], $2::bigint[]) as a (shard, account_id) using (shard, account_id)
where t.repaid_at is null;

-- name: lock_open_trust
-- The trust payment of an account that is not repaid, locked.
select trust_id, subscriber_id, amount_tiyn, price_tiyn, given_at, usable_until, ended_at, consumed_tiyn
from billing.trust_payment where shard = $1 and account_id = $2 and repaid_at is null
for update;

-- name: end_trust
-- What was consumed is known; the rest is no longer usable.
update billing.trust_payment set ended_at = $2, consumed_tiyn = $3 where trust_id = $1 and ended_at is null;

-- name: repay_trust
-- The next top-up took its price.
update billing.trust_payment set repaid_at = $2 where trust_id = $1 and repaid_at is null;

-- name: due_trusts
-- Trust payments past their last moment that still have a bucket.
select shard, account_id from billing.trust_payment
where usable_until <= $1 and ended_at is null order by usable_until limit $2;
