"""Charging's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.charging.service import Charging
from telco.db.jobs import Job


def jobs(charging: Charging) -> list[Job]:
    """Return the jobs."""

    async def note_silent(_: datetime) -> dict[str, object]:
        return {"silent": await charging.note_silent()}

    return [Job("charging.silent_sessions", timedelta(minutes=10), note_silent)]
