"""Scheduled jobs, run when there is something for them to do.

The service looks every few minutes; a simulated year would be mostly looking. So the data are asked first, in one
statement, which jobs have work. A job that is not known here is run once a day, at night.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from telco.app import App
from telco.db import queries
from telco.db.jobs import Job

_PROBES: Final = queries.load("telco.simulation.oracle", "due.sql")
_EVENTS_WAIT: Final = "select exists (select from kernel.outbox where dispatched_at is null)"
MOST_ROUNDS: Final = 50
NIGHTLY_TOO: Final = frozenset({"collection.run"})
"""What a probe tells of only in part: it looks for new work every night as well."""
BESIDE: Final = frozenset(
    {
        "billing.credit_bureaus",
        "bonus.purge",
        "charging.purge",
        "documents.einvoices",
        "documents.for_companies",
        "email.purge",
        "outbox.purge",
        "sms.put_off_notices",
        "subscribers.free_numbers",
        "web.forget_idempotency_keys",
    }
)
"""Daily jobs that move no money: they run while the others do, as in the service, and nobody's balance depends on which
came first."""


class EndlessWorkError(Exception):
    """A job that has run still has work due at the same moment."""


class DueJobs:
    """The service's jobs and when they are due."""

    def __init__(self, app: App) -> None:
        self._app = app
        names = {name.replace("__", ".") for name in _PROBES.names()}
        daily = [job for job in app.jobs.jobs if job.name not in names - NIGHTLY_TOO]
        self._probed = [job for job in app.jobs.jobs if job.name in names]
        self._daily = [job for job in daily if job.name not in BESIDE]
        self._beside = [job for job in daily if job.name in BESIDE]
        probes = (f"exists ({getattr(_PROBES, job.name.replace('.', '__'))})" for job in self._probed)
        self._question = f"select array[{', '.join(probes)}]"

    async def settle(self, *, night: bool) -> None:
        """Dispatch what waits and run what is due, until nothing does and nothing is.

        The outbox is dispatched to its end before every job, so that a run that was stopped between two of them goes on
        in the same order.

        Raises:
            EndlessWorkError: a job leaves its work undone.
        """
        if night:
            async with asyncio.TaskGroup() as at_once:
                at_once.create_task(self._run_beside())
                for job in self._daily:
                    await self._dispatch()
                    await self._app.jobs.run_due(job)
        await self._run_probed()

    async def _run_beside(self) -> None:
        await self._app.sms.sweep()  # messages that nobody fetched, for no SMSC is there, are not kept waiting for ever
        for job in self._beside:
            await self._app.jobs.run_due(job)

    async def _run_probed(self) -> None:
        for _ in range(MOST_ROUNDS):
            await self._dispatch()
            due = await self._due()
            if not due:
                return
            for job in due:
                await job.body(self._app.clock.now())
                await self._dispatch()
        raise EndlessWorkError(f"{', '.join(job.name for job in due)} at {self._app.clock.now()}")

    async def _dispatch(self) -> None:
        """Dispatch what waits. Mostly nothing does, and asking for that is a third of a look by the dispatcher."""
        if await self._app.database.fetchval(_EVENTS_WAIT):
            await self._app.outbox.drain()

    async def _due(self) -> list[Job]:
        now: datetime = self._app.clock.now()
        answers = await self._app.database.fetchval(self._question, now)
        return [job for job, due in zip(self._probed, answers, strict=True) if due]
