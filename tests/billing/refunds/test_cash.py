"""Refunds in cash: out of a cashier's drawer, counted by the shift, told by SMS."""

from __future__ import annotations

import pytest

from telco.billing.payments.errors import ShiftNeededError
from telco.billing.refunds.errors import RefundStateError, RefundWayError
from telco.billing.refunds.model import Payee, PayoutWay, RefundState
from telco.billing.refunds.notices import RefundNotices
from telco.db.pool import Connection
from telco.kernel.i18n import Language, Translator
from telco.kernel.money import tenge
from telco.kernel.msisdn import Msisdn
from tests.billing.refunds.conftest import ANNA, CASHIER, Office

CASH = Payee(PayoutWay.CASH)


@pytest.mark.clause("PSC-6.4")
async def test_cash_is_given_out_in_a_shift(office: Office) -> None:
    world = office.world
    one, other = await world.subscriber(money="300"), await world.subscriber(money="0")
    await office.end(one)
    refund = await office.approve(await office.apply(one, payee=CASH))
    with pytest.raises(RefundStateError):  # its money has not left the account
        await office.payouts.pay_out(refund.refund_id, cashier=CASHIER)
    await office.payouts.order_due()
    with pytest.raises(ShiftNeededError):
        await office.payouts.pay_out(refund.refund_id, cashier=CASHIER)
    desk = office.ways_in.cash
    shift = await desk.open_shift("almaty-1", cashier=CASHIER)
    await desk.take(other.msisdn, tenge(1000), cashier=CASHIER, request_id="c1")
    paid = await office.payouts.pay_out(refund.refund_id, cashier=CASHIER)
    assert (paid.state, paid.amount, paid.payout_ref) == (RefundState.PAID, tenge(300), "almaty-1-000001-00002")
    with pytest.raises(RefundStateError):
        await office.payouts.pay_out(refund.refund_id, cashier=CASHIER)
    closed = await desk.close_shift(shift.shift_id, tenge(700), cashier=CASHIER)
    assert (closed.taken, closed.given) == (tenge(1000), tenge(300))  # 1,000 - 300 are in the drawer
    assert await office.books("cash.desk") == tenge(300) - tenge(1000)
    with pytest.raises(RefundStateError):  # what was given out in cash does not come back from a bank
        await office.payouts.give_back(refund.refund_id, reason="x", actor=ANNA)


async def test_the_way_is_kept(office: Office) -> None:
    cash = await office.ordered(await office.world.subscriber(money="300"), payee=CASH)
    bank = await office.filed(await office.world.subscriber(money="300"))
    await office.ways_in.cash.open_shift("almaty-1", cashier=CASHIER)
    with pytest.raises(RefundWayError):
        await office.payouts.pay_out(bank.refund_id, cashier=CASHIER)
    with pytest.raises(RefundWayError):
        await office.payouts.confirm(cash.refund_id, paid_on=await office.today(), document="1", actor=ANNA)


async def test_cash_that_nobody_fetches_is_not_late_and_goes_back(office: Office) -> None:
    one = await office.world.subscriber(money="300")
    refund = await office.ordered(one, payee=CASH)
    office.pass_days(60)
    assert await office.findings() == []
    await office.payouts.give_back(refund.refund_id, reason="nobody came", actor=ANNA)
    assert await office.world.main(one) == tenge(300)


async def test_the_applicant_is_told_on_the_phone_that_he_left(office: Office, translator: Translator) -> None:
    told: dict[str, tuple[str, str]] = {}

    async def send(_connection: Connection, to: Msisdn, text: str, key: str) -> None:
        told[key] = (to, text)

    RefundNotices(office.world.database, translator, send).subscribe_to(office.world.outbox)
    one = await office.world.subscriber(money="300", language=Language.EN)
    await office.end(one)
    refund = await office.ordered(one, payee=CASH, contact_phone="77075554433")
    await office.payouts.give_back(refund.refund_id, reason="nobody came", actor=ANNA)
    silent = await office.apply(one, contact_phone="no phone")
    await office.world.outbox.drain()
    number = refund.refund_id
    assert told == {
        f"refunds.registered:{number}": (
            "77075554433",
            "Your application RF-0000001 for a refund is registered. It will be paid by 01.04.2026 at the latest.",
        ),
        f"refunds.ordered:{number}": (
            "77075554433",
            "Your refund RF-0000001 of 300 KZT waits for you at our cash desk.",
        ),
        f"refunds.returned:{number}": (
            "77075554433",
            "Your refund RF-0000001 came back: 300 KZT is on your personal account again."
            " Apply with the right details.",
        ),
    }
    assert silent.contact_phone == "no phone"
