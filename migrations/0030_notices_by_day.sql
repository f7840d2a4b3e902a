-- What may only leave in the day, so that it waits for the morning also when the SMSC comes back at night.
alter table sms.outbound add column by_day boolean not null default false;
