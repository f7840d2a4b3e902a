-- name: requisites_on
-- The operator's requisites in force on a day.
select valid_from, requisites from documents.requisites where valid_from <= $1 order by valid_from desc limit 1;

-- name: all_requisites
-- Every set of requisites, the newest first.
select valid_from, requisites, set_at, set_by from documents.requisites order by valid_from desc;

-- name: set_requisites
-- Put requisites in force from a day; a day that has some gets the new ones.
insert into documents.requisites (valid_from, requisites, set_at, set_by) values ($1, $2, $3, $4)
on conflict (valid_from) do update set requisites = excluded.requisites, set_at = excluded.set_at, set_by = excluded.set_by;

-- name: lock_source
-- Let one transaction at a time issue a document of a source.
select pg_advisory_xact_lock($1, hashtext($2));

-- name: next_number
-- Take the next number of a series; it is given back with the transaction when that fails.
insert into documents.series as s (series, year, last_no) values ($1, $2, 1)
on conflict (series, year) do update set last_no = s.last_no + 1
returning last_no;

-- name: insert_document
-- Write a document.
insert into documents.document (kind, number, series, year, series_no, source, shard, account_id, contract_id, party_id,
    iin_bin, issued_on, issued_at, issued_by, total_tiyn, corrects, data, sha256)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
returning document_id;

-- name: document
-- A document of the register.
select d.document_id, d.kind, d.number, d.source, d.shard, d.account_id, d.contract_id, d.party_id, d.iin_bin,
    d.issued_on, d.issued_at, d.issued_by, d.total_tiyn, d.sha256, d.corrects,
    (select c.document_id from documents.document c where c.corrects = d.document_id) as corrected_by
from documents.document d where d.document_id = $1;

-- name: document_by_source
-- The document that a source was issued as.
select d.document_id, d.kind, d.number, d.source, d.shard, d.account_id, d.contract_id, d.party_id, d.iin_bin,
    d.issued_on, d.issued_at, d.issued_by, d.total_tiyn, d.sha256, d.corrects,
    (select c.document_id from documents.document c where c.corrects = d.document_id) as corrected_by
from documents.document d where d.source = $1;

-- name: document_data
-- A document's canonical text and its hash.
select data, sha256 from documents.document where document_id = $1;

-- name: search_documents
-- The newest documents, of an account, a contract, an IIN or BIN, a kind or a number.
select d.document_id, d.kind, d.number, d.source, d.shard, d.account_id, d.contract_id, d.party_id, d.iin_bin,
    d.issued_on, d.issued_at, d.issued_by, d.total_tiyn, d.sha256, d.corrects,
    (select c.document_id from documents.document c where c.corrects = d.document_id) as corrected_by
from documents.document d
where ($1::smallint is null or (d.shard = $1 and d.account_id = $2::bigint))
    and ($3::bigint is null or d.contract_id = $3)
    and ($4::text is null or d.iin_bin = $4)
    and ($5::text is null or d.kind = $5)
    and ($6::text is null or d.number = $6)
    and ($7::bigint is null or d.document_id < $7)
order by d.document_id desc
limit $8;

-- name: open_duties
-- Note that documents have to be issued; each once.
insert into documents.duty (source, due_on, opened_at, next_at)
select source, $2, $3, $3 from unnest($1::text[]) d (source)
on conflict (source) do nothing;

-- name: claim_duties
-- Take duties that can be done now, those that are due first; another machine leaves them alone until `next_at`.
update documents.duty set next_at = $2, attempts = attempts + 1
where duty_id in (
    select duty_id from documents.duty where document_id is null and next_at <= $1
    order by due_on, duty_id limit $3 for update skip locked
)
returning duty_id, source, attempts;

-- name: do_duty
-- Note the document that fulfils a duty.
update documents.duty set document_id = $2, done_on = $3, error = null where duty_id = $1 and document_id is null;

-- name: postpone_duty
-- Note why a duty could not be done yet, and when it is tried again.
update documents.duty set error = $2, next_at = $3 where duty_id = $1 and document_id is null;

-- name: duties
-- Duties in a state on a day, from beyond an id.
select duty_id, source, due_on, done_on, document_id, attempts, error
from documents.duty
where case $1 when 'done' then document_id is not null
        when 'late' then document_id is null and due_on < $2::date
        else document_id is null end
    and duty_id > $3
order by duty_id
limit $4;

-- name: late_duties
-- How many duties are not done, and how many of them after their day.
select count(*) filter (where document_id is null and due_on < $1) as late,
    count(*) filter (where document_id is null) as open
from documents.duty where document_id is null;

-- name: queue_einvoice
-- Send a document to the state's system after the commit; once.
insert into documents.einvoice (document_id, next_at, queued_at) values ($1, $2, $2) on conflict (document_id) do nothing;

-- name: claim_einvoices
-- Take what is due; another machine leaves it alone until the lease ends.
update documents.einvoice set next_at = $2, attempts = attempts + 1
where document_id in (
    select document_id from documents.einvoice where next_at <= $1
    order by next_at, document_id limit $3 for update skip locked
)
returning document_id, state, external_id, attempts;

-- name: einvoice_sent
-- The system took a document.
update documents.einvoice set state = 'sent', external_id = $2, next_at = $3, trouble = null
where document_id = $1 and state = 'queued';

-- name: einvoice_registered
-- The system registered a document.
update documents.einvoice set state = 'registered', registration_number = $2, next_at = null, settled_at = $3, trouble = null
where document_id = $1 and state in ('queued', 'sent');

-- name: einvoice_refused
-- The system refused a document and said why.
update documents.einvoice set state = 'refused', errors = $2, next_at = null, settled_at = $3, trouble = null
where document_id = $1 and state in ('queued', 'sent');

-- name: einvoice_later
-- Something is in the way that will pass, or the system has not decided yet.
update documents.einvoice set next_at = $2, trouble = $3 where document_id = $1 and state in ('queued', 'sent');

-- name: einvoice_again
-- Send a refused document again, after what was wrong was put right outside, unless another took its place meanwhile.
update documents.einvoice e
set state = 'queued', external_id = null, errors = '[]', attempts = 0, next_at = $2, settled_at = null
where document_id = $1 and state = 'refused'
    and not exists (select from documents.document c where c.corrects = e.document_id)
returning document_id;

-- name: earlier_einvoice
-- What a document that follows $1 has to do with in the state's system. A correction ($2 is false) follows exactly that
-- one, a credit note whatever corrects it by now. What the system refused, or never got, is not there: what that was to
-- correct is.
with recursive newest as (
    select $1::bigint as document_id, 0 as step
    union all
    select c.document_id, n.step + 1 from newest n join documents.document c on c.corrects = n.document_id where $2
), chain as (
    select d.number, d.issued_on, d.corrects, e.state, e.registration_number, 0 as step
    from documents.document d left join documents.einvoice e using (document_id)
    where d.document_id = (select document_id from newest order by step desc limit 1)
    union all
    select d.number, d.issued_on, d.corrects, e.state, e.registration_number, c.step + 1
    from chain c
    join documents.document d on d.document_id = c.corrects
    left join documents.einvoice e on e.document_id = d.document_id
    where coalesce(c.state, 'refused') = 'refused'
)
select number, issued_on, state, registration_number from chain order by step desc limit 1;

-- name: einvoice
-- A document's way through the state's system.
select e.document_id, d.number, e.state, e.external_id, e.registration_number, e.errors, e.attempts, e.next_at,
    e.queued_at, e.settled_at, e.trouble
from documents.einvoice e join documents.document d using (document_id)
where e.document_id = $1;

-- name: einvoices
-- What is in a state, from beyond an id.
select e.document_id, d.number, e.state, e.external_id, e.registration_number, e.errors, e.attempts, e.next_at,
    e.queued_at, e.settled_at, e.trouble
from documents.einvoice e join documents.document d using (document_id)
where e.state = $1 and e.document_id > $2
order by e.document_id
limit $3;

-- name: drop_duty
-- Nothing was supplied, so nothing has to be given.
delete from documents.duty where duty_id = $1 and document_id is null;

-- name: last_act_month
-- The newest month whose acts are among the duties.
select max(month) from documents.act_month;

-- name: note_act_month
-- The acts of a month are among the duties.
insert into documents.act_month (month, noted_at) values ($1, $2) on conflict do nothing;
