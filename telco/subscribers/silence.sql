-- name: note_uses
-- Numbers that were used on a day; a day that is known already writes nothing.
insert into subscribers.last_use as known (subscription_id, used_on)
select s.subscription_id, u.day
from unnest($1::text[], $2::date[]) u (msisdn, day)
join subscribers.subscription s on s.msisdn = u.msisdn and s.state <> 'ended'
order by s.subscription_id
on conflict (subscription_id) do update set used_on = excluded.used_on, warned_on = null
where known.used_on < excluded.used_on;

-- name: note_late_use
-- A subscription had been used on a day that is reported later.
insert into subscribers.last_use as known (subscription_id, used_on)
select s.subscription_id, $2 from subscribers.subscription s where s.subscription_id = $1 and s.state <> 'ended'
on conflict (subscription_id) do update set used_on = excluded.used_on, warned_on = null
where known.used_on < excluded.used_on;

-- name: last_use
-- The last day of use of a number, and when its subscriber was warned.
select used_on, warned_on from subscribers.last_use where subscription_id = $1;

-- name: count_from_accession
-- Numbers that were never used: their silence is counted from the day of accession.
insert into subscribers.last_use (subscription_id, used_on)
select s.subscription_id, (s.acceded_at at time zone $1)::date
from subscribers.subscription s
where s.state <> 'ended'
  and not exists (select from subscribers.last_use u where u.subscription_id = s.subscription_id)
limit $2
on conflict do nothing;

-- name: silent
-- Numbers in use that were last used on or before a day, warned or not, as two cases of one question.
select u.subscription_id, u.used_on, s.msisdn
from subscribers.last_use u
join subscribers.subscription s on s.subscription_id = u.subscription_id and s.state <> 'ended'
where u.used_on <= $1 and case when $2::date is null then u.warned_on is null else u.warned_on <= $2 end
order by u.subscription_id limit $3;

-- name: lock_silent
-- One of them for the length of the command; nothing when somebody else has it or it was used meanwhile.
select u.subscription_id
from subscribers.last_use u
where u.subscription_id = $1 and u.used_on = $2 for update skip locked;

-- name: warned
-- The subscriber was warned.
update subscribers.last_use set warned_on = $2 where subscription_id = $1;

-- name: forget_uses
-- Numbers that ended are counted no more.
delete from subscribers.last_use u using subscribers.subscription s
where s.subscription_id = u.subscription_id and s.state = 'ended';
