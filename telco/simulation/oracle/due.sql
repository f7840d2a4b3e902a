-- name: ledger__expire_buckets
-- Buckets past their end.
select from ledger.bucket where valid_until <= $1 and (balance <> held or held = 0)

-- name: subscribers__lapse_plans
-- Promotional plans that have lasted.
select from subscribers.subscription where state <> 'ended' and plan_until <= $1

-- name: subscribers__end_stopped
-- Subscriptions whose date to stop has come.
select from subscribers.subscription where state <> 'ended' and stop_at <= $1

-- name: subscribers__end_services
-- Services whose term is over.
select from subscribers.service where state <> 'off' and until_at <= $1

-- name: subscribers__end_suspensions
-- Suspensions whose planned end has come.
select from subscribers.suspension where ended_at is null and ends_at <= $1

-- name: billing__fees
-- Fees to take.
select from subscribers.subscription
where state <> 'ended' and next_fee_at <= $1 and (stop_at is null or stop_at > $1)
  and (plan_until is null or plan_until > $1)
union all
select from subscribers.service v join subscribers.subscription s using (subscription_id)
where v.state <> 'off' and v.next_fee_at <= $1 and s.state <> 'ended' and (s.stop_at is null or s.stop_at > $1)

-- name: billing__trust_payments
-- Trust payments past their last moment.
select from billing.trust_payment where ended_at is null and usable_until <= $1

-- name: payments__bank_documents
-- Bank documents that are not finished.
select from payments.bank_document where state = 'pending'

-- name: company_payments__allocate
-- Companies' payments that nobody has looked at.
select from payments.work_item where state = 'open' and kind = 'bank_document' and reason = 'company'

-- name: invoicing__run
-- Accounting periods that are over.
select from invoicing.account
where closed_at is null and period_end <= ($1::timestamptz at time zone 'Asia/Almaty')::date

-- name: collection__run
-- Debts about which something is due: in the morning, what is told by SMS and waited for it.
select from collection.debt where state = 'open' and next_at <= $1
