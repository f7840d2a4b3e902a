-- name: lock_external
-- One at a time for one id of one source, so that a repetition waits for the first.
select pg_advisory_xact_lock($1, hashtext($2));

-- name: lock_externals
-- The same of many ids, in one order for everybody.
select pg_advisory_xact_lock($1, lock)
from (select distinct hashtext(id) as lock from unnest($2::text[]) as id order by lock) as locks;

-- name: insert_payments
-- Payments; their ids also name their operations in the ledger.
insert into payments.payment
    (channel, source, external_id, named, amount_tiyn, paid_at, booked_by, payer_id, payer_name, document_number,
     receipt_no, shift_id, booked_at)
select *, $13 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::text[],
                          $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[])
returning payment_id, channel, source, external_id;

-- name: insert_parts
-- What payments were split into, and what became of it in the ledger.
insert into payments.part
    (payment_id, part_no, named, msisdn, subscriber_id, shard, account_id, op_id, amount_tiyn, trust_repaid_tiyn,
     balance_tiyn)
select * from unnest($1::bigint[], $2::int[], $3::text[], $4::text[], $5::bigint[], $6::smallint[], $7::bigint[],
                     $8::text[], $9::bigint[], $10::bigint[], $11::bigint[]);

-- name: payment
-- A payment by our id.
select * from payments.payment_standing where payment_id = $1;

-- name: lock_payment
-- A payment for the length of a correction.
select payment_id from payments.payment where payment_id = $1 for update;

-- name: part
-- A part of a payment.
select * from payments.part where payment_id = $1 and part_no = $2;

-- name: parts
-- The parts of a payment, from beyond a number.
select * from payments.part where payment_id = $1 and part_no > $2 order by part_no limit $3;

-- name: payment_by_external
-- A payment by its id at its source.
select * from payments.payment_standing where channel = $1 and source = $2 and external_id = $3;

-- name: named_by_externals
-- What the payments of these ids at their sources were made for.
select p.source, p.external_id, p.payment_id, p.named, p.amount_tiyn
from unnest($2::text[], $3::text[]) as asked (source, external_id)
join payments.payment p on p.channel = $1 and p.source = asked.source and p.external_id = asked.external_id;

-- name: search_payments
-- Payments by any of their ids: ours, the provider's, the document's, the receipt's; the newest first.
select * from payments.payment_standing
where payment_id in (
    select payment_id from payments.payment
    where payment_id = $1 or external_id = $2 or document_number = $2 or receipt_no = $2
    order by payment_id desc limit $3)
order by payment_id desc;

-- name: payments_of_account
-- The newest payments of which money is, or was, on an account.
select * from payments.payment_standing
where payment_id in (
    select distinct payment_id from payments.part where shard = $1 and account_id = $2
    order by payment_id desc limit $3)
order by payment_id desc;

-- name: payments_of_day
-- What a source paid on a day, by its own clock.
select * from payments.payment_standing
where channel = $1 and source = $2 and paid_at >= $3 and paid_at < $4 order by paid_at, payment_id;

-- name: move_part
-- Where a correction put a part, or that it is gone.
update payments.part
set state = $3, shard = $4, account_id = $5, op_id = $6, msisdn = $7, subscriber_id = $8, balance_tiyn = $9
where payment_id = $1 and part_no = $2;

-- name: keep_rest
-- What a correction of less than a part left where it was.
update payments.part set op_id = $3, amount_tiyn = $4, balance_tiyn = $5 where payment_id = $1 and part_no = $2;

-- name: split_part
-- What a correction took of a part is a part of its own.
insert into payments.part
    (payment_id, part_no, named, msisdn, subscriber_id, shard, account_id, op_id, amount_tiyn, balance_tiyn, state)
select $1, (select max(part_no) + 1 from payments.part where payment_id = $1), p.named, $8, $9, $4, $5, $6, $7, $10, $3
from payments.part p where p.payment_id = $1 and p.part_no = $2;

-- name: channel_limit
-- The limits of a channel on a day.
select min_tiyn, max_tiyn from payments.channel_limit
where channel = $1 and valid_from <= $2 order by valid_from desc limit 1;

-- name: insert_provider
-- A provider; nothing when the code is taken.
insert into payments.provider (provider_code, name, key_digest, min_tiyn, max_tiyn, created_at)
values ($1, $2, $3, $4, $5, $6) on conflict (provider_code) do nothing returning provider_code;

-- name: provider
-- A provider.
select * from payments.provider where provider_code = $1;

-- name: providers_by_code
-- Providers that are asked for.
select * from payments.provider where provider_code = any($1::text[]);

-- name: providers
-- Every provider.
select * from payments.provider order by provider_code;

-- name: change_provider
-- A provider's limits, and whether it may send payments.
update payments.provider
set min_tiyn = $2, max_tiyn = $3, disabled_at = case when $4 then null else coalesce(disabled_at, $5) end
where provider_code = $1 returning *;

-- name: change_provider_key
-- A provider's new key; the old one ends at once.
update payments.provider set key_digest = $2 where provider_code = $1 returning provider_code;

-- name: terminal_answers
-- The first answers to providers' transactions.
select a.* from unnest($1::text[], $2::text[]) as asked (provider_code, txn_id)
join payments.terminal_answer a using (provider_code, txn_id);

-- name: insert_terminal_answers
-- First answers, kept for repetitions.
insert into payments.terminal_answer
    (provider_code, txn_id, account, amount_tiyn, txn_at, result, reason, payment_id, answered_at)
select *, $9 from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::smallint[],
                         $7::text[], $8::bigint[]);

-- name: insert_register
-- A compared register.
insert into payments.register
    (provider_code, day, digest, line_count, amount_tiyn, our_count, our_tiyn, differences, uploaded_at, uploaded_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning register_id;

-- name: insert_bank_account
-- An account of ours at a bank; a known one gets the new name.
insert into payments.bank_account (iban, name, added_at) values ($1, $2, $3)
on conflict (iban) do update set name = excluded.name;

-- name: bank_accounts
-- Our accounts at banks.
select iban from payments.bank_account;

-- name: named_bank_accounts
-- Our accounts at banks with their names.
select iban, name from payments.bank_account order by iban;

-- name: insert_bank_file
-- A bank file; nothing when it was taken before.
insert into payments.bank_file (digest, file_name, documents, outgoing, taken_at, taken_by)
values ($1, $2, $3, $4, $5, $6) on conflict on constraint bank_file_digest_key do nothing returning file_id;

-- name: set_repeated
-- How many of its documents were known already.
update payments.bank_file set repeated = $2 where file_id = $1;

-- name: bank_file_by_digest
-- The file with these contents.
select file_id from payments.bank_file where digest = $1;

-- name: bank_file
-- A file, with what became of its documents.
select f.*,
       (select count(*) from payments.bank_document d where d.file_id = f.file_id and d.state = 'credited') as credited,
       (select count(*) from payments.bank_document d where d.file_id = f.file_id and d.state = 'work_list') as work_list,
       (select count(*) from payments.bank_document d where d.file_id = f.file_id and d.state = 'returned') as returned,
       (select count(*) from payments.bank_document d where d.file_id = f.file_id and d.state = 'pending') as pending
from payments.bank_file f where f.file_id = $1;

-- name: insert_documents
-- The documents of a file that no earlier one told of.
insert into payments.bank_document
    (file_id, form, line, document_key, our_account, payer_account, payer_id, payer_name, number, document_date,
     received_on, amount_tiyn, purpose, like_id)
select $1, $2, * from unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                             $10::date[], $11::date[], $12::bigint[], $13::text[], $14::bigint[])
on conflict on constraint bank_document_key do nothing
returning line;

-- name: documents_by_key
-- Documents that are known already, by what names them in either form of the bank's files.
select document_key, document_id, document_key as first_key, amount_tiyn, purpose, received_on
from payments.bank_document where document_key = any($1::text[])
union all
select t.document_key, d.document_id, d.document_key, d.amount_tiyn, t.purpose, d.received_on
from payments.bank_telling t join payments.bank_document d using (document_id) where t.document_key = any($1::text[]);

-- name: untold_documents
-- Documents of these sums around these days that only the other form of the bank's files told of.
select d.* from payments.bank_document d
where d.our_account = $1 and d.form <> $2 and d.amount_tiyn = any($3::bigint[]) and d.document_date between $4 and $5
  and not exists (select from payments.bank_telling t where t.document_id = d.document_id)
order by d.document_id;

-- name: insert_tellings
-- What the other form of the bank's files tells of documents that are known.
insert into payments.bank_telling (file_id, document_key, document_id, line, purpose)
select $1, * from unnest($2::text[], $3::bigint[], $4::int[], $5::text[]);

-- name: mark_received
-- The bank has credited a document that an earlier file told of as ordered only; it may be what looked like it.
update payments.bank_document d
set received_on = $2, state = 'pending',
    like_id = coalesce(d.like_id, (select min(l.document_id) from payments.bank_document l where l.like_id = $1))
where d.document_id = $1 and d.received_on is null and d.state = 'work_list' returning d.document_id;

-- name: pending_documents
-- Documents that wait to be credited, the oldest first.
select document_id from payments.bank_document where state = 'pending' order by document_id limit $1;

-- name: pending_documents_of_file
-- The same of one file.
select document_id from payments.bank_document where state = 'pending' and file_id = $2 order by document_id limit $1;

-- name: document
-- A document.
select * from payments.bank_document where document_id = $1;

-- name: lock_pending
-- A document while it is credited; nothing when somebody else has it or it is done.
select document_id from payments.bank_document where document_id = $1 and state = 'pending' for update skip locked;

-- name: set_document
-- What became of a document.
update payments.bank_document set state = $2, payment_id = $3 where document_id = $1;

-- name: set_returned
-- A document that brought back money of ours, and what it was.
update payments.bank_document set state = 'returned', explained_by = $2 where document_id = $1;

-- name: open_item
-- What somebody has to decide, once for its cause.
insert into payments.work_item
    (item_key, kind, reason, channel, source, external_id, named, amount_tiyn, other_tiyn, paid_at, payment_id,
     document_id, facts, opened_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict on constraint work_item_key do nothing;

-- name: close_superseded
-- Differences of a day that the corrected register no longer has.
update payments.work_item set state = 'closed', decided_at = $3, decided_by = $4, decision = $5
where item_key like $1 and state = 'open' and not item_key = any($2::text[]);

-- name: close_item_by_key
-- An item whose cause is gone.
update payments.work_item set state = 'closed', decided_at = $2, decided_by = $3, decision = $4
where item_key = $1 and state = 'open';

-- name: work_items
-- The work list, the oldest first.
select * from payments.work_item
where state = $1 and ($2::text is null or kind = $2) and item_id > $3 order by item_id limit $4;

-- name: search_items
-- Items by the id of what came in.
select * from payments.work_item where external_id = $1 order by item_id limit $2;

-- name: items_with_reason
-- Open items of a kind with a reason, the oldest first.
select * from payments.work_item
where state = 'open' and kind = $1 and reason = $2 order by item_id limit $3;

-- name: items_of_orders
-- Open items of payment orders, by who pays, an order's number and day.
select w.*
from unnest($1::text[], $2::text[], $3::date[]) o (payer_id, number, document_date)
join payments.bank_document d using (payer_id, number, document_date) join payments.work_item w using (document_id)
where w.state = 'open' and w.reason = any($4::text[])
order by w.item_id;

-- name: item
-- An item.
select * from payments.work_item where item_id = $1;

-- name: note_item
-- Why an open item waits, more exactly, and what is proposed.
update payments.work_item set reason = $2, proposal = $3, facts = facts || $4
where item_id = $1 and state = 'open';

-- name: lock_item
-- An item while it is decided.
select * from payments.work_item where item_id = $1 for update;

-- name: decide_item
-- What was decided.
update payments.work_item
set state = $2, decided_at = $3, decided_by = $4, decision = $5, payment_id = coalesce($6, payment_id)
where item_id = $1 returning *;

-- name: open_shift
-- A cashier's shift; nothing when one is open.
insert into payments.cash_shift (desk, cashier, opened_at) values ($1, $2, $3)
on conflict (cashier) where closed_at is null do nothing returning shift_id;

-- name: cash_payment
-- The payment that a request at a cash desk took.
select * from payments.payment_standing where channel = 'cash_desk' and external_id = $1;

-- name: open_shift_of
-- A cashier's open shift, locked: it numbers the receipts.
select * from payments.cash_shift where cashier = $1 and closed_at is null for update;

-- name: next_receipt
-- The next receipt of a shift.
update payments.cash_shift set receipts = receipts + 1 where shift_id = $1 returning receipts;

-- name: insert_payout
-- Money given out in a shift, under its next receipt's number.
insert into payments.cash_payout (shift_id, voucher_no, reference, amount_tiyn, paid_at) values ($1, $2, $3, $4, $5);

-- name: close_shift
-- The end of a shift, with what was counted.
update payments.cash_shift set closed_at = $3, counted_tiyn = $4
where shift_id = $1 and cashier = $2 and closed_at is null returning shift_id;

-- name: shift
-- A shift with its totals.
select s.*, coalesce((select sum(p.amount_tiyn) from payments.payment p where p.shift_id = s.shift_id), 0)::bigint as taken,
       coalesce((select sum(o.amount_tiyn) from payments.cash_payout o where o.shift_id = s.shift_id), 0)::bigint as given
from payments.cash_shift s where s.shift_id = $1;

-- name: desk_day
-- What desks took on a day, by desk and cashier.
select p.source as desk, p.booked_by as cashier, count(*)::int as receipts, sum(p.amount_tiyn)::bigint as taken
from payments.payment p where p.channel = 'cash_desk' and p.paid_at >= $1 and p.paid_at < $2
group by p.source, p.booked_by order by p.source, p.booked_by;

-- name: insert_correction
-- A correction asked for; nothing when the same request asked before.
insert into payments.correction
    (payment_id, part_no, amount_tiyn, request_id, kind, target_msisdn, from_shard, from_account_id, from_op_id, reason,
     requested_at, requested_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict on constraint correction_request_key do nothing returning correction_id;

-- name: correction_by_request
-- The correction that a request asked for.
select * from payments.correction where request_id = $1;

-- name: correction
-- A correction.
select * from payments.correction where correction_id = $1;

-- name: lock_correction
-- A correction while it is decided.
select * from payments.correction where correction_id = $1 for update;

-- name: corrections
-- Corrections in a state, the oldest first.
select * from payments.correction where state = $1 and correction_id > $2 order by correction_id limit $3;

-- name: corrections_of
-- Every correction of a payment.
select * from payments.correction where payment_id = $1 order by correction_id;

-- name: decide_correction
-- What was decided on a correction, by whom.
update payments.correction
set state = $2, decided_at = $3, decided_by = $4, decision = $5, debt_allowed = $6, forced_tiyn = $7, to_shard = $8,
    to_account_id = $9
where correction_id = $1 returning *;
