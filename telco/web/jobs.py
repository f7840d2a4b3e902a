"""The HTTP face's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.db.jobs import Job
from telco.db.pool import Database
from telco.kernel.clock import Clock
from telco.web import idempotency


def jobs(database: Database, clock: Clock) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def forget_keys(_: datetime) -> dict[str, object]:
        return {"deleted": await idempotency.delete_old(database, clock.now())}

    return [Job("web.forget_idempotency_keys", timedelta(hours=1), forget_keys)]
