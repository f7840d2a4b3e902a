"""Usage that is reported after it happened: whoever had the number then is charged, whatever became of it since."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from telco.billing.invoicing.service import KEPT_AFTER_END
from telco.catalog.model import Service
from telco.charging.errors import ReportReusedError, UsageMomentError
from telco.charging.model import Grant, Result, UsageRequest
from telco.charging.service import CLOCKS_DIFFER, REPORTED_WITHIN
from telco.kernel.clock import ManualClock
from telco.kernel.money import tenge
from telco.kernel.msisdn import Msisdn
from telco.subscribers import jobs
from telco.subscribers.model import (
    ChangeTime,
    EndGround,
    Ground,
    Scope,
    Subscriber,
)
from telco.web.staff import Role
from tests.charging.test_credit import at_limit
from tests.web import conftest as web
from tests.web.conftest import redis_client, service
from tests.world import CLERK, World

__all__ = ["redis_client", "service"]

MOBILE, ON_NET = "77051234567", "77017654321"
TAJIKISTAN, RUSSIA, NOWHERE = "43601", "25001", "99999"  # the first reports afterwards; with the last nothing is agreed
DAY, QUARANTINE = timedelta(days=1), timedelta(days=90)


def sms(subscriber: Subscriber, request_id: str = "tap-1", visited: str | None = TAJIKISTAN) -> UsageRequest:
    """A message abroad: 39.00 in the countries near by."""
    return UsageRequest(request_id, subscriber.msisdn, Service.SMS, other=MOBILE, visited=visited)


def call(subscriber: Subscriber, request_id: str, other: str = ON_NET) -> UsageRequest:
    """A minute at home."""
    return UsageRequest(request_id, subscriber.msisdn, Service.VOICE, other=other, requested=60)


async def report(world: World, request: UsageRequest, days_ago: float = 0) -> Grant:
    return await world.charging.event(request, world.clock.now() - DAY * days_ago)


async def end(world: World, subscriber: Subscriber) -> None:
    await world.subscribers.contracts.end(subscriber.subscriber_id, EndGround.REFUSAL, CLERK)
    await world.outbox.drain()


@pytest.mark.clause("PSC-3.2.5", "PSC-4.4")
@pytest.mark.parametrize("visited", [RUSSIA, TAJIKISTAN])
async def test_late_usage_is_charged_without_money_and_posted_now(world: World, visited: str) -> None:
    subscriber = await world.subscriber(money="0")
    used_at = world.clock.now() + timedelta(hours=1)
    world.clock.advance(timedelta(days=20))
    grant = await world.charging.event(sms(subscriber, visited=visited), used_at)
    assert (grant.result, grant.cost, grant.label) == (Result.GRANTED, tenge(39), "sms.roaming")
    assert await world.main(subscriber) == -tenge(39)
    [entry] = await world.ledger.statement(subscriber.account, 1)
    assert entry.at == world.clock.now()
    assert entry.details["used_at"] == used_at.isoformat()


@pytest.mark.clause("PSC-3.2.5", "PSC-3.1.5")
async def test_neither_a_suspension_nor_a_limit_refuses_what_has_happened(world: World) -> None:
    limited = await at_limit(world)
    suspended = await world.subscriber(money="0")
    await world.subscribers.suspend(suspended.subscriber_id, Ground.BREACH, CLERK, reason="test", scopes=[Scope.FULL])
    world.clock.advance(DAY)
    assert (await world.charging.event(sms(suspended, "now"))).result is Result.BARRED
    assert (await report(world, sms(suspended), 0.5)).result is Result.GRANTED
    assert await world.main(suspended) == -tenge(39)
    at_home = UsageRequest("tap-2", limited.msisdn, Service.DATA, requested=10**12)  # 1 TB: no allowance lasts for it
    assert (await world.charging.event(at_home)).result is Result.INSUFFICIENT_FUNDS
    assert (await report(world, at_home, 0.5)).result is Result.GRANTED
    assert await world.main(limited) < -tenge(20_000)


@pytest.mark.clause("PSC-3.1.2")
async def test_what_has_no_price_is_refused_late_as_well(world: World) -> None:
    subscriber = await world.subscriber(money="1000")
    world.clock.advance(DAY)
    assert (await report(world, sms(subscriber, visited=NOWHERE))).result is Result.NO_ROAMING_AGREEMENT
    unknown = UsageRequest("tap-2", subscriber.msisdn, Service.CONTENT, offer="none")
    assert (await report(world, unknown)).result is Result.UNKNOWN_SERVICE
    assert await world.main(subscriber) == tenge(1000)


async def test_late_usage_costs_what_it_did_then(world: World) -> None:
    """A minute within the network: 15.00 by day, 6.00 at night."""
    subscriber = await world.subscriber("kcell-free", money="100")
    night = world.calendar.start_of_day(date(2026, 3, 3)) + timedelta(minutes=30)
    world.clock.advance(timedelta(days=3))
    assert (await world.charging.event(call(subscriber, "night"), night)).cost == tenge(6)
    assert (await world.charging.event(call(subscriber, "day"), night + timedelta(hours=12))).cost == tenge(15)


@pytest.mark.clause("PSC-1.1.22")
async def test_late_usage_costs_what_the_plan_of_then_says(world: World) -> None:
    """A minute to another operator: 20.00 on the first plan, whose volumes the change took; 24.00 on the second."""
    subscriber = await world.subscriber("kcell-start", money="3090")
    for plan in ("kcell-free", "kcell-unlim", "kcell-free"):
        world.clock.advance(DAY)
        await world.pay(subscriber.account, "7000", plan + str(world.clock.now()))
        quote = await world.subscribers.quote_plan(subscriber.subscriber_id, plan, ChangeTime.NOW, CLERK)
        await world.subscribers.change_plan(quote, CLERK)
    plans = []
    for days_ago in (2.5, 2, 1.5, 1, 0.5, 0):
        use = await world.subscribers.use_at(subscriber.msisdn, world.clock.now() - DAY * days_ago)
        assert use is not None
        plans.append(use.plan_code)
    assert plans == ["kcell-start", "kcell-free", "kcell-free", "kcell-unlim", "kcell-unlim", "kcell-free"]
    assert (await report(world, call(subscriber, "first", MOBILE), 2.5)).cost == tenge(20)
    assert (await report(world, call(subscriber, "second", MOBILE), 2)).cost == tenge(24)


@pytest.mark.clause("PSC-6.5")
async def test_services_of_then_are_known_after_they_ended(world: World) -> None:
    subscriber = await world.subscriber(money="5000")
    world.clock.advance(DAY)
    await world.subscribers.switch_service_on(subscriber.subscriber_id, "roaming-travel", CLERK, "pack")
    on = []
    for days in (-0.5, 0, 6.5, 8):  # 7 days and what is left of the last
        use = await world.subscribers.use_at(subscriber.msisdn, world.clock.now() + DAY * days)
        assert use is not None
        on.append(use.services)
    assert on == [(), ("roaming-travel",), ("roaming-travel",), ()]
    world.clock.advance(DAY)
    await end(world, subscriber)
    use = await world.subscribers.use_at(subscriber.msisdn, world.clock.now() - DAY)
    assert use is not None
    assert use.services == ("roaming-travel",)


async def test_an_allowance_pays_as_it_stands_when_the_report_comes(world: World) -> None:
    subscriber = await world.subscriber("kcell-start", money="3000")  # 100 minutes for the fee of 2990
    world.clock.advance(DAY)
    before = await world.left(subscriber, "voice.any")
    assert (await report(world, call(subscriber, "call", MOBILE), 0.5)).cost == 0
    assert await world.left(subscriber, "voice.any") == before - 60


@pytest.mark.clause("PSC-6.3.5")
async def test_whoever_had_the_number_then_is_charged_and_not_who_has_it_now(world: World) -> None:
    former = await world.subscriber(money="0")
    used_at = world.clock.now() + timedelta(hours=1)
    world.clock.advance(DAY)
    await end(world, former)
    at_rest = world.clock.now() + DAY
    world.clock.advance(QUARANTINE + DAY)
    await world.subscribers.numbers.free_stale()
    newcomer = await taken_over(world, former.msisdn)
    assert newcomer.account != former.account
    assert (await world.charging.event(sms(former), used_at)).result is Result.GRANTED
    assert (await world.main(former), await world.main(newcomer)) == (-tenge(39), 0)
    assert (await world.charging.event(sms(former, "rest"), at_rest)).result is Result.UNKNOWN_SUBSCRIBER
    assert (await report(world, sms(former, "tap-2"))).result is Result.GRANTED  # the same day, the new holder
    assert (await world.main(former), await world.main(newcomer)) == (-tenge(39), -tenge(39))


async def taken_over(world: World, msisdn: Msisdn) -> Subscriber:
    """Somebody else gets a number that is free again."""
    other = await world.subscriber(money="0")
    await world.subscribers.change_number(other.subscriber_id, CLERK, msisdn=msisdn)
    return await world.subscribers.get(msisdn)


@pytest.mark.clause("PSC-3.1.5.9", "PSC-6.3.5")
async def test_after_re_registration_usage_of_before_is_the_former_holders(world: World) -> None:
    """Another number on the second day, another plan on the third; on the fourth the number passed to somebody else."""
    former = await world.subscriber("kcell-start", money="2990")
    days = [world.clock.now() + DAY * (number + 0.5) for number in range(6)]
    second = Msisdn("77019999999")
    await world.subscribers.numbers.add([second], "ordinary", CLERK)
    world.clock.advance(DAY)
    await world.subscribers.change_number(former.subscriber_id, CLERK, msisdn=second)
    world.clock.advance(DAY)
    await plan_changed(world, former, "kcell-free")
    world.clock.advance(DAY)
    heir = await world.pass_on(former)
    world.clock.advance(DAY)
    await plan_changed(world, heir, "kcell-unlim")
    world.clock.advance(2 * DAY)
    uses = [
        await world.subscribers.use_at(msisdn, at)
        for msisdn, at in zip([former.msisdn, *[second] * 5], days, strict=True)
    ]
    assert [(use.account, use.plan_code) for use in uses if use is not None] == [
        (former.account, "kcell-start"),
        (former.account, "kcell-start"),
        (former.account, "kcell-free"),
        (heir.account, "activ-simple"),
        (heir.account, "kcell-unlim"),
        (heir.account, "kcell-unlim"),
    ]
    before = await world.main(former), await world.main(heir)
    assert (await world.charging.event(sms(former), days[0])).cost == tenge(39)
    assert (await world.charging.event(sms(heir, "tap-2"), days[2])).cost == tenge(39)
    assert (await world.charging.event(sms(heir, "tap-3"), days[3])).cost == tenge(39)
    assert (await world.main(former), await world.main(heir)) == (before[0] - tenge(78), before[1] - tenge(39))


async def plan_changed(world: World, subscriber: Subscriber, plan: str) -> None:
    quote = await world.subscribers.quote_plan(subscriber.subscriber_id, plan, ChangeTime.NOW, CLERK)
    await world.subscribers.change_plan(quote, CLERK)


@pytest.mark.clause("PSC-1.1.12")
async def test_usage_of_before_a_number_went_to_another_account_is_charged_to_the_old_one_once(world: World) -> None:
    """Reported on both days of the change, and each report again: 39.00 on the account of each moment."""
    old = await world.subscriber("kcell-start", money="2990")
    before = world.clock.now() + timedelta(hours=1)
    world.clock.advance(DAY)
    first = await world.charging.event(sms(old), before)
    opened = await world.subscribers.contracts.open_account(old.subscriber_id, "second", CLERK)
    await world.subscribers.contracts.use_account(old.subscriber_id, opened.account, CLERK)
    world.clock.advance(DAY)
    again = await world.charging.event(sms(old), before)
    assert (again.cost, again.replayed) == (first.cost, True)
    await plan_changed(world, old, "kcell-free")
    after = world.clock.now() - timedelta(hours=1)
    assert [(await world.charging.event(sms(old, "tap-2"), after)).cost for _ in range(2)] == [tenge(39)] * 2
    new = await world.again(old)
    assert (await world.main(old), await world.main(new)) == (-tenge(39), -tenge(39))
    use = await world.subscribers.use_at(old.msisdn, before)
    assert use is not None
    assert (use.account, use.plan_code) == (old.account, "kcell-start")


@pytest.mark.clause("PSC-2.5")
async def test_usage_of_a_number_that_was_changed_since_is_charged_to_who_had_it(world: World) -> None:
    subscriber = await world.subscriber(money="0")
    await world.subscribers.numbers.add([Msisdn("77019999999")], "ordinary", CLERK)
    world.clock.advance(DAY)
    await world.subscribers.change_number(subscriber.subscriber_id, CLERK, msisdn=Msisdn("77019999999"))
    assert (await report(world, sms(subscriber), 0.5)).result is Result.GRANTED
    assert (await report(world, sms(subscriber, "after"))).result is Result.UNKNOWN_SUBSCRIBER
    assert await world.main(subscriber) == -tenge(39)


async def test_a_late_report_is_charged_once(world: World) -> None:
    subscriber = await world.subscriber(money="0")
    used_at = world.clock.now()
    world.clock.advance(DAY)
    first = await world.charging.event(sms(subscriber), used_at)
    await end(world, subscriber)  # the answer was lost, and the contract ended meanwhile
    again = await world.charging.event(sms(subscriber), used_at)
    assert (again.result, again.cost, again.replayed) == (first.result, first.cost, True)
    with pytest.raises(ReportReusedError):
        await world.charging.event(sms(subscriber), used_at + timedelta(seconds=1))
    with pytest.raises(ReportReusedError):
        await world.charging.event(sms(subscriber, visited=RUSSIA), used_at)
    assert await world.main(subscriber) == -tenge(39)


async def test_late_usage_is_not_of_the_future_and_not_older_than_debts_are_looked_for(world: World) -> None:
    assert REPORTED_WITHIN == KEPT_AFTER_END
    subscriber = await world.subscriber(money="0")
    start = world.clock.now()
    with pytest.raises(UsageMomentError):
        await world.charging.event(sms(subscriber), start + CLOCKS_DIFFER + timedelta(seconds=1))
    assert (await world.charging.event(sms(subscriber), start + CLOCKS_DIFFER)).result is Result.GRANTED
    world.clock.advance(REPORTED_WITHIN)
    assert (await world.charging.event(sms(subscriber, "last"), start)).result is Result.GRANTED
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(UsageMomentError):
        await world.charging.event(sms(subscriber, "ancient"), start)
    assert (await world.charging.event(sms(subscriber, "before"), start + DAY)).result is Result.GRANTED


async def test_before_the_accession_nobody_had_the_number(world: World) -> None:
    world.clock.advance(DAY)
    subscriber = await world.subscriber(money="0")
    assert (await report(world, sms(subscriber), 0.5)).result is Result.UNKNOWN_SUBSCRIBER
    stranger = UsageRequest("tap-2", Msisdn("77019999998"), Service.SMS, other=MOBILE, visited=TAJIKISTAN)
    assert (await report(world, stranger)).result is Result.UNKNOWN_SUBSCRIBER


@pytest.mark.clause("PSC-6.3.4")
async def test_silence_is_counted_from_the_day_of_use_and_not_of_the_report(world: World) -> None:
    """Used on 20 March, reported on 1 June, of a message that nothing had told of before."""
    subscriber = await world.subscriber(money="0")
    [job] = [job for job in jobs.jobs(world.subscribers) if job.name == "subscribers.silent_numbers"]
    await job.body(world.clock.now())
    used_at = world.calendar.start_of_day(date(2026, 3, 20)) + timedelta(hours=1)
    world.clock.advance(world.calendar.start_of_day(date(2026, 6, 1)) - world.clock.now())
    await world.charging.event(sms(subscriber), used_at)
    last = await world.subscribers.silence.last_use(subscriber.subscriber_id)
    assert last is not None
    assert last.used_on == date(2026, 3, 20)
    await world.charging.event(sms(subscriber, "earlier"), used_at - DAY)  # takes nothing back
    assert await world.subscribers.silence.last_use(subscriber.subscriber_id) == last


@dataclass
class Partner:
    """Who reports over HTTP, to the whole service."""

    service: web.Service
    client: aiohttp.ClientSession
    clock: ManualClock

    async def post(self, path: str, body: dict[str, Any], role: Role = Role.NETWORK) -> tuple[int, Any]:
        headers = {
            "Authorization": f"Bearer {self.service.keys[role]}",
            "X-Ground": "test",
            "Idempotency-Key": str(body.get("request_id", "key")),
        }
        async with self.client.post(self.service.url + path, headers=headers, json=body) as response:
            return response.status, await response.json(content_type=None)

    async def report(self, used_at: datetime, request_id: str, **more: object) -> tuple[int, Any]:
        body = {"request_id": request_id, "msisdn": web.NUMBER, "service": "sms", "other": MOBILE, **more}
        return await self.post("/charging/v1/events", {**body, "visited": TAJIKISTAN, "used_at": used_at.isoformat()})


@pytest.fixture
async def partner(service: web.Service, clock: ManualClock) -> AsyncIterator[Partner]:
    async with aiohttp.ClientSession() as client:
        yield Partner(service, client, clock)


@pytest.mark.clause("PSC-6.3.5", "PSC-7.6")
async def test_partners_report_an_ended_number_over_http(partner: Partner) -> None:
    used_at = partner.clock.now()
    partner.clock.advance(DAY)
    ended = await partner.post(f"/v1/subscribers/{web.NUMBER}/end", {"end_on": "breach"}, Role.SUPERVISOR)
    assert ended[0] == 204, ended
    status, problem = await partner.report(partner.clock.now() + DAY, "future")
    assert (status, problem["code"], "1095 days" in problem["detail"]) == (422, "usage_moment", True)
    assert (await partner.report(used_at - 1200 * DAY, "ancient"))[1]["code"] == "usage_moment"
    status, answer = await partner.report(used_at, "tap-1")
    assert (status, answer["result"], answer["cost"]) == (200, "granted", "39.00")
    status, again = await partner.report(used_at, "tap-1")
    assert (status, again) == (200, {**answer, "replayed": True})
    status, problem = await partner.report(used_at, "tap-1", requested=2)
    assert (status, problem["code"]) == (409, "report_reused")
    assert (await partner.report(partner.clock.now() + timedelta(minutes=1), "after"))[1]["result"] == (
        "unknown_subscriber"
    )
    session = {"request_id": "s", "msisdn": web.NUMBER, "service": "data", "used_at": used_at.isoformat()}
    assert (await partner.post("/charging/v1/sessions", session))[0] == 422  # a session begins now
