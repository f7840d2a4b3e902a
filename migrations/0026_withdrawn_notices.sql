-- A notice that waits for the morning, or for the SMSC, may become untrue meanwhile: it is found by what it is about.
alter table sms.outbound add column about text;
comment on column sms.outbound.about is 'what the message says something about, at its first part; withdrawn by this';
create index outbound_about on sms.outbound (about) where state = 'queued' and about is not null;
