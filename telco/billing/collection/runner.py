"""The run: looks for what is due today and does it, batch by batch, each batch one transaction.

Killed anywhere, it has done whole batches; run again, or on two machines at once, it does the rest. After a stop of
months it takes the steps in their order, each once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from telco.billing.collection import rules, store
from telco.billing.collection.dunning import ORIGIN, Dunning
from telco.billing.collection.found import FoundDebts
from telco.billing.collection.model import Run
from telco.billing.collection.store import Q
from telco.billing.invoicing.arrears import Arrears
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountId, AccountRef
from telco.subscribers.model import EndGround, Ground
from telco.subscribers.service import Subscribers

BATCH = 500
PAGE = 5_000
"""Invoices read at once when debts begin."""
ENDS = 100
"""Contracts that a run looks at together; each ends in a transaction of its own."""


class CollectionRunner:
    """Does what is due about debts, and what follows when money comes."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        subscribers: Subscribers,
        arrears: Arrears,
        dunning: Dunning,
        found: FoundDebts,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._subscribers = subscribers
        self._arrears = arrears
        self._dunning = dunning
        self._found = found

    async def run(self, batch: int = BATCH) -> Run:
        """Do everything that is due now: new debts begin, steps are taken, contracts end, ended accounts are looked at.

        Contract: PSC-3.1.4, PSC-3.1.4-1, PSC-3.1.5.1, PSC-5.4, PSC-6.3.3, PSC-6.3.5
        """
        run = Run()
        await self._enrol(run)
        await self._work(run, batch)
        await self._end(run)
        await self._found.look(run)
        return run

    async def _enrol(self, run: Run) -> None:
        """Begin the debts of invoices that fall due within the days that reminders come before."""
        today, after = self._dunning.today(), 0
        async with self._database.acquire() as connection:
            versions = await store.step_versions(connection)
        through = today + timedelta(days=rules.lead_days(version.step for version in versions))
        while True:

            async def body(connection: Connection, after: int = after) -> tuple[int, int]:
                bills = await self._arrears.falling_due(connection, through, after, PAGE)
                posts = [rules.first_posting(bill.due_on) for bill in bills]
                begun = await store.enrol(connection, bills, posts, now=self._clock.now())
                return (bills[-1].invoice_id if len(bills) == PAGE else 0), len(begun)

            after, begun = await self._database.transact("collection.enrol", body)
            run.add("begun", begun)
            if not after:
                return

    async def _work(self, run: Run, batch: int) -> None:
        while True:

            async def body(connection: Connection) -> Run | None:
                debts = await store.lock_due(connection, self._clock.now(), batch)
                if not debts:
                    return None
                return await self._dunning.work(connection, debts, await store.step_versions(connection))

            done = await self._database.transact("collection.work", body)
            if done is None:
                return
            run.merge(done)

    # The end of contracts

    async def _end(self, run: Run) -> None:
        """End contracts whose services have been suspended for more than two calendar months. Contract: PSC-6.3.3"""
        seen: set[int] = set()
        while True:
            rows = await self._database.fetch(Q.ending_cases, self._dunning.today(), ENDS + len(seen))
            fresh = [row for row in rows if row["case_id"] not in seen]
            if not fresh:
                return
            for row in fresh:
                seen.add(row["case_id"])
                account = AccountRef(row["shard"], AccountId(row["account_id"]))
                run.add("ended", await self._end_account(row["case_id"], account))

    async def _end_account(self, case_id: int, account: AccountRef) -> int:
        """End an account's numbers unless it was paid meanwhile; the debt remains. Contract: PSC-6.3.3, PSC-6.3.5"""

        async def body(connection: Connection) -> int:
            debts = await self._dunning.close_paid(connection, await store.lock_of_account(connection, account))
            [case] = await connection.fetch(Q.lock_cases, [case_id])
            if case["closed_at"] or case["ended_at"] or not case["ends_on"]:
                return 0
            now = self._clock.now()
            ended = await self._subscribers.accounts.end(connection, account, EndGround.UNPAID, ORIGIN)
            suspended = [debt for debt in debts if debt.suspended_at is not None]
            await self._subscribers.accounts.resume(
                connection, [debt.number for debt in suspended], Ground.MONEY, ORIGIN, reason="the contract ended"
            )
            await store.save_debts(connection, [replace(debt, suspended_at=None) for debt in suspended])
            await connection.execute(Q.end_case, case_id, now)
            return len(ended)

        return await self._database.transact("collection.end", body)

    # Money came

    async def settle(self, account: AccountRef, event_id: int, paid_on: date) -> int:
        """Close an account's debts that are paid, which resumes its services; returns how many.

        `event_id` names what told of the payment: the same again changes nothing.

        Contract: PSC-3.1.5, PSC-3.1.5.1
        """
        if not await self._database.fetchval(Q.has_open, *account):
            return 0

        async def body(connection: Connection) -> int:
            debts = await store.lock_of_account(connection, account)
            await self._found.note_payment(connection, account, debts, event_id, paid_on)
            return len(debts) - len(await self._dunning.close_paid(connection, debts))

        return await self._database.transact("collection.settle", body)

    async def on_money(self, event: OutboxEvent) -> None:
        """Consume "billing.credited" and "billing.invoice_paid": services come back at once."""
        payload = event.payload
        account = AccountRef(payload["shard"], AccountId(payload["account_id"]))
        await self.settle(account, event.event_id, self._calendar.today(event.created_at))

    async def reconcile(self, batch: int = BATCH) -> int:
        """Close every overdue debt that is paid, whatever became of the event that told of it."""
        after, closed = 0, 0
        while True:

            async def body(connection: Connection, after: int = after) -> tuple[int, int]:
                debts = await store.lock_overdue(connection, after, batch)
                left = await self._dunning.close_paid(connection, debts)
                return (debts[-1].debt_id if len(debts) == batch else 0), len(debts) - len(left)

            after, done = await self._database.transact("collection.reconcile", body)
            closed += done
            if not after:
                return closed
