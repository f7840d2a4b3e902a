-- name: days_missing
-- Days that are long over and were not read, for shards that had members.
select s.shard, wanted::date as day
from (select shard, (min(joined_at) at time zone 'Asia/Almaty')::date as first_day from bonus.member group by shard) s
cross join lateral generate_series(greatest(s.first_day, $1::date), $2::date - 1, interval '1 day') wanted
where not exists (select from bonus.day d where d.shard = s.shard and d.day = wanted::date)
order by 2, 1 limit $3;

-- name: charged
-- Every operation of the read days of a time on accounts of members, with what its main balance paid and what it
-- reversed or gave back.
select m.member_id, m.shard, m.account_id, m.joined_at, m.tenure_from, a.code as contra, o.at, t.at as target_at,
       (o.details::jsonb ->> 'of_day')::date as of_day,
       -coalesce(o.moved, 0)
       - coalesce((select sum(o.grant_lines[n][3]) from generate_subscripts(o.grant_lines, 1) n
                   where o.grant_lines[n][1] = 0), 0)::bigint as paid
from bonus.member m
join ledger.operation o on o.shard = m.shard and o.account_id = m.account_id
join ledger.operator_account a on a.operator_no = o.contra
left join ledger.operation t
       on o.kind = 8 and t.shard = o.shard and t.account_id = o.account_id and t.op_id = o.target
where m.left_at is null and o.status = 0 and o.at >= $1 and o.at < $2
  and exists (select from bonus.day d where d.shard = o.shard and d.day = (o.at at time zone 'Asia/Almaty')::date);

-- name: month_earned
-- What a month earned by member and rule, as it is kept.
select m.member_id, b.shard, b.account_id, m.rule, m.earned_e4
from bonus.month m join bonus.member b using (member_id)
where m.month = $1 and b.left_at is null and m.earned_e4 <> 0;
