"""Services given against the next top-up. Contract: PSC-3.1.6"""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.billing.model import TrustStatus
from telco.catalog.model import Service
from telco.charging.model import Result, UsageRequest
from telco.kernel.money import tenge
from telco.subscribers.errors import ObligationsOpenError
from telco.subscribers.model import ConsentKind, Subscriber
from tests.world import CLERK, World, retries

pytestmark = pytest.mark.clause("PSC-3.1.6")


async def _top_up(world: World, subscriber: Subscriber, value: str = "1000") -> int:
    _, [card] = await world.cards.make_batch(
        "b", face_value=tenge(value), count=1, expires_on=date(2027, 1, 1), actor="staff:test"
    )
    return (await world.cards.activate(subscriber, card.code, "card")).trust_repaid


async def _sms(world: World, subscriber: Subscriber, count: int) -> list[Result]:
    return [
        (
            await world.charging.event(UsageRequest(f"sms-{n}", subscriber.msisdn, Service.SMS, other="77019999999"))
        ).result
        for n in range(count)
    ]


async def test_what_was_consumed_and_the_price_are_taken_at_the_next_top_up(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", days_ago=30)
    answer = await world.trust.give(subscriber, "m1")
    assert answer.status is TrustStatus.GIVEN
    assert answer.usable_until == world.clock.now() + timedelta(days=3)
    assert await _sms(world, subscriber, 3) == [Result.GRANTED] * 3  # 3 x 20 = 60
    assert await world.main(subscriber) == 0
    assert await _top_up(world, subscriber) == tenge(135)  # 60 consumed + 75
    assert await world.main(subscriber) == tenge(865)  # 1000 - 135
    assert await world.left(subscriber, "trust") == 0


async def test_a_repeated_request_gives_once(world: World) -> None:
    subscriber = await world.subscriber(days_ago=30)
    assert not (await world.trust.give(subscriber, "m1")).replayed
    assert (await world.trust.give(subscriber, "m1")).replayed
    assert (await world.trust.give(subscriber, "m2")).status is TrustStatus.ALREADY_OPEN
    assert await world.left(subscriber, "trust") == tenge(500)


async def test_one_request_that_comes_in_many_times_at_once_is_one(world: World) -> None:
    subscriber = await world.subscriber(days_ago=30)
    answers = await asyncio.gather(*(world.trust.give(subscriber, "m1") for _ in range(5)))
    assert {answer.status for answer in answers} == {TrustStatus.GIVEN}
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True, True]
    assert await world.left(subscriber, "trust") == tenge(500)


async def test_after_its_days_nothing_more_is_given_and_what_was_consumed_is_owed(world: World) -> None:
    subscriber = await world.subscriber(days_ago=30)
    await world.trust.give(subscriber, "m1")
    await _sms(world, subscriber, 2)  # 40
    world.clock.advance(timedelta(days=3))
    assert await world.trust.end_due() == 1
    assert await world.trust.end_due() == 0
    assert (
        await world.charging.event(UsageRequest("late", subscriber.msisdn, Service.SMS, other="77019999999"))
    ).result is (Result.INSUFFICIENT_FUNDS)
    assert await _top_up(world, subscriber) == tenge(115)  # 40 + 75


@pytest.mark.parametrize(
    ("plan", "money", "days", "status"),
    [
        ("kcell-status", "0", 30, TrustStatus.NOT_PREPAID),
        ("kcell-free", "0", 29, TrustStatus.TOO_NEW),
        ("kcell-free", "100.01", 30, TrustStatus.BALANCE_TOO_HIGH),
        ("kcell-free", "100", 30, TrustStatus.GIVEN),
    ],
)
async def test_conditions(world: World, plan: str, money: str, days: int, status: TrustStatus) -> None:
    subscriber = await world.subscriber(plan, money=money, days_ago=days)
    assert (await world.trust.give(subscriber, "m1")).status is status


async def test_checking_gives_nothing(world: World) -> None:
    subscriber = await world.subscriber(days_ago=30)
    assert await world.trust.check(subscriber) is TrustStatus.GIVEN
    assert await world.left(subscriber, "trust") == 0
    await world.trust.give(subscriber, "m1")
    assert await world.trust.check(subscriber) is TrustStatus.ALREADY_OPEN


@pytest.mark.clause("PSC-3.2.11")
async def test_consent_cannot_be_withdrawn_while_something_is_owed(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", days_ago=30)
    await world.trust.give(subscriber, "m1")
    await _sms(world, subscriber, 1)  # 20 consumed; with the price of 75 it makes 95
    with pytest.raises(ObligationsOpenError, match=r"trust payment .* 95 KZT"):
        await world.subscribers.consents.withdraw(subscriber.subscriber_id, ConsentKind.PERSONAL_DATA, CLERK)
    await _top_up(world, subscriber)
    ended = await world.subscribers.consents.withdraw(subscriber.subscriber_id, ConsentKind.PERSONAL_DATA, CLERK)
    assert ended == [subscriber.msisdn]


async def test_trust_payments_end_and_are_repaid_in_one_order(world: World) -> None:
    """Ten are past their last moment while each is repaid by a top-up: 75.00 of each 100.00, and nobody runs twice."""
    subscribers = [await world.subscriber(days_ago=30 if number == 9 else 0) for number in range(10)]
    for subscriber in subscribers:
        assert (await world.trust.give(subscriber, "m1")).status is TrustStatus.GIVEN
    _, cards = await world.cards.make_batch(
        "b", face_value=tenge(100), count=10, expires_on=date(2027, 1, 1), actor="staff:test"
    )
    world.clock.advance(timedelta(days=3))
    names = ("billing.end_trust", "billing.activate_card")
    before = [retries(name) for name in names]
    await asyncio.gather(
        *(world.trust.end_due() for _ in range(4)),
        *(world.cards.activate(who, card.code, "card") for who, card in zip(subscribers, cards, strict=True)),
    )
    assert [await world.main(subscriber) for subscriber in subscribers] == [tenge(25)] * 10
    assert [retries(name) for name in names] == before
