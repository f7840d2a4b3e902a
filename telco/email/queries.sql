-- name: add_message
-- A message waits for the sender; the same one again is not stored again.
insert into email.message (recipient, subject, body, reference, dedupe_key, created_at, not_before, valid_until)
values ($1, $2, $3, $4, $5, $6, $6, $7)
on conflict on constraint message_dedupe_key do nothing
returning message_id;

-- name: add_attachments
-- The files that go with it.
insert into email.attachment (message_id, attachment_no, name, content_type, data)
select $1, n, name, content_type, data
from unnest($2::text[], $3::text[], $4::bytea[]) with ordinality as file (name, content_type, data, n);

-- name: claim
-- The messages that are due, taken in hand by one sender for a while.
update email.message m set attempts = attempts + 1, leased_until = $2
where message_id in (
    select message_id from email.message
    where state = 'queued' and not_before <= $1 and (leased_until is null or leased_until <= $1)
    order by not_before limit $3 for update skip locked)
returning m.*;

-- name: attachments
-- The files of some messages.
select message_id, name, content_type, data from email.attachment where message_id = any($1::bigint[])
order by message_id, attachment_no;

-- name: finish
-- A message is done with, if it is still in this attempt's hand.
update email.message set state = $3, finished_at = $4, last_error = $5, leased_until = null
where message_id = $1 and attempts = $2 and state = 'queued' returning reference;

-- name: postpone
-- A message is tried again later, if it is still in this attempt's hand.
update email.message set not_before = $3, last_error = $4, leased_until = null
where message_id = $1 and attempts = $2 and state = 'queued';

-- name: give_back
-- Messages that were not tried after all.
update email.message m set attempts = m.attempts - 1, not_before = $3, leased_until = null
from unnest($1::bigint[], $2::int[]) as held (message_id, attempts)
where m.message_id = held.message_id and m.attempts = held.attempts and m.state = 'queued';

-- name: expire
-- Messages whose time is over.
update email.message set state = 'failed', finished_at = $1, leased_until = null
where message_id in (
    select message_id from email.message
    where state = 'queued' and valid_until <= $1 and (leased_until is null or leased_until <= $1)
    order by valid_until limit $2 for update skip locked)
returning message_id, reference, last_error;

-- name: by_key
-- A message by what caused it.
select * from email.message where dedupe_key = $1;

-- name: purge
-- Messages done with before a moment, a bounded number of them.
delete from email.message
where message_id in (select message_id from email.message where finished_at < $1 order by finished_at limit $2);
