"""The fee run: each period once, in order, by whoever comes first, and again as soon as there is money."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.billing.fees import FeeRunner
from telco.billing.model import FeeRun
from telco.kernel.money import tenge
from telco.kernel.units import GIGABYTE
from telco.ledger.model import Kind
from telco.subscribers.model import PlanState, Subscriber
from tests.world import World


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
    other = FeeRunner(world.database, world.clock, world.ledger, world.subscribers.fees)
    runs = await asyncio.gather(world.fees.run(), other.run(), world.fees.run())
    assert sum(run.charged for run in runs) == 8
    assert {len(await _fees(world, subscriber)) for subscriber in subscribers} == {2}


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
