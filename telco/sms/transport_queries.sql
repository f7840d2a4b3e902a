-- name: begin_instance
-- A process begins; its number is its lock.
insert into sms.instance (started_at) values ($1) returning instance_id;

-- name: lock_instance
-- Hold the lock of a process as long as the connection lives.
select pg_advisory_lock($1, $2);

-- name: revive_instance
-- A process that lost its lock for a while and was buried lives.
update sms.instance set ended_at = null where instance_id = $1 and ended_at is not null;

-- name: find_dead_instances
-- Processes whose lock is free; it is taken for this transaction, so that one process buries them.
select instance_id from (select instance_id from sms.instance where ended_at is null and instance_id <> $2
                         order by instance_id limit 100) as live
where pg_try_advisory_xact_lock($1, instance_id);

-- name: adopt_inbound
-- What dead processes had not answered is answered by this one.
update sms.inbound set owner = $2 where state = 'stored' and owner = any($1::int[]);

-- name: give_up_sending
-- What dead processes were sending may or may not have gone out: never again.
update sms.outbound set state = 'unknown', settled_at = $2, owner = null, error = 'its process died'
where state = 'sending' and owner = any($1::int[]);

-- name: expect_redelivery_from_dead
-- The last messages of dead processes: their acknowledgements may not have left.
update sms.inbound set redeliverable_until = $3
where inbound_id in (
    select inbound_id
    from (select inbound_id, owner, received_at, max(received_at) over (partition by owner) as last_at
          from (select inbound_id, owner, received_at from sms.inbound order by inbound_id desc limit 20000) as recent
          where owner = any($1::int[])) as theirs
    where received_at >= last_at - $2::interval);

-- name: end_instances
-- Dead processes are buried.
update sms.instance set ended_at = $2 where instance_id = any($1::int[]);

-- name: end_idle_instance
-- A process that leaves nothing behind ends without a burial.
update sms.instance set ended_at = $2
where instance_id = $1
  and not exists (select from sms.inbound where state = 'stored' and owner = $1)
  and not exists (select from sms.outbound where state = 'sending' and owner = $1);

-- name: reserve_inbound_ids
-- A block of ids.
select nextval('sms.inbound_id') from generate_series(1, $1::int);

-- name: reserve_outbound_ids
-- A block of ids.
select nextval('sms.outbound_id') from generate_series(1, $1::int);

-- name: store_inbound
-- Keep a batch; a message that is the redelivery of a kept one uses that one up instead. Returns the ids not kept.
-- Of what nobody will act on, numbers are struck out at once: see answer_inbound.
with incoming as materialized (
    select t.*, row_number() over (partition by t.fingerprint order by t.inbound_id) as copy
    from unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                $9::timestamptz[])
         as t (inbound_id, received_at, link, source, destination, body, fingerprint, state, redeliverable_until)
), waiting as materialized (
    select inbound_id, fingerprint from sms.inbound
    where fingerprint = any($7::bigint[]) and redeliverable_until >= $10 and not inbound_id = any($1::bigint[])
    order by inbound_id for update
), numbered as (
    select inbound_id, fingerprint, row_number() over (partition by fingerprint order by inbound_id) as copy from waiting
), consumed as (
    update sms.inbound as kept set redeliverable_until = null, redelivered_as = incoming.inbound_id
    from numbered join incoming using (fingerprint, copy)
    where kept.inbound_id = numbered.inbound_id
    returning incoming.inbound_id
), stored as (
    insert into sms.inbound (inbound_id, received_at, link, source, destination, body, fingerprint, state, owner,
                             redeliverable_until)
    select inbound_id, received_at, link, source, destination,
           case state when 'stored' then body
                      else regexp_replace(body, '[0-9]([^0-9[:alpha:]]{0,2}[0-9]){3,}', '****', 'g') end,
           fingerprint, state, $11, redeliverable_until
    from incoming
    where not exists (select from consumed where consumed.inbound_id = incoming.inbound_id)
    on conflict (inbound_id) do nothing
)
select inbound_id from consumed;

-- name: find_settled_arrivals
-- After an unconfirmed commit: which of these messages are kept already, or were taken for redeliveries.
select inbound_id, false as redelivered from sms.inbound where inbound_id = any($1::bigint[])
union all
select redelivered_as, true from sms.inbound where redelivered_as = any($1::bigint[]);

-- name: expect_redelivery
-- A session ended: the peer may not have read these acknowledgements.
update sms.inbound set redeliverable_until = $2 where inbound_id = any($1::bigint[]) and redelivered_as is null;

-- name: lock_part_groups
-- Parts of one message that arrive on two links at once are joined by one of them.
select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as t (key) order by key;

-- name: store_parts
-- Keep parts, no two of them the same part of a group. One that is kept already waits again, for it may be the next
-- message's. Another text at its place starts a message anew: what was joined is gone, and of what waits the parts that
-- came nearer to the old text than to the new one.
with arrived as materialized (
    select * from unnest($1::text[], $2::text[], $3::int[], $4::smallint[], $5::smallint[], $6::text[], $7::bytea[],
                         $8::timestamptz[])
         as t (source, destination, reference, total, number, alphabet, octets, received_at)
), anew as materialized (
    select source, destination, reference, total,
           max(kept.received_at) as old_at, min(arrived.received_at) as new_at
    from sms.inbound_part as kept join arrived using (source, destination, reference, total, number)
    where kept.octets <> arrived.octets
    group by source, destination, reference, total
), gone as (
    delete from sms.inbound_part as kept using anew
    where (kept.source, kept.destination, kept.reference, kept.total)
          = (anew.source, anew.destination, anew.reference, anew.total)
      and (kept.joined_as is not null or kept.received_at - anew.old_at < anew.new_at - kept.received_at)
      and not exists (select from arrived
                      where (arrived.source, arrived.destination, arrived.reference, arrived.total, arrived.number)
                            = (kept.source, kept.destination, kept.reference, kept.total, kept.number))
)
insert into sms.inbound_part as kept (source, destination, reference, total, number, alphabet, octets, received_at)
select * from arrived
on conflict (source, destination, reference, total, number) do update
set alphabet = excluded.alphabet, octets = excluded.octets, received_at = excluded.received_at, joined_as = null;

-- name: find_parts
-- The parts of some messages that wait to be joined.
select source, destination, reference, total, number, alphabet, octets
from sms.inbound_part join unnest($1::text[], $2::text[], $3::int[], $4::smallint[])
     as t (source, destination, reference, total) using (source, destination, reference, total)
where joined_as is null
order by source, destination, reference, total, number;

-- name: mark_joined
-- Parts that became a message.
update sms.inbound_part as kept set joined_as = t.inbound_id
from unnest($1::text[], $2::text[], $3::int[], $4::smallint[], $5::bigint[])
     as t (source, destination, reference, total, inbound_id)
where (kept.source, kept.destination, kept.reference, kept.total) = (t.source, t.destination, t.reference, t.total);

-- name: delete_old_parts
-- Parts too old to be joined or to come again. Returns how many waited for others in vain.
with gone as (delete from sms.inbound_part where received_at < $1 returning joined_as)
select count(*) from gone where joined_as is null;

-- name: find_stored
-- Messages that this process has to answer, beside those it knows of.
select inbound_id, received_at, source, destination, body from sms.inbound
where state = 'stored' and owner = $1 and not inbound_id = any($2::bigint[])
order by inbound_id limit $3;

-- name: answer_inbound
-- Messages are done and their answers are kept, together. Returns the answers this process may send now.
-- PINs, card codes and IINs are not kept longer than it takes to act on them: numbers of four digits and more are struck
-- out of the text, in groups or not.
with done as (
    update sms.inbound as kept set state = t.state, processed_at = $3,
           body = case when kept.body ~ '[0-9]'
                       then regexp_replace(kept.body, '[0-9]([^0-9[:alpha:]]{0,2}[0-9]){3,}', '****', 'g')
                       else kept.body end
    from unnest($1::bigint[], $2::text[]) as t (inbound_id, state)
    where kept.inbound_id = t.inbound_id and kept.state = 'stored' and kept.owner = $4
    returning kept.inbound_id
), answered as (
    insert into sms.outbound (outbound_id, part, parts, inbound_id, kind, sender, recipient, body, coding, wants_receipt,
                              state, owner, created_at, valid_until, not_before, attempts)
    select t.outbound_id, t.part, t.parts, t.inbound_id, 'reply', t.sender, t.recipient, t.body, t.coding, $15,
           t.state, case t.state when 'sending' then $4 end, $3, t.valid_until, $3,
           case t.state when 'sending' then 1 else 0 end
    from unnest($5::bigint[], $6::smallint[], $7::smallint[], $8::bigint[], $9::text[], $10::text[], $11::text[],
                $12::smallint[], $13::timestamptz[], $14::text[])
         as t (outbound_id, part, parts, inbound_id, sender, recipient, body, coding, valid_until, state)
    join done using (inbound_id)
    returning outbound_id, part, state
)
select outbound_id, part from answered where state = 'sending';

-- name: find_my_sending
-- After an unconfirmed commit: which of these messages this process holds.
select outbound_id, part from sms.outbound
where outbound_id = any($1::bigint[]) and state = 'sending' and owner = $2;

-- name: enqueue
-- Messages that no inbound asked for, in their order; the second with the same key is not kept. Returns the places of
-- those that are, from 1, and their ids.
with given as materialized (
    select m.*, nextval('sms.outbound_id') as outbound_id
    from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::boolean[], $8::timestamptz[],
                $12::timestamptz[], $13::text[], $14::boolean[])
        with ordinality m (dedupe_key, kind, sender, recipient, coding, wants_receipt, valid_until, not_before, about,
                           by_day, place)
    order by place
), content as materialized (
    select place, part, (count(*) over (partition by place))::smallint as parts, body
    from unnest($9::int[], $10::smallint[], $11::text[]) c (place, part, body)
), first as (
    insert into sms.outbound (outbound_id, part, parts, dedupe_key, kind, sender, recipient, body, coding, wants_receipt,
                              state, created_at, valid_until, not_before, by_day, about)
    select outbound_id, part, parts, dedupe_key, kind, sender, recipient, body, coding, wants_receipt, 'queued', $1,
           valid_until, not_before, by_day, about
    from given join content using (place) where part = 1 order by place
    on conflict (dedupe_key) where dedupe_key is not null and part = 1 do nothing
    returning outbound_id
), others as (
    insert into sms.outbound (outbound_id, part, parts, dedupe_key, kind, sender, recipient, body, coding, wants_receipt,
                              state, created_at, valid_until, not_before, by_day)
    select outbound_id, part, parts, dedupe_key, kind, sender, recipient, body, coding, wants_receipt, 'queued', $1,
           valid_until, not_before, by_day
    from given join first using (outbound_id) join content using (place) where part > 1
)
select place::int, outbound_id from given join first using (outbound_id) order by place;

-- name: claim_queued
-- The waiting messages that go next, ranked; those too old are never sent.
with due as (
    select outbound_id, part from sms.outbound
    where state = 'queued' and rank between $4 and $5 and not_before <= $1
    order by rank, not_before, outbound_id, part
    limit $3
    for update skip locked
)
update sms.outbound as claimed
set state = case when valid_until <= $1 then 'expired' else 'sending' end,
    owner = case when valid_until > $1 then $2::int end,
    settled_at = case when valid_until <= $1 then $1 end,
    attempts = attempts + 1
from due
where claimed.outbound_id = due.outbound_id and claimed.part = due.part
returning claimed.outbound_id, claimed.part, claimed.parts, claimed.kind, claimed.rank, claimed.sender,
          claimed.recipient, claimed.body, claimed.coding, claimed.wants_receipt, claimed.valid_until,
          claimed.attempts, claimed.state;

-- name: return_unsent
-- Claims whose commit was not confirmed: their bytes never went out, so they wait again.
update sms.outbound set state = 'queued', owner = null
where state = 'sending' and owner = $1 and not exists (
    select from unnest($2::bigint[], $3::smallint[]) as t (outbound_id, part)
    where t.outbound_id = outbound.outbound_id and t.part = outbound.part);

-- name: settle_outbound
-- What became of messages that were sent, in the order in which it became known.
update sms.outbound as sent
set state = t.state, owner = null, link = t.link, smsc_id = t.smsc_id, error = t.error,
    not_before = coalesce(t.not_before, sent.not_before),
    settled_at = case when t.state in ('failed', 'unknown', 'expired') then $8::timestamptz end
from unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
     as t (outbound_id, part, state, link, smsc_id, error, not_before)
where sent.outbound_id = t.outbound_id and sent.part = t.part and sent.state in ('sending', 'unknown')
  and not (sent.state = 'unknown' and t.state = 'queued');

-- name: settle_receipts
-- Receipts settle their messages; those whose message is not known yet wait for it.
with reported as materialized (
    select distinct on (smsc_id) smsc_id, state, error
    from unnest($1::text[], $2::text[], $3::text[]) as t (smsc_id, state, error)
), settled as (
    update sms.outbound as sent set state = reported.state, error = nullif(reported.error, ''), settled_at = $4
    from reported
    where sent.smsc_id = reported.smsc_id and sent.state = 'accepted' and sent.wants_receipt
    returning sent.smsc_id
)
insert into sms.early_receipt (smsc_id, state, error, received_at)
select smsc_id, state, error, $4 from reported where smsc_id not in (select smsc_id from settled);

-- name: match_early_receipts
-- Receipts that waited for their message.
with matched as (
    delete from sms.early_receipt as early
    using sms.outbound as sent
    where sent.smsc_id = early.smsc_id and sent.state = 'accepted' and sent.wants_receipt
      and ($1::text[] is null or early.smsc_id = any($1))
    returning early.smsc_id, early.state, early.error
)
update sms.outbound as sent set state = matched.state, error = nullif(matched.error, ''), settled_at = $2
from matched
where sent.smsc_id = matched.smsc_id and sent.state = 'accepted' and sent.wants_receipt;

-- name: delete_old_receipts
-- Receipts that no message has claimed.
delete from sms.early_receipt where received_at < $1;

-- name: expire_queued
-- Waiting messages that nobody wants any more.
update sms.outbound set state = 'expired', settled_at = $1 where state = 'queued' and valid_until <= $1;

-- name: put_off
-- Messages of the day that still wait leave from a moment on; what has begun to leave goes on.
update sms.outbound as late set not_before = $1
where state = 'queued' and rank = $2 and not_before < $1 and by_day and valid_until > $3
  and not exists (select from sms.outbound as begun
                  where begun.outbound_id = late.outbound_id and begun.state <> 'queued');

-- name: withdraw
-- Messages that wait about these matters are not true any more; what has begun to leave goes on.
update sms.outbound set state = 'expired', settled_at = $2, error = 'withdrawn'
where state = 'queued'
  and outbound_id in (select outbound_id from sms.outbound
                      where about = any($1::text[]) and about is not null and state = 'queued');

-- name: delete_old_inbound
-- The oldest messages, when they are done and old enough; a bounded number of them.
delete from sms.inbound where inbound_id in (
    select inbound_id from (select inbound_id, received_at, state from sms.inbound order by inbound_id limit $2) as oldest
    where received_at < $1 and state <> 'stored');

-- name: delete_old_outbound
-- The oldest messages sent or given up, when they are old enough; a bounded number of them.
delete from sms.outbound where (outbound_id, part) in (
    select outbound_id, part
    from (select outbound_id, part, created_at, valid_until, state from sms.outbound
          order by outbound_id, part limit $2) as oldest
    where created_at < $1 and valid_until < $1 and state not in ('queued', 'sending'));
