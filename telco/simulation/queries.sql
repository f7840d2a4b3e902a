-- name: make
-- The simulation's own schema: the service does not know it.
create schema if not exists simulation;
create table if not exists simulation.run (
    one         boolean primary key default true check (one),
    subscribers int     not null,
    seed        bigint  not null,
    day         int     not null,
    slot        text    not null,
    stage       text    not null,
    acts        jsonb   not null
);
create table if not exists simulation.card (
    serial text   primary key,
    code   text   not null,
    face   bigint not null,
    taken  boolean not null default false
);
create index if not exists card_free on simulation.card (face, serial) where not taken;
create table if not exists simulation.tally (
    day   int    not null,
    what  text   not null,
    count bigint not null,
    primary key (day, what)
);
create table if not exists simulation.day (
    day     date  primary key,
    digest  text  not null,
    figures jsonb not null
);
create table if not exists simulation.finding (
    day    date not null,
    "check" text not null,
    detail text not null
);

-- name: find_run
-- The run in this database, if it has one.
select subscribers, seed, day, slot, stage, acts from simulation.run;

-- name: begin_run
-- A run begins.
insert into simulation.run (subscribers, seed, day, slot, stage, acts) values ($1, $2, $3, $4, $5, '[]');

-- name: note_acts
-- What everybody does in a slot, before anybody does it.
update simulation.run set stage = $1, acts = $2;

-- name: note_progress
-- The next thing to do.
update simulation.run set day = $1, slot = $2, stage = $3, acts = '[]';

-- name: add_cards
-- Printed cards as they are sold.
insert into simulation.card (serial, code, face) select * from unnest($1::text[], $2::text[], $3::bigint[]);

-- name: free_cards
-- Cards of a worth that nobody bought.
select serial, code from simulation.card where face = $1 and not taken order by serial limit $2;

-- name: take_cards
-- Cards that somebody bought.
update simulation.card set taken = true where serial = any($1::text[]);

-- name: add_tallies
-- How often what was done.
insert into simulation.tally (day, what, count) select $1, * from unnest($2::text[], $3::bigint[])
on conflict (day, what) do update set count = simulation.tally.count + excluded.count;

-- name: tallies
-- How often what was done, in all.
select what, sum(count)::bigint as count from simulation.tally group by what order by what;

-- name: add_finding
-- Something wrong.
insert into simulation.finding (day, "check", detail) values ($1, $2, $3);

-- name: findings
-- Everything that was found wrong.
select day, "check", detail from simulation.finding order by day, "check", detail;

-- name: add_day
-- A day's end, as the report shows it.
insert into simulation.day (day, digest, figures) values ($1, $2, $3);

-- name: days
-- Every day's end.
select day, digest, figures from simulation.day order by day;

-- name: end_others
-- Whoever a killed run left in this database.
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();

-- name: others
-- How many of them are still there.
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend';
