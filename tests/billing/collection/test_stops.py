"""The clock jumps, machines die or work side by side, money comes in the middle: each step once, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import TypeVar

import pytest

from telco.billing.collection import store
from telco.billing.collection.model import DebtState, Run
from telco.billing.collection.service import Collection
from telco.billing.collection.store import Q
from telco.db.pool import Connection, Database
from telco.kernel.money import tenge
from telco.subscribers.model import Subscriber
from tests.billing.collection.conftest import Office

T = TypeVar("T")


class MachineOffError(Exception):
    """The machine went off."""


class DyingDatabase(Database):
    """A machine's way to the database, until it goes off: before or after the commit of its n-th transaction."""

    _left = 0
    _committed = False

    def die(self, after: int, *, committed: bool) -> None:
        self._left = after
        self._committed = committed

    async def transact(self, name: str, body: Callable[[Connection], Awaitable[T]]) -> T:
        self._left -= 1
        dies = self._left == 0

        async def dying(connection: Connection) -> T:
            result = await body(connection)
            if dies and not self._committed:
                raise MachineOffError
            return result

        result = await super().transact(name, dying)
        if dies:
            raise MachineOffError
        return result


@asynccontextmanager
async def dying(office: Office, after: int, *, committed: bool) -> AsyncIterator[Collection]:
    """Collection on a machine that goes off in its n-th transaction."""
    world = office.world
    database = await DyingDatabase.connect(world.database.url, max_size=3)
    assert isinstance(database, DyingDatabase)
    database.die(after, committed=committed)
    yield Collection(database, world.clock, world.calendar, world.ledger, world.subscribers, world.invoicing)
    database.terminate()


async def debtors(office: Office, count: int) -> list[Subscriber]:
    return [await office.debtor() for _ in range(count)]


async def suspend_all(office: Office) -> None:
    """Live through notice and up to the day before suspension, which is 12 May."""
    await office.daily(date(2026, 5, 11))
    await office.to(date(2026, 5, 12))


@pytest.mark.clause("PSC-3.1.4", "PSC-6.3.3")
async def test_after_months_every_step_is_caught_up_in_order_once(office: Office) -> None:
    """Nothing ran from joining to 12 October. The debtor hears one notice, has 5 wd to answer it from then on, and two
    months of real suspension before his contract ends."""
    subscriber = await office.debtor()
    await office.on(date(2026, 10, 12))
    debts = await office.collection.register.of_account(subscriber.account)
    first = debts[-1]
    details = await office.collection.register.details(first.debt_id)
    assert [(step.step, step.outcome) for step in details.steps] == [
        ("remind_before", "lapsed"),
        ("remind_after", "lapsed"),
        ("notice", "done"),
        ("suspend", "done"),
        ("remind_suspended", "lapsed"),
    ]
    assert len(await office.events("collection.notice")) == 1
    assert await office.events("collection.reminder") == []
    assert first.answer_until == date(2026, 10, 19)  # Monday the 12th: 13, 14, 15, 16 and 19 October
    assert first.penalty == tenge("899.00")  # the most, at once
    assert (await office.work()).counts == {}  # nothing twice
    done = await office.daily(date(2026, 12, 13))
    assert done[date(2026, 10, 20)] == {"acknowledged": 1, "hand_over": 1}
    assert done[date(2026, 12, 13)]["ended"] == 1  # suspended on 12 October: more than two months on 13 December
    assert not any("ended" in counts for day, counts in done.items() if day < date(2026, 12, 13))


@pytest.mark.clause("PSC-3.1.5.1")
async def test_two_machines_do_each_step_once(office: Office) -> None:
    people = await debtors(office, 5)
    await suspend_all(office)
    other = Collection(
        office.world.database,
        office.world.clock,
        office.world.calendar,
        office.world.ledger,
        office.world.subscribers,
        office.world.invoicing,
    )
    runs = await asyncio.gather(office.collection.runner.run(batch=2), other.runner.run(batch=1), other.run())
    total = Run()
    for run in runs:
        total.merge(run)
    assert total.counts == {"suspend": 5}
    await office.to(date(2026, 6, 2))
    total = Run()
    for run in await asyncio.gather(office.collection.runner.run(batch=1), other.runner.run(batch=2)):
        total.merge(run)
    assert total.counts["penalties"] == 5
    for person in people:
        assert await office.operations(person.account, "revenue.penalty") == [tenge("278.69")]
    assert len(await office.events("subscribers.suspended")) == 5


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("after", [1, 2, 3])
async def test_killed_anywhere_the_next_run_does_the_rest(office: Office, after: int, committed: bool) -> None:
    """A run of three debtors in batches of one is one transaction to begin debts and one for each of them."""
    people = await debtors(office, 3)
    await suspend_all(office)
    world = office.world
    async with dying(office, after, committed=committed) as collection:
        with pytest.raises(MachineOffError):
            await collection.runner.run(batch=1)
    await office.collection.run()
    await world.outbox.drain()
    assert len(await office.events("subscribers.suspended")) == 3
    for person in people:
        assert await office.barred(person)
        steps = await office.steps(person)
        assert steps.count(("suspend", "done")) == 1


@pytest.mark.clause("PSC-6.3.3")
async def test_killed_at_the_end_of_a_contract(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 7, 12))
    await office.to(date(2026, 7, 13))
    world = office.world
    transactions = 3  # begin debts, find nothing due, end the contract
    async with dying(office, transactions, committed=False) as collection:
        with pytest.raises(MachineOffError):
            await collection.run()
    assert (await world.again(subscriber)).state == "active"
    assert (await office.work()).counts == {"ended": 1}
    assert len(await office.events("subscribers.ended")) == 1


# Money in the middle


@pytest.mark.clause("PSC-3.1.5", "PSC-3.1.5.1")
async def test_a_payment_during_the_suspension_ends_it(office: Office) -> None:
    """The run has read the debt as unpaid and not committed; the payment commits, and is heard of, before it does."""
    subscriber = await office.debtor()
    await suspend_all(office)
    world, dunning = office.world, office.collection.dunning
    suspending, paid = asyncio.Event(), asyncio.Event()

    async def suspend(connection: Connection) -> None:
        debts = await store.lock_due(connection, world.clock.now(), 10)
        await dunning.work(connection, debts, await store.step_versions(connection))
        suspending.set()
        await paid.wait()

    async def pay() -> None:
        await suspending.wait()
        await office.credit(subscriber, "8990")
        heard = asyncio.create_task(world.outbox.drain())  # waits for the debt
        await asyncio.wait([heard], timeout=0.2)
        assert not heard.done()
        paid.set()
        await heard

    await asyncio.gather(world.database.transact("test.suspend", suspend), pay())
    assert not await office.barred(subscriber)
    assert (await office.debt(subscriber)).state is DebtState.PAID


@pytest.mark.clause("PSC-3.1.5.1")
async def test_a_payment_before_the_suspension_prevents_it_though_nobody_heard(office: Office) -> None:
    subscriber = await office.debtor()
    await suspend_all(office)
    await office.credit(subscriber, "8990")  # committed, its event still waits
    assert (await office.collection.run()).counts == {"paid": 1}
    assert await office.events("subscribers.suspended") == []
    assert (await office.debt(subscriber)).penalty == tenge("89.90")  # 10 days


@pytest.mark.clause("PSC-3.1.5.1")
async def test_payments_and_runs_at_once_leave_nobody_suspended_who_paid(office: Office) -> None:
    people = await debtors(office, 6)
    await suspend_all(office)
    await asyncio.gather(
        *(office.credit(person, "8990") for person in people[:3]),
        office.collection.runner.run(batch=1),
        office.collection.runner.run(batch=2),
        office.world.outbox.drain(),
    )
    await office.world.outbox.drain()
    assert [await office.barred(person) for person in people] == [False] * 3 + [True] * 3


@pytest.mark.clause("PSC-3.1.5")
async def test_the_daily_reconciliation_finds_what_no_event_told(office: Office) -> None:
    subscriber = await office.debtor()
    await suspend_all(office)
    await office.work()
    await office.credit(subscriber, "8990")
    await office.world.database.fetch("update kernel.outbox set dispatched_at = created_at where dispatched_at is null")
    assert await office.barred(subscriber)
    assert await office.collection.reconcile() == 1
    assert not await office.barred(subscriber)
    assert await office.collection.reconcile() == 0


async def test_the_same_event_twice_changes_nothing(office: Office) -> None:
    subscriber = await office.debtor()
    await suspend_all(office)
    await office.work()
    await office.pay(subscriber, "8990")
    await office.world.database.fetch("update kernel.outbox set dispatched_at = null where topic like 'billing.%'")
    await office.world.outbox.drain()
    assert await office.operations(subscriber.account, "revenue.penalty") == [tenge("89.90")]


@pytest.mark.clause("PSC-6.3.3")
async def test_a_payment_on_the_day_of_the_end_saves_the_contract(office: Office) -> None:
    subscriber = await office.debtor()
    await office.daily(date(2026, 7, 12))
    await office.to(date(2026, 7, 13))
    await office.credit(subscriber, "30000")  # committed, not heard of
    assert "ended" not in (await office.collection.run()).counts
    await office.world.outbox.drain()
    assert (await office.world.again(subscriber)).barred == frozenset()


async def test_hot_queries_use_their_indexes(office: Office) -> None:
    """What runs hourly reads what is due, however many debts there are."""
    async with office.world.database.acquire() as connection:
        await connection.execute("set enable_seqscan = off")
        for query, arguments in (
            (Q.lock_due, (date(2026, 5, 1), 500)),
            (Q.lock_overdue, (0, 500)),
            (Q.ending_cases, (date(2026, 5, 1), 100)),
            (Q.has_open, (0, 1)),
        ):
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {query}", *arguments))
            assert "Index" in plan
            assert "Seq Scan" not in plan
        await connection.execute("reset enable_seqscan")
