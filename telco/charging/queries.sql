-- name: insert_session
-- A session begins; nothing when the network repeats its first request.
insert into charging.session (session_id, request_sha256, msisdn, shard, account_id, request, rate, fair_use, last_seq,
                              used_before, used, state, started_at, seen_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 'open', $9, $9)
on conflict (session_id) do nothing
returning session_id;

-- name: find_session
-- A session as it stands.
select session_id, request_sha256, msisdn, shard, account_id, request, rate, fair_use, last_seq, used_before, used,
       state
from charging.session where session_id = $1;

-- name: count_usage
-- A report was counted; a repeated one changes nothing.
update charging.session
set last_seq = $2, used_before = used, used = used + $3, seen_at = $4, state = $5
where session_id = $1 and last_seq < $2;

-- name: note_silent
-- Open sessions that nothing was heard of since a moment; their holds are the sweeper's.
update charging.session set state = 'silent'
where session_id in (
    select session_id from charging.session
    where state = 'open' and seen_at < $1 order by seen_at limit $2 for update skip locked)
returning session_id;

-- name: delete_ended
-- Sessions that ended or fell silent before a moment, the oldest first, a bounded number of them.
delete from charging.session
where session_id in (
    select session_id from charging.session
    where state <> 'open' and seen_at < $1 order by seen_at limit $2 for update skip locked);

-- name: enter_network
-- Where a subscriber was seen last; returns the row only when the country changed.
insert into charging.roaming_presence as presence (msisdn, network, country, entered_at) values ($1, $2, $3, $4)
on conflict (msisdn) do update set network = excluded.network, country = excluded.country,
                                   entered_at = excluded.entered_at
where presence.country is distinct from excluded.country
returning country;
