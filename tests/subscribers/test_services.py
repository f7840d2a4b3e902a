"""Additional services: on, off, paid, stopped all at once."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.catalog.errors import UnknownServiceError
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.money import Money, tenge
from telco.kernel.names import TextRefusedError
from telco.subscribers.errors import (
    NotEnoughMoneyError,
    ServiceOffError,
    ServiceOnError,
    ServiceUnfitError,
    SuspendedError,
)
from telco.subscribers.model import Channel, Ground, Scope, ServiceState, by_subscriber
from tests.subscribers.conftest import CLERK, SELF, Office, company


@pytest.mark.clause("PSC-3.1.11", "PSC-1.1.5")
@pytest.mark.parametrize("channel", [Channel.SMS, Channel.USSD, Channel.IVR, Channel.CABINET, Channel.EMAIL])
async def test_a_service_is_switched_on_by_any_message(office: Office, channel: Channel) -> None:
    accession = await office.paid("1000")
    order = await office.subscribers.switch_service_on(
        accession.subscriber_id, "data-1gb", by_subscriber(channel), "r1"
    )
    assert (order.charged, order.replayed) == (tenge("390"), False)
    assert await office.main(accession.account) == tenge("610")
    assert await office.buckets(accession.account) == {"data.any": 1_000_000_000}
    assert (await office.subscribers.get(accession.msisdn)).services == {"data-1gb"}
    filed = (await office.subscribers.applications.of(accession.subscriber_id))[0]
    assert (filed.kind, filed.channel, filed.body, filed.outcome) == (
        "service_on",
        channel,
        "data-1gb",
        "data-1gb on",
    )


async def test_the_same_request_buys_once(office: Office) -> None:
    accession = await office.paid("1000")
    who = accession.subscriber_id
    orders = await asyncio.gather(
        *(office.subscribers.switch_service_on(who, "data-1gb", SELF, "r1") for _ in range(5))
    )
    assert sum(not order.replayed for order in orders) == 1
    assert await office.main(accession.account) == tenge("610")
    # another request buys another pack
    await office.subscribers.switch_service_on(who, "data-1gb", SELF, "r2")
    assert await office.main(accession.account) == tenge("220")
    assert (await office.buckets(accession.account))["data.any"] == 1_000_000_000  # by code, the last one
    assert len(await office.subscribers.services.on(who)) == 2


async def test_a_pack_needs_its_price(office: Office) -> None:
    accession = await office.paid("389.99")
    with pytest.raises(NotEnoughMoneyError) as refusal:
        await office.subscribers.switch_service_on(accession.subscriber_id, "data-1gb", SELF, "r1")
    assert (refusal.value.price, refusal.value.balance) == (Money(39_000), Money(38_999))
    assert await office.subscribers.services.on(accession.subscriber_id) == []
    # the same request after a top-up is looked at anew
    await office.top_up(accession.account, "0.01")
    await office.subscribers.switch_service_on(accession.subscriber_id, "data-1gb", SELF, "r1")
    assert await office.main(accession.account) == 0


async def test_a_pack_ends_by_itself(office: Office, clock: ManualClock, calendar: Calendar) -> None:
    accession = await office.paid("1000")
    await office.subscribers.switch_service_on(accession.subscriber_id, "data-1gb", SELF, "r1")
    (pack,) = await office.subscribers.services.on(accession.subscriber_id)
    # 7 days counted from 2 March: 3 to 9 March
    assert pack.until_at == calendar.start_of_day(date(2026, 3, 10))
    clock.advance(pack.until_at - clock.now() - timedelta(microseconds=1))
    assert (await office.subscribers.get(accession.msisdn)).services == {"data-1gb"}
    clock.advance(timedelta(microseconds=1))
    assert (await office.subscribers.get(accession.msisdn)).services == frozenset()  # before any job
    assert await office.subscribers.services.end_lapsed() == 1
    assert await office.subscribers.services.end_lapsed() == 0


@pytest.mark.clause("PSC-3.1.11", "PSC-6.5")
async def test_a_feature_is_on_until_it_is_switched_off(office: Office) -> None:
    accession = await office.paid("1000")
    who = accession.subscriber_id
    await office.subscribers.switch_service_on(who, "russia-calls", SELF, "r1")
    with pytest.raises(ServiceOnError):
        await office.subscribers.switch_service_on(who, "russia-calls", SELF, "r2")
    off = await office.subscribers.services.switch_off(who, "russia-calls", SELF)
    assert off.state is ServiceState.OFF
    with pytest.raises(ServiceOffError):
        await office.subscribers.switch_service_off(who, "russia-calls", SELF)
    assert await office.main(accession.account) == tenge("710")  # 290.00 is not given back
    await office.subscribers.switch_service_on(who, "russia-calls", SELF, "r3")
    assert await office.main(accession.account) == tenge("420")


@pytest.mark.clause("PSC-3.2.15", "PSC-1.1.16")
async def test_all_third_party_services_stop_at_once(office: Office) -> None:
    accession = await office.paid("1000")
    who = accession.subscriber_id
    for code in ("music-day", "quiz", "russia-calls"):
        await office.subscribers.switch_service_on(who, code, SELF, code)
    assert await office.subscribers.stop_third_party(who, SELF) == ["music-day", "quiz"]
    assert (await office.subscribers.get(accession.msisdn)).services == {"russia-calls"}
    assert await office.subscribers.stop_third_party(who, SELF) == []
    assert sorted(event["code"] for event in await office.events("service_off")) == ["music-day", "quiz"]


async def test_a_service_fits_the_plan(office: Office) -> None:
    accession = await office.paid("1000", party=company(), plan_code="kcell-business")
    with pytest.raises(ServiceUnfitError):
        await office.subscribers.switch_service_on(accession.subscriber_id, "music-day", SELF, "r1")
    with pytest.raises(UnknownServiceError):
        await office.subscribers.switch_service_on(accession.subscriber_id, "no-such", SELF, "r2")


@pytest.mark.clause("PSC-3.1.5", "PSC-3.1.1")
@pytest.mark.parametrize(
    ("scope", "code", "allowed"),
    [
        (Scope.FULL, "data-1gb", False),
        (Scope.FULL, "music-day", False),
        (Scope.THIRD_PARTY, "music-day", False),
        (Scope.THIRD_PARTY, "data-1gb", True),
        (Scope.OUTGOING, "data-1gb", True),
    ],
)
async def test_a_suspended_number_buys_nothing(office: Office, scope: Scope, code: str, allowed: bool) -> None:
    accession = await office.paid("1000")
    await office.subscribers.suspend(accession.subscriber_id, Ground.BREACH, CLERK, reason="x", scopes=[scope])
    order = office.subscribers.switch_service_on(accession.subscriber_id, code, SELF, "r1")
    if allowed:
        assert (await order).charged == tenge("390")
    else:
        with pytest.raises(SuspendedError):
            await order


@pytest.mark.parametrize("request_id", ["", "a\x00b", "x" * 101])
async def test_a_request_has_a_name(office: Office, request_id: str) -> None:
    accession = await office.paid("1000")
    with pytest.raises(TextRefusedError):
        await office.subscribers.switch_service_on(accession.subscriber_id, "data-1gb", SELF, request_id)


@pytest.mark.parametrize("code", ["'; drop table subscribers.service; --", "x" * 500, "", "a\x00b", "\ud800"])
async def test_odd_codes_are_unknown(office: Office, code: str) -> None:
    accession = await office.accede()
    with pytest.raises(UnknownServiceError):
        await office.subscribers.switch_service_on(accession.subscriber_id, code, SELF, "r1")
