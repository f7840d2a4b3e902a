"""Scheduled work of e-mail."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.db.jobs import Job
from telco.email.service import Email


def jobs(email: Email) -> list[Job]:
    """Return the jobs. Sending needs none: the sender looks for what is due by itself."""

    async def purge(_: datetime) -> dict[str, object]:
        deleted = 0
        while count := await email.purge():
            deleted += count
        return {"deleted": deleted}

    return [Job("email.purge", timedelta(days=1), purge)]
