-- name: lock
-- One request at a time for a number, so that parallel ones are counted.
select pg_advisory_xact_lock($1, hashtext($2));

-- name: find
-- The same request made before.
select call_me_id from sms.call_me where msisdn = $1 and request_id = $2;

-- name: count
-- Requests since the beginning of the month, and of the day.
select count(*) as month, count(*) filter (where at >= $3) as today from sms.call_me where msisdn = $1 and at >= $2;

-- name: insert
-- A request that is sent.
insert into sms.call_me (msisdn, request_id, target, at) values ($1, $2, $3, $4) returning call_me_id;
