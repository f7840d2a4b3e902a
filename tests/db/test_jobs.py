"""Jobs run once per due date, in order, by one process, and catch up what was missed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from telco.db.jobs import Job, JobRunner
from telco.db.pool import Database
from telco.kernel.clock import ManualClock

HOUR = timedelta(hours=1)


async def test_missed_due_dates_are_caught_up_in_order(database: Database, clock: ManualClock) -> None:
    ran: list[datetime] = []

    async def body(due: datetime) -> dict[str, object]:
        ran.append(due)
        return {}

    job = Job("hourly", HOUR, body, catch_up=True)
    runner = JobRunner(database, clock)
    start = clock.now()
    assert await runner.run_due(job) == 1
    assert await runner.run_due(job) == 0
    clock.advance(3 * HOUR)
    assert await runner.run_due(job) == 3
    assert ran == [start, start + HOUR, start + 2 * HOUR, start + 3 * HOUR]


async def test_without_catch_up_only_the_newest_runs(database: Database, clock: ManualClock) -> None:
    ran: list[datetime] = []

    async def body(due: datetime) -> dict[str, object]:
        ran.append(due)
        return {}

    job = Job("hourly", HOUR, body)
    runner = JobRunner(database, clock)
    await runner.run_due(job)
    clock.advance(3 * HOUR)
    assert await runner.run_due(job) == 1
    assert ran == [ran[0], ran[0] + 3 * HOUR]


async def test_a_job_that_crashed_runs_again_for_the_same_due_date(database: Database, clock: ManualClock) -> None:
    ran: list[datetime] = []

    async def body(due: datetime) -> dict[str, object]:
        ran.append(due)
        if len(ran) == 1:
            raise ConnectionError("killed half-way")
        return {}

    job = Job("hourly", HOUR, body, catch_up=True)
    runner = JobRunner(database, clock)
    with pytest.raises(ConnectionError):
        await runner.run_due(job)
    assert await runner.run_due(job) == 1
    assert ran[0] == ran[1]


async def test_two_processes_run_a_due_date_once(database: Database, clock: ManualClock) -> None:
    ran: list[datetime] = []
    both_tried = asyncio.Event()

    async def body(due: datetime) -> dict[str, object]:
        ran.append(due)
        await both_tried.wait()
        return {}

    job = Job("hourly", HOUR, body)
    first = asyncio.create_task(JobRunner(database, clock).run_due(job))
    while not ran:
        await asyncio.sleep(0)
    assert await JobRunner(database, clock).run_due(job) == 0
    both_tried.set()
    assert await first == 1
    assert len(ran) == 1


async def test_a_stop_waits_for_the_job_at_work(database: Database, clock: ManualClock) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def body(_: datetime) -> dict[str, object]:
        begun.set()
        await finish.wait()
        return {}

    runner = JobRunner(database, clock)
    runner.add(Job("hourly", HOUR, body))
    await runner.start()
    await begun.wait()
    stop = asyncio.create_task(runner.stop())
    await asyncio.sleep(0)
    assert not stop.done()
    finish.set()
    await stop
    assert await database.fetchval("select count(*) from kernel.job_run where finished_at is not null") == 1


async def test_a_job_that_outlasts_the_stop_is_cut_off_and_runs_again(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telco.db.jobs.STOP_WAIT_S", 0.01)
    begun = asyncio.Event()

    async def endless(_: datetime) -> dict[str, object]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    async def brief(_: datetime) -> dict[str, object]:
        return {}

    runner = JobRunner(database, clock)
    runner.add(Job("hourly", HOUR, endless))
    await runner.start()
    await begun.wait()
    await runner.stop()
    assert await JobRunner(database, clock).run_due(Job("hourly", HOUR, brief)) == 1
