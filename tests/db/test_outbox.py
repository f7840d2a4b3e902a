"""Events leave after the commit, at least once, a key's in their order; one that fails holds nobody else up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

import pytest

from telco.db import outbox, upkeep
from telco.db.outbox import IN_ORDER_TRIES, KEEP_DISPATCHED, Dispatcher, OutboxEvent
from telco.db.pool import LOST_CONNECTION, Connection, Database
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


async def test_a_failing_event_holds_up_its_key_only(database: Database, clock: ManualClock) -> None:
    seen: list[int] = []
    broken = True

    async def consume(event: OutboxEvent) -> None:
        if broken and event.event_id == 1:
            raise ConnectionError("the consumer's system is down")
        seen.append(event.event_id)

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    await _emit(database, clock, "bad", "good", "bad", "good")
    assert await dispatcher.drain() == 2
    await _emit(database, clock, "bad", "good")  # comes while the key waits
    assert await dispatcher.drain() == 1
    assert seen == [2, 4, 6]
    broken = False
    clock.advance(timedelta(seconds=1))
    assert await dispatcher.drain() == 3
    assert seen == [2, 4, 6, 1, 3, 5]


async def test_a_batch_with_a_failing_event_is_divided(database: Database, clock: ManualClock) -> None:
    """What the others wrote is committed with their marks; what was written beside the failure is not."""
    await database.fetch("create table kept (event_id bigint primary key, key text)")

    async def keep(connection: Connection, events: Sequence[OutboxEvent]) -> None:
        for event in events:
            await connection.execute("insert into kept values ($1, $2)", event.event_id, event.key)
            if event.event_id == 2:
                raise ValueError("cannot be understood")

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe_batch("test.happened", keep)
    await _emit(database, clock, "good", "bad", "good", "bad", "other")
    assert await dispatcher.drain() == 3
    assert [row["event_id"] for row in await database.fetch("select event_id from kept order by 1")] == [1, 3, 5]
    rows = await database.fetch("select event_id, attempts from kernel.outbox where dispatched_at is null order by 1")
    assert [tuple(row) for row in rows] == [(2, 1), (4, 0)]


async def test_after_a_minute_of_tries_the_later_events_of_a_key_go_on(database: Database, clock: ManualClock) -> None:
    seen: list[int] = []

    async def consume(event: OutboxEvent) -> None:
        if event.event_id == 1:
            raise ValueError("cannot be understood")
        seen.append(event.event_id)

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    await _emit(database, clock, "bad", "bad")
    for tried in range(IN_ORDER_TRIES):  # at 0, 1, 3, 7, 15 and 31 s; the next try is at 63 s
        await dispatcher.drain()
        assert not seen
        clock.advance(timedelta(seconds=2**tried))
    await dispatcher.drain()
    assert seen == [2]


async def test_each_key_is_in_order_with_two_dispatchers(database: Database, clock: ManualClock) -> None:
    """500 events of 40 keys, in batches of 7, by two dispatchers: nothing is lost, doubled, or before its turn."""
    seen: dict[str, list[int]] = defaultdict(list)
    together: dict[str, list[int]] = defaultdict(list)

    async def consume(event: OutboxEvent) -> None:
        await database.fetchval("select 1")  # lets the others run
        seen[event.key].append(event.event_id)

    async def keep(connection: Connection, events: Sequence[OutboxEvent]) -> None:
        await connection.execute("select 1")
        for event in events:
            together[event.key].append(event.event_id)

    dispatchers = [Dispatcher(database, clock) for _ in range(2)]
    for dispatcher in dispatchers:
        dispatcher.subscribe("test.happened", consume)
        dispatcher.subscribe_batch("test.happened", keep)
    await _emit(database, clock, *(str(n % 40) for n in range(500)))
    counts = await asyncio.gather(*(dispatcher.drain(batch=7) for dispatcher in dispatchers))
    assert sum(counts) == 500
    assert min(counts) > 0
    assert seen == together == {str(key): list(range(key + 1, 501, 40)) for key in range(40)}


async def test_a_batch_that_is_killed_comes_again(database: Database, clock: ManualClock) -> None:
    """The connection of the dispatcher breaks after its consumers' work, before the marks are committed."""
    await database.fetch("create table kept (event_id bigint primary key)")
    seen: list[int] = []
    killed = False

    async def consume(event: OutboxEvent) -> None:
        seen.append(event.event_id)

    async def keep(connection: Connection, events: Sequence[OutboxEvent]) -> None:
        nonlocal killed
        await connection.executemany("insert into kept values ($1)", [(event.event_id,) for event in events])
        if not killed:
            killed = True
            await database.fetch("select pg_terminate_backend($1)", connection.get_server_pid())

    dispatcher = Dispatcher(database, clock)
    dispatcher.subscribe("test.happened", consume)
    dispatcher.subscribe_batch("test.happened", keep)
    await _emit(database, clock, "a", "b", "a")
    with pytest.raises(LOST_CONNECTION):
        await dispatcher.drain()
    assert await database.fetchval("select count(*) from kept") == 0
    assert await dispatcher.drain() == 3
    assert await dispatcher.drain() == 0
    assert [row["event_id"] for row in await database.fetch("select event_id from kept order by 1")] == [1, 2, 3]
    assert sorted(seen) == [1, 1, 2, 2, 3, 3]  # at least once: this consumer commits by itself


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
