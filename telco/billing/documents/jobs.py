"""The documents' scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.documents.desk import DocumentDesk
from telco.db.jobs import Job


def jobs(desk: DocumentDesk) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing. Contract: PSC-4.5"""

    async def issue_for_companies(_: datetime) -> dict[str, object]:
        return await desk.duties.run()

    async def carry_einvoices(_: datetime) -> dict[str, object]:
        return await desk.einvoices.run()

    return [
        Job("documents.for_companies", timedelta(minutes=10), issue_for_companies),
        Job("documents.einvoices", timedelta(minutes=1), carry_einvoices),
    ]
