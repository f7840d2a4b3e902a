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
