"""Devices by instalments: the parts add up, fall due on their days, and are owed until they are paid."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.instalments.audit import missed_parts
from telco.billing.instalments.errors import (
    AgreementClosedError,
    DeviceSoldError,
    InstalmentMoneyError,
    ReturnLateError,
    SaleRefusedError,
    SaleReusedError,
)
from telco.billing.instalments.model import AgreementState, Part, PortOutRefusal, Sale, Standing
from telco.billing.instalments.port_out import PortOutCheck
from telco.billing.instalments.rules import overdue_since, schedule
from telco.kernel.money import Tiyn, json_money, tenge
from telco.kernel.msisdn import Msisdn
from telco.ledger.model import Status, debit, reserve, sum_charge
from telco.subscribers import rules
from telco.subscribers.errors import IdentityNumberError, ObligationsOpenError
from telco.subscribers.model import Channel, ConsentKind, EndGround, Ground, Origin, Subscriber
from tests.world import CLERK, World, iin

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
    assert (agreement.number, agreement.consent_version) == ("DIA-2026-0000001", "credit-history-2026-01")
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
    assert (await sold(world, one)).agreement.number == "DIA-2026-0000001"  # without gaps


@pytest.mark.clause("PSC-4.3.2")
async def test_a_down_payment_comes_out_of_no_credit_limit(world: World) -> None:
    """A limit of 20,000, a session that holds 500: 10,500 have to be on the account, and a tiyn less is too little."""
    one = await world.subscriber("kcell-status")
    charge, until = sum_charge(tenge(500)), world.clock.now() + timedelta(hours=1)
    session = reserve(one.account, "session", charge, hold_id="h", hold_deadline=until, contra="revenue.data")
    assert (await world.ledger.submit(session)).status is Status.OK
    missing = tenge(10_500) - await world.main(one)  # the fee of the running period is owed
    await world.pay(one.account, json_money(missing - 1), "p1")
    with pytest.raises(InstalmentMoneyError):
        await sold(world, one)
    assert await world.instalments.of_subscriber(one.subscriber_id) == []
    await world.pay(one.account, "0.01", "p2")
    await sold(world, one)
    assert await world.main(one) == tenge(500)  # what the session holds


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
    assert (await world.instalments.get("DIA-2026-0000001")).agreement.state is AgreementState.PAID


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
    await world.instalments.repay("DIA-2026-0000001", CLERK)
    await world.subscribers.consents.withdraw(one.subscriber_id, ConsentKind.CREDIT_HISTORY, WRITTEN)


async def test_the_rest_is_repaid_early_once_there_is_money(world: World) -> None:
    one = await world.subscriber(money="99999.99")
    await sold(world, one)
    with pytest.raises(InstalmentMoneyError):
        await world.instalments.repay("DIA-2026-0000001", CLERK)  # 89,999.99 of 90,000
    await world.pay(one.account, "0.01", "p")
    standing = await world.instalments.repay("DIA-2026-0000001", CLERK)
    assert (standing.agreement.state, standing.open_rest, await world.main(one)) == (AgreementState.REPAID, 0, 0)
    with pytest.raises(AgreementClosedError):
        await world.instalments.repay("DIA-2026-0000001", CLERK)
    world.clock.advance(timedelta(days=400))
    assert (await world.instalments.post_due()).parts == 0


@pytest.mark.clause("PSC-4.3.2", "PSC-3.2.12")
async def test_an_early_repayment_comes_out_of_no_credit_limit(world: World) -> None:
    """A limit of 20,000 and a rest of 90,000: 90,000 have to be on the account, and a tiyn less is too little."""
    one = await world.subscriber("kcell-status")
    await world.pay(one.account, json_money(tenge(10_000) - await world.main(one)), "down")
    await sold(world, one)
    await world.pay(one.account, "89999.99", "p1")
    with pytest.raises(InstalmentMoneyError):
        await world.instalments.repay("DIA-2026-0000001", CLERK)
    standing = await world.instalments.get("DIA-2026-0000001")
    assert (standing.agreement.state, standing.open_rest) == (AgreementState.OPEN, tenge(90_000))
    await world.pay(one.account, "0.01", "p2")
    assert (await world.instalments.repay("DIA-2026-0000001", CLERK)).agreement.state is AgreementState.REPAID
    assert await world.main(one) == 0


@pytest.mark.parametrize("repaid", [False, True])
async def test_a_device_that_comes_back_in_time_gives_everything_back(world: World, repaid: bool) -> None:
    one = await world.subscriber(money="120000")
    await sold(world, one)
    if repaid:
        await world.instalments.repay("DIA-2026-0000001", CLERK)
    world.clock.advance(timedelta(days=14))  # 16 March, the last day
    standing = await world.instalments.take_back("DIA-2026-0000001", CLERK, reason="defect")
    assert (standing.agreement.state, standing.open_rest) == (AgreementState.RETURNED, 0)
    assert await world.main(one) == tenge(120_000)
    with pytest.raises(AgreementClosedError):
        await world.instalments.take_back("DIA-2026-0000001", CLERK, reason="again")


async def test_a_device_that_comes_back_late_is_not_taken(world: World) -> None:
    one = await world.subscriber(money="20000")
    await sold(world, one)
    world.clock.advance(timedelta(days=15))
    with pytest.raises(ReturnLateError):
        await world.instalments.take_back("DIA-2026-0000001", CLERK, reason="late")


@pytest.mark.clause("PSC-6.3.5")
async def test_with_the_contract_the_rest_falls_due_at_once(world: World) -> None:
    one = await world.subscriber(money="20000")
    await sold(world, one)
    await world.subscribers.contracts.end(one.subscriber_id, EndGround.BREACH, CLERK)
    await world.outbox.drain()
    assert await world.main(one) == tenge(-80_000)  # 10,000 - 90,000
    standing = await world.instalments.get("DIA-2026-0000001")
    assert (standing.agreement.state, standing.open_rest) == (AgreementState.DUE, 0)
    await world.instalments.fall_due(one.subscriber_id, "again", world.clock.now())
    assert await world.main(one) == tenge(-80_000)


@pytest.mark.clause("PSC-6.3.5", "PSC-3.1.5.9")
async def test_what_a_new_holder_buys_does_not_fall_due_with_the_former_holders_contract(world: World) -> None:
    """The number passes on and its new holder buys a device before the event of the passing is told, or told again."""
    former = await world.subscriber(money="20000")
    await sold(world, former)
    world.clock.advance(timedelta(days=1))
    heir = await world.pass_on(former)
    world.clock.advance(timedelta(minutes=1))
    await world.pay(heir.account, "10000", "p")
    await sold(world, heir, sale(imei=imei(7)), request_id="heir")
    await world.outbox.drain()
    states = [(await world.instalments.get(f"DIA-2026-000000{n}")).agreement.state for n in (1, 2)]
    assert states == [AgreementState.DUE, AgreementState.OPEN]


async def test_a_run_that_is_killed_anywhere_or_twice_at_once_posts_each_part_once(world: World) -> None:
    people = [await world.subscriber(money="10000") for _ in range(5)]
    for number, one in enumerate(people):
        await sold(world, one, sale(imei=imei(number)), request_id=f"r{number}")
    world.clock.advance(timedelta(days=62))  # 3 May: two parts of each are due
    for wait_ms in (1, 3, 6, 10):
        run = asyncio.create_task(world.instalments.post_due())
        await asyncio.wait({run}, timeout=wait_ms / 1_000)
        run.cancel()
        await asyncio.wait({run})
    await asyncio.gather(world.instalments.post_due(), world.instalments.post_due())
    assert [await world.main(one) for one in people] == [tenge(-30_000)] * 5
    assert await missed_parts(world.database, date(2026, 5, 3)) == []


def imei(number: int) -> str:
    """A valid IMEI of its own for each number."""
    payload = f"4901542032{number:04d}"
    return payload + rules.luhn_digit(payload)


@pytest.mark.clause("PSC-4.3.2")
async def test_on_a_credit_account_a_part_is_a_line_of_the_invoice(world: World) -> None:
    one = await world.subscriber("kcell-status")
    await world.pay(one.account, "20000", "p")
    await sold(world, one)  # on 2 March
    world.clock.advance(timedelta(days=32))  # 3 April
    await world.instalments.post_due()
    world.clock.advance(timedelta(days=30))
    await world.invoicing.run()
    invoices = await world.invoicing.of_account(one.account, 10)
    lines = [line for invoice in invoices for line in await world.invoicing.lines(invoice.invoice_id)]
    assert tenge(15_000) in [line.amount for line in lines]


@pytest.mark.clause("PSC-7.2", "PSC-7.4", "PSC-7.5", "PSC-7.P")
async def test_a_number_leaves_once_nothing_is_owed(world: World) -> None:
    port_out = PortOutCheck(world.database, world.subscribers, world.obligations)
    one = await world.subscriber(money="200000", owner=77)
    assert (await port_out.check(one.msisdn, owner=iin(77))).allowed
    assert (await port_out.check(one.msisdn, owner=iin(78))).refusals == (PortOutRefusal.OTHER_OWNER,)
    await sold(world, one)
    answer = await port_out.check(one.msisdn)
    assert answer.refusals == (PortOutRefusal.DEVICE_INSTALMENTS,)
    assert (answer.owed, answer.detail) == (tenge(90_000), "device_instalments DIA-2026-0000001 90000.00")
    await world.instalments.repay("DIA-2026-0000001", CLERK)
    await world.ledger.submit(
        debit(one.account, "roaming", sum_charge(tenge("100000.50")), contra="revenue.roaming", forced=True)
    )
    answer = await port_out.check(one.msisdn)
    assert (answer.refusals, answer.owed) == ((PortOutRefusal.DEBT,), 50)  # half a tenge of roaming
    await world.pay(one.account, "0.50", "p")
    assert (await port_out.check(one.msisdn)).allowed
    await world.subscribers.suspend(one.subscriber_id, Ground.AUTHORITY, CLERK, reason="demand", reference="1-26")
    assert (await port_out.check(one.msisdn)).refusals == (PortOutRefusal.BLOCKED_BY_AUTHORITY,)
    assert (await port_out.check(Msisdn("77770000000"))).refusals == (PortOutRefusal.UNKNOWN_NUMBER,)


@given(st.integers(2, 10**12), st.integers(0, 10**12), st.integers(1, 60))
def test_parts_add_up_to_the_price_and_differ_by_a_tiyn(price: int, down: int, months: int) -> None:
    down = down % price
    parts = schedule(Tiyn(price), Tiyn(down), months, date(2026, 1, 31))
    assert sum(part.amount for part in parts) == price
    later = [part.amount for part in parts if part.part_no]
    assert max(later) - min(later) <= 1
    assert later == sorted(later, reverse=True)


def test_a_price_in_three_parts() -> None:
    parts = schedule(tenge(100), Tiyn(0), 3, date(2026, 1, 31))
    assert [(part.amount, part.due_on) for part in parts] == [
        (3_334, date(2026, 2, 28)),  # 100.00 / 3 = 33.33, and a tiyn is left
        (3_333, date(2026, 3, 31)),
        (3_333, date(2026, 4, 30)),
    ]


@pytest.mark.parametrize(("overdue", "since"), [(0, None), (1, 3), (500, 3), (501, 2), (1_500, 1), (2_000, 1)])
def test_money_pays_the_oldest_part_first(overdue: int, since: int | None) -> None:
    posted = datetime(2026, 5, 1, tzinfo=UTC)
    parts = [Part(number, date(2026, number, 1), Tiyn(500), posted, "op") for number in (1, 2, 3)]
    waiting = Part(4, date(2026, 4, 1), Tiyn(500))
    found = overdue_since([*parts, waiting], Tiyn(overdue))
    assert found == (None if since is None else date(2026, since, 1))
