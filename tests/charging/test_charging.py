"""Charging sessions and events: what is granted, what it costs, and every wound that such systems carry."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from telco.catalog.model import Access, Direction, Service
from telco.charging import jobs
from telco.charging.errors import ReportReusedError, SessionReusedError, UsageQuantityError
from telco.charging.model import Grant, Result, UsageRequest
from telco.db.queries import load
from telco.kernel.money import tenge
from telco.kernel.units import GIGABYTE, MEGABYTE
from telco.subscribers.model import EndGround, Ground, Scope, Subscriber
from tests.world import CLERK, World

ON_NET, OTHER, FIXED = "77011234567", "77051234567", "77272500000"
HELPDESK, EMERGENCY, FREEPHONE = "9090", "112", "88000800080"


def _call(subscriber: Subscriber, other: str = OTHER, *, request_id: str = "call", **more: object) -> UsageRequest:
    return UsageRequest(request_id, subscriber.msisdn, Service.VOICE, other=other, **more)  # type: ignore[arg-type]


def _data(subscriber: Subscriber, *, request_id: str = "data", **more: object) -> UsageRequest:
    return UsageRequest(request_id, subscriber.msisdn, Service.DATA, **more)  # type: ignore[arg-type]


def _sms(subscriber: Subscriber, request_id: str = "sms", other: str = ON_NET) -> UsageRequest:
    return UsageRequest(request_id, subscriber.msisdn, Service.SMS, other=other)


async def _talk(world: World, request: UsageRequest, *portions_s: int) -> list[Grant]:
    """Begin, report each portion, end with the last."""
    grants = [await world.charging.start(request)]
    for seq, used in enumerate(portions_s[:-1], start=1):
        grants.append(await world.charging.update(request.request_id, seq, used))
    grants.append(await world.charging.stop(request.request_id, len(portions_s), portions_s[-1]))
    return grants


@pytest.mark.clause("PSC-1.1.8", "PSC-4.3.1")
@pytest.mark.parametrize(
    ("seconds", "cost"),
    [
        (1, "24.00"),  # the first minute is charged whole: 24.00
        (60, "24.00"),
        (61, "24.40"),  # 24 + 1 s x 24/60
        (90, "36.00"),  # 90 s x 0.40
    ],
)
async def test_a_call_costs_what_the_plan_says(world: World, seconds: int, cost: str) -> None:
    subscriber = await world.subscriber("kcell-free", money="100")
    await _talk(world, _call(subscriber), seconds)
    assert await world.main(subscriber) == tenge(100) - tenge(cost)


async def test_parts_of_a_call_cost_what_the_whole_does(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="100")
    await _talk(world, _call(subscriber), 17, 13, 31, 29)  # 90 s x 0.40 = 36.00
    assert await world.main(subscriber) == tenge("64.00")


@pytest.mark.clause("PSC-2.7")
async def test_after_the_included_volume_the_plans_price(world: World) -> None:
    subscriber = await world.subscriber("kcell-start", money="3090")  # fee 2990: 100 left, 100 min
    await _talk(world, _call(subscriber, request_id="first"), 5_940)  # 99 min
    assert await world.main(subscriber) == tenge(100)
    # of the call's two minutes begun one is left of the allowance, the other costs 20.00
    await _talk(world, _call(subscriber, request_id="second"), 90)
    assert await world.left(subscriber, "voice.any") == 0
    assert await world.main(subscriber) == tenge(80)


@pytest.mark.clause("PSC-2.12")
@pytest.mark.parametrize(
    ("access", "portion"),
    [(Access.GSM, 500_000), (Access.UMTS, 5_000_000), (Access.LTE, 50_000_000), (Access.NR, 200_000_000)],
)
async def test_portions_depend_on_the_access_technology(world: World, access: Access, portion: int) -> None:
    subscriber = await world.subscriber("kcell-start", money="3000")
    grant = await world.charging.start(_data(subscriber, access=access))
    assert (grant.result, grant.granted) == (Result.GRANTED, portion)


@pytest.mark.clause("PSC-2.12")
async def test_data_goes_on_to_the_last_unit_and_then_ends(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="30")  # 15.00 a MB in steps of 100 kB: 2 MB
    first = await world.charging.start(_data(subscriber))
    assert (first.result, first.granted) == (Result.FINAL, 2 * MEGABYTE)
    refused = await world.charging.update("data", 1, 2 * MEGABYTE)
    assert (refused.result, refused.cost) == (Result.INSUFFICIENT_FUNDS, tenge(30))
    assert await world.main(subscriber) == 0


async def test_a_session_that_was_refused_goes_on_after_a_top_up(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="15")
    await world.charging.start(_data(subscriber))
    assert (await world.charging.update("data", 1, MEGABYTE)).result is Result.INSUFFICIENT_FUNDS
    await world.pay(subscriber.account, "15", "pay")
    assert (await world.charging.update("data", 2, 0)).granted == MEGABYTE


async def test_a_request_without_units_gets_the_default_portion(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    for number, requested in enumerate((None, 0)):
        grant = await world.charging.start(_call(subscriber, request_id=f"c{number}", requested=requested))
        assert grant.granted == 300


@pytest.mark.parametrize("quantity", [-1, 10**15 + 1])
async def test_no_grant_is_negative_and_no_report_absurd(world: World, quantity: int) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    with pytest.raises(UsageQuantityError):
        await world.charging.start(_data(subscriber, requested=quantity))
    await world.charging.start(_data(subscriber))
    with pytest.raises(UsageQuantityError):
        await world.charging.update("data", 1, quantity)


async def test_a_retried_request_is_answered_as_before_and_charged_once(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    starts = [await world.charging.start(_call(subscriber)) for _ in range(2)]
    assert [grant.granted for grant in starts] == [300, 300]
    updates = [await world.charging.update("call", 1, 120) for _ in range(3)]
    assert {(grant.result, grant.granted, grant.cost) for grant in updates} == {(Result.GRANTED, 300, tenge(48))}
    stops = [await world.charging.stop("call", 2, 60) for _ in range(2)]
    assert [grant.cost for grant in stops] == [tenge(24), tenge(24)]
    assert await world.main(subscriber) == tenge(928)  # 1000 - 180 s x 0.40
    assert (await world.charging.update("call", 1, 120)).result is Result.STALE_REQUEST
    assert (await world.charging.update("call", 3, 1)).result is Result.CLOSED_SESSION


async def test_a_request_sent_many_times_at_once_is_charged_once(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    starts = await asyncio.gather(*(world.charging.start(_call(subscriber)) for _ in range(5)))
    assert {grant.granted for grant in starts} == {300}
    stops = await asyncio.gather(*(world.charging.stop("call", 1, 60) for _ in range(5)))
    assert {grant.cost for grant in stops} == {tenge(24)}
    assert await world.main(subscriber) == tenge(976)


async def test_a_session_id_belongs_to_one_session(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    await world.charging.start(_call(subscriber))
    with pytest.raises(SessionReusedError):
        await world.charging.start(_call(subscriber, FIXED))


async def test_holds_count_against_what_is_available(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="130")
    assert (await world.charging.start(_call(subscriber))).result is Result.GRANTED  # 300 s hold 120.00 of 130.00
    assert (await world.charging.event(_sms(subscriber))).result is Result.INSUFFICIENT_FUNDS  # 20.00
    await world.charging.stop("call", 1, 60)  # 24.00, the rest is given back
    assert (await world.charging.event(_sms(subscriber, "again"))).result is Result.GRANTED


async def test_an_orphaned_hold_is_returned(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="120")
    await world.charging.start(_call(subscriber))
    world.clock.advance(timedelta(seconds=600) + timedelta(minutes=5))
    assert await world.ledger.sweep_holds(world.clock.now()) == 1
    assert (await world.ledger.balances(subscriber.account)).available_money == tenge(120)


async def _silence(world: World) -> None:
    """Nothing is heard for longer than the service waits; the holds come back."""
    world.clock.advance(timedelta(hours=2, seconds=1))
    await world.ledger.sweep_holds(world.clock.now())
    assert (await world.charging.note_silent(), await world.charging.note_silent()) == (1, 0)


@pytest.mark.clause("PSC-2.12")
async def test_what_is_reported_after_a_long_silence_is_charged_once(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="120")
    await world.charging.start(_call(subscriber))
    await _silence(world)
    stops = [await world.charging.stop("call", 1, 60) for _ in range(2)]
    assert [(grant.result, grant.cost, grant.replayed) for grant in stops] == [
        (Result.GRANTED, tenge(24), False),
        (Result.GRANTED, tenge(24), True),
    ]
    assert await world.main(subscriber) == tenge(96)
    assert (await world.charging.stop("call", 2, 60)).result is Result.CLOSED_SESSION


async def test_a_silent_session_goes_on_with_its_next_report(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    await world.charging.start(_call(subscriber))
    await world.charging.update("call", 1, 60)
    await _silence(world)
    grant = await world.charging.update("call", 2, 60)
    assert (grant.result, grant.granted, grant.cost) == (Result.GRANTED, 300, tenge(24))
    assert await world.charging.note_silent() == 0
    assert (await world.charging.stop("call", 3, 30)).cost == tenge(
        12
    )  # 30 s x 0.40: the first minute was counted before
    assert await world.main(subscriber) == tenge(940)


async def _purge(world: World) -> int:
    [job] = [job for job in jobs.jobs(world.charging, keep_days=35) if job.name == "charging.purge"]
    done = await job.body(world.clock.now())
    assert done is not None
    deleted = done["deleted"]
    assert isinstance(deleted, int)
    return deleted


async def test_ended_sessions_are_forgotten_when_nobody_repeats_their_reports_any_more(world: World) -> None:
    """One ended, one fell silent, and one is open, of which something was heard since."""
    subscriber = await world.subscriber("kcell-free", money="1000")
    await _talk(world, _call(subscriber), 60)
    await world.charging.start(_call(subscriber, request_id="lost"))
    await _silence(world)
    await world.charging.start(_call(subscriber, request_id="long"))
    paid = await world.main(subscriber)
    world.clock.advance(timedelta(days=35) - timedelta(hours=2, seconds=1))
    assert await _purge(world) == 0
    again = await world.charging.stop("call", 1, 60)
    assert (again.result, again.cost, again.replayed) == (Result.GRANTED, tenge(24), True)
    world.clock.advance(timedelta(seconds=1))
    assert (await _purge(world), await _purge(world)) == (2, 0)
    assert (await world.charging.stop("call", 1, 60)).result is Result.UNKNOWN_SESSION
    await _talk(world, _call(subscriber), 60)  # the very same, begun anew
    assert await world.main(subscriber) == paid
    assert (await world.charging.stop("long", 1, 60)).cost == tenge(24)


async def test_old_sessions_are_deleted_batch_by_batch_and_found_by_an_index(world: World) -> None:
    await world.database.fetch(
        """insert into charging.session (session_id, request_sha256, msisdn, shard, account_id, request, rate, last_seq,
                                         used_before, used, state, started_at, seen_at)
           select 's' || n, '', '77010000000', 0, 1, '{}', '{}', 1, 0, 0,
                  case when n % 3 = 0 then 'open' else 'closed' end, $1, $1
           from generate_series(1, 9000) n""",
        world.clock.now(),
    )
    world.clock.advance(timedelta(days=36))
    assert [await world.charging.purge(35, limit=4_000) for _ in range(3)] == [4_000, 2_000, 0]
    assert await world.database.fetchval("select count(*) from charging.session where state = 'open'") == 3_000
    await world.database.fetch("analyze charging.session")
    statement = load("telco.charging").delete_ended
    plan = await world.database.fetchval(f"explain (format json) {statement}", world.clock.now(), 4_000)
    assert "session_ended" in plan
    assert "Seq Scan" not in plan


@pytest.mark.clause("PSC-3.1.5", "PSC-3.1.5.5")
async def test_a_suspension_ends_what_is_going_on_with_the_next_report(world: World) -> None:
    """What was used until then is charged, nothing stays held, and the session goes on when services come back."""
    subscriber = await world.subscriber("kcell-free", money="1000")
    await world.charging.start(_call(subscriber))
    lost = await world.subscribers.suspend(subscriber.subscriber_id, Ground.LOST_DEVICE, CLERK, reason="stolen")
    for replayed in (False, True):
        grant = await world.charging.update("call", 1, 60)
        assert grant == Grant(Result.BARRED, cost=tenge(24), label="voice.mobile", replayed=replayed)
    assert (await world.ledger.balances(subscriber.account)).available_money == tenge(976)
    await world.subscribers.resume(lost.suspension_id, CLERK, reason="found")
    assert (await world.charging.update("call", 2, 0)).granted == 300


@pytest.mark.clause("PSC-6.5", "PSC-6.3.5")
async def test_an_ended_contract_pays_for_what_was_used_and_gets_nothing_more(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    await world.charging.start(_call(subscriber))
    await world.subscribers.contracts.end(subscriber.subscriber_id, EndGround.BREACH, CLERK)
    grant = await world.charging.update("call", 1, 60)
    assert (grant.result, grant.granted, grant.cost) == (Result.UNKNOWN_SUBSCRIBER, 0, tenge(24))
    assert (await world.charging.stop("call", 2, 30)).cost == tenge(12)
    view = await world.ledger.balances(subscriber.account)
    assert (view.main, view.available_money) == (tenge(964), tenge(964))


@pytest.mark.clause("PSC-3.2.5")
async def test_without_money_helpdesk_emergency_and_free_numbers_still_work(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="0")
    for number in (HELPDESK, "3030", "+77272588300", EMERGENCY, "101", FREEPHONE):
        assert (await world.charging.start(_call(subscriber, number, request_id=number))).result is Result.GRANTED, (
            number
        )
    for number in (ON_NET, OTHER, FIXED, "+79161234567"):
        assert (await world.charging.start(_call(subscriber, number, request_id=number))).result is (
            Result.INSUFFICIENT_FUNDS
        )
    assert (await world.charging.event(_sms(subscriber))).result is Result.INSUFFICIENT_FUNDS
    assert (await world.charging.start(_data(subscriber))).result is Result.INSUFFICIENT_FUNDS
    incoming = _call(subscriber, request_id="in", direction=Direction.IN)
    assert (await world.charging.start(incoming)).result is Result.GRANTED


@pytest.mark.clause("PSC-3.1.5", "PSC-3.1.5.5")
@pytest.mark.parametrize(
    ("scope", "works"),
    [
        (Scope.FULL, {"emergency"}),
        (Scope.OUTGOING, {"emergency", "helpdesk", "incoming"}),
        (Scope.VOICE, {"emergency", "sms", "data"}),
        (Scope.DATA, {"emergency", "helpdesk", "incoming", "call", "abroad", "sms"}),
        (Scope.INTERNATIONAL, {"emergency", "helpdesk", "incoming", "call", "sms", "data"}),
        (Scope.INCOMING, {"emergency", "helpdesk", "call", "abroad", "sms", "data"}),
    ],
)
async def test_a_suspension_takes_away_its_scope_and_never_emergency_calls(
    world: World, scope: Scope, works: set[str]
) -> None:
    subscriber = await world.subscriber("kcell-free", money="10000")
    await world.subscribers.suspend(
        subscriber.subscriber_id, Ground.BREACH, CLERK, reason="test", scopes=[scope], reference="case 1"
    )
    tried = {
        "emergency": await world.charging.start(_call(subscriber, EMERGENCY, request_id="1")),
        "helpdesk": await world.charging.start(_call(subscriber, HELPDESK, request_id="2")),
        "incoming": await world.charging.start(_call(subscriber, request_id="3", direction=Direction.IN)),
        "call": await world.charging.start(_call(subscriber, request_id="4")),
        "abroad": await world.charging.start(_call(subscriber, "+79161234567", request_id="5")),
        "sms": await world.charging.event(_sms(subscriber, "6")),
        "data": await world.charging.start(_data(subscriber, request_id="7")),
    }
    assert {name for name, grant in tried.items() if grant.given} == works


@pytest.mark.clause("PSC-4.3.2", "PSC-3.2.6")
async def test_credit_goes_down_to_the_limit_and_incoming_goes_on(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    view = await world.ledger.balances(subscriber.account)
    assert view.credit_limit > 0
    abroad, price = "+79161234567", tenge(32)
    within = view.available_money // price
    many = UsageRequest("many", subscriber.msisdn, Service.SMS, other=abroad, requested=within)
    assert (await world.charging.event(many)).cost == within * price
    assert -view.credit_limit <= await world.main(subscriber) < 0
    assert (await world.charging.event(_sms(subscriber, "over", abroad))).result is Result.INSUFFICIENT_FUNDS
    assert (await world.charging.start(_call(subscriber, request_id="in", direction=Direction.IN))).given
    await world.pay(subscriber.account, "32", "pay")
    assert (await world.charging.event(_sms(subscriber, "after", abroad))).given


@pytest.mark.clause("PSC-3.1.2")
async def test_arrival_in_a_partners_country_is_told_once(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    steps = ["40101", "25001", "25002", "25001", "40101", "25001"]
    told = [await world.charging.entered_network(subscriber.msisdn, network) for network in steps]
    assert told == [False, True, False, False, False, True]
    events = await world.database.fetch("select * from kernel.outbox where topic = 'charging.roaming_entered'")
    assert len(events) == 2


@pytest.mark.clause("PSC-3.1.2")
async def test_roaming_needs_the_threshold_sum(world: World) -> None:
    threshold = world.catalog.current().roaming_at(world.clock.now()).threshold_tiyn
    assert threshold > 0
    subscriber = await world.subscriber("kcell-free")
    abroad = {"visited": "25001"}
    assert (await world.charging.start(_call(subscriber, request_id="a", **abroad))).result is Result.ROAMING_THRESHOLD
    assert (await world.charging.start(_call(subscriber, EMERGENCY, request_id="b", **abroad))).given
    await world.pay(subscriber.account, str(threshold // 100 + 1), "pay")
    assert (await world.charging.start(_call(subscriber, request_id="c", **abroad))).given


@pytest.mark.clause("PSC-3.1.2", "PSC-3.2.5")
async def test_incoming_calls_in_roaming_are_charged(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="10000")
    await _talk(world, _call(subscriber, direction=Direction.IN, visited="25001"), 61)
    assert await world.main(subscriber) == tenge(10000) - 2 * tenge(59)  # two minutes begun, near zone


@pytest.mark.clause("PSC-3.1.1")
async def test_third_party_events_are_charged(world: World) -> None:
    now = world.clock.now()
    offers = [o for o in world.catalog.current().services(now, offered=False) if o.event_price]
    if not offers:
        pytest.fail("the demo operator has no content events")
    offer = offers[0]
    assert offer.event_price is not None
    subscriber = await world.subscriber("kcell-free", money="1000")
    grant = await world.charging.event(UsageRequest("vote", subscriber.msisdn, Service.CONTENT, offer=offer.code))
    assert (grant.result, grant.cost) == (Result.GRANTED, offer.event_price)


async def test_strangers_and_unknown_numbers_are_refused(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="100")
    stranger = UsageRequest("x", "77019999999", Service.SMS, other=ON_NET)  # type: ignore[arg-type]
    assert (await world.charging.event(stranger)).result is Result.UNKNOWN_SUBSCRIBER
    assert (await world.charging.start(_call(subscriber, "999", request_id="y"))).result is Result.UNKNOWN_DESTINATION
    assert (await world.charging.update("nothing", 1, 1)).result is Result.UNKNOWN_SESSION


@pytest.mark.clause("PSC-3.2.3")
async def test_a_used_up_allowance_tells_once_at_each_level(world: World) -> None:
    subscriber = await world.subscriber("kcell-start", money="4000")
    for number in range(14):
        request = _data(subscriber, request_id=f"d{number}", access=Access.NR)
        await world.charging.start(request)
        await world.charging.stop(request.request_id, 1, GIGABYTE)
    rows = await world.database.fetch(
        "select payload from kernel.outbox where topic = 'ledger.threshold' order by event_id"
    )
    levels = [row["payload"]["level"] for row in rows if row["payload"]["code"] == "data.any"]
    assert levels == ["80", "100"]


@pytest.mark.clause("FUP-2", "PSC-3.1.12")
async def test_unlimited_data_slows_down_after_its_threshold_until_the_next_period(world: World) -> None:
    subscriber = await world.subscriber("kcell-unlim", money="14000")  # 60 GB at full speed
    await world.charging.start(_data(subscriber, access=Access.NR))
    full = await world.charging.update("data", 1, 59 * GIGABYTE)
    assert (full.result, full.speed_kbps) == (Result.GRANTED, None)
    slowed = await world.charging.update("data", 2, GIGABYTE)
    assert (slowed.result, slowed.speed_kbps) == (Result.GRANTED, 1024)
    assert await world.main(subscriber) == tenge(14000 - 6990)  # and it costs nothing
    world.clock.advance(timedelta(days=31))  # 2 April
    await world.fees.run()
    renewed = await world.charging.update("data", 3, MEGABYTE)
    assert (renewed.result, renewed.speed_kbps) == (Result.GRANTED, None)


async def test_a_repetition_with_other_contents_is_refused_and_not_called_a_want_of_money(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    await world.charging.event(_sms(subscriber))
    with pytest.raises(ReportReusedError):
        await world.charging.event(_sms(subscriber, other=OTHER))
    await world.charging.start(_call(subscriber))
    await world.charging.update("call", 1, 60)
    with pytest.raises(ReportReusedError):
        await world.charging.update("call", 1, 61)


async def test_sessions_and_events_do_not_share_their_ids(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="1000")
    await world.charging.start(_call(subscriber, request_id="event:abc"))
    assert (await world.charging.event(_sms(subscriber, "abc:0"))).given


async def test_free_calls_are_repeated_and_ended_like_others(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="0")
    await world.charging.start(_call(subscriber, HELPDESK))
    updates = [await world.charging.update("call", 1, 60) for _ in range(2)]
    assert [grant.replayed for grant in updates] == [False, True]
    stops = [await world.charging.stop("call", 2, 60) for _ in range(2)]
    assert [(grant.result, grant.replayed) for grant in stops] == [(Result.GRANTED, False), (Result.GRANTED, True)]
    assert (await world.charging.update("call", 2, 60)).result is Result.CLOSED_SESSION


@pytest.mark.clause("PSC-3.1.2", "PSC-3.2.5")
async def test_where_usage_is_not_controlled_a_debt_may_arise(world: World) -> None:
    now = world.clock.now()
    roaming = world.catalog.current().roaming_at(now)
    network = next(country.networks[0] for country in roaming.countries if not country.controlled)
    subscriber = await world.subscriber("kcell-free", money=str(roaming.threshold_tiyn // 100))
    start = await world.charging.start(_data(subscriber, visited=network))
    assert start.given
    grant = await world.charging.update("data", 1, GIGABYTE)
    assert grant.given
    assert grant.granted > 0
    assert await world.main(subscriber) < 0
