"""The company payments' scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.company.service import CompanyPayments
from telco.db.jobs import Job


def jobs(company: CompanyPayments) -> list[Job]:
    """Return the jobs: what came in new is looked at, so a run that was missed loses nothing."""

    async def allocate(_: datetime) -> dict[str, object]:
        processed = await company.process()
        return {"allocated": processed.allocated, "waiting": processed.waiting}

    return [Job("company_payments.allocate", timedelta(minutes=1), allocate)]
