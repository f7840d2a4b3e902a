"""Devices by instalments: the parts add up, fall due on their days, and are owed until they are paid."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from telco.billing.instalments.errors import (
    AgreementClosedError,
    DeviceSoldError,
    InstalmentMoneyError,
    ReturnLateError,
    SaleRefusedError,
    SaleReusedError,
)
from telco.billing.instalments.model import AgreementState, Sale, Standing
from telco.kernel.money import tenge
from telco.subscribers.errors import IdentityNumberError, ObligationsOpenError
from telco.subscribers.model import Channel, ConsentKind, EndGround, Origin, Subscriber
from tests.world import CLERK, World

pytestmark = pytest.mark.clause("PSC-3.2.12")
IMEI = "490154203237518"
WRITTEN = Origin("subscriber", Channel.EMAIL, "own application")


def sale(price: str = "100000", down: str = "10000", months: int = 6, imei: str = IMEI) -> Sale:
    return Sale("device-standard", "Galaxy A55", imei, tenge(price), tenge(down), months)


async def sold(world: World, subscriber: Subscriber, what: Sale | None = None, request_id: str = "r1") -> Standing:
    return await world.instalments.sign(subscriber, what or sale(), CLERK, request_id=request_id)


async def test_a_sale_takes_the_down_payment_and_keeps_the_consent(world: World) -> None:
    one = await world.subscriber(money="15000")
    standing = await sold(world, one)
    assert await world.main(one) == tenge(5_000)  # 15,000 - 10,000
    assert standing.open_rest == tenge(90_000)
    assert [part.amount for part in standing.parts] == [tenge(10_000), *[tenge(15_000)] * 6]
    agreement = standing.agreement
    assert (agreement.number, agreement.consent_version) == ("DI-2026-0000001", "credit-history-2026-01")
    assert (agreement.consent_at, agreement.consent_channel) == (world.clock.now(), Channel.OFFICE)
    assert await world.subscribers.consents.has(one.subscriber_id, ConsentKind.CREDIT_HISTORY)


async def test_the_same_request_sells_once_and_another_under_its_id_is_refused(world: World) -> None:
    one = await world.subscriber(money="30000")
    first = await sold(world, one)
    assert await sold(world, one) == first
    assert await world.main(one) == tenge(20_000)
    with pytest.raises(SaleReusedError):
        await sold(world, one, sale(months=12))
    with pytest.raises(DeviceSoldError):
        await sold(world, one, request_id="r2")


@pytest.mark.parametrize(
    "what",
    [
        sale(price="9999.99"),  # the least is 10,000
        sale(price="1500000.01", down="150000.01"),
        sale(down="9999.99"),  # 10 % of 100,000 are 10,000
        sale(down="100000"),  # nothing is left
        sale(months=5),
    ],
)
async def test_what_the_plan_does_not_allow_is_not_sold(world: World, what: Sale) -> None:
    one = await world.subscriber(money="200000")
    with pytest.raises(SaleRefusedError):
        await sold(world, one, what)
    assert await world.main(one) == tenge(200_000)


async def test_a_wrong_imei_is_refused(world: World) -> None:
    one = await world.subscriber(money="20000")
    with pytest.raises(IdentityNumberError):
        await sold(world, one, sale(imei="490154203237519"))


async def test_without_the_down_payment_nothing_is_sold_and_no_number_is_lost(world: World) -> None:
    one = await world.subscriber(money="9999.99")
    with pytest.raises(InstalmentMoneyError):
        await sold(world, one)
    assert not await world.subscribers.consents.has(one.subscriber_id, ConsentKind.CREDIT_HISTORY)
    await world.pay(one.account, "0.01", "p")
    assert (await sold(world, one)).agreement.number == "DI-2026-0000001"  # without gaps


async def test_parts_fall_due_on_their_days_and_what_is_missing_is_owed(world: World) -> None:
    one = await world.subscriber(money="30000")  # 20,000 are left after the down payment
    await sold(world, one)  # on 2 March: due on 2 April, 2 May ...
    world.clock.advance(timedelta(days=30))  # 1 April
    assert (await world.instalments.post_due()).parts == 0
    world.clock.advance(timedelta(days=1))
    assert (await world.instalments.post_due()).parts == 1
    assert (await world.instalments.post_due()).parts == 0
    assert await world.main(one) == tenge(5_000)  # 20,000 - 15,000
    world.clock.advance(timedelta(days=30))  # 2 May
    await world.instalments.post_due()
    assert await world.main(one) == tenge(-10_000)  # 5,000 - 15,000: a debt
    world.clock.advance(timedelta(days=200))
    assert (await world.instalments.post_due()).parts == 4  # caught up
    assert await world.main(one) == tenge(-70_000)
    assert (await world.instalments.get("DI-2026-0000001")).agreement.state is AgreementState.PAID


async def test_signed_on_the_31st_parts_are_due_on_the_last_days_of_months(world: World) -> None:
    world.clock.advance(datetime(2026, 12, 31, 6, 0, tzinfo=UTC) - world.clock.now())
    one = await world.subscriber(money="30000")
    standing = await sold(world, one, sale("100000.01", "10000.01", 12))
    days = [part.due_on for part in standing.parts[1:5]]
    assert days == [date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 31), date(2027, 4, 30)]


@pytest.mark.clause("PSC-3.2.11", "PSC-7.2", "PSC-7.4")
async def test_an_open_rest_keeps_consents(world: World) -> None:
    one = await world.subscriber(money="130000")
    await sold(world, one)
    for kind in (ConsentKind.PERSONAL_DATA, ConsentKind.CREDIT_HISTORY):
        with pytest.raises(ObligationsOpenError):
            await world.subscribers.consents.withdraw(one.subscriber_id, kind, WRITTEN)
    await world.instalments.repay("DI-2026-0000001", CLERK)
    await world.subscribers.consents.withdraw(one.subscriber_id, ConsentKind.CREDIT_HISTORY, WRITTEN)


async def test_the_rest_is_repaid_early_once_there_is_money(world: World) -> None:
    one = await world.subscriber(money="99999.99")
    await sold(world, one)
    with pytest.raises(InstalmentMoneyError):
        await world.instalments.repay("DI-2026-0000001", CLERK)  # 89,999.99 of 90,000
    await world.pay(one.account, "0.01", "p")
    standing = await world.instalments.repay("DI-2026-0000001", CLERK)
    assert (standing.agreement.state, standing.open_rest, await world.main(one)) == (AgreementState.REPAID, 0, 0)
    with pytest.raises(AgreementClosedError):
        await world.instalments.repay("DI-2026-0000001", CLERK)
    world.clock.advance(timedelta(days=400))
    assert (await world.instalments.post_due()).parts == 0


@pytest.mark.parametrize("repaid", [False, True])
async def test_a_device_that_comes_back_in_time_gives_everything_back(world: World, repaid: bool) -> None:
    one = await world.subscriber(money="120000")
    await sold(world, one)
    if repaid:
        await world.instalments.repay("DI-2026-0000001", CLERK)
    world.clock.advance(timedelta(days=14))  # 16 March, the last day
    standing = await world.instalments.take_back("DI-2026-0000001", CLERK, reason="defect")
    assert (standing.agreement.state, standing.open_rest) == (AgreementState.RETURNED, 0)
    assert await world.main(one) == tenge(120_000)
    with pytest.raises(AgreementClosedError):
        await world.instalments.take_back("DI-2026-0000001", CLERK, reason="again")


async def test_a_device_that_comes_back_late_is_not_taken(world: World) -> None:
    one = await world.subscriber(money="20000")
    await sold(world, one)
    world.clock.advance(timedelta(days=15))
    with pytest.raises(ReturnLateError):
        await world.instalments.take_back("DI-2026-0000001", CLERK, reason="late")


@pytest.mark.clause("PSC-6.3.5")
async def test_with_the_contract_the_rest_falls_due_at_once(world: World) -> None:
    one = await world.subscriber(money="20000")
    await sold(world, one)
    await world.subscribers.contracts.end(one.subscriber_id, EndGround.BREACH, CLERK)
    await world.outbox.drain()
    assert await world.main(one) == tenge(-80_000)  # 10,000 - 90,000
    standing = await world.instalments.get("DI-2026-0000001")
    assert (standing.agreement.state, standing.open_rest) == (AgreementState.DUE, 0)
    await world.instalments.fall_due(one.subscriber_id, "again")
    assert await world.main(one) == tenge(-80_000)
