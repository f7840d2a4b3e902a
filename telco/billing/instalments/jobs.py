"""The instalments' scheduled work."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.billing.instalments.bureau import CreditBureaus
from telco.billing.instalments.service import Instalments
from telco.db.jobs import Job


def jobs(instalments: Instalments, bureaus: CreditBureaus) -> list[Job]:
    """Return the jobs: each looks for what is due, so a run that was missed loses nothing."""

    async def post_parts(_: datetime) -> dict[str, object]:
        run = await instalments.post_due()
        return {"parts": run.parts, "tiyn": run.amount}

    async def tell_bureaus(_: datetime) -> dict[str, object]:
        made = await bureaus.make()
        return {"made": None if made is None else made.name, "sent": await bureaus.send_waiting()}

    return [
        Job("billing.instalments", timedelta(minutes=30), post_parts),
        Job("billing.credit_bureaus", timedelta(hours=6), tell_bureaus),
    ]
