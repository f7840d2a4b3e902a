-- name: find_many
-- The hot read: all that a face needs of numbers in use, one index probe each. The array is a sub-select: the planner,
-- who looks into a parameter, would plan each list of one anew, three times the price of the read.
select s.subscription_id, s.contract_id, s.party_id, s.party_kind, s.msisdn, s.shard, s.account_id, s.state, s.brand,
       s.language, s.device_kind, s.settlement, s.plan_code, s.plan_version, s.plan_state, s.next_fee_at,
       array(select v.code from subscribers.service v
             where v.subscription_id = s.subscription_id and v.state = 'on'
               and (v.until_at is null or v.until_at > $2)) as services,
       array(select scope from subscribers.suspension p, unnest(p.scopes) scope
             where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $2
               and (p.ends_at is null or p.ends_at > $2)) as barred
from subscribers.subscription s
where s.msisdn = any(array(select unnest($1::text[]))) and s.state <> 'ended' and (s.stop_at is null or s.stop_at > $2);

-- name: find_by_ids
-- The same of subscriptions by id.
select s.*,
       array(select v.code from subscribers.service v
             where v.subscription_id = s.subscription_id and v.state = 'on'
               and (v.until_at is null or v.until_at > $2)) as services,
       array(select scope from subscribers.suspension p, unnest(p.scopes) scope
             where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $2
               and (p.ends_at is null or p.ends_at > $2)) as barred
from subscribers.subscription s
where s.subscription_id = any(array(select unnest($1::bigint[]))) and s.state <> 'ended' and (s.stop_at is null or s.stop_at > $2);

-- name: find_by_accounts
-- The same of the numbers that spend from personal accounts, the oldest first.
select s.*,
       array(select v.code from subscribers.service v
             where v.subscription_id = s.subscription_id and v.state = 'on'
               and (v.until_at is null or v.until_at > $3)) as services,
       array(select scope from subscribers.suspension p, unnest(p.scopes) scope
             where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $3
               and (p.ends_at is null or p.ends_at > $3)) as barred
from unnest($1::smallint[], $2::bigint[]) a (shard, account_id)
join subscribers.subscription s using (shard, account_id)
where s.state <> 'ended' and (s.stop_at is null or s.stop_at > $3)
order by s.subscription_id;

-- name: last_of_number
-- The same of who uses a number or, while nobody does, used it last.
select s.*,
       array(select v.code from subscribers.service v
             where v.subscription_id = s.subscription_id and v.state = 'on'
               and (v.until_at is null or v.until_at > $2)) as services,
       array(select scope from subscribers.suspension p, unnest(p.scopes) scope
             where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $2
               and (p.ends_at is null or p.ends_at > $2)) as barred
from subscribers.subscription s
where s.subscription_id = (
    select n.subscription_id from subscribers.number_history n where n.msisdn = $1 order by n.use_id desc limit 1);

-- name: terms
-- The figures in force on a day.
select distinct on (name) name, value from subscribers.term where valid_from <= $1 order by name, valid_from desc;

-- name: terms_ahead
-- The figures in force on a day, and those of later days.
select name, valid_from, value from subscribers.term t
where valid_from >= (select max(valid_from) from subscribers.term n where n.name = t.name and n.valid_from <= $1)
order by name, valid_from;

-- name: set_term
-- A figure from a day on.
insert into subscribers.term (name, valid_from, value) values ($1, $2, $3)
on conflict (name, valid_from) do update set value = excluded.value;

-- name: lock_subscription
-- A subscription for the length of a command.
select * from subscribers.subscription where subscription_id = $1 and state <> 'ended' for no key update;

-- name: subscription
-- A subscription in use, not locked.
select * from subscribers.subscription where subscription_id = $1 and state <> 'ended';

-- name: lock_party
-- The party of that IIN or BIN, made if new, locked so that its numbers are counted by one command at a time.
insert into subscribers.party as p (kind, iin_bin, full_name, postal_address, email, contact_phone, registered_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict on constraint party_iin_bin_key do update set registered_at = p.registered_at
returning p.*;

-- name: lock_party_by_id
-- A party for the length of a command.
select * from subscribers.party where party_id = $1 for update;

-- name: party_by_id
-- A party's data.
select * from subscribers.party where party_id = $1;

-- name: party_by_iin_bin
-- A party by its IIN or BIN.
select * from subscribers.party where kind = $1 and iin_bin = $2;

-- name: update_party
-- A party's present data.
update subscribers.party set full_name = $2, postal_address = $3, email = $4, contact_phone = $5 where party_id = $1;

-- name: add_party_changes
-- What was reported changed, when it changed and whether in time.
insert into subscribers.party_change (party_id, field, old_value, new_value, changed_on, reported_at, late)
select $1, field, old_value, new_value, $5, $6, $7
from unnest($2::text[], $3::text[], $4::text[]) as c (field, old_value, new_value);

-- name: party_changes
-- A party's reported changes, the newest first.
select field, old_value, new_value, changed_on, reported_at, late from subscribers.party_change
where party_id = $1 order by change_id desc limit $2;

-- name: count_numbers
-- How many numbers a party has.
select count(*) from subscribers.subscription where party_id = $1 and state <> 'ended';

-- name: numbers_of_party
-- A party's subscriptions in use.
select subscription_id, msisdn, plan_code, contract_id from subscribers.subscription
where party_id = $1 and state <> 'ended' order by subscription_id;

-- name: party_groups
-- The groups of subscribers that a party belongs to.
select group_code from subscribers.group_member where party_id = $1;

-- name: add_group_member
-- A party joins a group.
insert into subscribers.group_member (group_code, party_id) values ($1, $2) on conflict do nothing;

-- name: remove_group_member
-- A party leaves a group.
delete from subscribers.group_member where group_code = $1 and party_id = $2;

-- name: add_contract
-- A contract opens.
insert into subscribers.contract (party_id, opened_at) values ($1, $2) returning contract_id;

-- name: lock_contract
-- An open contract of a party.
select contract_id from subscribers.contract where contract_id = $1 and party_id = $2 and ended_at is null for update;

-- name: end_idle_contract
-- A contract without numbers in use has ended.
update subscribers.contract c set ended_at = $2
where contract_id = $1 and ended_at is null
  and not exists (select from subscribers.subscription s where s.contract_id = c.contract_id and s.state <> 'ended');

-- name: add_account
-- A personal account under a contract.
insert into subscribers.personal_account (shard, account_id, contract_id, name, opened_at) values ($1, $2, $3, $4, $5);

-- name: account_of_contract
-- Whether an account belongs to a contract.
select true from subscribers.personal_account where shard = $1 and account_id = $2 and contract_id = $3;

-- name: accounts_of_contract
-- The personal accounts of a contract.
select shard, account_id, contract_id, name, opened_at from subscribers.personal_account
where contract_id = $1 order by opened_at, account_id;

-- name: accounts_of_party
-- The personal accounts of all contracts of a party.
select account.shard, account.account_id, account.contract_id, account.name, account.opened_at
from subscribers.personal_account account join subscribers.contract using (contract_id)
where contract.party_id = $1 order by account.account_id;

-- name: add_subscription
-- A subscription begins.
insert into subscribers.subscription (
    contract_id, party_id, party_kind, shard, account_id, msisdn, state, brand, language, device_kind, region, settlement,
    plan_code, plan_version, plan_state, plan_joined_at, plan_until, period_anchor, period_index, period_start,
    next_fee_at, user_note, acceded_at)
values ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, $10, $11, $12, $13, 'awaiting_payment', $14, null, $15, -1, $15,
        $14, $16, $14)
returning *;

-- name: set_plan
-- The plan of a subscription and its running period.
update subscribers.subscription
set plan_code = $2, plan_version = $3, brand = $4, settlement = $5, plan_joined_at = $6, plan_until = $7,
    plan_state = 'awaiting_payment', period_index = -1, fee_attempt = 0, next_fee_at = $6
where subscription_id = $1
returning *;

-- name: begin_periods
-- Periods are paid and run.
update subscribers.subscription s
set plan_state = 'active', period_anchor = p.anchor, period_index = p.index, period_start = p.start,
    next_fee_at = p.next_fee_at, fee_attempt = 0
from unnest($1::bigint[], $2::date[], $3::int[], $4::date[], $5::timestamptz[]) as p (id, anchor, index, start, next_fee_at)
where s.subscription_id = p.id;

-- name: await_payments
-- Periods are not paid and are tried again at next_fee_at.
update subscribers.subscription s set plan_state = 'awaiting_payment', next_fee_at = p.next_fee_at, fee_attempt = p.attempt
from unnest($1::bigint[], $2::timestamptz[], $3::int[]) as p (id, next_fee_at, attempt)
where s.subscription_id = p.id;

-- name: set_msisdn
-- The number of a subscription.
update subscribers.subscription set msisdn = $2 where subscription_id = $1;

-- name: set_language
-- The language of a subscription.
update subscribers.subscription set language = $2 where subscription_id = $1;

-- name: set_user_note
-- Who uses the number with the subscriber's leave.
update subscribers.subscription set user_note = $2 where subscription_id = $1;

-- name: set_stop_at
-- The date from the subscriber's application to end.
update subscribers.subscription set stop_at = $2 where subscription_id = $1;

-- name: end_subscription
-- A subscription ends.
update subscribers.subscription
set state = 'ended', ended_at = $2, end_ground = $3, next_fee_at = null
where subscription_id = $1;

-- name: lock_stopping
-- Subscriptions whose day to stop has come.
select subscription_id from subscribers.subscription
where state <> 'ended' and stop_at <= $1 order by stop_at, subscription_id limit $2 for no key update skip locked;

-- name: lock_lapsed_plans
-- Subscriptions whose promotional plan has lasted, each with the change that waits for it.
select s.*, c.change_id, c.to_plan, c.to_version
from subscribers.subscription s
left join subscribers.plan_change c on c.subscription_id = s.subscription_id and c.state = 'waiting'
where s.state <> 'ended' and s.plan_until <= $1 order by s.plan_until, s.subscription_id limit $2
for no key update of s skip locked;

-- name: count_on_plan
-- How many numbers are on a plan.
select count(*) from subscribers.subscription where plan_code = $1 and state <> 'ended';

-- name: sheet
-- The result of a sheet or message that was registered before.
select r.request_sha256, s.*, c.iccid
from subscribers.registration_sheet r
join subscribers.subscription s using (subscription_id)
left join lateral (
    select i.iccid from subscribers.sim_history h join subscribers.sim i using (sim_id)
    where h.subscription_id = s.subscription_id order by h.use_id limit 1) c on true
where r.request_id = $1;

-- name: add_sheet
-- The proof of accession.
insert into subscribers.registration_sheet
    (request_id, request_sha256, subscription_id, edition, channel, signed_at, author, body)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: add_numbers
-- Numbers enter the pool; known ones stay as they are.
insert into subscribers.number (msisdn, category) select unnest($1::text[]), $2
on conflict (msisdn) do nothing returning msisdn;

-- name: number
-- One number of the pool.
select n.*, c.price_tiyn from subscribers.number n join subscribers.number_category c using (category) where msisdn = $1;

-- name: category_price
-- The price of a category.
select price_tiyn from subscribers.number_category where category = $1;

-- name: set_category_price
-- A category and its price.
insert into subscribers.number_category (category, price_tiyn) values ($1, $2)
on conflict (category) do update set price_tiyn = excluded.price_tiyn;

-- name: free_numbers
-- Free numbers of a category that end in some digits.
select n.*, c.price_tiyn from subscribers.number n join subscribers.number_category c using (category)
where n.category = $1 and n.state = 'free' and n.msisdn like '%' || $2::text
order by n.msisdn limit $3;

-- name: pick_number
-- Any free number of a category that no other command is taking.
select msisdn from subscribers.number where category = $1 and state = 'free'
order by msisdn limit 1 for update skip locked;

-- name: take_number
-- A number is given out, if it is free, reserved for this holder or past its reservation or quarantine.
update subscribers.number
set state = $2, porting_ref = $3, reserved_by = null, reserved_until = null, quarantined_until = null
where msisdn = $1
  and (state = 'free' or state = 'reserved' and (reserved_by = $4 or reserved_until <= $5)
       or state = 'quarantine' and quarantined_until <= $5)
returning category;

-- name: reserve_number
-- A number is kept for somebody until a deadline.
update subscribers.number
set state = 'reserved', reserved_by = $2, reserved_until = $3, quarantined_until = null
where msisdn = $1
  and (state = 'free' or state = 'reserved' and (reserved_by = $2 or reserved_until <= $4)
       or state = 'quarantine' and quarantined_until <= $4)
returning msisdn;

-- name: count_reserved
-- How many numbers are kept for somebody.
select count(*) from subscribers.number
where state = 'reserved' and reserved_by = $1 and reserved_until > $2 and msisdn <> $3;

-- name: unreserve_number
-- A reservation is given up.
update subscribers.number set state = 'free', reserved_by = null, reserved_until = null
where msisdn = $1 and state = 'reserved' and reserved_by = $2 returning msisdn;

-- name: quarantine_number
-- A withdrawn number rests.
update subscribers.number set state = 'quarantine', quarantined_until = $2, porting_ref = null where msisdn = $1;

-- name: port_out_number
-- A number that left for another operator.
update subscribers.number set state = 'ported_out', porting_ref = null where msisdn = $1;

-- name: end_temporary
-- The donor has confirmed: a temporary number becomes an ordinary one.
update subscribers.number set state = 'assigned', porting_ref = null
where msisdn = $1 and state = 'temporary' returning msisdn;

-- name: free_stale_numbers
-- Reservations and quarantines that are over.
update subscribers.number set state = 'free', reserved_by = null, reserved_until = null, quarantined_until = null
where msisdn in (
    select msisdn from subscribers.number
    where state = 'reserved' and reserved_until <= $1 or state = 'quarantine' and quarantined_until <= $1
    order by msisdn limit $2 for update skip locked)
returning msisdn;

-- name: open_number_history
-- A number comes to a subscription.
insert into subscribers.number_history (subscription_id, msisdn, from_at, reason) values ($1, $2, $3, $4);

-- name: close_number_history
-- A number leaves its subscription.
update subscribers.number_history set until_at = $2 where msisdn = $1 and until_at is null;

-- name: pass_numbers_on
-- The numbers of a subscription have another holder or account from now on: what they were used with is kept.
update subscribers.number_history
set until_at = coalesce(until_at, $2), passed_at = $2, shard = $3, account_id = $4, plan_code = $5, plan_version = $6,
    language = $7
where subscription_id = $1 and passed_at is null;

-- name: number_history
-- The numbers that a subscription had.
select msisdn, from_at, until_at, reason from subscribers.number_history where subscription_id = $1
order by use_id;

-- name: add_sim
-- A card enters the stock.
insert into subscribers.sim (iccid, imsi, kind, pack_msisdn) values ($1, $2, $3, $4) returning sim_id;

-- name: add_sims
-- A delivery of cards enters the stock.
insert into subscribers.sim (iccid, imsi, kind)
select iccid, imsi, $3 from unnest($1::text[], $2::text[]) as card (iccid, imsi);

-- name: lock_sim
-- A card by its number.
select * from subscribers.sim where iccid = $1 for update;

-- name: lock_pack_sim
-- The card of a starter pack.
select * from subscribers.sim where pack_msisdn = $1 and state = 'stock' for update;

-- name: pick_esim
-- Any eSIM profile in stock that no other command is taking.
select * from subscribers.sim where state = 'stock' and kind = 'esim' and pack_msisdn is null
order by sim_id limit 1 for update skip locked;

-- name: activate_sim
-- A card is in use.
update subscribers.sim set state = 'active' where sim_id = $1;

-- name: retire_sim
-- The card of a subscription goes out of use.
with closed as (
    update subscribers.sim_history set until_at = $2
    where subscription_id = $1 and until_at is null returning sim_id)
update subscribers.sim s set state = 'retired' from closed where s.sim_id = closed.sim_id returning s.iccid;

-- name: open_sim_history
-- A card comes to a subscription.
insert into subscribers.sim_history (subscription_id, sim_id, from_at, reason, author) values ($1, $2, $3, $4, $5);

-- name: sim_history
-- The cards that a subscription had.
select i.iccid, i.imsi, i.kind, h.from_at, h.until_at, h.reason, h.author
from subscribers.sim_history h join subscribers.sim i using (sim_id)
where h.subscription_id = $1 order by h.use_id;

-- name: last_sim_change
-- When the card of a number was last put in.
select max(h.from_at) from subscribers.sim_history h join subscribers.subscription s using (subscription_id)
where s.msisdn = $1 and s.state <> 'ended';

-- name: msisdn_of_imsi
-- Which number a card identifies.
select s.msisdn from subscribers.sim i
join subscribers.sim_history h on h.sim_id = i.sim_id and h.until_at is null
join subscribers.subscription s using (subscription_id)
where i.imsi = $1 and i.state = 'active' and s.state <> 'ended';

-- name: publish_edition
-- An edition of the contract is published.
insert into subscribers.edition (edition, published_at, refusable_until, url, sha256) values ($1, $2, $3, $4, $5);

-- name: current_edition
-- The newest edition.
select * from subscribers.edition where published_at <= $1 order by published_at desc limit 1;

-- name: edition
-- One edition.
select * from subscribers.edition where edition = $1;

-- name: answer_edition
-- A contract's answer to an edition; the first one stands.
insert into subscribers.edition_answer (contract_id, edition, answer, manner, channel, answered_at)
values ($1, $2, $3, $4, $5, $6)
on conflict on constraint edition_answer_pkey do nothing returning edition;

-- name: edition_answers
-- What a contract answered to each edition.
select edition, answer, manner, channel, answered_at from subscribers.edition_answer
where contract_id = $1 order by answered_at;

-- name: lock_silent_edition
-- The oldest edition whose term is over and whose silence is not yet counted.
select * from subscribers.edition where silence_counted_at is null and refusable_until <= $1
order by published_at limit 1 for update skip locked;

-- name: count_silence
-- Open contracts that did not answer have accepted, a bounded number of them.
insert into subscribers.edition_answer (contract_id, edition, answer, manner, channel, answered_at)
select c.contract_id, $1, 'accepted', 'silence', 'system', $3
from subscribers.contract c
where c.ended_at is null and c.opened_at < $2
  and not exists (select from subscribers.edition_answer a where a.contract_id = c.contract_id and a.edition = $1)
order by c.contract_id limit $4
on conflict on constraint edition_answer_pkey do nothing
returning contract_id;

-- name: silence_counted
-- An edition is settled with every contract.
update subscribers.edition set silence_counted_at = $2 where edition = $1;

-- name: subscriptions_of_contract
-- The numbers in use under a contract.
select subscription_id from subscribers.subscription where contract_id = $1 and state <> 'ended' order by subscription_id;

-- name: add_plan_change
-- A plan change, waiting or done.
insert into subscribers.plan_change
    (subscription_id, from_plan, from_version, to_plan, to_version, requested_at, effective_at, cost_tiyn, state, author)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning change_id;

-- name: cancel_plan_change
-- The waiting change of a subscription is given up.
update subscribers.plan_change set state = 'cancelled' where subscription_id = $1 and state = 'waiting' returning *;

-- name: finish_plan_change
-- A waiting change has happened.
update subscribers.plan_change set state = 'done', effective_at = $2 where change_id = $1;

-- name: waiting_plan_change
-- The change that a subscription waits for.
select * from subscribers.plan_change where subscription_id = $1 and state = 'waiting';

-- name: plan_changes
-- A subscription's plan changes, the newest first.
select * from subscribers.plan_change where subscription_id = $1 order by change_id desc limit $2;

-- name: add_service
-- A service is switched on.
insert into subscribers.service (
    subscription_id, code, version, third_party, paid, single, state, request_id, switched_on_at, until_at,
    period_anchor, period_index, period_start, next_fee_at)
values ($1, $2, $3, $4, $5, $6, 'on', $7, $8, $9, $10, 0, $10, $11)
returning *;

-- name: service_by_request
-- The order that a request made before.
select * from subscribers.service where subscription_id = $1 and request_id = $2;

-- name: services_on
-- The services that a subscription has.
select * from subscribers.service
where subscription_id = $1 and state <> 'off' and (until_at is null or until_at > $2)
order by switched_on_at, service_id;

-- name: lock_service_on
-- A service that a subscription has until it is switched off.
select * from subscribers.service where subscription_id = $1 and code = $2 and state <> 'off' and single for update;

-- name: end_lapsed_service
-- A service whose term is over makes room for the same one.
update subscribers.service set state = 'off', switched_off_at = until_at
where subscription_id = $1 and code = $2 and state <> 'off' and until_at <= $3;

-- name: switch_services_off
-- Services end.
update subscribers.service set state = 'off', switched_off_at = $2, next_fee_at = null
where service_id = any($1::bigint[]) and state <> 'off' returning *;

-- name: end_lapsed_services
-- Packs and timed services whose term is over.
update subscribers.service set state = 'off', switched_off_at = until_at, next_fee_at = null
where service_id in (
    select service_id from subscribers.service where state <> 'off' and until_at <= $1
    order by until_at limit $2 for update skip locked)
returning *;

-- name: begin_service_periods
-- Periods of services are paid and run.
update subscribers.service v
set state = 'on', period_anchor = p.anchor, period_index = p.index, period_start = p.start,
    next_fee_at = p.next_fee_at, fee_attempt = 0
from unnest($1::bigint[], $2::date[], $3::int[], $4::date[], $5::timestamptz[]) as p (id, anchor, index, start, next_fee_at)
where v.service_id = p.id and v.state <> 'off';

-- name: await_service_payments
-- Periods of services are not paid and are tried again at next_fee_at.
update subscribers.service v set state = 'awaiting_payment', next_fee_at = p.next_fee_at, fee_attempt = p.attempt
from unnest($1::bigint[], $2::timestamptz[], $3::int[]) as p (id, next_fee_at, attempt)
where v.service_id = p.id and v.state <> 'off';

-- name: due_plan_fees
-- Plan fees that are due, each with the change that waits for it, locked for this run. Those of one moment come in the
-- order of the index: sorting them would cost every batch a look at all of them.
select s.*, c.change_id, c.to_plan, c.to_version,
       (select min(coalesce(p.ends_at, '9999-01-01')) from subscribers.suspension p
        where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $1
          and (p.ends_at is null or p.ends_at > $1) and 'full' = any (p.scopes) and p.ground = any ($3::text[]))
           as suspended_until
from subscribers.subscription s
left join subscribers.plan_change c on c.subscription_id = s.subscription_id and c.state = 'waiting'
where s.state <> 'ended' and s.next_fee_at <= $1 and (s.stop_at is null or s.stop_at > $1)
  and (s.plan_until is null or s.plan_until > $1)
order by s.next_fee_at
limit $2
for no key update of s skip locked;

-- name: suspended_until
-- A subscription's plan, and until when it is suspended on one of some grounds, if it is.
select s.plan_code, s.plan_version,
       (select min(coalesce(p.ends_at, '9999-01-01')) from subscribers.suspension p
        where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $2
          and (p.ends_at is null or p.ends_at > $2) and 'full' = any (p.scopes) and p.ground = any ($3::text[]))
           as suspended_until
from subscribers.subscription s where s.subscription_id = $1;

-- name: awaits_payment
-- Whether a fee of a plan or service waits for money on an account.
select exists (
    select from subscribers.subscription s
    where s.shard = $1 and s.account_id = $2 and s.state <> 'ended'
      and (s.plan_state = 'awaiting_payment'
           or exists (select from subscribers.service v
                      where v.subscription_id = s.subscription_id and v.state = 'awaiting_payment')));

-- name: unpaid_plan_fees
-- Plan fees that wait for money on an account, locked for this run.
select s.*, c.change_id, c.to_plan, c.to_version,
       (select min(coalesce(p.ends_at, '9999-01-01')) from subscribers.suspension p
        where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $3
          and (p.ends_at is null or p.ends_at > $3) and 'full' = any (p.scopes) and p.ground = any ($4::text[]))
           as suspended_until
from subscribers.subscription s
left join subscribers.plan_change c on c.subscription_id = s.subscription_id and c.state = 'waiting'
where s.state <> 'ended' and s.shard = $1 and s.account_id = $2 and s.plan_state = 'awaiting_payment'
  and (s.stop_at is null or s.stop_at > $3)
order by s.subscription_id
for no key update of s;

-- name: due_service_fees
-- Service fees that are due, locked for this run. They wait for the fee of the number's plan if that is due, too.
select v.*, s.msisdn, s.language, s.shard, s.account_id, s.settlement, s.plan_code, s.plan_version,
       (select min(coalesce(p.ends_at, '9999-01-01')) from subscribers.suspension p
        where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $1
          and (p.ends_at is null or p.ends_at > $1) and 'full' = any (p.scopes) and p.ground = any ($3::text[]))
           as suspended_until
from subscribers.service v join subscribers.subscription s using (subscription_id)
where v.state <> 'off' and v.next_fee_at <= $1 and s.state <> 'ended'
  and (s.stop_at is null or s.stop_at > $1)
  and (s.next_fee_at is null or s.next_fee_at > $1 or s.plan_until <= $1)
order by v.next_fee_at
limit $2
for no key update of s, v skip locked;

-- name: unpaid_service_fees
-- Service fees that wait for money on an account, locked for this run.
select v.*, s.msisdn, s.language, s.shard, s.account_id, s.settlement, s.plan_code, s.plan_version,
       (select min(coalesce(p.ends_at, '9999-01-01')) from subscribers.suspension p
        where p.subscription_id = s.subscription_id and p.ended_at is null and p.started_at <= $3
          and (p.ends_at is null or p.ends_at > $3) and 'full' = any (p.scopes) and p.ground = any ($4::text[]))
           as suspended_until
from subscribers.service v join subscribers.subscription s using (subscription_id)
where v.state = 'awaiting_payment' and s.state <> 'ended' and s.shard = $1 and s.account_id = $2
  and (s.stop_at is null or s.stop_at > $3)
order by v.service_id
for no key update of s, v;

-- name: add_suspension
-- A suspension begins.
insert into subscribers.suspension
    (subscription_id, ground, scopes, reference, reason, author, started_at, ends_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning *;

-- name: end_stale_suspension
-- A suspension on the same ground that was over by itself makes room for a new one.
update subscribers.suspension set ended_at = ends_at, ended_by = 'system:term', end_reason = 'its term is over'
where subscription_id = $1 and ground = $2 and reference = $3 and ended_at is null and ends_at <= $4;

-- name: lock_suspension
-- An open suspension.
select * from subscribers.suspension where suspension_id = $1 and ended_at is null for update;

-- name: open_suspension
-- An open suspension by its ground and reference.
select * from subscribers.suspension
where subscription_id = $1 and ground = $2 and reference = $3 and ended_at is null for update;

-- name: end_suspension
-- A suspension is lifted.
update subscribers.suspension set ended_at = $2, ended_by = $3, end_reason = $4 where suspension_id = $1 returning *;

-- name: suspensions
-- A subscription's suspensions, the newest first.
select * from subscribers.suspension where subscription_id = $1 order by suspension_id desc limit $2;

-- name: suspensions_in_force
-- What forbids a subscription service now.
select * from subscribers.suspension
where subscription_id = $1 and ended_at is null and started_at <= $2 and (ends_at is null or ends_at > $2)
order by suspension_id;

-- name: end_lapsed_suspensions
-- Suspensions whose planned end has come, each with what others forbid its number from then on.
update subscribers.suspension p set ended_at = ends_at, ended_by = 'system:term', end_reason = 'its term is over'
where p.suspension_id in (
    select suspension_id from subscribers.suspension where ended_at is null and ends_at <= $1
    order by ends_at limit $2 for update skip locked)
returning p.suspension_id, p.subscription_id, p.ground,
          (select s.state <> 'ended' from subscribers.subscription s
           where s.subscription_id = p.subscription_id) as in_use,
          array(select distinct scope from subscribers.suspension o, unnest(o.scopes) scope
                where o.subscription_id = p.subscription_id and o.ended_at is null and o.started_at <= $1
                  and (o.ends_at is null or o.ends_at > $1) order by scope) as barred;

-- name: give_consents
-- Consents are given; those in force stay as they were.
insert into subscribers.consent (party_id, subscription_id, kind, version, channel, given_at)
select $1, case when kind = any($6::text[]) then $2::bigint end, kind, $4, $5, $7
from unnest($3::text[]) kind
on conflict do nothing
returning kind;

-- name: withdraw_consent
-- A consent of a party or number is withdrawn.
update subscribers.consent set withdrawn_at = $4, withdrawn_channel = $5
where kind = $3 and withdrawn_at is null and party_id = $1
  and (subscription_id is null or subscription_id = $2)
returning consent_id;

-- name: withdraw_consents_of_subscription
-- The consents of a number end with it.
update subscribers.consent set withdrawn_at = $2, withdrawn_channel = 'system'
where subscription_id = $1 and withdrawn_at is null;

-- name: consents
-- The consents that a party gave, for itself and for one number.
select kind, version, channel, given_at, withdrawn_at, withdrawn_channel, subscription_id from subscribers.consent
where party_id = $1 and (subscription_id is null or subscription_id = $2) order by given_at, consent_id;

-- name: has_consent
-- Whether a consent is in force.
select exists (select from subscribers.consent
               where party_id = $1 and (subscription_id is null or subscription_id = $2) and kind = $3
                 and withdrawn_at is null);

-- name: consent_holders
-- The numbers in use that spend from an account and whose own consent is in force.
select s.subscription_id, c.given_at, s.acceded_at, p.iin_bin, p.kind = 'person' as person
from subscribers.subscription s
join subscribers.consent c using (subscription_id)
join subscribers.party p on p.party_id = s.party_id
where s.shard = $1 and s.account_id = $2 and s.state <> 'ended' and c.kind = $3 and c.withdrawn_at is null
order by s.subscription_id;

-- name: holding
-- Those of many numbers in use whose own consent is in force.
select c.subscription_id from subscribers.consent c join subscribers.subscription s using (subscription_id)
where c.kind = $1 and c.withdrawn_at is null and c.subscription_id = any($2::bigint[]) and s.state <> 'ended';

-- name: consenting_parties
-- Parties whose own consent is in force.
select p.* from subscribers.party p
where p.party_id = any($1::bigint[])
  and exists (select from subscribers.consent
              where party_id = p.party_id and subscription_id is null and kind = $2 and withdrawn_at is null);

-- name: add_application
-- An application with its time, channel and outcome; the number names its subscription.
insert into subscribers.application
    (subscription_id, party_id, applicant, kind, channel, author, body, registered_at, state, outcome, decided_at,
     decided_by)
select s.subscription_id, coalesce($2::bigint, s.party_id), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
from (select) as once
left join lateral (
    select subscription_id, party_id from subscribers.subscription where subscription_id = $1::bigint
    union all
    select subscription_id, party_id from subscribers.subscription
    where $1::bigint is null and msisdn = $3 and state <> 'ended') s on true
returning application_id;

-- name: decide_application
-- An open application gets its outcome.
update subscribers.application set state = $2, outcome = $3, decided_at = $4, decided_by = $5
where application_id = $1 and state = 'registered' returning *;

-- name: applications
-- A subscription's applications, the newest first.
select * from subscribers.application where subscription_id = $1 order by application_id desc limit $2;

-- name: open_applications
-- Applications that wait for an answer, the oldest first.
select * from subscribers.application where state = 'registered' order by application_id limit $1;

-- name: set_secret
-- A PIN or code word.
insert into subscribers.secret (subscription_id, kind, hash, set_at) values ($1, $2, $3, $4)
on conflict (subscription_id) do update
set kind = excluded.kind, hash = excluded.hash, set_at = excluded.set_at, tries = 0, locked_until = null;

-- name: claim_try
-- A try is used up before the secret is looked at, so that parallel guesses count; a lock that is over clears them.
update subscribers.secret
set tries = case when locked_until is null then tries + 1 else 1 end,
    locked_until = case when case when locked_until is null then tries + 1 else 1 end >= $3 then $4::timestamptz end
where subscription_id = $1 and (locked_until is null or locked_until <= $2)
returning kind, hash, tries, locked_until;

-- name: secret
-- Whether there is a secret, and its lock.
select kind, locked_until from subscribers.secret where subscription_id = $1;

-- name: clear_tries
-- The right secret clears the tries.
update subscribers.secret set tries = 0, locked_until = null where subscription_id = $1 and hash = $2;

-- name: unlock_secret
-- An employee clears the lock.
update subscribers.secret set tries = 0, locked_until = null where subscription_id = $1;

-- name: register_device
-- A device with its owner and number.
insert into subscribers.device (imei, party_id, subscription_id, registered_at) values ($1, $2, $3, $4);

-- name: end_device
-- A device is no longer registered.
update subscribers.device set ended_at = $3, end_reason = $4
where imei = $1 and subscription_id = $2 and ended_at is null returning imei;

-- name: devices
-- The devices registered to a number.
select imei, party_id, subscription_id, registered_at from subscribers.device
where subscription_id = $1 and ended_at is null order by registered_at;

-- name: end_devices
-- The devices of a number that ended.
update subscribers.device set ended_at = $2, end_reason = $3 where subscription_id = $1 and ended_at is null;

-- name: lock_holder
-- One reservation of a holder is counted at a time.
select pg_advisory_xact_lock(hashtextextended('subscribers.holder:' || $1::text, 0));

-- name: set_account
-- The personal account that a subscription spends from.
update subscribers.subscription set shard = $2, account_id = $3 where subscription_id = $1;

-- name: delete_secret
-- A secret goes with its subscriber.
delete from subscribers.secret where subscription_id = $1;

-- name: change_owner
-- A subscription passes to another party.
update subscribers.subscription
set contract_id = $2, party_id = $3, party_kind = $4, shard = $5, account_id = $6, language = $7, device_kind = $8,
    region = $9, user_note = $10, stop_at = null
where subscription_id = $1
returning *;
