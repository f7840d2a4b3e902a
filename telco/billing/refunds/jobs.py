"""The refunds' scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.refunds.closing import Closing
from telco.billing.refunds.payouts import Payouts
from telco.db.jobs import Job


def jobs(closing: Closing, payouts: Payouts) -> list[Job]:
    """Return the jobs: each looks for what is due now, so a run that was missed loses nothing."""

    async def finish_accounts(_: datetime) -> dict[str, object]:
        return {"finished": await closing.finish()}

    async def order_due(_: datetime) -> dict[str, object]:
        return {"ordered": await payouts.order_due()}

    return [
        Job("refunds.ended_accounts", timedelta(minutes=30), finish_accounts),
        Job("refunds.orders", timedelta(hours=1), order_due),
    ]
