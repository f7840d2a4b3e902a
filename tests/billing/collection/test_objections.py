"""Objections: in time up to the last moment of the last day, decided by people, and what follows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from telco.billing.collection.errors import (
    DebtClosedError,
    DebtUnknownError,
    ObjectionDecidedError,
    ObjectionOpenError,
    ObjectionUnknownError,
)
from telco.billing.collection.model import DebtState, Objection
from telco.billing.errors import RequestReusedError
from telco.kernel.money import tenge
from telco.subscribers.model import Subscriber
from tests.billing.collection.conftest import Office

LAST_DAY = date(2026, 5, 15)
"""Notice on 6 May; 8, 12, 13, 14 and 15 May are the days to answer."""


async def object_(office: Office, subscriber: Subscriber, request_id: str = "1") -> Objection:
    debt = await office.debt(subscriber)
    return await office.collection.objections.register(
        debt.debt_id, "the calls are not mine", channel="office", author="staff:clerk", request_id=request_id
    )


@pytest.mark.clause("PSC-3.1.4-1")
async def test_an_objection_in_the_last_moment_is_in_time(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(LAST_DAY)
    await office.to(LAST_DAY, 23.999)
    assert (await object_(office, subscriber)).in_time
    await office.daily(date(2026, 7, 10))
    debt = await office.debt(subscriber)
    assert debt.acknowledged_at is None
    assert ("hand_over", "done") not in await office.steps(subscriber)  # it waits for the decision
    assert await office.barred(subscriber)  # an unpaid invoice is ground enough


@pytest.mark.clause("PSC-3.1.4-1")
async def test_a_day_later_the_debt_is_acknowledged_even_if_no_run_has_said_so(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(LAST_DAY)
    await office.to(LAST_DAY + timedelta(days=1), 0)
    assert not (await object_(office, subscriber)).in_time
    await office.work()
    debt = await office.debt(subscriber)
    assert debt.acknowledged_at == office.world.calendar.start_of_day(LAST_DAY + timedelta(days=1))


@pytest.mark.clause("PSC-3.1.4-1")
async def test_a_refused_objection_gives_the_notice_again(office: Office) -> None:
    """Refused on Monday, 25 May: 26, 28, 29 May, 1 and 2 June are the days to answer; the 27th is Kurban Ait."""
    subscriber = await office.debtor()
    await office.daily(LAST_DAY)
    objection = await object_(office, subscriber)
    await office.daily(date(2026, 5, 24))
    await office.to(date(2026, 5, 25))
    decided = await office.collection.objections.decide(
        objection.objection_id, upheld=False, actor="staff:boss", decision="they were made from this SIM"
    )
    assert (decided.upheld, decided.decided_by) == (False, "staff:boss")
    debt = await office.debt(subscriber)
    assert (debt.noticed_on, debt.answer_until) == (date(2026, 5, 25), date(2026, 6, 2))
    assert len(await office.events("collection.notice")) == 2
    done = await office.daily(date(2026, 6, 3))
    assert done[date(2026, 6, 3)]["acknowledged"] == 1
    with pytest.raises(ObjectionDecidedError):
        await office.collection.objections.decide(objection.objection_id, upheld=True, actor="x", decision="y")


@pytest.mark.clause("PSC-3.1.4-1", "PSC-3.1.5", "PSC-5.4")
async def test_an_upheld_objection_withdraws_the_debt(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 7, 2))
    assert await office.operations(subscriber.account, "revenue.penalty") == [tenge("278.69"), tenge("269.70")]
    debt = (await office.collection.register.of_account(subscriber.account))[-1]
    objection = await office.collection.objections.register(
        debt.debt_id, "not mine", channel="email", author="staff:clerk", request_id="late"
    )
    await office.collection.objections.decide(
        objection.objection_id, upheld=True, actor="staff:boss", decision="a stolen SIM"
    )
    await office.world.outbox.drain()
    debt = (await office.collection.register.of_account(subscriber.account))[-1]
    assert (debt.state, debt.penalty) == (DebtState.WITHDRAWN, 0)
    assert not await office.barred(subscriber)
    assert await office.world.main(subscriber) == -tenge("8990")  # the penalties were given back
    await office.daily(date(2026, 7, 30))
    debt = (await office.collection.register.of_account(subscriber.account))[-1]
    assert debt.state is DebtState.WITHDRAWN  # though its invoice is still unpaid
    assert not await office.barred(subscriber)


@pytest.mark.clause("PSC-3.1.4-1")
async def test_an_objection_before_the_notice_holds_too(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 4))
    assert (await object_(office, subscriber)).in_time
    await office.daily(date(2026, 5, 31))
    debt = await office.debt(subscriber)
    assert debt.noticed_on == date(2026, 5, 6)
    assert debt.acknowledged_at is None


async def test_what_cannot_be_objected_to(office: Office) -> None:
    subscriber = await office.debtor()
    other = await office.debtor()
    await office.daily(date(2026, 5, 6))
    first = await object_(office, subscriber, "a")
    assert await object_(office, subscriber, "a") == first  # the same request
    with pytest.raises(ObjectionOpenError):
        await object_(office, subscriber, "b")
    with pytest.raises(RequestReusedError):
        await object_(office, other, "a")
    with pytest.raises(DebtUnknownError):
        await office.collection.objections.register(10**9, "x", channel="office", author="staff:x", request_id="c")
    with pytest.raises(ObjectionUnknownError):
        await office.collection.objections.decide(10**9, upheld=True, actor="staff:x", decision="x")
    await office.pay(other, "8990")
    with pytest.raises(DebtClosedError):
        await object_(office, other, "d")
    assert [o.objection_id for o in await office.collection.objections.waiting(0, 10)] == [first.objection_id]
