"""Debts found after the end of a contract: claimed by notice, due 10 working days later, followed like any other."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from telco.billing.collection.model import DebtKind, DebtState
from telco.catalog.model import Service
from telco.charging.model import Result, UsageRequest
from telco.db.outbox import OutboxEvent
from telco.kernel.money import tenge
from telco.subscribers.model import EndGround, Subscriber
from tests.billing.collection.conftest import Office
from tests.world import CLERK


async def ended(office: Office, ground: EndGround = EndGround.PORTED_OUT) -> Subscriber:
    """A prepaid subscriber whose number left on 2 March."""
    subscriber = await office.world.subscriber("kcell-free", money="0")
    await office.world.subscribers.contracts.end(subscriber.subscriber_id, ground, CLERK)
    await office.world.outbox.drain()
    return subscriber


@pytest.mark.clause("PSC-7.6", "PSC-6.3.5")
@pytest.mark.parametrize("ground", [EndGround.PORTED_OUT, EndGround.REFUSAL])
async def test_roaming_found_after_the_end_is_claimed(office: Office, ground: EndGround) -> None:
    """Found on Friday, 6 March 2026: Monday the 9th is off for 8 March, so 10 wd are 10 to 13, 16 to 20 and 26 March;
    21 to 25 March are Nauryz and what is moved for it."""
    subscriber = await ended(office, ground)
    assert "found" not in (await office.on(date(2026, 3, 5))).counts
    await office.charge(subscriber.account, "5000", "tap:1")
    assert (await office.on(date(2026, 3, 6))).counts == {"found": 1}
    debt = await office.debt(subscriber)
    assert (debt.kind, debt.total, debt.due_on) == (DebtKind.FOUND, tenge(5000), date(2026, 3, 26))
    letters = await office.collection.register.letters(date(2026, 3, 6), actor="staff:post", ground="post")
    assert letters.rows == 1
    assert "5000.00" in letters.content
    assert "found" not in (await office.on(date(2026, 3, 7))).counts  # once


@pytest.mark.clause("PSC-7.6", "PSC-6.3.5", "PSC-3.2.5")
async def test_what_a_partner_reports_of_a_prepaid_number_that_ended_is_claimed(office: Office) -> None:
    """Used an hour before the end, reported a month later: 3 messages at 39.00."""
    subscriber = await office.world.subscriber("kcell-free", money="0")
    used_at = office.world.clock.now()
    office.world.clock.advance(timedelta(hours=1))
    await office.world.subscribers.contracts.end(subscriber.subscriber_id, EndGround.REFUSAL, CLERK)
    await office.world.outbox.drain()
    await office.daily(date(2026, 4, 2))
    await reported(office, subscriber, used_at, messages=3)
    assert (await office.on(date(2026, 4, 3))).counts == {"found": 1}
    debt = await office.debt(subscriber)
    assert (debt.kind, debt.total) == (DebtKind.FOUND, tenge(117))


@pytest.mark.clause("PSC-4.4", "PSC-6.3.5", "PSC-3.2.5")
async def test_what_a_partner_reports_of_a_credit_number_that_ended_is_on_a_later_invoice(office: Office) -> None:
    """Used on 19 April, reported on 10 June: on the invoice of the period that ends on 2 July."""
    subscriber = await office.debtor()
    await office.pay(subscriber, "8990")
    await office.daily(date(2026, 4, 19))
    used_at = office.world.clock.now()
    await office.daily(date(2026, 4, 20))
    await office.world.subscribers.contracts.end(subscriber.subscriber_id, EndGround.REFUSAL, CLERK)
    await office.world.outbox.drain()
    await office.daily(date(2026, 6, 10))
    await reported(office, subscriber, used_at, messages=10)
    assert await office.world.main(subscriber) < 0
    await office.daily(date(2026, 7, 2))
    [invoice, *_] = await office.world.invoicing.of_account(subscriber.account, 1)
    assert (invoice.period_end, invoice.total) == (date(2026, 7, 2), tenge(390))


async def reported(office: Office, subscriber: Subscriber, used_at: datetime, *, messages: int) -> None:
    """A partner tells now of messages from Tajikistan, 39.00 each."""
    request = UsageRequest(
        "tap-1", subscriber.msisdn, Service.SMS, other="77051234567", visited="43601", requested=messages
    )
    assert (await office.world.charging.event(request, used_at)).result is Result.GRANTED


@pytest.mark.clause("PSC-7.6", "PSC-5.4")
async def test_it_bears_a_penalty_from_its_own_term_on(office: Office) -> None:
    """5000 due on 26 March; 2000 come on 30 March, 3000 on 1 April: 4 days of 5.00 and 2 of 3.00 are 26.00."""
    subscriber = await ended(office)
    await office.charge(subscriber.account, "5000", "tap:1")
    await office.on(date(2026, 3, 6))
    await office.daily(date(2026, 3, 30))
    await office.pay(subscriber, "2000")
    details = await office.collection.register.details((await office.debt(subscriber)).debt_id)
    assert details.open == tenge(3000)
    await office.daily(date(2026, 4, 1))
    await office.pay(subscriber, "3000")
    debt = await office.debt(subscriber)
    assert (debt.state, debt.penalty) == (DebtState.PAID, tenge(26))
    assert await office.world.main(subscriber) == -tenge(26)


@pytest.mark.clause("PSC-7.6")
async def test_paid_on_the_tenth_working_day_it_is_in_time(office: Office) -> None:
    subscriber = await ended(office)
    await office.charge(subscriber.account, "5000", "tap:1")
    await office.on(date(2026, 3, 6))
    await office.daily(date(2026, 3, 26))
    await office.pay(subscriber, "5000")
    debt = await office.debt(subscriber)
    assert (debt.state, debt.penalty) == (DebtState.PAID, 0)


@pytest.mark.clause("PSC-6.3.5")
async def test_what_is_found_later_is_a_debt_of_its_own_and_a_penalty_bears_none(office: Office) -> None:
    subscriber = await ended(office)
    await office.charge(subscriber.account, "5000", "tap:1")
    await office.on(date(2026, 3, 6))
    await office.charge(subscriber.account, "700", "tap:2")
    assert (await office.on(date(2026, 3, 9))).counts == {"found": 1}
    second, first = await office.collection.register.of_account(subscriber.account)
    assert (first.total, second.total) == (tenge(5000), tenge(700))
    await office.daily(date(2026, 7, 31))  # 127 days late: 500 and 70 of penalty are posted
    await office.pay(subscriber, "5700")
    await office.daily(date(2026, 8, 10))
    third, *_ = await office.collection.register.of_account(subscriber.account)
    assert (third.total, third.penalty_part) == (tenge(570), tenge(570))
    await office.daily(date(2026, 12, 31))
    assert (await office.debt(subscriber)).penalty == 0
    await office.pay(subscriber, "570")
    assert (await office.debt(subscriber)).state is DebtState.PAID
    assert await office.world.main(subscriber) == 0


@pytest.mark.clause("PSC-6.3.5")
async def test_small_change_is_not_claimed_and_a_number_in_use_is_not_watched(office: Office) -> None:
    subscriber = await ended(office)
    await office.charge(subscriber.account, "99.99", "tap:1")
    assert (await office.on(date(2026, 3, 6))).counts == {}
    await office.charge(subscriber.account, "0.01", "tap:2")
    assert (await office.on(date(2026, 3, 9))).counts == {"found": 1}


async def invoiced_and_ended(office: Office, ground: EndGround) -> Subscriber:
    """Somebody on credit who owes nothing, leaves on 20 April, and of whom a partner reports 4000.00 later."""
    subscriber = await office.debtor()
    await office.pay(subscriber, "8990")
    await office.daily(date(2026, 4, 20))
    await office.world.subscribers.contracts.end(subscriber.subscriber_id, ground, CLERK)
    await office.world.outbox.drain()
    await office.charge(subscriber.account, "4000", "tap:1")
    return subscriber


@pytest.mark.clause("PSC-6.3.5", "PSC-4.4", "PSC-1.1.17")
async def test_in_credit_settlement_it_is_on_a_later_invoice_and_followed_there(office: Office) -> None:
    """The period ends on 2 May; 30 cd are over with 1 June."""
    subscriber = await invoiced_and_ended(office, EndGround.REFUSAL)
    done = await office.daily(date(2026, 6, 20))
    assert not any("found" in counts for counts in done.values())
    debt = await office.debt(subscriber)
    assert (debt.kind, debt.total, debt.due_on) == (DebtKind.INVOICE, tenge(4000), date(2026, 6, 1))
    letters = await office.collection.register.letters(date(2026, 6, 4), actor="staff:post", ground="post")
    assert letters.rows == 1  # the notice, as no SMS reaches a number that left
    assert "Айгүл Серікқызы" in letters.content


@pytest.mark.clause("PSC-7.6", "PSC-4.4")
async def test_after_porting_out_the_invoice_is_the_notice(office: Office) -> None:
    """Issued on Saturday, 2 May 2026: 1 May and 7 and 9 May are holidays, Monday the 11th is off for the 9th, so 10 wd
    are 4, 5, 6, 8, 12 to 15, 18 and 19 May. Paid on the 20th it is a day late: 4.00."""
    subscriber = await invoiced_and_ended(office, EndGround.PORTED_OUT)
    await office.daily(date(2026, 5, 2))
    [invoice, *_] = await office.world.invoicing.of_account(subscriber.account, 1)
    assert (invoice.total, invoice.due_on) == (tenge(4000), date(2026, 5, 19))
    debt = await office.debt(subscriber)
    assert (debt.number, debt.due_on) == (invoice.number, invoice.due_on)
    letters = await office.collection.register.letters(date(2026, 5, 2), actor="staff:post", ground="post")
    assert (letters.rows, invoice.number in letters.content) == (1, True)
    [issued] = [event for event in await office.events("billing.invoice_issued") if event["number"] == invoice.number]
    event = OutboxEvent(1, "billing.invoice_issued", "", issued, office.world.clock.now(), 1)
    await office.collection.found.on_invoice_issued(event)
    again = await office.collection.register.letters(date(2026, 5, 2), actor="staff:post", ground="post")
    assert again == letters
    await office.daily(date(2026, 5, 20))
    await office.pay(subscriber, "4000")
    debt = await office.debt(subscriber)
    assert (debt.state, debt.penalty) == (DebtState.PAID, tenge(4))
