-- name: lock_account
-- One change of an account's membership at a time.
select pg_advisory_xact_lock(hashtextextended('bonus:' || $1::int || ':' || $2::bigint, 0));

-- name: numbers_of
-- The numbers that keep an account in the programme, as they were known last.
select subscriber_id, consent_at from bonus.number where shard = $1 and account_id = $2;

-- name: account_of_number
-- The account that a number keeps in the programme.
select shard, account_id from bonus.number where subscriber_id = $1;

-- name: forget_numbers
-- An account's numbers, before those that hold it now are written.
delete from bonus.number where shard = $1 and account_id = $2;

-- name: add_numbers
-- The numbers that hold an account now; one that held another account holds this one.
insert into bonus.number (subscriber_id, shard, account_id, consent_at)
select subscriber_id, $1, $2, consent_at from unnest($3::bigint[], $4::timestamptz[]) n (subscriber_id, consent_at)
on conflict (subscriber_id) do update set shard = excluded.shard, account_id = excluded.account_id,
    consent_at = excluded.consent_at;

-- name: lock_member
-- The account's membership, if it is in the programme.
select * from bonus.member where shard = $1 and account_id = $2 and left_at is null for update;

-- name: member
-- The account's membership, if it is in the programme; not locked.
select * from bonus.member where shard = $1 and account_id = $2 and left_at is null;

-- name: add_member
-- An account joins.
insert into bonus.member (shard, account_id, joined_at, tenure_from, birthday) values ($1, $2, $3, $4, $5)
returning *;

-- name: update_member
-- Whose time with the operator and whose birthday count.
update bonus.member set tenure_from = $2, birthday = $3 where member_id = $1;

-- name: leave
-- An account leaves.
update bonus.member set left_at = $2, left_ground = $3 where member_id = $1 returning *;

-- name: zeroed
-- Nothing is left of what they had.
update bonus.member set zeroed_at = $2 where member_id = any($1::bigint[]);

-- name: lock_unzeroed
-- Who left while something of his bonuses was held by open sessions, or got some back since.
select * from bonus.member where left_at is not null and zeroed_at is null and member_id > $1
order by member_id limit $2 for update skip locked;

-- name: reread_days
-- Days that an account joined on or after, and that were read before it was known: they are read again.
delete from bonus.day where shard = $1 and day >= $2 and not purged;

-- name: forget_unfinished_days
-- Days read while the clock was wrong: they were not over.
delete from bonus.day where day >= $1 and not purged;

-- name: shards
-- Where members are, and since when.
select shard, (min(joined_at) at time zone 'Asia/Almaty')::date as first_day from bonus.member group by shard
order by shard;

-- name: days_read
-- The days of a shard that were read, from a day on.
select day from bonus.day where shard = $1 and day >= $2;

-- name: claim_day
-- A day is read once; a second reader waits here and finds it done.
insert into bonus.day (day, shard, read_at) values ($2, $1, $3) on conflict do nothing returning day;

-- name: unread_day
-- Take back what an earlier reading of the day gave its months.
with gone as (
    delete from bonus.earning where day = $2 and shard = $1 returning member_id, month, rule, earned_e4
), by_month as (
    select member_id, month, rule, sum(earned_e4)::bigint as earned_e4 from gone group by member_id, month, rule
)
update bonus.month m set earned_e4 = m.earned_e4 - g.earned_e4, changed = true
from by_month g
where m.shard = $1 and (m.member_id, m.month, m.rule) = (g.member_id, g.month, g.rule);

-- name: read_day
-- What a day's operations earned, by member, month and rule. What was paid by bonuses themselves earns none.
with rule as (
    select * from unnest($5::text[], $6::text[], $7::date[], $8::date[], $9::int[], $10::int[], $11::int[])
        r (rule, pattern, valid_from, valid_until, first_month, end_month, basis_points)
), moved as (
    select m.member_id, m.tenure_from, v.contra, (v.earned_at at time zone 'Asia/Almaty')::date as earned_on,
           count(*)::int as operations, sum(case when v.contra like 'cash.%' then -v.paid else v.paid end) as paid
    from ledger.main_moved_v1($1, $3, $4) v
    join bonus.member m on m.shard = $1 and m.account_id = v.account_id and m.left_at is null
                       and v.earned_at >= m.joined_at
    where v.contra like any (array(select pattern from rule))
    group by m.member_id, m.tenure_from, v.contra, earned_on
), earned as (
    insert into bonus.earning (day, shard, member_id, month, rule, operations, paid_tiyn, earned_e4)
    select $2, $1, v.member_id, date_trunc('month', v.earned_on)::date, r.rule, sum(v.operations),
           sum(v.paid), sum(v.paid * r.basis_points)
    from moved v
    join rule r on v.contra like r.pattern and v.earned_on >= r.valid_from and v.earned_on < r.valid_until
               and v.earned_on >= (v.tenure_from + make_interval(months => r.first_month))::date
               and v.earned_on < (v.tenure_from + make_interval(months => r.end_month))::date
    group by v.member_id, date_trunc('month', v.earned_on)::date, r.rule
    returning member_id, month, rule, earned_e4
), added as (
    insert into bonus.month as m (shard, member_id, month, rule, earned_e4)
    select $1, member_id, month, rule, earned_e4 from earned order by member_id, month, rule
    on conflict (shard, member_id, month, rule) do update
        set earned_e4 = m.earned_e4 + excluded.earned_e4, changed = true
)
select count(*)::int from earned;

-- name: purgeable_days
-- Days before a day whose earnings are kept one by one, the oldest first.
select day, shard from bonus.day where day < $1 and not purged order by day, shard;

-- name: purge_day
-- Keep what a day earned as a part of its months' sums only; returns how many rows that were.
with finished as (
    update bonus.day set purged = true where day = $2 and shard = $1 and not purged returning day
), gone as (
    delete from bonus.earning e using finished f where e.day = f.day and e.shard = $1
    returning e.member_id, e.month, e.rule, e.earned_e4
), by_month as (
    select member_id, month, rule, sum(earned_e4)::bigint as earned_e4, count(*) as earnings
    from gone group by member_id, month, rule
), kept as (
    update bonus.month m set purged_e4 = m.purged_e4 + g.earned_e4
    from by_month g
    where m.shard = $1 and (m.member_id, m.month, m.rule) = (g.member_id, g.month, g.rule)
)
select coalesce(sum(earnings), 0)::int from by_month;

-- name: unzero_reversed
-- Bonuses that paid for what was reversed come back; who left meanwhile has none.
update bonus.member m set zeroed_at = null
from ledger.reversed_accounts_v1($1, $2, $3) r
where m.shard = $1 and m.account_id = r.account_id and m.zeroed_at is not null;

-- name: analyze_months
-- Many rows are new; crediting reads them by their keys.
analyze bonus.month, bonus.member, bonus.month_due;

-- name: changed_months
-- Members of a shard with months before a day that were not looked at since they changed, from beyond the last one; not
-- from the first again, where what was done lies dead in the index.
select month, member_id from bonus.month
where changed and shard = $1 and month < $2 and (month, member_id) > ($3::date, $4::bigint)
order by month, member_id limit $5;

-- name: lock_members
-- Members, in one order for everybody; those that another run holds are left to it.
select * from bonus.member where member_id = any($1::bigint[]) order by member_id for update skip locked;

-- name: lock_months
-- The changed months of members with all their rules.
select m.member_id, m.month, m.rule, m.earned_e4
from bonus.month m
where m.member_id = any($1::bigint[]) and m.shard = $2 and m.month < $3
  and exists (select from bonus.month c where (c.shard, c.member_id, c.month) = (m.shard, m.member_id, m.month)
              and c.changed)
order by m.member_id, m.month, m.rule for update;

-- name: months_looked_at
-- What the months of members are worth is known.
update bonus.month set changed = false
where member_id = any($1::bigint[]) and shard = $2 and month < $3 and changed;

-- name: set_month_due
-- What months are worth after the caps; returns by how much each member's sum grew.
with new as (
    select * from unnest($1::smallint[], $2::bigint[], $3::date[], $4::bigint[]) n (shard, member_id, month, due)
), old as (
    select d.member_id, d.month, d.due_tiyn from bonus.month_due d join new using (shard, member_id, month)
), written as (
    insert into bonus.month_due (shard, member_id, month, due_tiyn) select shard, member_id, month, due from new
    on conflict (shard, member_id, month) do update set due_tiyn = excluded.due_tiyn
)
select n.member_id, sum(n.due - coalesce(o.due_tiyn, 0))::bigint as growth
from new n left join old o using (member_id, month) group by n.member_id;

-- name: settle_members
-- What members' months are worth in all, and what of that was credited.
update bonus.member m set due_tiyn = n.due, credited_tiyn = n.credited, credits = n.credits
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[]) n (member_id, due, credited, credits)
where m.member_id = n.member_id;

-- name: add_credits
-- Credits and what was taken back, each with its operation.
insert into bonus.credit (shard, member_id, credit_no, amount_tiyn, at, op_id)
select shard, member_id, credit_no, amount, $6, op_id
from unnest($1::smallint[], $2::bigint[], $3::int[], $4::bigint[], $5::text[])
    c (shard, member_id, credit_no, amount, op_id);

-- name: birthday_members
-- Members whose birthday is among some days, long enough with the operator, who have not had this year's gift.
select m.* from bonus.member m
where m.left_at is null and m.birthday = any($1::smallint[]) and m.member_id > $2
  and (m.tenure_from + make_interval(months => $3))::date <= $4
  and not exists (select from bonus.gift g where (g.shard, g.account_id, g.gift, g.occasion)
                                                = (m.shard, m.account_id, $5, $6))
order by m.member_id limit $7 for update skip locked;

-- name: tenure_members
-- Members whose term with the operator became full in some days, who have not had its gift.
select m.* from bonus.member m
where m.left_at is null and m.member_id > $1
  and m.tenure_from between ($3::date - make_interval(months => $2))::date - 3 and $4::date
  and (m.tenure_from + make_interval(months => $2))::date between $3 and $4
  and not exists (select from bonus.gift g where (g.shard, g.account_id, g.gift, g.occasion)
                                                = (m.shard, m.account_id, $5, $6))
order by m.member_id limit $7 for update skip locked;

-- name: day_members
-- Members long enough with the operator who have not had the gift of a day.
select m.* from bonus.member m
where m.left_at is null and m.member_id > $1 and (m.tenure_from + make_interval(months => $2))::date <= $3
  and not exists (select from bonus.gift g where (g.shard, g.account_id, g.gift, g.occasion)
                                                = (m.shard, m.account_id, $4, $5))
order by m.member_id limit $6 for update skip locked;

-- name: add_gifts
-- Gifts, each once an occasion; returns those that are new.
insert into bonus.gift (shard, account_id, gift, occasion, member_id, amount_tiyn, at, op_id)
select shard, account_id, $1, $2, member_id, $3, $4, op_id
from unnest($5::smallint[], $6::bigint[], $7::bigint[], $8::text[]) g (shard, account_id, member_id, op_id)
on conflict do nothing
returning member_id;

-- name: months_of
-- What a member's latest months earned, with what they are worth where that is settled.
select m.month, m.rule, m.earned_e4, d.due_tiyn
from bonus.month m left join bonus.month_due d using (shard, member_id, month)
where m.shard = $1 and m.member_id = $2 order by m.month desc, m.rule limit $3;

-- name: credits_of
-- A member's latest credits.
select at, amount_tiyn, op_id from bonus.credit where shard = $1 and member_id = $2 order by credit_no desc limit $3;

-- name: gifts_of
-- An account's latest gifts.
select at, gift, occasion, amount_tiyn, op_id from bonus.gift where shard = $1 and account_id = $2
order by at desc limit $3;

-- name: operations_of
-- What an account's main balance paid and got in a time, for the proof of what it earned.
select op_id, contra, at, earned_at, paid from ledger.main_moved_v1($1, $3, $4) where account_id = $2
order by at, op_id limit $5;
