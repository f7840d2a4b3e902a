-- name: addressee
-- Whose a personal account is, also after the contract's end; the number in use, or the one that was, comes first. It
-- has none where its numbers passed to others with their cards.
select account.contract_id, contract.opened_at, party.party_id, party.kind, party.iin_bin, party.full_name,
       party.postal_address, party.email, party.contact_phone, s.msisdn, s.language
from subscribers.personal_account account
join subscribers.contract using (contract_id)
join subscribers.party using (party_id)
left join lateral (
    select msisdn, language from subscribers.subscription
    where shard = account.shard and account_id = account.account_id
    order by state = 'ended', subscription_id limit 1) s on true
where account.shard = $1 and account.account_id = $2;

-- name: company_accounts
-- Companies' personal accounts beyond one, of contracts that were in force at a moment or later.
select account.shard, account.account_id
from subscribers.personal_account account
join subscribers.contract using (contract_id)
join subscribers.party using (party_id)
where party.kind = 'company' and (account.shard, account.account_id) > ($1, $2)
    and (contract.ended_at is null or contract.ended_at >= $3)
order by account.shard, account.account_id limit $4;
