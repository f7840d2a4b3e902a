"""The bonus programme's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.bonus.service import Bonuses
from telco.db.jobs import Job


def jobs(bonuses: Bonuses) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def run(_: datetime) -> dict[str, object]:
        return await bonuses.run()

    return [Job("billing.bonuses", timedelta(hours=1), run)]
