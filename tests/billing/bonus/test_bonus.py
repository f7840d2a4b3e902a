"""Bonuses are earned by the rules of the catalogue, each once, and are zeroed by whoever leaves. Contract: PSC-3.1.9"""

from __future__ import annotations

from datetime import timedelta

import pytest

from telco.catalog.model import Service
from telco.charging.model import UsageRequest
from telco.kernel.money import tenge
from telco.ledger import model as ledger_model
from telco.subscribers.model import Channel, Subscriber, by_subscriber
from tests.world import World

pytestmark = pytest.mark.clause("PSC-3.1.9")
BY_SMS = by_subscriber(Channel.SMS)


async def joined(world: World, money: str = "1000") -> Subscriber:
    """Accede on a plan without a fee, with the programme's consent that accession gives."""
    subscriber = await world.subscriber("kcell-free", money=money)
    await world.outbox.drain()
    return subscriber


async def sms(world: World, subscriber: Subscriber, count: int, name: str = "sms") -> None:
    """Send messages on the own network: 20 tenge each."""
    for number in range(count):
        request = UsageRequest(f"{name}-{number}", subscriber.msisdn, Service.SMS, other="77019999999")
        await world.charging.event(request)


async def test_a_month_earns_and_is_credited_once_when_it_is_over(world: World) -> None:
    one = await joined(world)  # on 2 March
    await sms(world, one, 10)  # 200 tenge
    world.clock.advance(timedelta(days=1))
    await world.bonuses.run()
    statement = await world.bonuses.statement(one.account)
    # 200 tenge at 3 % are 6 tenge; 1,000 tenge paid in at 0.5 % are 5: in ten-thousandths of a tiyn
    assert {rule.rule: rule.earned_e4 for rule in statement.months[0].rules} == {
        "usage": 20_000 * 300,
        "top-ups": 100_000 * 50,
    }
    assert statement.available == 0
    world.clock.advance(timedelta(days=29))  # 1 April
    assert (await world.bonuses.run())["credited_tiyn"] == tenge(11)
    assert (await world.bonuses.run())["credited_tiyn"] == 0
    assert await world.left(one, "bonus") == tenge(11)


async def test_who_leaves_has_nothing_and_who_comes_back_begins_anew(world: World) -> None:
    one = await joined(world)
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=30))  # 1 April
    await world.bonuses.run()
    assert await world.left(one, "bonus") == tenge(11)
    await world.bonuses.leave(one, BY_SMS)
    assert await world.left(one, "bonus") == 0
    world.clock.advance(timedelta(minutes=1))
    await sms(world, one, 10, "outside")
    world.clock.advance(timedelta(minutes=1))
    await world.bonuses.join(one, BY_SMS)
    world.clock.advance(timedelta(days=31))
    await world.bonuses.run()
    assert await world.left(one, "bonus") == 0


async def test_what_is_reversed_is_taken_back_whole(world: World) -> None:
    one = await joined(world, "0")
    await sms(world, one, 0)
    await world.pay(one.account, "1000", "pay")
    await sms(world, one, 10)
    world.clock.advance(timedelta(days=30))
    await world.bonuses.run()
    assert await world.left(one, "bonus") == tenge(11)
    await world.ledger.submit(ledger_model.reverse(one.account, "back", target="event:sms-3"))
    world.clock.advance(timedelta(days=1))
    run = await world.bonuses.run()
    assert run["taken_back_tiyn"] == 60  # 20 tenge at 3 %
    assert await world.left(one, "bonus") == tenge("10.40")
