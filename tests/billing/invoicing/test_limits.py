"""Credit limits: asked for by the subscriber, granted by another person, never above the plan's ceiling."""

from __future__ import annotations

import pytest

from telco.billing.errors import RequestReusedError
from telco.billing.invoicing.errors import (
    LimitCeilingError,
    LimitDecidedError,
    LimitOpenError,
    LimitSamePersonError,
    NotCreditError,
)
from telco.billing.invoicing.model import LimitState
from telco.kernel.money import tenge
from telco.subscribers.model import Channel, by_subscriber
from tests.world import CLERK, World

SELF = by_subscriber(Channel.SMS)


@pytest.mark.clause("PSC-3.2.6")
async def test_a_higher_limit_waits_for_consent_and_is_in_force_with_it(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    asked = await world.limits.ask(subscriber, tenge(150_000), SELF, "m1")  # the ceiling itself
    assert asked.state is LimitState.REQUESTED
    standing = await world.limits.standing(subscriber)
    assert (standing.limit, standing.ceiling, standing.owed) == (tenge(20_000), tenge(150_000), tenge(8990))
    assert standing.waiting == asked
    granted = await world.limits.grant(asked.limit_request_id, actor="staff:boss", reason="pays in time")
    assert granted.state is LimitState.GRANTED
    standing = await world.limits.standing(subscriber)
    assert (standing.limit, standing.available) == (tenge(150_000), tenge(141_010))  # 150,000 - 8,990
    with pytest.raises(LimitDecidedError):
        await world.limits.refuse(asked.limit_request_id, actor="staff:boss", reason="second thoughts")


@pytest.mark.clause("PSC-3.2.6")
async def test_nobody_gets_more_than_the_ceiling(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    with pytest.raises(LimitCeilingError):
        await world.limits.ask(subscriber, tenge("150000.01"), SELF, "m1")
    asked = await world.limits.ask(subscriber, tenge(50_000), SELF, "m2")
    with pytest.raises(LimitCeilingError):
        await world.limits.grant(asked.limit_request_id, actor="staff:boss", reason="-", limit=tenge("150000.01"))
    await world.limits.grant(asked.limit_request_id, actor="staff:boss", reason="half", limit=tenge(35_000))
    assert (await world.limits.standing(subscriber)).limit == tenge(35_000)


async def test_a_lower_limit_is_the_subscribers_own_to_set(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    asked = await world.limits.ask(subscriber, tenge(10_000), SELF, "m1")
    assert asked.state is LimitState.GRANTED
    assert (await world.limits.standing(subscriber)).limit == tenge(10_000)


async def test_one_request_waits_at_a_time_and_the_same_is_answered_alike(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    asked = await world.limits.ask(subscriber, tenge(30_000), SELF, "m1")
    assert await world.limits.ask(subscriber, tenge(30_000), SELF, "m1") == asked
    with pytest.raises(RequestReusedError):
        await world.limits.ask(subscriber, tenge(31_000), SELF, "m1")
    with pytest.raises(LimitOpenError):
        await world.limits.ask(subscriber, tenge(31_000), SELF, "m2")
    await world.limits.refuse(asked.limit_request_id, actor="staff:boss", reason="too early")
    assert (await world.limits.standing(subscriber)).limit == tenge(20_000)
    assert (await world.limits.ask(subscriber, tenge(31_000), SELF, "m2")).state is LimitState.REQUESTED


async def test_who_asks_does_not_grant_and_prepaid_has_no_limit(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    asked = await world.limits.ask(subscriber, tenge(30_000), CLERK, "m1")
    with pytest.raises(LimitSamePersonError):
        await world.limits.grant(asked.limit_request_id, actor=CLERK.author, reason="-")
    with pytest.raises(NotCreditError):
        await world.limits.ask(await world.subscriber("kcell-free"), tenge(1), SELF, "m1")
