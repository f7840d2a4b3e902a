"""Invoicing's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.invoicing.service import Invoicing
from telco.db.jobs import Job


def jobs(invoicing: Invoicing) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def issue_invoices(_: datetime) -> dict[str, object]:
        run = await invoicing.run()
        return {"periods": run.periods, "invoices": run.invoices, "total_tiyn": run.total}

    async def adopt_accounts(_: datetime) -> dict[str, object]:
        return {"adopted": await invoicing.adopt()}

    return [
        Job("invoicing.adopt", timedelta(days=1), adopt_accounts),
        Job("invoicing.run", timedelta(minutes=15), issue_invoices),
    ]
