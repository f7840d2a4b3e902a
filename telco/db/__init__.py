"""PostgreSQL, the single source of truth: connections, named queries, migrations, outbox, audit trail."""
