"""Objections: in time up to the last moment of the last day, decided by people, and what follows."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from telco.billing.collection.errors import (
    DebtClosedError,
    DebtUnknownError,
    ObjectionDecidedError,
    ObjectionOpenError,
    ObjectionUnknownError,
)
from telco.billing.collection.model import DebtKind, DebtState, Objection
from telco.billing.errors import RequestReusedError
from telco.billing.invoicing.errors import CreditTooHighError, InvoiceUnknownError
from telco.billing.invoicing.model import InvoiceId
from telco.db.pool import Connection
from telco.kernel.money import Tiyn, tenge
from telco.ledger import model as ledger_model
from telco.subscribers.model import Subscriber
from tests.billing.collection.conftest import Office
from tests.billing.collection.test_found import ended
from tests.world import retries

LAST_DAY = date(2026, 5, 15)
"""Notice on 6 May; 8, 12, 13, 14 and 15 May are the days to answer."""


async def object_(office: Office, subscriber: Subscriber, request_id: str = "1") -> Objection:
    debt = await office.debt(subscriber)
    return await office.collection.objections.register(
        debt.debt_id, "the calls are not mine", channel="office", author="staff:clerk", request_id=request_id
    )


async def uphold(office: Office, objection: Objection, amount: Tiyn | None = None) -> None:
    await office.collection.objections.decide(
        objection.objection_id, upheld=True, actor="staff:boss", decision="a stolen SIM", amount=amount
    )
    await office.world.outbox.drain()


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
    late = await object_(office, subscriber)
    assert not late.in_time
    await office.collection.objections.decide(late.objection_id, upheld=False, actor="staff:boss", decision="too late")
    await office.work()
    assert len(await office.events("collection.notice")) == 1
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
async def test_an_upheld_objection_withdraws_the_debt_and_lowers_the_invoice(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 7, 2))
    assert await office.operations(subscriber.account, "revenue.penalty") == [tenge("278.69"), tenge("269.70")]
    debt = (await office.collection.register.of_account(subscriber.account))[-1]
    objection = await office.collection.objections.register(
        debt.debt_id, "not mine", channel="email", author="staff:clerk", request_id="late"
    )
    owed = await office.world.main(subscriber)
    await uphold(office, objection)
    debt = (await office.collection.register.of_account(subscriber.account))[-1]
    assert (debt.state, debt.penalty) == (DebtState.WITHDRAWN, 0)
    assert not await office.barred(subscriber)
    assert await office.world.main(subscriber) == owed + tenge("8990") + tenge("548.39")  # the debt and its penalties
    assert debt.invoice_id is not None
    invoice = await office.world.invoicing.invoice(InvoiceId(debt.invoice_id))
    assert (invoice.total, invoice.open_amount) == (tenge("8990"), 0)
    [note] = await office.collection.credit_notes.of_invoice(invoice.invoice_id)
    assert (note.number, note.total, note.vat) == ("CRN-2026-0000001", tenge("8990"), invoice.vat)
    assert (note.reason, note.issued_by) == ("a stolen SIM", "staff:boss")
    await office.daily(date(2026, 7, 30))
    debt = (await office.collection.register.of_account(subscriber.account))[-1]
    assert debt.state is DebtState.WITHDRAWN
    assert not await office.barred(subscriber)


@pytest.mark.clause("PSC-3.1.4-1", "PSC-5.4")
async def test_an_objection_upheld_in_part_leaves_the_rest_with_its_own_penalty(office: Office) -> None:
    """8990.00 due on 2 May: a month late on 2 June, 31 days of 0.1 %: 278.69. Lowered by 3990.00, 5000.00 were owed all
    the time: 155.00, and 123.69 come back."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 6, 2))
    debt = (await office.collection.register.of_account(subscriber.account))[-1]
    assert debt.penalty == tenge("278.69")
    objection = await office.collection.objections.register(
        debt.debt_id, "a part is not mine", channel="email", author="staff:clerk", request_id="part"
    )
    owed = await office.world.main(subscriber)
    await uphold(office, objection, tenge("3990"))
    details = await office.collection.register.details(debt.debt_id)
    assert (details.debt.state, details.open, details.debt.penalty) == (DebtState.OPEN, tenge(5000), tenge("155.00"))
    assert await office.world.main(subscriber) == owed + tenge("3990") + tenge("123.69")
    assert await office.barred(subscriber)  # the rest is unpaid
    [_, newest] = [posting.amount for posting in details.postings]
    assert newest == -tenge("123.69")
    await office.on(date(2026, 6, 3))
    await office.pay(subscriber, "5000")  # of the 3rd, and the penalty of the day: 32 * 5.00
    details = await office.collection.register.details(debt.debt_id)
    assert (details.debt.state, details.debt.penalty) == (DebtState.PAID, tenge("160.00"))


@pytest.mark.clause("PSC-3.1.4-1")
async def test_what_was_paid_is_given_back_where_staff_say_so(office: Office) -> None:
    """1000.00 paid of 8990.00; the whole was wrong: 7990.00 of it are open, and 1000.00 become an advance."""
    subscriber = await office.debtor()
    await office.daily(LAST_DAY)
    await office.pay(subscriber, "1000")
    objection = await object_(office, subscriber)
    for much in (tenge("8990.01"), tenge("9999")):
        with pytest.raises(CreditTooHighError):
            await uphold(office, objection, much)
    await uphold(office, objection, tenge("8990"))
    with pytest.raises(ObjectionDecidedError):
        await uphold(office, objection, tenge("8990"))
    due = await office.world.invoicing.due(subscriber.account)
    assert (due.invoiced_open, due.advance, due.total_owed) == (0, tenge(1000), 0)


@pytest.mark.clause("PSC-3.1.8")
async def test_a_payment_taken_back_does_not_bring_back_what_a_credit_note_took_off(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(LAST_DAY)
    await office.credit(subscriber, "5000")
    await uphold(office, await object_(office, subscriber))  # the 3990.00 that are open

    async def body(connection: Connection) -> None:
        back = ledger_model.reverse(subscriber.account, "back", target="pay:1", forced=True)
        await office.world.ledger.apply(connection, [back])
        await office.world.invoicing.deallocate(connection, subscriber.account, "pay:1")

    await office.world.database.transact("test.back", body)
    [invoice] = await office.world.invoicing.open_invoices(subscriber.account)
    assert invoice.open_amount == tenge("5000")


@pytest.mark.clause("PSC-6.3.5")
async def test_a_withdrawn_found_debt_is_not_found_again(office: Office) -> None:
    subscriber = await ended(office)
    await office.charge(subscriber.account, "9000", "late")
    await office.on(date(2026, 3, 6))
    debt = await office.debt(subscriber)
    assert debt.kind is DebtKind.FOUND
    await uphold(office, await object_(office, subscriber))
    assert await office.world.main(subscriber) == 0
    await office.daily(date(2026, 3, 20), every_day=True)
    assert [debt.state for debt in await office.collection.register.of_account(subscriber.account)] == ["withdrawn"]


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


@pytest.mark.clause("PSC-3.1.4-1", "PSC-3.1.7")
async def test_credit_notes_and_payments_of_an_account_wait_in_one_order(office: Office) -> None:
    """60 credit notes and 60 payments of 10.00 at once: 8990.00 - 1200.00 = 7790.00 are left, and none ran twice."""
    world, subscriber = office.world, await office.debtor()
    await office.daily(date(2026, 5, 6))
    [invoice] = await world.invoicing.open_invoices(subscriber.account)

    async def lower(number: int) -> None:
        await world.database.transact(
            "test.lower",
            lambda conn: office.collection.credit_notes.issue(
                conn, invoice.invoice_id, tenge(10), source=f"test:{number}", reason="too high", actor="staff:boss"
            ),
        )

    names = ("test.lower", "test.pay")
    before = [retries(name) for name in names]
    await asyncio.gather(*(part for n in range(60) for part in (lower(n), office.credit(subscriber, "10"))))
    assert [retries(name) for name in names] == before
    [left] = await world.invoicing.open_invoices(subscriber.account)
    assert left.open_amount == tenge("7790")


@pytest.mark.clause("PSC-3.1.4-1", "PSC-1.1.17")
async def test_staff_register_an_objection_to_an_invoice(office: Office) -> None:
    """On 10 April to one that is due on 2 May: once, by the same request; of it alone; not when it is paid."""
    subscriber, other = await office.debtor(), await office.debtor()
    await office.daily(date(2026, 4, 10))
    [invoice] = await office.world.invoicing.open_invoices(subscriber.account)

    async def register(request_id: str, invoice_id: InvoiceId = invoice.invoice_id) -> Objection:
        return await office.collection.objections.register_for_invoice(
            invoice_id, "not mine", channel="office", author="staff:clerk", request_id=request_id
        )

    first, again = await asyncio.gather(register("a"), register("a"))
    assert (first, first.in_time) == (again, True)
    with pytest.raises(ObjectionOpenError):
        await register("b")
    with pytest.raises(InvoiceUnknownError):
        await register("c", InvoiceId(10**15))
    assert await office.collection.register.of_account(other.account, 10) == []
    [paid] = await office.world.invoicing.open_invoices(other.account)
    await office.pay(other, "8990")
    with pytest.raises(DebtClosedError):
        await register("d", paid.invoice_id)
    await office.pay(subscriber, "8990")
    assert await register("a") == first


@pytest.mark.clause("PSC-3.1.4-1", "PSC-5.4")
async def test_an_early_objection_changes_no_day_of_the_debt(office: Office) -> None:
    """Objected on 10 April, upheld in part on the 20th: 5000.00 are owed, due on 2 May as before, without penalty."""
    subscriber = await office.debtor()
    await office.daily(date(2026, 4, 9))
    await office.to(date(2026, 4, 10))
    objections = office.collection.objections
    for _ in range(2):
        [debt] = await objections.register_all(
            subscriber.account, "not mine", channel="sms", author="subscriber", request_id="early"
        )
    await office.daily(date(2026, 4, 19))
    await office.to(date(2026, 4, 20))
    [objection] = await objections.waiting(0, 10)
    await uphold(office, objection, tenge("3990"))
    await office.daily(date(2026, 5, 2))
    assert [step for step, _ in await office.steps(subscriber)] == ["remind_before"]
    await office.pay(subscriber, "5000")
    details = await office.collection.register.details(debt.debt_id)
    assert (details.debt.state, details.debt.due_on, details.debt.penalty) == (DebtState.PAID, date(2026, 5, 2), 0)
