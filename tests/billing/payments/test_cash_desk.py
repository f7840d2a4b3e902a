"""Cash desks: receipts without gaps, totals that add up."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.billing.payments.errors import (
    PayeeEndedError,
    PayeeMalformedError,
    PayeePortedError,
    PaymentLimitError,
    PaymentReusedError,
    ShiftNeededError,
    ShiftOpenError,
    ShiftUnknownError,
)
from telco.billing.payments.model import Payment, ShiftId
from telco.kernel.money import tenge
from telco.subscribers.model import EndGround
from tests.billing.payments.conftest import Desk
from tests.world import CLERK

ANNA, BOLAT = "staff:anna", "staff:bolat"


async def take(desk: Desk, named: str, amount: str = "100", request_id: str = "r1", cashier: str = ANNA) -> Payment:
    return await desk.cash.take(named, tenge(amount), cashier=cashier, request_id=request_id)


@pytest.mark.clause("PSC-4.1")
async def test_cash_is_credited_with_a_numbered_receipt(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    shift = await desk.cash.open_shift("almaty-1", cashier=ANNA)
    payment = await take(desk, subscriber.msisdn)
    assert payment.receipt_no == f"almaty-1-{shift.shift_id:06d}-00001"
    assert (await desk.world.main(subscriber), payment.balance) == (tenge(100), tenge(100))
    assert await desk.payments.search(payment.receipt_no) == [payment]


async def test_the_same_request_gets_the_same_receipt_and_another_sum_is_refused(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await desk.cash.open_shift("almaty-1", cashier=ANNA)
    payments = await asyncio.gather(*(take(desk, subscriber.msisdn) for _ in range(8)))
    assert len({payment.receipt_no for payment in payments}) == 1
    assert await desk.world.main(subscriber) == tenge(100)
    with pytest.raises(PaymentReusedError):
        await take(desk, subscriber.msisdn, "101")


async def test_the_same_request_gets_the_same_receipt_also_after_the_limits_have_changed(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    await desk.cash.open_shift("almaty-1", cashier=ANNA)
    first = await take(desk, subscriber.msisdn)
    await desk.world.database.fetch(
        "insert into payments.channel_limit values ('cash_desk', '2026-03-02', 50000, 60000)"
    )
    assert await take(desk, subscriber.msisdn) == first
    with pytest.raises(PaymentLimitError):
        await take(desk, subscriber.msisdn, request_id="r2")


async def test_receipts_have_no_gaps_whatever_fails_between(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    shift = await desk.cash.open_shift("almaty-1", cashier=ANNA)
    await asyncio.gather(*(take(desk, subscriber.msisdn, request_id=f"r{n}") for n in range(10)))
    with pytest.raises(PayeeMalformedError):
        await take(desk, "nobody", request_id="x")
    last = await take(desk, subscriber.msisdn, request_id="last")
    assert last.receipt_no is not None
    assert last.receipt_no.endswith("-00011")
    assert (await desk.cash.shift(shift.shift_id)).receipts == 11


async def test_shift_and_day_totals_add_up(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    shift = await desk.cash.open_shift("almaty-1", cashier=ANNA)
    await desk.cash.open_shift("almaty-2", cashier=BOLAT)
    await take(desk, subscriber.msisdn, "100", "a1")
    await take(desk, subscriber.msisdn, "250.50", "a2")
    await take(desk, subscriber.msisdn, "1000", "b1", BOLAT)
    closed = await desk.cash.close_shift(shift.shift_id, tenge("350.00"), cashier=ANNA)
    assert (closed.receipts, closed.taken, closed.counted) == (2, tenge("350.50"), tenge(350))
    days = await desk.cash.day(date(2026, 3, 2))
    assert [(day.desk, day.cashier, day.receipts, day.taken) for day in days] == [
        ("almaty-1", ANNA, 2, tenge("350.50")),
        ("almaty-2", BOLAT, 1, tenge(1000)),
    ]
    desk.world.clock.advance(timedelta(days=1))
    assert await desk.cash.day(date(2026, 3, 3)) == []


async def test_a_cashier_needs_a_shift_and_has_one(desk: Desk) -> None:
    subscriber = await desk.world.subscriber()
    with pytest.raises(ShiftNeededError):
        await take(desk, subscriber.msisdn)
    shift = await desk.cash.open_shift("almaty-1", cashier=ANNA)
    assert await desk.cash.open_shift("almaty-1", cashier=ANNA) == shift
    with pytest.raises(ShiftOpenError):
        await desk.cash.open_shift("almaty-2", cashier=ANNA)
    with pytest.raises(ShiftUnknownError):
        await desk.cash.close_shift(shift.shift_id, tenge(0), cashier=BOLAT)
    await desk.cash.close_shift(shift.shift_id, tenge(0), cashier=ANNA)
    for call in (desk.cash.close_shift(shift.shift_id, tenge(0), cashier=ANNA), desk.cash.shift(ShiftId(999))):
        with pytest.raises(ShiftUnknownError):
            await call
    with pytest.raises(ShiftNeededError):
        await take(desk, subscriber.msisdn)


@pytest.mark.parametrize("amount", ["0.99", "5000000.01", "-100", "0"])
async def test_absurd_sums_are_refused(desk: Desk, amount: str) -> None:
    subscriber = await desk.world.subscriber()
    await desk.cash.open_shift("almaty-1", cashier=ANNA)
    with pytest.raises(PaymentLimitError):
        await take(desk, subscriber.msisdn, amount)


async def test_ended_and_ported_numbers_are_refused(desk: Desk) -> None:
    ended, ported = await desk.world.subscriber(), await desk.world.subscriber()
    await desk.world.subscribers.contracts.end(ended.subscriber_id, EndGround.REFUSAL, CLERK)
    await desk.world.subscribers.contracts.end(ported.subscriber_id, EndGround.PORTED_OUT, CLERK)
    await desk.cash.open_shift("almaty-1", cashier=ANNA)
    with pytest.raises(PayeeEndedError):
        await take(desk, ended.msisdn)
    with pytest.raises(PayeePortedError):
        await take(desk, ported.msisdn)
