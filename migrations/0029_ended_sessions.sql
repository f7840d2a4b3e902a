-- Sessions that have ended are deleted when they are old: the oldest are found without reading the others.
create index session_ended on charging.session (seen_at) where state <> 'open';
