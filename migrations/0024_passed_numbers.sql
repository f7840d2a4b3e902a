-- What a holder had when his subscription passed to somebody else: usage that is reported later is still his.
alter table subscribers.number_history
    add column passed_at    timestamptz,
    add column shard        smallint,
    add column account_id   bigint,
    add column plan_code    text,
    add column plan_version int,
    add constraint number_history_account_fkey
        foreign key (shard, account_id) references subscribers.personal_account,
    add constraint number_history_passed_check
        check (num_nulls(passed_at, shard, account_id, plan_code, plan_version) in (0, 5));
