-- name: lock_order
-- One at a time for one payment order, so that its register comes once.
select pg_advisory_xact_lock($1, hashtext($2));

-- name: insert_contact
-- A contact; nothing when the login is taken.
insert into company_payments.contact (bin, login, name, key_digest, added_at, added_by)
values ($1, $2, $3, $4, $5, $6) on conflict on constraint contact_login_key do nothing returning contact_id;

-- name: contact
-- A contact with the digest of its key.
select * from company_payments.contact where login = $1;

-- name: set_contact
-- The end of a contact, or that it is none.
update company_payments.contact set disabled_at = case when $2 then coalesce(disabled_at, $3) end
where login = $1 returning *;

-- name: insert_sheet
-- A register or letter.
insert into company_payments.sheet
    (bin, kind, order_number, order_date, file_name, digest, line_count, amount_tiyn, sent_at, sent_by)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning *;

-- name: insert_lines
-- Its lines.
insert into company_payments.sheet_line (sheet_id, line_no, row_no, named, amount_tiyn)
select $1, * from unnest($2::int[], $3::int[], $4::text[], $5::bigint[]);

-- name: sheets_of_order
-- What came for a payment order, the newest first.
select * from company_payments.sheet where bin = $1 and order_number = $2 and order_date = $3 order by sheet_id desc;

-- name: sheet
-- A register or letter.
select * from company_payments.sheet where sheet_id = $1;

-- name: sheets
-- A company's registers and letters, the newest first.
select * from company_payments.sheet where bin = $1 and sheet_id < $2 order by sheet_id desc limit $3;

-- name: sheet_lines
-- Its lines, in the file's order.
select row_no, named, amount_tiyn from company_payments.sheet_line where sheet_id = $1 order by line_no;

-- name: use_sheet
-- A sheet is used by one payment, once.
update company_payments.sheet set state = 'used', payment_id = $2, ended_at = $3, ended_by = $4
where sheet_id = $1 and state = 'waiting' returning sheet_id;

-- name: withdraw_sheet
-- A sheet that is not to be followed.
update company_payments.sheet set state = 'withdrawn', ended_at = $2, ended_by = $3
where sheet_id = $1 and state = 'waiting' returning *;

-- name: insert_allocation
-- How a company's payment was allocated, and why so.
insert into company_payments.allocation (payment_id, item_id, manner, reason, sheet_id, allocated_at, allocated_by)
values ($1, $2, $3, $4, $5, $6, $7);

-- name: allocation
-- The same of one payment.
select * from company_payments.allocation where payment_id = $1;
