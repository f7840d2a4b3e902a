"""Scheduled work: idempotent jobs keyed by (job, due date), each run once, in order, by one process at a time.

APScheduler only wakes the runner. What is due is decided from `kernel.job_run`: after the service was down, every
missed due date is caught up, oldest first. A job that crashed is run again for the same due date, so its body is
idempotent.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.clock import Clock

_Q = queries.load("telco.db")
_LOCK_SPACE = 0x7E1C1
JOBS_AT_ONCE = 2
"""Each holds a connection for its lock beside those that its body takes."""
STOP_WAIT_S = 20.0
"""How long a stop waits for jobs at work."""

log = structlog.get_logger(__name__)

JobBody = Callable[[datetime], Awaitable[dict[str, object]]]
"""Does the work that was due at the moment given, and returns what to record about it."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work due every `every`, counted from the epoch. With `catch_up`, each missed due date is run; else the newest."""

    name: str
    every: timedelta
    body: JobBody
    catch_up: bool = False

    def newest_due(self, now: datetime) -> datetime:
        step = int(self.every.total_seconds())
        return datetime.fromtimestamp(int(now.timestamp()) // step * step, UTC)


class JobRunner:
    """Runs jobs when they are due; safe to start in several processes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._jobs: list[Job] = []
        self._scheduler: AsyncIOScheduler | None = None
        self._at_once = asyncio.Semaphore(JOBS_AT_ONCE)
        self._at_work: set[asyncio.Task[Any]] = set()

    def add(self, job: Job) -> None:
        if any(known.name == job.name for known in self._jobs):
            raise ValueError(f"two jobs are named {job.name!r}")
        self._jobs.append(job)

    @property
    def jobs(self) -> tuple[Job, ...]:
        return tuple(self._jobs)

    async def start(self) -> None:
        scheduler = AsyncIOScheduler(timezone=UTC)
        for job in self._jobs:
            scheduler.add_job(
                self._run_logged,
                "interval",
                args=[job],
                seconds=job.every.total_seconds(),
                next_run_time=datetime.now(UTC),  # the scheduler lives on the machine's clock
                max_instances=1,
                coalesce=True,
                misfire_grace_time=None,
            )
        scheduler.start()
        self._scheduler = scheduler

    async def stop(self) -> None:
        """Begin nothing more and wait for what is at work, with a bound; what is then cut off is run again."""
        if self._scheduler is not None:
            self._scheduler.remove_all_jobs()
            if self._at_work:
                await asyncio.wait(self._at_work, timeout=STOP_WAIT_S)
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def _run_logged(self, job: Job) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        try:
            async with self._at_once:
                await self.run_due(job)
        except asyncio.CancelledError:
            log.warning("job_cut_off", job=job.name)
        except Exception:  # the next tick tries again; a job never ends the service
            log.exception("job_failed", job=job.name)
        finally:
            self._at_work.discard(task)

    async def run_due(self, job: Job) -> int:
        """Run `job` for each due date that has no finished run, oldest first; return how many ran here.

        A second process that tries at the same time finds the advisory lock taken and runs nothing.
        """
        key = zlib.crc32(job.name.encode()) & 0x7FFFFFFF
        async with self._database.session() as connection:  # whose end gives the lock back
            if not await connection.fetchval("select pg_try_advisory_lock($1, $2)", _LOCK_SPACE, key):
                return 0
            return await self._run_missing(connection, job)

    async def _run_missing(self, connection: Any, job: Job) -> int:
        newest = job.newest_due(self._clock.now())
        last: datetime | None = await connection.fetchval(_Q.last_finished_run, job.name)
        due = newest if last is None or not job.catch_up else last + job.every
        ran = 0
        while due <= newest and due != last:
            await connection.execute(_Q.start_run, job.name, due, self._clock.now())
            result = await job.body(due)
            await connection.execute(_Q.finish_run, job.name, due, self._clock.now(), result)
            ran += 1
            due += job.every
        return ran
