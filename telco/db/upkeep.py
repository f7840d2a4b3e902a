"""Scheduled work of the outbox."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.db.jobs import Job
from telco.db.outbox import Dispatcher


def jobs(outbox: Dispatcher) -> list[Job]:
    """Return the jobs: dispatched events are kept for a while, for whoever looks into a matter, and then deleted."""

    async def purge(_: datetime) -> dict[str, object]:
        deleted = 0
        while count := await outbox.purge():
            deleted += count
        return {"deleted": deleted}

    return [Job("outbox.purge", timedelta(hours=6), purge)]
