-- name: number_standings
-- What numbers are: its state in the pool, whether anybody uses it now, whether anybody ever did.
select n.msisdn, n.state,
       exists (select 1 from subscribers.subscription s
               where s.msisdn = n.msisdn and s.state <> 'ended' and (s.stop_at is null or s.stop_at > $2)) as in_use,
       exists (select 1 from subscribers.number_history h where h.msisdn = n.msisdn) as was_used
from subscribers.number n where n.msisdn = any($1::text[]);
