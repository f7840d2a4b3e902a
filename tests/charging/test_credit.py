"""Credit settlement at the limit: what stops, what goes on, and what comes back when it is paid."""

from __future__ import annotations

import pytest

from telco.catalog.model import Direction, Service
from telco.charging.model import Result, UsageRequest
from telco.kernel.money import tenge
from telco.kernel.units import MEGABYTE
from telco.ledger.model import debit, sum_charge
from telco.subscribers.model import Ground, Subscriber
from tests.world import CLERK, World

MOBILE, ON_NET, EMERGENCY, HELPDESK = "77051234567", "77017654321", "112", "3030"
RUSSIA, TAJIKISTAN = "250", "436"  # partners: the first is asked in real time, the second reports afterwards


async def at_limit(world: World, left: int = 0) -> Subscriber:
    """A subscriber with `left` tiyn before the limit of 20,000: the fee of 8,990 is owed already."""
    subscriber = await world.subscriber("kcell-status")
    sum_left = tenge(20_000) - tenge(8_990) - left
    outcome = await world.ledger.submit(
        debit(subscriber.account, "spent", sum_charge(sum_left), contra="revenue.voice")
    )
    assert outcome.main_after == -tenge(20_000) + left
    return subscriber


def usage(subscriber: Subscriber, service: Service = Service.SMS, other: str = MOBILE, **more: object) -> UsageRequest:
    return UsageRequest(f"r-{service}-{other}-{sorted(more.items())}", subscriber.msisdn, service, other=other, **more)  # type: ignore[arg-type]


@pytest.mark.clause("PSC-4.3.2", "PSC-3.1.5.1")
async def test_everything_outgoing_stops_at_the_limit_even_what_is_included(world: World) -> None:
    subscriber = await at_limit(world)
    assert await world.left(subscriber, "sms.any") == 300  # included volumes are there
    assert (await world.charging.event(usage(subscriber))).result is Result.INSUFFICIENT_FUNDS
    for service, other in ((Service.VOICE, MOBILE), (Service.VOICE, ON_NET), (Service.DATA, "")):
        assert (await world.charging.start(usage(subscriber, service, other))).result is Result.INSUFFICIENT_FUNDS
    assert await world.main(subscriber) == -tenge(20_000)


@pytest.mark.clause("PSC-4.3.2")
async def test_one_tiyn_before_the_limit_what_is_included_still_works(world: World) -> None:
    subscriber = await at_limit(world, left=1)
    assert (await world.charging.event(usage(subscriber))).result is Result.GRANTED  # of the 300 messages
    assert await world.left(subscriber, "sms.any") == 299


@pytest.mark.clause("PSC-4.3.2")
async def test_incoming_emergency_and_helpdesk_calls_go_on_at_the_limit(world: World) -> None:
    subscriber = await at_limit(world)
    incoming = usage(subscriber, Service.VOICE, MOBILE, direction=Direction.IN)
    assert (await world.charging.start(incoming)).result is Result.GRANTED
    for number in (EMERGENCY, HELPDESK):
        assert (await world.charging.start(usage(subscriber, Service.VOICE, number))).result is Result.GRANTED


@pytest.mark.clause("PSC-4.3.2", "PSC-3.1.2")
@pytest.mark.parametrize("visited", [RUSSIA, TAJIKISTAN])
async def test_roaming_goes_on_at_the_limit_and_what_is_above_it_is_owed(world: World, visited: str) -> None:
    subscriber = await at_limit(world)
    assert (await world.charging.event(usage(subscriber, visited=visited))).result is Result.GRANTED
    assert await world.main(subscriber) == -tenge(20_039)  # an SMS abroad costs 39
    call = usage(subscriber, Service.VOICE, MOBILE, visited=visited)
    assert (await world.charging.start(call)).result is Result.GRANTED
    assert (await world.charging.stop(call.request_id, 1, 61)).cost == tenge(118)  # 2 min begun at 59
    assert await world.main(subscriber) == -tenge(20_157)


@pytest.mark.clause("PSC-4.3.2")
async def test_a_repeated_event_is_answered_as_before_though_the_limit_is_reached(world: World) -> None:
    """The answer was lost, and something else took the last tiyn meanwhile; what is barred by then was sent as well."""
    subscriber = await at_limit(world, left=1)
    request = usage(subscriber)
    assert (await world.charging.event(request)).result is Result.GRANTED
    await world.ledger.submit(debit(subscriber.account, "last", sum_charge(1), contra="revenue.voice"))
    again = await world.charging.event(request)
    assert (again.result, again.replayed) == (Result.GRANTED, True)
    await world.subscribers.suspend(subscriber.subscriber_id, Ground.MONEY, CLERK, reason="debt", reference="1")
    again = await world.charging.event(request)
    assert (again.result, again.replayed) == (Result.GRANTED, True)
    other = usage(subscriber, other="77052223344")
    assert (await world.charging.event(other)).result is Result.BARRED
    assert await world.left(subscriber, "sms.any") == 299
    await world.subscribers.suspensions.resume_ground(
        subscriber.subscriber_id, Ground.MONEY, CLERK, reason="paid", reference="1"
    )
    await world.pay(subscriber.account, "100", "payment")
    answer = await world.charging.event(other)  # a refusal at the gate was not kept, and nothing of it either
    assert (answer.result, answer.replayed) == (Result.GRANTED, False)
    assert await world.left(subscriber, "sms.any") == 298


@pytest.mark.clause("PSC-4.3.2")
async def test_services_come_back_when_it_is_paid(world: World) -> None:
    subscriber = await at_limit(world)
    request = usage(subscriber)
    assert (await world.charging.event(request)).result is Result.INSUFFICIENT_FUNDS
    await world.pay(subscriber.account, "100", "payment")
    assert (await world.charging.event(request)).result is Result.GRANTED


@pytest.mark.clause("PSC-4.3.2")
async def test_a_session_stops_when_the_limit_is_reached_though_its_allowance_is_not(world: World) -> None:
    subscriber = await at_limit(world, left=tenge(60))
    data = usage(subscriber, Service.DATA, "")
    assert (await world.charging.start(data)).result is Result.GRANTED  # of the 80 GB that the plan includes
    await world.ledger.submit(debit(subscriber.account, "more", sum_charge(tenge(60)), contra="revenue.voice"))
    grant = await world.charging.update(data.request_id, 1, MEGABYTE)
    assert (grant.result, grant.granted) == (Result.INSUFFICIENT_FUNDS, 0)
    assert await world.left(subscriber, "data.any") == 80_000 * MEGABYTE - MEGABYTE
    await world.pay(subscriber.account, "100", "payment")
    assert (await world.charging.update(data.request_id, 2, 0)).result is Result.GRANTED


@pytest.mark.clause("PSC-4.3.2")
async def test_what_a_session_used_beyond_the_limit_is_owed(world: World) -> None:
    """49 tenge a minute by the second, 60 tenge before the limit: 73 s are granted, 120 s were used."""
    subscriber = await at_limit(world, left=tenge(60))
    call = usage(subscriber, Service.VOICE, "79161234567")  # 49 a minute by the second, at least a minute
    grant = await world.charging.start(call)
    assert grant.result is Result.FINAL
    assert grant.granted == 73  # 60 / 49 min = 73.4 s
    assert (await world.charging.stop(call.request_id, 1, 120)).cost == tenge(98)  # 2 min at 49
    assert await world.main(subscriber) == -tenge(20_038)  # 38 above the limit
