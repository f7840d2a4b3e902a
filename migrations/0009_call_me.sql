-- Requests to be called back, counted against their daily and monthly limits.

create table sms.call_me (
    call_me_id bigint generated always as identity primary key,
    msisdn     text        not null,
    request_id text        not null,
    target     text        not null,
    at         timestamptz not null,
    constraint call_me_request_key unique (msisdn, request_id)
);
create index call_me_recent on sms.call_me (msisdn, at);
