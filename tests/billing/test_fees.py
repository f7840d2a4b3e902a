"""The fee run: each period once, in order, by whoever comes first, and again as soon as there is money."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.billing.fees import FeeRunner
from telco.billing.model import FeeRun
from telco.db.pool import Database
from telco.kernel.money import tenge
from telco.kernel.units import GIGABYTE
from telco.ledger.model import Kind, Status, debit, sum_charge
from telco.subscribers.model import Channel, Ground, PlanState, Subscriber, by_subscriber, by_system
from tests.world import World

SELF = by_subscriber(Channel.USSD)
SYSTEM = by_system("test", "test")


async def _to(world: World, day: date) -> None:
    """Move the clock to the first moment of a day in Kazakhstan."""
    world.clock.advance(world.calendar.start_of_day(day) - world.clock.now())


async def _fees(world: World, subscriber: Subscriber) -> list[int]:
    entries = await world.ledger.statement(subscriber.account, 100, kinds=[Kind.PURCHASE])
    return [entry.cost_tiyn for entry in entries]


@pytest.mark.clause("PSC-1.1.2", "PSC-3.2.4", "PSC-4.3.1")
async def test_a_months_fee_is_taken_on_the_same_day_and_renews_the_volumes(world: World) -> None:
    subscriber = await world.subscriber("kcell-start", money="6000")  # joined 2 March: 6000 - 2990 = 3010
    assert await world.main(subscriber) == tenge(3010)
    await _to(world, date(2026, 4, 1))
    assert await world.fees.run() == FeeRun()
    await _to(world, date(2026, 4, 2))
    assert await world.fees.run() == FeeRun(charged=1)
    assert await world.fees.run() == FeeRun()
    assert await world.main(subscriber) == tenge(20)  # 3010 - 2990
    await world.ledger.expire_buckets(world.clock.now())
    assert await world.left(subscriber, "data.any") == 12 * GIGABYTE


async def test_two_runs_at_once_take_each_fee_once(world: World) -> None:
    subscribers = [await world.subscriber("activ-day", money="1000", number=f"7775{n:07d}") for n in range(8)]
    world.clock.advance(timedelta(days=1))
    other = FeeRunner(world.database, world.clock, world.subscribers.fees)
    runs = await asyncio.gather(world.fees.run(), other.run(), world.fees.run())
    assert sum(run.charged for run in runs) == 8
    assert {len(await _fees(world, subscriber)) for subscriber in subscribers} == {2}


async def test_a_number_is_suspended_while_its_fee_is_being_taken(world: World) -> None:
    """Collection holds the account and suspends the number, a fee holds the number and waits for the account."""
    subscriber = await world.subscriber("activ-day", money="1000")
    world.clock.advance(timedelta(days=1))
    async with (
        world.database.acquire() as fees,
        world.database.acquire() as collection,
        fees.transaction(),
        collection.transaction(),
    ):
        await collection.execute("set local lock_timeout = '5s'")
        assert len(await world.subscribers.fees.due_plans(fees, world.clock.now(), 10)) == 1
        await world.ledger.lock(collection, [subscriber.account])
        suspend = world.subscribers.accounts.suspend(
            collection, [(subscriber.account, "debt")], Ground.MONEY, SYSTEM, reason="not paid"
        )
        assert await suspend == 1


async def test_a_run_that_is_killed_is_finished_by_another_machine(world: World) -> None:
    subscribers = [await world.subscriber("activ-day", money="1000", number=f"7775{n:07d}") for n in range(24)]
    world.clock.advance(timedelta(days=1))
    doomed = await Database.connect(world.database.url)
    runner = FeeRunner(doomed, world.clock, world.subscribers.fees, batch=2)
    last = subscribers[-1]
    async with world.database.acquire() as gate:
        async with gate.transaction():  # whoever is to charge the last account waits in the middle of its batch
            await gate.execute(
                "select from ledger.bucket where shard = $1 and account_id = $2 for update", *last.account
            )
            run = asyncio.create_task(runner.run())
            while await _told(world, "fee_taken", since=len(subscribers)) < 22:  # the other batches are committed
                await asyncio.sleep(0)
            doomed.terminate()
            with pytest.raises(Exception):  # noqa: B017, PT011  # whatever a lost connection was doing
                await run
        # the server has undone the batch when what it held is free
        query = "select from subscribers.subscription where subscription_id = $1 for update"
        await gate.execute(query, last.subscriber_id)
    assert await _told(world, "fee_taken", since=len(subscribers)) == 22
    assert await world.fees.run() == FeeRun(charged=2)
    assert {len(await _fees(world, subscriber)) for subscriber in subscribers} == {2}
    assert await _told(world, "fee_taken", since=len(subscribers)) == 24


async def _told(world: World, topic: str, *, since: int = 0) -> int:
    """How many events of a topic there are beyond the first `since`."""
    count: int = await world.database.fetchval(
        "select count(*) from kernel.outbox where topic = $1", f"subscribers.{topic}"
    )
    return count - since


async def test_a_fee_that_the_ledger_refuses_for_another_reason_stops_nobody_else(world: World) -> None:
    odd = await world.subscriber("activ-day", money="1000", number="77750000001")
    others = [await world.subscriber("activ-day", money="1000", number=f"7775{n:07d}") for n in range(2, 6)]
    world.clock.advance(timedelta(days=1))
    # somebody has used the id of the fee of 3 March for something else
    op_id = f"plan:{odd.subscriber_id}:activ-day.1:2026-03-03:0"
    used = debit(odd.account, op_id, sum_charge(1), contra="revenue.voice")
    assert (await world.ledger.submit(used)).status is Status.OK
    assert await world.fees.run() == FeeRun(charged=4, refused=1)
    assert {len(await _fees(world, subscriber)) for subscriber in others} == {2}
    assert await _told(world, "fee_not_taken") == 0  # it is not for want of money
    world.clock.advance(timedelta(days=1))
    assert await world.fees.run() == FeeRun(charged=5)  # under the id of the second attempt


async def test_a_service_waits_for_the_plan_of_its_number(world: World) -> None:
    subscriber = await world.subscriber("activ-week", money="925")  # 925 - 890 = 35
    await world.subscribers.switch_service_on(subscriber.subscriber_id, "music-day", SELF, "r1")  # 35 - 35 = 0
    await world.pay(subscriber.account, "890", "p1")
    world.clock.advance(timedelta(days=7))  # both are due, the service since six days; the money is enough for the plan
    runs = await asyncio.gather(world.fees.run(), world.fees.run())
    assert sum((run.charged for run in runs), 0) == 1
    assert (await world.again(subscriber)).plan_state is PlanState.ACTIVE
    assert await world.main(subscriber) == 0


@pytest.mark.clause("PSC-3.2.5")
async def test_a_fee_that_waits_is_taken_at_the_top_up(world: World) -> None:
    subscriber = await world.subscriber("kcell-start", money="0")
    assert subscriber.plan_state is PlanState.AWAITING_PAYMENT
    batch, [card] = await world.cards.make_batch(
        "b", face_value=tenge(3000), count=1, expires_on=date(2027, 1, 1), actor="staff:test"
    )
    assert batch.card_count == 1
    await world.cards.activate(subscriber, card.code, "m1")
    await world.outbox.drain()
    assert (await world.again(subscriber)).plan_state is PlanState.ACTIVE
    assert await world.main(subscriber) == tenge(10)  # 3000 - 2990
    assert await world.left(subscriber, "data.any") == 12 * GIGABYTE


async def test_an_unpaid_fee_is_refused_and_told_once_a_day_at_most(world: World) -> None:
    subscriber = await world.subscriber("kcell-start", money="2990")
    await _to(world, date(2026, 4, 2))
    assert await world.fees.run() == FeeRun(refused=1)
    assert await world.fees.run() == FeeRun()
    assert (await world.again(subscriber)).plan_state is PlanState.AWAITING_PAYMENT
    assert await world.main(subscriber) == 0
    await _to(world, date(2026, 4, 3))
    assert await world.fees.run() == FeeRun(refused=1)
    told = await world.database.fetchval("select count(*) from kernel.outbox where topic = 'subscribers.fee_not_taken'")
    assert told == 1


@pytest.mark.clause("PSC-1.1.2")
async def test_periods_of_the_31st_return_to_the_31st(world: World) -> None:
    await _to(world, date(2026, 3, 31))
    subscriber = await world.subscriber("kcell-start", money="20000")
    starts = [date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30), date(2026, 7, 31)]
    for count, day in enumerate(starts, start=2):
        await _to(world, day - timedelta(days=1))
        assert await world.fees.run() == FeeRun()
        await _to(world, day)
        assert await world.fees.run() == FeeRun(charged=1)
        assert len(await _fees(world, subscriber)) == count
