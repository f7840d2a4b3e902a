"""Invoicing's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.invoicing.service import Invoicing
from telco.db.jobs import Job


def jobs(invoicing: Invoicing) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def issue_invoices(_: datetime) -> dict[str, object]:
        run = await invoicing.run()
        return {"opened": run.opened, "periods": run.periods, "invoices": run.invoices, "total_tiyn": run.total}

    return [Job("invoicing.run", timedelta(minutes=15), issue_invoices)]
