"""Collection's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.collection.service import Collection
from telco.db.jobs import Job


def jobs(collection: Collection) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def run(_: datetime) -> dict[str, object]:
        return dict((await collection.run()).counts)

    async def reconcile(_: datetime) -> dict[str, object]:
        return {"closed": await collection.reconcile()}

    return [
        Job("collection.run", timedelta(hours=1), run),
        Job("collection.reconcile", timedelta(days=1), reconcile),
    ]
