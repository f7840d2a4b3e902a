-- name: addressee
-- Whose a personal account is, also after the contract's end; the number in use, or the one that was, comes first.
select account.contract_id, contract.opened_at, party.party_id, party.kind, party.iin_bin, party.full_name,
       party.postal_address, party.email, party.contact_phone, s.subscription_id, s.msisdn, s.language
from subscribers.personal_account account
join subscribers.contract using (contract_id)
join subscribers.party using (party_id)
cross join lateral (
    select subscription_id, msisdn, language from subscribers.subscription
    where shard = account.shard and account_id = account.account_id
    order by state = 'ended', subscription_id limit 1) s
where account.shard = $1 and account.account_id = $2;

-- name: company_accounts
-- Companies' personal accounts beyond one that had a number in use at a moment or later.
select account.shard, account.account_id
from subscribers.personal_account account
join subscribers.contract using (contract_id)
join subscribers.party using (party_id)
where party.kind = 'company' and (account.shard, account.account_id) > ($1, $2)
    and exists (
        select from subscribers.subscription s
        where s.shard = account.shard and s.account_id = account.account_id and (s.ended_at is null or s.ended_at >= $3))
order by account.shard, account.account_id limit $4;
