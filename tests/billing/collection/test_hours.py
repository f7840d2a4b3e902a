"""The hours in which debtors are told by SMS: data of collection; outside them a step waits for the morning."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from telco.billing.collection.errors import CollectionValueError, SmsWindowError
from tests.billing.collection.conftest import Office
from tests.billing.collection.test_objections import object_

REMIND = date(2026, 4, 29)
"""Three days before 2 May."""


@pytest.mark.clause("PSC-3.1.4")
async def test_a_reminder_of_the_night_goes_in_the_morning(office: Office) -> None:
    await office.debtor()
    await office.daily(date(2026, 4, 28))
    for hours in (0.1, 8.9):
        await office.to(REMIND, hours)
        assert "remind" not in (await office.work()).counts
    await office.to(REMIND, 9)
    assert (await office.work()).counts == {"remind": 1}
    assert len(await office.events("collection.reminder")) == 1


@pytest.mark.clause("PSC-3.1.4", "PSC-3.1.5.1")
async def test_what_is_no_sms_does_not_wait(office: Office) -> None:
    """The whole of 12 May nothing ran; at 22:00 the notice of the 6th waits and the suspension of the 12th does not."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 4))
    await office.to(date(2026, 5, 12), 22)
    assert (await office.work()).counts == {"suspend": 1}
    assert await office.barred(subscriber)
    await office.to(date(2026, 5, 13), 0.5)
    assert not (await office.work()).counts
    await office.to(date(2026, 5, 13), 9)
    assert (await office.work()).counts == {"notice": 1}
    debt = await office.debt(subscriber)
    assert debt.noticed_on == date(2026, 5, 13)


@pytest.mark.clause("PSC-3.1.4")
async def test_who_pays_in_the_night_is_not_reminded(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 2))
    await office.to(date(2026, 5, 3), 1)
    assert "remind" not in (await office.work()).counts
    await office.pay(subscriber, "8990")
    told = len(await office.events("collection.reminder"))
    await office.to(date(2026, 5, 3), 10)
    await office.work()
    assert len(await office.events("collection.reminder")) == told


@pytest.mark.clause("PSC-3.1.4")
async def test_the_end_of_a_debt_is_told_once_so_that_its_reminders_can_be_withdrawn(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 3))
    assert await office.events("collection.closed") == []
    [told, _] = await office.events("collection.reminder")
    await office.pay(subscriber, "8990")
    await office.daily(date(2026, 5, 5))
    assert await office.events("collection.closed") == [{"debt_id": told["debt_id"], "state": "paid"}]


@pytest.mark.clause("PSC-3.1.4-1")
async def test_a_notice_after_an_objection_waits_too_and_nobody_is_handed_over_meanwhile(office: Office) -> None:
    """Refused on Wednesday, 1 July, at 22:00, the day on which the debt is handed over; 60 days late."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 8))
    objection = await object_(office, subscriber)
    await office.daily(date(2026, 7, 1))
    await office.to(date(2026, 7, 1), 22)
    await office.collection.objections.decide(
        objection.objection_id, upheld=False, actor="staff:boss", decision="they were made from this SIM"
    )
    debt = await office.debt(subscriber)
    assert (debt.noticed_on, debt.notice_again) == (None, True)
    await office.work()
    await office.to(date(2026, 7, 2), 1)
    await office.work()
    assert ("hand_over", "done") not in await office.steps(subscriber)
    notices = len(await office.events("collection.notice"))
    await office.to(date(2026, 7, 2), 9)
    await office.work()
    debt = await office.debt(subscriber)
    assert (debt.noticed_on, debt.notice_again) == (date(2026, 7, 2), False)
    assert len(await office.events("collection.notice")) == notices + 1


@pytest.mark.clause("PSC-3.1.4")
async def test_the_hours_are_data(office: Office) -> None:
    """From 10:30 for debts that are due from 2 May on."""
    register = office.collection.register
    await register.set_term("sms_from_minute", date(2026, 5, 2), 630, actor="staff:admin")
    for name, value, refused in (
        ("sms_until_minute", 630, SmsWindowError),
        ("sms_until_minute", 1441, CollectionValueError),
        ("sms_from_minute", 1260, SmsWindowError),
    ):
        with pytest.raises(refused):
            await register.set_term(name, date(2026, 5, 2) - timedelta(days=1), value, actor="staff:admin")
    await office.debtor()
    await office.daily(date(2026, 4, 28))
    await office.to(REMIND, 10.25)
    assert "remind" not in (await office.work()).counts
    await office.to(REMIND, 10.5)
    assert (await office.work()).counts == {"remind": 1}
