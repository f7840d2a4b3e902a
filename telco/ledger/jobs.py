"""The ledger's scheduled work: what is due is looked for, so a run that was missed loses nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from telco.db.jobs import Job
from telco.kernel.clock import Clock
from telco.ledger.service import Ledger


def jobs(ledger: Ledger, clock: Clock) -> list[Job]:
    """Return the sweeper of orphaned holds and the end of buckets whose time is over."""

    async def sweep_holds(_: datetime) -> dict[str, object]:
        return {"returned": await ledger.sweep_holds(clock.now())}

    async def expire_buckets(_: datetime) -> dict[str, object]:
        return {"accounts": await ledger.expire_buckets(clock.now())}

    return [
        Job("ledger.sweep_holds", timedelta(minutes=1), sweep_holds),
        Job("ledger.expire_buckets", timedelta(minutes=1), expire_buckets),
    ]
