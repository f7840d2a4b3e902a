"""Debtors: people on the credit plan who do not pay, and the office that follows them day by day."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from telco.billing.collection.audit import audit
from telco.billing.collection.model import Debt, Run
from telco.billing.collection.service import Collection
from telco.billing.topups import TopUp, TopUps
from telco.db.pool import Connection
from telco.kernel.calendar import Calendar
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn, tenge
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.subscribers.model import Subscriber
from tests.world import World

PLAN = "kcell-status"
"""Credit settlement; the fee of 8990 tenge is taken on joining, whatever the balance."""
JOINED = date(2026, 3, 2)
DUE = date(2026, 5, 2)
"""The period ends on 2 April and 30 calendar days are over with Saturday, 2 May."""

NEXT_DAY = """
select least((select min(period_end) from invoicing.account where closed_at is null),
             (select min(due_on) - 3 from invoicing.open_amount o where open_tiyn > 0 and not exists (
                select 1 from collection.debt d where d.invoice_id = o.invoice_id and d.state = 'open')),
             (select (min(next_at) at time zone 'Asia/Almaty')::date from collection.debt),
             (select min(ends_on) from collection.dossier))
"""
"""The next day on which an accounting period ends, a debt begins or something is due about one."""


class Office:
    """The features that take part, on one clock, and the days as they go by."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.collection = world.collection
        self.topups = TopUps(world.clock, world.ledger, world.trust, world.invoicing)
        self._payments = itertools.count(1)

    def another(self) -> Collection:
        """The same service on another machine."""
        world = self.world
        return Collection(world.database, world.clock, world.calendar, world.ledger, world.subscribers, world.invoicing)

    async def debtor(self, **given: Any) -> Subscriber:
        """Somebody who joined the credit plan today and owes its fee."""
        subscriber = await self.world.subscriber(PLAN, **given)
        await self.world.invoicing.run()
        return subscriber

    async def to(self, day: date, hours: float = 10) -> None:
        """Move the clock to an hour of a day in Kazakhstan; nothing runs."""
        moment = self.world.calendar.start_of_day(day) + timedelta(hours=hours)
        self.world.clock.advance(moment - self.world.clock.now())

    async def work(self) -> Run:
        """Do what is due now: invoices, collection, and what is told of."""
        await self.world.invoicing.run()
        run = await self.collection.run()
        await self.world.outbox.drain()
        return run

    async def on(self, day: date) -> Run:
        """Let a day come, and do what is due."""
        await self.to(day)
        return await self.work()

    async def daily(self, last: date, *, every_day: bool = False) -> dict[date, dict[str, int]]:
        """Live up to `last`: what was done on which day. Idle days are left out, if not asked for."""
        done: dict[date, dict[str, int]] = {}
        day = self.world.calendar.today(self.world.clock.now())
        while day < last:
            day += timedelta(days=1)
            if not every_day:
                day = min(max(await self.world.database.fetchval(NEXT_DAY) or last, day), last)
            run = await self.on(day)
            if run.counts:
                done[day] = run.counts
        return done

    async def credit(self, subscriber: Subscriber, amount: str) -> None:
        """Take a payment; what follows it is not told of yet."""
        await self.credit_account(subscriber.account, subscriber.subscriber_id, subscriber.msisdn, amount)

    async def credit_account(
        self, account: AccountRef, subscriber_id: SubscriberId, msisdn: Msisdn, amount: str
    ) -> None:
        number = next(self._payments)
        top_up = TopUp(
            account=account,
            subscriber_id=subscriber_id,
            msisdn=msisdn,
            amount=tenge(amount),
            op_id=f"pay:{number}",
            contra="cash.office",
            channel="cash_desk",
            reference=str(number),
            request_id=f"pay:{number}",
            label="topup.cash_desk",
        )
        await self.world.database.transact("test.pay", lambda connection: self.topups.credit(connection, top_up))

    async def pay(self, subscriber: Subscriber, amount: str) -> None:
        """Take a payment, and let everybody hear of it."""
        await self.credit(subscriber, amount)
        await self.world.outbox.drain()

    async def charge(self, account: AccountRef, amount: str, op_id: str, contra: str = "revenue.roaming") -> None:
        """Charge what a partner reports late."""

        async def body(connection: Connection) -> None:
            op = ledger_model.debit(
                account, op_id, ledger_model.sum_charge(tenge(amount), money=("main",)), contra=contra, forced=True
            )
            await self.world.ledger.apply(connection, [op])

        await self.world.database.transact("test.charge", body)

    async def debt(self, subscriber: Subscriber) -> Debt:
        """The newest debt."""
        return (await self.collection.register.of_account(subscriber.account))[0]

    async def steps(self, subscriber: Subscriber) -> list[tuple[str, str]]:
        """The steps taken of the newest debt, with their outcome."""
        details = await self.collection.register.details((await self.debt(subscriber)).debt_id)
        return [(step.step, step.outcome) for step in details.steps]

    async def events(self, topic: str) -> list[dict[str, Any]]:
        """The payloads of a topic's events, the oldest first."""
        rows = await self.world.database.fetch(
            "select payload from kernel.outbox where topic = $1 order by event_id", topic
        )
        return [row["payload"] for row in rows]

    async def operations(self, account: AccountRef, contra: str) -> list[Tiyn]:
        """What was charged to one of the operator's accounts, the oldest first."""
        entries = await self.world.ledger.statement(account, 200)
        return [Tiyn(entry.cost_tiyn) for entry in reversed(entries) if entry.contra == contra]

    async def barred(self, subscriber: Subscriber) -> bool:
        return bool((await self.world.again(subscriber)).barred)


@pytest.fixture
async def office(world: World, calendar: Calendar) -> AsyncIterator[Office]:
    """The auditor of collection looks at the end, when the outbox is empty and the jobs have run."""
    office = Office(world)
    yield office
    await office.work()
    assert await audit(world.database, world.clock.now(), calendar) == []
