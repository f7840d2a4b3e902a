-- An e-invoice of what the act of a month in prepaid settlement states.
alter table documents.document
    drop constraint document_kind_check,
    add constraint document_kind_check
        check (kind in ('invoice', 'credit_note', 'act', 'einvoice', 'statement', 'refund_order', 'reconciliation'));
