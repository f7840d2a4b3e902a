-- Events of one key are handed over in their order: what waits before an event is looked up by its key.
create index outbox_key on kernel.outbox (key, event_id) where dispatched_at is null;

-- Few fail; the events behind them are found without reading all that wait.
create index outbox_failed on kernel.outbox (key, event_id) where dispatched_at is null and attempts > 0;

-- It turns over quickly: vacuum it by size of change, not by share of a week's events.
alter table kernel.outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);
