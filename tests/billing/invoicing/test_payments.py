"""What comes in pays the oldest debt, or what it names; what is taken back opens it again."""

from __future__ import annotations

from datetime import date

import pytest

from telco.billing.invoicing.model import Invoice, InvoiceState
from telco.db.pool import Connection
from telco.kernel.money import Tiyn, tenge
from telco.ledger.model import reverse
from telco.subscribers.model import Subscriber
from tests.billing.invoicing.conftest import charge, invoices, pay, to
from tests.world import World


async def two_invoices(world: World) -> tuple[Subscriber, Invoice, Invoice]:
    """Of March, 8,990, and of April, 1,000."""
    subscriber = await world.subscriber("kcell-status")
    await to(world, date(2026, 4, 2))
    await charge(world, subscriber.account, "1000")
    await to(world, date(2026, 5, 2))
    await world.invoicing.run()
    march, april = await invoices(world, subscriber)
    assert (march.open_amount, april.open_amount) == (tenge(8990), tenge(1000))
    return subscriber, march, april


async def opens(world: World, subscriber: Subscriber) -> list[Tiyn]:
    return [invoice.open_amount for invoice in await invoices(world, subscriber)]


async def take_back(world: World, subscriber: Subscriber, op_id: str) -> None:
    """As a correction does: the exact opposite, and the invoices open again."""

    async def body(conn: Connection) -> None:
        taken = f"{op_id}:back"
        await world.ledger.apply(conn, [reverse(subscriber.account, taken, target=op_id, forced=True)])
        await world.invoicing.deallocate(conn, subscriber.account, op_id, by=taken)
        await world.invoicing.deallocate(conn, subscriber.account, op_id)  # again, found by itself: changes nothing

    await world.database.transact("test.take_back", body)


@pytest.mark.clause("PSC-4.3.2", "PSC-3.1.7", "PSC-3.2.4-4")
async def test_a_payment_pays_the_oldest_debt_first_and_the_rest_is_an_advance(world: World) -> None:
    subscriber, march, _ = await two_invoices(world)
    await pay(world, subscriber, "8989.99")
    assert await opens(world, subscriber) == [1, tenge(1000)]
    await pay(world, subscriber, "0.01")
    assert await opens(world, subscriber) == [0, tenge(1000)]
    assert (await world.invoicing.invoice(march.invoice_id)).state is InvoiceState.PAID
    await pay(world, subscriber, "1500")
    due = await world.invoicing.due(subscriber.account)
    assert (due.total_owed, due.invoiced_open, due.advance) == (0, 0, tenge(500))
    paid = await world.database.fetch(
        "select payload from kernel.outbox where topic = 'billing.invoice_paid' order by 1"
    )
    assert len(paid) == 2


@pytest.mark.clause("PSC-3.2.4-1")
async def test_named_invoices_come_before_older_ones(world: World) -> None:
    subscriber, _, april = await two_invoices(world)
    await pay(world, subscriber, "1500", named=((april, "1000"),))
    assert await opens(world, subscriber) == [tenge(8490), 0]  # 500 are left for March


async def test_an_advance_pays_the_next_invoice(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await pay(world, subscriber, "9000")
    await to(world, date(2026, 4, 2))
    await world.invoicing.run()
    assert await opens(world, subscriber) == [0]
    assert (await world.invoicing.due(subscriber.account)).advance == tenge(10)


@pytest.mark.clause("PSC-3.1.8", "PSC-5.2.2")
async def test_a_payment_taken_back_opens_what_it_paid(world: World) -> None:
    subscriber, _, _ = await two_invoices(world)
    wrong = await pay(world, subscriber, "9990")
    assert await opens(world, subscriber) == [0, 0]
    await take_back(world, subscriber, wrong)
    assert await opens(world, subscriber) == [tenge(8990), tenge(1000)]


@pytest.mark.clause("PSC-3.1.8")
async def test_an_advance_goes_before_an_invoice_is_opened_again(world: World) -> None:
    """9,990 owed. 9,000 and 2,000 come, 1,010 stay; 2,000 are taken back: 1,010 of it and 990 of the newest invoice."""
    subscriber, _, _ = await two_invoices(world)
    await pay(world, subscriber, "9000")
    wrong = await pay(world, subscriber, "2000")
    assert (await world.invoicing.due(subscriber.account)).advance == tenge(1010)
    await take_back(world, subscriber, wrong)
    assert await opens(world, subscriber) == [0, tenge(990)]


async def test_an_advance_that_was_invoiced_meanwhile_is_missing_there(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    wrong = await pay(world, subscriber, "9000")
    await to(world, date(2026, 4, 2))
    await world.invoicing.run()
    await take_back(world, subscriber, wrong)
    assert await opens(world, subscriber) == [tenge(8990)]


async def test_what_nobody_told_invoicing_of_is_settled_by_the_run(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await world.pay(subscriber.account, "500", "past invoicing")  # straight to the ledger
    await to(world, date(2026, 4, 2))
    await world.invoicing.run()
    assert await opens(world, subscriber) == [tenge(8490)]


async def test_the_same_payment_is_allocated_once(world: World) -> None:
    subscriber, march, _ = await two_invoices(world)
    op_id = await pay(world, subscriber, "100")

    async def again(conn: Connection) -> None:
        [known] = await world.invoicing.allocate(conn, subscriber.account, op_id, tenge(100), world.clock.now())
        assert (known.invoice_id, known.amount) == (march.invoice_id, tenge(100))

    await world.database.transact("test.again", again)
    assert await opens(world, subscriber) == [tenge(8890), tenge(1000)]


@pytest.mark.clause("PSC-1.1.17")
async def test_an_invoice_is_overdue_on_the_day_after_its_last(world: World) -> None:
    subscriber, march, _ = await two_invoices(world)
    assert march.due_on == date(2026, 5, 2)
    async with world.database.acquire() as conn:
        assert await world.invoicing.overdue(conn, date(2026, 5, 2), None, 10) == []
        [found] = await world.invoicing.overdue(conn, date(2026, 5, 3), None, 10)
        assert (found.account, found.amount, found.invoices) == (subscriber.account, tenge(8990), (march.invoice_id,))
        assert await world.invoicing.overdue(conn, date(2026, 5, 3), found.account, 10) == []
