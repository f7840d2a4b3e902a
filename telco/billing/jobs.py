"""Billing's scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.fees import FeeRunner
from telco.billing.trust import TrustPayments
from telco.db.jobs import Job


def jobs(fees: FeeRunner, trust: TrustPayments) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def take_fees(_: datetime) -> dict[str, object]:
        run = await fees.run()
        return {"charged": run.charged, "refused": run.refused, "idle": run.idle}

    async def end_trust_payments(_: datetime) -> dict[str, object]:
        return {"ended": await trust.end_due()}

    return [
        Job("billing.fees", timedelta(minutes=5), take_fees),
        Job("billing.trust_payments", timedelta(minutes=5), end_trust_payments),
    ]
