-- What a day earned is kept by the day until nobody will look for it, then as a sum of its month only.
alter table bonus.day add column purged boolean not null default false;
alter table bonus.month add column purged_e4 bigint not null default 0;
