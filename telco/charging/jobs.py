"""Charging's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.charging.service import Charging
from telco.db.jobs import Job


def jobs(charging: Charging, *, keep_days: int) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def note_silent(_: datetime) -> dict[str, object]:
        silent = 0
        while count := await charging.note_silent():
            silent += count
        return {"silent": silent}

    async def purge(_: datetime) -> dict[str, object]:
        deleted = 0
        while count := await charging.purge(keep_days):
            deleted += count
        return {"deleted": deleted}

    return [
        Job("charging.silent_sessions", timedelta(minutes=10), note_silent),
        Job("charging.purge", timedelta(hours=1), purge),
    ]
