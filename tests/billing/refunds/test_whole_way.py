"""Refunds from the application to the bank's statement, with the lab's bank: executed, and returned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from telco.billing.payments.model import ItemState
from telco.billing.refunds.model import AnswerKind, Payee, PayoutWay, RefundState
from telco.kernel.money import tenge
from telco.lab.bank import RETURN_DAYS, LabBank
from tests.billing.refunds.conftest import ANNA, OURS, Office

CLOSED = "KZ73722C000022222222"


@pytest.mark.clause("PSC-6.4", "PSC-7.7", "PSC-4.1")
@pytest.mark.parametrize("form", ["exchange", "mt940"])
async def test_one_refund_is_paid_and_one_comes_back(office: Office, form: str) -> None:
    """1,000.00 reach their payee; 300.50 go to a closed account, come back and are on the personal account again."""
    one, other = await office.world.subscriber(money="1000"), await office.world.subscriber(money="300.50")
    paid = await office.ordered(one)
    back = await office.ordered(other, payee=Payee(PayoutWay.BANK, CLOSED))
    file = await office.bank.make_file(OURS, actor=ANNA, request_id="f")
    bank = LabBank(OURS, tenge(5000), closed={CLOSED})
    assert bank.take(file.content, await office.today()) == 2
    statement: Callable[[date], bytes] = bank.exchange if form == "exchange" else bank.mt940

    answer = await office.bank.take_answer(statement(await office.today()), "day 1", actor=ANNA)
    assert [(line.kind, line.refund_id) for line in answer.lines] == [
        (AnswerKind.PAID, paid.refund_id),
        (AnswerKind.PAID, back.refund_id),
    ]
    office.pass_days(RETURN_DAYS)
    taken = await office.ways_in.transfers.take(statement(await office.today()), "day 3", actor=ANNA)
    assert (taken.documents, taken.returned, taken.work_list) == (1, 1, 0)
    assert [await office.state(refund) for refund in (paid, back)] == [RefundState.PAID, RefundState.RETURNED]
    assert [await office.world.main(number) for number in (one, other)] == [0, tenge("300.50")]
    assert await office.ways_in.work_list.items(ItemState.OPEN, None, 0, 10) == []
    assert await office.books("cash.bank") == tenge(1000) == 5000_00 - bank.balance(await office.today())
