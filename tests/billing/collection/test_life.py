"""A debt's life day by day: what is said, done, charged and ended on which day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from telco.billing.collection.model import DebtState
from telco.db.pool import Connection
from telco.kernel.money import tenge
from telco.ledger import model as ledger_model
from telco.subscribers.errors import SubscriberUnknownError
from telco.subscribers.model import EndGround, Ground, Scope
from tests.billing.collection.conftest import DUE, Office

ORDINARY = ("remind_before", "remind_after", "notice", "suspend", "remind_suspended", "hand_over")


@pytest.mark.clause("PSC-3.1.4", "PSC-3.1.4-1", "PSC-3.1.5.1", "PSC-5.4", "PSC-6.3.3")
async def test_who_never_pays_is_told_suspended_handed_over_and_ended_each_on_its_day(office: Office) -> None:
    """Due on Saturday, 2 May 2026. Working days after it: 4, 5, 6, 8, 12, 13, 14, 15 May (7 May is a holiday, and
    Monday the 11th is off for 9 May). Notice after 3 wd, suspension after 5 wd; 5 wd after the notice end on 15 May."""
    subscriber = await office.debtor()
    done = await office.daily(date(2026, 7, 20), every_day=True)
    assert done == {
        date(2026, 4, 29): {"begun": 1, "remind": 1},  # 3 cd before
        date(2026, 5, 3): {"remind": 1},  # 1 cd after
        date(2026, 5, 6): {"notice": 1},
        date(2026, 5, 12): {"suspend": 1},
        date(2026, 5, 16): {"acknowledged": 1},  # 8, 12, 13, 14, 15 May were the days to answer
        date(2026, 6, 1): {"remind": 1},  # 30 cd after
        date(2026, 6, 2): {"penalties": 1},  # a month after the due date
        date(2026, 7, 1): {"hand_over": 1},  # 60 cd after
        date(2026, 7, 2): {"penalties": 1},
        date(2026, 7, 13): {"ended": 1},  # suspended on 12 May: 12 July is two months, not more
    }
    first = (await office.collection.register.of_account(subscriber.account))[-1]
    details = await office.collection.register.details(first.debt_id)
    assert tuple((step.step, step.outcome) for step in details.steps) == tuple((step, "done") for step in ORDINARY)
    assert first.acknowledged_at == datetime(2026, 5, 15, 19, 0, tzinfo=UTC)  # midnight in Kazakhstan
    with pytest.raises(SubscriberUnknownError):
        await office.world.again(subscriber)
    [ended] = await office.events("subscribers.ended")
    assert ended["ground"] == EndGround.UNPAID


@pytest.mark.clause("PSC-3.1.5.1", "PSC-3.1.5")
async def test_services_stop_with_the_invoice_as_reference_and_come_back_in_full_when_it_is_paid(
    office: Office,
) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 11))
    assert not await office.barred(subscriber)
    await office.on(date(2026, 5, 12))
    suspended = await office.world.again(subscriber)
    assert suspended.barred == {Scope.OUTGOING, Scope.DATA}
    [suspension] = await office.world.subscribers.suspensions.in_force(subscriber.subscriber_id)
    debt = await office.debt(subscriber)
    assert (suspension.ground, suspension.reference) == (Ground.MONEY, debt.number)

    await office.pay(subscriber, "8989.99")  # a tiyn is missing
    assert await office.barred(subscriber)
    await office.pay(subscriber, "0.01")
    assert (await office.world.again(subscriber)).barred == frozenset()
    debt = await office.debt(subscriber)
    assert (debt.state, debt.suspended_at) == (DebtState.PAID, None)
    assert [event["number"] for event in await office.events("collection.notice")] == [debt.number]


@pytest.mark.clause("PSC-5.4")
async def test_the_penalty_is_posted_when_the_debt_is_paid_and_is_on_the_next_invoice(office: Office) -> None:
    """8990.00, due on 2 May. 4000 are paid on 12 May: 10 days of 8.99. The rest on 20 May: 8 days of 4.99."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 12))
    await office.pay(subscriber, "4000")
    assert (await office.debt(subscriber)).penalty == 0  # nothing is posted for a part
    await office.daily(date(2026, 5, 20))
    await office.pay(subscriber, "4990")
    assert (await office.debt(subscriber)).penalty == tenge("129.82")  # 89.90 + 39.92
    assert await office.operations(subscriber.account, "revenue.penalty") == [tenge("129.82")]
    assert await office.world.main(subscriber) == -tenge("129.82")

    await office.daily(date(2026, 6, 2))  # the accounting period ends
    [invoice, _] = await office.world.invoicing.of_account(subscriber.account, 10)
    assert (invoice.total, invoice.vat) == (tenge("129.82"), 0)
    [line] = await office.world.invoicing.lines(invoice.invoice_id)
    assert (line.code, line.vat_rate) == ("revenue.penalty", None)


@pytest.mark.clause("PSC-5.4")
async def test_the_penalty_stops_at_a_tenth_whatever_is_posted_when(office: Office) -> None:
    """Monthly postings: 31, 61 and 92 days, then the 100th day: 278.69, 269.70, 278.69, 71.92 are 899.00 in all."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 10, 15))
    first = (await office.collection.register.of_account(subscriber.account))[-1]
    details = await office.collection.register.details(first.debt_id)
    assert [(posting.through, posting.amount) for posting in details.postings] == [
        (date(2026, 6, 2), tenge("278.69")),  # 31 * 8.99
        (date(2026, 7, 2), tenge("269.70")),  # 30 * 8.99
        (date(2026, 8, 2), tenge("278.69")),  # 31 * 8.99
        (date(2026, 9, 2), tenge("71.92")),  # 8 * 8.99, up to the 100th day, 10 August
    ]
    assert first.penalty == tenge("899.00")


@pytest.mark.clause("PSC-5.4", "PSC-3.1.5.1")
async def test_who_pays_on_the_last_day_is_in_time(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(DUE)
    await office.pay(subscriber, "8990")
    await office.daily(date(2026, 5, 31))
    assert await office.steps(subscriber) == [("remind_before", "done")]
    assert await office.operations(subscriber.account, "revenue.penalty") == []


@pytest.mark.clause("PSC-3.1.5")
async def test_two_overdue_invoices_hold_services_until_both_are_paid(office: Office) -> None:
    subscriber = await office.debtor()
    await office.to(date(2026, 4, 10))
    await office.charge(subscriber.account, "3000", "late")  # on the invoice of 2 May, due on 1 June
    await office.daily(date(2026, 6, 8))  # 5 wd after 1 June
    numbers = {s.reference for s in await office.world.subscribers.suspensions.in_force(subscriber.subscriber_id)}
    second, first = await office.collection.register.of_account(subscriber.account)
    assert numbers == {first.number, second.number}
    await office.pay(subscriber, "8990")  # the oldest debt first
    assert await office.barred(subscriber)
    await office.pay(subscriber, "3000")
    assert not await office.barred(subscriber)


@pytest.mark.clause("PSC-6.3.3")
async def test_the_two_months_begin_anew_after_a_payment(office: Office) -> None:
    """Suspended on 12 May and paid on 11 July, a day before the contract would end two days later: it lives on."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 7, 12))
    owed = -await office.world.main(subscriber)
    await office.pay(subscriber, f"{owed / 100:.2f}")
    await office.daily(date(2026, 7, 20))
    assert (await office.world.again(subscriber)).barred == frozenset()
    assert await office.events("subscribers.ended") == []


@pytest.mark.clause("PSC-6.3.3", "PSC-6.3.5")
async def test_the_end_leaves_the_debt(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 7, 12))
    assert (await office.world.again(subscriber)).state == "active"
    await office.daily(date(2026, 7, 14))
    first = (await office.collection.register.of_account(subscriber.account))[-1]
    assert (first.state, first.suspended_at) == (DebtState.OPEN, None)
    details = await office.collection.register.details(first.debt_id)
    today = office.world.calendar.today
    assert [today(step.taken_at) for step in details.steps if step.step == "suspend"] == [date(2026, 5, 12)]
    assert await office.world.main(subscriber) <= -tenge("8990")
    # Paid after the end, it is closed like any other; whose number has ended hears nothing of it.
    await office.credit_account(subscriber.account, subscriber.subscriber_id, subscriber.msisdn, "20000")
    await office.world.outbox.drain()
    debts = await office.collection.register.of_account(subscriber.account)
    assert {debt.state for debt in debts} == {DebtState.PAID}


@pytest.mark.clause("PSC-3.1.4")
async def test_every_number_of_the_account_is_stopped_and_served_again(office: Office) -> None:
    world = office.world
    first = await office.debtor()
    second = await office.debtor(owner=1)
    other = await office.debtor()
    del second, other
    await office.daily(date(2026, 5, 12))
    assert await office.barred(first)
    await office.pay(first, "8990")
    assert not await office.barred(first)
    assert (await world.subscribers.suspensions.history(first.subscriber_id))[0].ended_by == "system:collection"


@pytest.mark.clause("PSC-3.1.8", "PSC-3.1.4")
async def test_a_debt_that_is_unpaid_again_begins_a_new_round(office: Office) -> None:
    """Paid on 20 May by a mistaken payment that is taken back on 25 May."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 5, 20))
    await office.pay(subscriber, "8990")
    await office.daily(date(2026, 5, 25))
    assert not await office.barred(subscriber)

    async def take_back(connection: Connection) -> None:
        op = ledger_model.reverse(subscriber.account, "back:1", target="pay:1", forced=True)
        await office.world.ledger.apply(connection, [op])
        await office.world.invoicing.deallocate(connection, subscriber.account, "pay:1")

    await office.world.database.transact("test.take_back", take_back)
    run = await office.work()
    assert run.counts["begun"] == 1
    assert await office.barred(subscriber)
    assert await office.steps(subscriber) == [
        ("remind_before", "lapsed"),
        ("remind_after", "lapsed"),
        ("notice", "done"),
        ("suspend", "done"),
    ]
    # 18 days of 8.99 were posted with the payment; nothing is owed for 21 to 25 May, when it was paid.
    await office.daily(date(2026, 5, 28))
    await office.pay(subscriber, "8990")
    assert (await office.debt(subscriber)).penalty == tenge("188.79")  # (18 + 3) * 8.99


@pytest.mark.clause("PSC-3.1.5.1")
async def test_small_change_suspends_nobody(office: Office) -> None:
    subscriber = await office.debtor()
    await office.pay(subscriber, "8890.01")  # 99.99 are left
    await office.daily(date(2026, 5, 31))
    assert not await office.barred(subscriber)
    assert ("suspend", "done") not in await office.steps(subscriber)


async def test_the_day_is_that_of_kazakhstan(office: Office) -> None:
    """The last minute of 2 May in Almaty is the afternoon in Greenwich; a minute later the invoice is overdue."""
    subscriber = await office.debtor()
    await office.daily(DUE)
    await office.to(DUE, 23.99)
    await office.work()
    assert (await office.debt(subscriber)).case_id is None
    office.world.clock.advance(timedelta(minutes=1))
    await office.work()
    assert (await office.debt(subscriber)).case_id is not None
