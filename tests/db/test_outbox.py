"""Events leave after the commit, at least once, and one that fails holds nobody up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from telco.db import outbox, upkeep
from telco.db.outbox import KEEP_DISPATCHED, Dispatcher, OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.clock import ManualClock


async def _emit(database: Database, clock: ManualClock, *keys: str) -> None:
    async def body(connection: Connection) -> None:
        for key in keys:
            await outbox.emit(connection, "test.happened", key, {"key": key}, at=clock.now())

    await database.transact("test.emit", body)


async def test_events_arrive_in_order_and_once(database: Database, clock: ManualClock) -> None:
    seen: list[str] = []

    async def consume(event: OutboxEvent) -> None:
        seen.append(event.payload["key"])

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    await _emit(database, clock, "a", "b", "c")
    assert await dispatcher.drain() == 3
    assert await dispatcher.drain() == 0
    assert seen == ["a", "b", "c"]


async def test_a_failing_event_waits_and_the_others_go_on(database: Database, clock: ManualClock) -> None:
    seen: list[str] = []
    broken = True

    async def consume(event: OutboxEvent) -> None:
        if broken and event.key == "bad":
            raise ConnectionError("the consumer's system is down")
        seen.append(event.key)

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    await _emit(database, clock, "bad", "good")
    await dispatcher.drain()
    assert seen == ["good"]
    broken = False
    assert await dispatcher.drain() == 0  # not before its second is over
    clock.advance(timedelta(seconds=1))
    await dispatcher.drain()
    assert seen == ["good", "bad"]


async def test_a_commit_wakes_the_dispatcher(database: Database, clock: ManualClock) -> None:
    arrived = asyncio.Event()

    async def consume(_: OutboxEvent) -> None:
        arrived.set()

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    await dispatcher.start()
    await _emit(database, clock, "a")
    async with asyncio.timeout(10):
        await arrived.wait()
    await dispatcher.stop()


async def test_two_dispatchers_share_the_work(database: Database, clock: ManualClock) -> None:
    seen: list[str] = []

    async def consume(event: OutboxEvent) -> None:
        seen.append(event.key)

    dispatchers = [Dispatcher(database, clock) for _ in range(2)]
    for dispatcher in dispatchers:
        dispatcher.subscribe("test.happened", consume)
    await _emit(database, clock, *(str(n) for n in range(500)))
    await asyncio.gather(*(dispatcher.drain() for dispatcher in dispatchers))
    assert sorted(seen, key=int) == [str(n) for n in range(500)]


async def test_an_event_that_failed_for_days_stops_nothing(database: Database, clock: ManualClock) -> None:
    seen: list[str] = []

    async def consume(event: OutboxEvent) -> None:
        if event.key == "bad":
            raise ValueError("cannot be understood")
        seen.append(event.key)

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    await _emit(database, clock, "bad", "good")
    await database.fetch("update kernel.outbox set attempts = 30000 where key = 'bad'")
    await dispatcher.drain()
    assert seen == ["good"]


async def test_dispatching_goes_on_after_an_error_of_the_database(database: Database, clock: ManualClock) -> None:
    arrived = asyncio.Event()

    async def consume(_: OutboxEvent) -> None:
        arrived.set()

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    await database.fetch("alter table kernel.outbox rename to gone")
    await dispatcher.start()
    await database.fetch("alter table kernel.gone rename to outbox")
    await _emit(database, clock, "a")
    async with asyncio.timeout(30):
        await arrived.wait()
    assert dispatcher.running
    await dispatcher.stop()


async def test_dispatched_events_are_deleted_after_a_week_and_waiting_ones_never(
    database: Database, clock: ManualClock
) -> None:
    async def consume(event: OutboxEvent) -> None:
        if event.key == "bad":
            raise ConnectionError("the consumer's system is down")

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    [job] = upkeep.jobs(dispatcher)
    await _emit(database, clock, "bad", "good")
    await dispatcher.drain()
    clock.advance(KEEP_DISPATCHED)
    assert await job.body(clock.now()) == {"deleted": 0}
    clock.advance(timedelta(microseconds=1))
    assert await job.body(clock.now()) == {"deleted": 1}
    assert [row["key"] for row in await database.fetch("select key from kernel.outbox")] == ["bad"]
