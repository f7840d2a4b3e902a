-- The beneficiary's code (КБе) of a payee as the application states it; null where the IIN or BIN tells it.
alter table refunds.refund
    add column payee_kbe text
        constraint refund_payee_kbe_check check (payee_kbe is null or (way = 'bank' and payee_kbe ~ '^[12][1-9]$'));
