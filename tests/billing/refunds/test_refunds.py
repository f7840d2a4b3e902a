"""Applications for money back and the way of the money, on both sides of every boundary."""

from __future__ import annotations

import asyncio

import pytest

from telco.billing.errors import RequestReusedError
from telco.billing.refunds.errors import (
    ApplicantMismatchError,
    NamedMalformedError,
    NoOrdersError,
    PaidOnError,
    RefundNothingError,
    RefundNotWrittenError,
    RefundOpenError,
    RefundPayeeError,
    RefundSamePersonError,
    RefundStateError,
    RefundUnknownError,
)
from telco.billing.refunds.model import Payee, PayoutWay, RefundId, RefundKind, RefundState
from telco.kernel.iban import IbanError
from telco.kernel.money import tenge
from telco.subscribers.model import Channel, EndGround
from tests.billing.refunds.conftest import ANNA, BOLAT, OURS, THEIRS, Office
from tests.world import iin


@pytest.mark.clause("PSC-6.4", "PSC-6.5")
async def test_what_is_left_goes_to_the_bank(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    await office.spend(one.account, "250.50")
    await office.end(one)
    refund = await office.apply(one)
    assert (refund.kind, refund.state, refund.amount) == (RefundKind.ENDED, RefundState.APPLIED, None)
    # registered on 2 March: 30 calendar days are over with 1 April
    assert (refund.not_before.isoformat(), refund.pay_by.isoformat()) == ("2026-03-02", "2026-04-01")
    assert await office.world.main(one) == tenge("749.50")  # an application moves nothing

    await office.approve(refund)
    ordered = await office.payouts.order(refund.refund_id, actor=BOLAT)
    assert (ordered.state, ordered.amount) == (RefundState.ORDERED, tenge("749.50"))  # 1000 - 250.50
    assert await office.world.main(one) == 0
    assert await office.books("payable.refund") == tenge("749.50")

    file = await office.bank.make_file(OURS, actor=ANNA, request_id="f1")
    assert (file.orders, file.total) == (1, tenge("749.50"))
    paid = await office.payouts.confirm(refund.refund_id, paid_on=await office.today(), document="17", actor=ANNA)
    assert paid.state is RefundState.PAID
    assert (await office.books("payable.refund"), await office.books("cash.bank")) == (0, tenge("749.50"))
    assert [entry.main_after for entry in await office.world.ledger.statement(one.account, 1)] == [0]


@pytest.mark.clause("PSC-3.1.7")
async def test_what_is_overpaid_comes_back_while_the_number_is_in_use(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    refund = await office.ordered(one, amount=tenge(400))
    assert (refund.kind, refund.amount) == (RefundKind.OVERPAID, tenge(400))
    assert await office.world.main(one) == tenge(600)  # the rest stays an advance for services


@pytest.mark.clause("PSC-3.1.7")
async def test_nothing_is_overpaid(office: Office) -> None:
    one = await office.world.subscriber(money="10")
    await office.spend(one.account, "10")
    with pytest.raises(RefundNothingError, match=r"balance 0 KZT"):
        await office.apply(one)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"iin_bin": iin(99)}, ApplicantMismatchError),
        ({"named": "77019999999"}, ApplicantMismatchError),
        ({"named": "9:999"}, ApplicantMismatchError),
        ({"named": "nobody"}, NamedMalformedError),
        ({"payee": Payee(PayoutWay.BANK, "KZ96125KZT5004100100")}, IbanError),
        ({"payee": Payee(PayoutWay.BANK)}, RefundPayeeError),
        ({"payee": Payee(PayoutWay.CASH, OURS)}, RefundPayeeError),
        ({"payee": Payee(PayoutWay.CASH, kbe="19")}, RefundPayeeError),
        ({"payee": Payee(PayoutWay.BANK, THEIRS, kbe="10")}, RefundPayeeError),
        ({"channel": Channel.HELPDESK}, RefundNotWrittenError),
        ({"channel": Channel.SMS}, RefundNotWrittenError),
    ],
)
async def test_an_application_is_written_and_the_holders_own(
    office: Office, changes: dict[str, object], error: type[Exception]
) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    with pytest.raises(error):
        await office.apply(one, **changes)


async def test_a_number_that_somebody_else_has_now_is_still_the_former_holders(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    office.pass_days(91)  # quarantine lasts 90
    await office.world.subscribers.numbers.free_stale()
    await office.world.subscriber(money="5", number=one.msisdn)
    refund = await office.ordered(one)
    assert (refund.account, refund.amount) == (one.account, tenge(1000))


async def test_two_people(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    refund = await office.apply(one)
    with pytest.raises(RefundSamePersonError):
        await office.approve(refund, actor=ANNA)
    with pytest.raises(RefundStateError):
        await office.payouts.order(refund.refund_id, actor=BOLAT)  # nobody approved it
    await office.approve(refund)
    with pytest.raises(RefundStateError):
        await office.refunds.refuse(refund.refund_id, actor=BOLAT, decision="too late")
    with pytest.raises(RefundUnknownError):
        await office.refunds.approve(RefundId(99), actor=BOLAT, decision="x")


# Twice, at once, in the wrong order


async def test_a_second_application_waits_for_the_first(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    first = await office.apply(one, request_id="same")
    assert await office.apply(one, request_id="same") == first
    with pytest.raises(RequestReusedError):
        await office.apply(one, request_id="same", amount=tenge(1))
    with pytest.raises(RefundOpenError) as refused:
        await office.apply(one)
    assert refused.value.refund_id == first.refund_id
    await office.refunds.refuse(first.refund_id, actor=BOLAT, decision="no signature")
    assert (await office.apply(one)).refund_id != first.refund_id


async def test_two_clerks_at_once(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    answers = await asyncio.gather(*(office.apply(one) for _ in range(5)), return_exceptions=True)
    [refund] = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert {type(answer) for answer in answers} == {type(refund), RefundOpenError}
    await office.approve(refund)
    orders = await asyncio.gather(
        *(office.payouts.order(refund.refund_id, actor=BOLAT) for _ in range(5)), return_exceptions=True
    )
    assert sum(not isinstance(order, BaseException) for order in orders) == 1
    files = await asyncio.gather(
        *(office.bank.make_file(OURS, actor=ANNA, request_id=f"f{n}") for n in range(5)), return_exceptions=True
    )
    assert sorted(type(file).__name__ for file in files) == ["NoOrdersError"] * 4 + ["RefundFile"]
    today = await office.today()
    paid = await asyncio.gather(
        *(office.payouts.confirm(refund.refund_id, paid_on=today, document="17", actor=ANNA) for _ in range(5))
    )
    assert {answer.state for answer in paid} == {RefundState.PAID}
    assert (await office.books("cash.bank"), await office.books("payable.refund")) == (tenge(1000), 0)


async def test_an_order_is_not_in_two_files(office: Office) -> None:
    one, other = await office.world.subscriber(money="10"), await office.world.subscriber(money="20")
    await office.ordered(one)
    first = await office.bank.make_file(OURS, actor=ANNA, request_id="f1")
    assert await office.bank.make_file(OURS, actor=ANNA, request_id="f1") == first
    with pytest.raises(NoOrdersError):
        await office.bank.make_file(OURS, actor=ANNA, request_id="f2")
    await office.ordered(other)
    second = await office.bank.make_file(OURS, actor=ANNA, request_id="f2")
    assert (first.total, second.total) == (tenge(10), tenge(20))
    assert await office.bank.file(first.file_id) == first


async def test_an_order_that_was_cut_off_before_its_file_is_in_the_next(office: Office) -> None:
    """A process that dies between the two steps leaves an order without a file; nothing is lost or doubled."""
    one = await office.world.subscriber(money="10")
    refund = await office.ordered(one)
    with pytest.raises(RefundStateError):  # the bank cannot have paid what it was not given
        await office.payouts.confirm(refund.refund_id, paid_on=await office.today(), document="1", actor=ANNA)
    again = Office(office.world)
    assert await again.payouts.order_due() == 0  # ordered once
    file = await again.bank.make_file(OURS, actor=ANNA, request_id="after the crash")
    assert (file.orders, file.total) == (1, tenge(10))


@pytest.mark.parametrize("after_payment", [False, True])
async def test_a_returned_transfer_puts_the_money_back(office: Office, after_payment: bool) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    refund = await (office.paid(one) if after_payment else office.filed(one))
    returned = await office.payouts.give_back(refund.refund_id, reason="the account is closed", actor=ANNA)
    assert (returned.state, returned.return_reason) == (RefundState.RETURNED, "the account is closed")
    assert await office.world.main(one) == tenge(1000)
    assert (await office.books("payable.refund"), await office.books("cash.bank")) == (0, 0)
    with pytest.raises(RefundStateError):
        await office.payouts.give_back(refund.refund_id, reason="again", actor=ANNA)
    again = await office.paid(one)  # with the right details
    assert (again.amount, await office.world.main(one)) == (tenge(1000), 0)


async def test_a_payment_lies_between_its_order_and_today(office: Office) -> None:
    one = await office.world.subscriber(money="10")
    refund = await office.filed(one)
    for days in (-1, 1):
        day = (await office.today()).fromordinal((await office.today()).toordinal() + days)
        with pytest.raises(PaidOnError):
            await office.payouts.confirm(refund.refund_id, paid_on=day, document="1", actor=ANNA)


# What is owed


@pytest.mark.clause("PSC-6.4", "PSC-6.3.5")
async def test_a_debt_found_before_the_payment_is_taken_first(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    refund = await office.approve(await office.apply(one))
    await office.spend(one.account, "999.99", forced=True)  # roaming, heard of late
    ordered = await office.payouts.order(refund.refund_id, actor=BOLAT)
    assert ordered.amount == 1  # 1000.00 - 999.99


@pytest.mark.clause("PSC-6.3.5")
@pytest.mark.parametrize("late", ["1000", "1000.01"])
async def test_nothing_left_ends_the_refund(office: Office, late: str) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    refund = await office.approve(await office.apply(one))
    await office.spend(one.account, late, forced=True)
    ended = await office.payouts.order(refund.refund_id, actor=BOLAT)
    assert (ended.state, ended.amount) == (RefundState.NOTHING_LEFT, None)
    assert await office.world.main(one) == tenge(1000) - tenge(late)  # a debt stays a debt


@pytest.mark.clause("PSC-7.7", "PSC-6.3.2", "PSC-6.5")
async def test_money_left_after_porting_out(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one, EndGround.PORTED_OUT)
    state = await office.world.database.fetchval("select state from subscribers.number where msisdn = $1", one.msisdn)
    assert state == "ported_out"  # the number went with its subscriber: no quarantine
    refund = await office.apply(one)
    assert refund.pay_by.isoformat() == "2026-04-01"
    await office.approve(refund)
    assert await office.payouts.order_due() == 1
    assert (await office.refunds.get(refund.refund_id)).amount == tenge(1000)


async def test_a_credit_after_the_refund_is_a_new_matter(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    await office.paid(one)
    assert await office.closing.left() == []
    await office.world.pay(one.account, "77", "late")
    [left] = await office.closing.left()
    assert (left.account, left.balance) == (one.account, tenge(77))
    again = await office.paid(one)
    assert again.amount == tenge(77)
    assert [refund.amount for refund in await office.refunds.of_account(one.account)] == [tenge(77), tenge(1000)]


# Deadlines


@pytest.mark.clause("PSC-6.4")
async def test_a_missed_deadline_is_found(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    refund = await office.apply(one)
    office.pass_days(30)  # 1 April: the last day
    assert [due.refund_id for due in await office.refunds.due(await office.today())] == [refund.refund_id]
    assert await office.findings() == []
    office.pass_days(1)
    assert await office.findings() == [
        f"refunds.missed_deadlines: refund:{refund.refund_id}: to be paid by 2026-04-01, is applied"
    ]
