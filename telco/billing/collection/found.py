"""Debts found after the end of a contract: roaming that partners report late, paid enquiries.

What was charged to an ended account and is on no invoice is claimed by notice, to be paid within 10 working days of it.

Contract: PSC-6.3.5, PSC-7.6
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from telco.billing.collection import rules, store
from telco.billing.collection.dunning import Dunning, Letter, Message
from telco.billing.collection.model import Action, Channel, DayUnit, Debt, DebtKind, Run, Step
from telco.billing.collection.store import Q
from telco.billing.invoicing.arrears import Arrears
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import Tiyn
from telco.ledger.service import Ledger
from telco.subscribers.accounts import Holder
from telco.subscribers.model import EndGround
from telco.subscribers.service import Subscribers

PAGE = 1_000
FOUND = Step("found", Action.NOTICE, 0, DayUnit.WORKING, Channel.EMAIL)
"""How a debtor is told of a debt found later: by e-mail, or by letter where there is none."""


class FoundDebts:
    """Watches the accounts of ended contracts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        subscribers: Subscribers,
        arrears: Arrears,
        dunning: Dunning,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._subscribers = subscribers
        self._arrears = arrears
        self._dunning = dunning

    async def on_ended(self, event: OutboxEvent) -> None:
        """Consume "subscribers.ended" and "subscribers.re_registered": the account is watched from now on."""
        payload, today = event.payload, self._dunning.today()

        async def body(connection: Connection) -> None:
            terms = (await store.terms(connection, [today]))[today]
            until = today + timedelta(days=terms.found_debt_watch_days)
            await connection.execute(
                Q.watch, payload["shard"], payload["account_id"], payload["subscriber_id"], payload["ground"], until
            )

        await self._database.transact("collection.watch", body)

    async def look(self, run: Run) -> None:
        """Look at the balance of every watched account, and claim what was found since."""
        after, today = AccountRef(-1, AccountId(0)), self._dunning.today()
        while True:
            rows = await self._database.fetch(Q.watched, *after, today, PAGE)
            accounts = [AccountRef(row["shard"], AccountId(row["account_id"])) for row in rows]
            for account in await self._owing(accounts):
                run.add("found", await self._claim(account))
            if len(rows) < PAGE:
                break
            after = accounts[-1]
        while await self._database.fetchval(Q.forget_watched, today, PAGE) == PAGE:
            continue

    async def _owing(self, accounts: Sequence[AccountRef]) -> list[AccountRef]:
        """Return those that owe something of which no invoice will tell, in their order."""
        if not accounts:
            return []
        views = await self._ledger.balances_many(accounts)
        owing = sorted(account for account, view in views.items() if view.main < 0)
        if not owing:
            return []
        async with self._database.acquire() as connection:
            holders = await self._subscribers.accounts.holders(connection, owing)
            invoiced = await self._arrears.invoiced(connection, owing)
        return [account for account in owing if not holders[account].in_use and account not in invoiced]

    async def _claim(self, account: AccountRef) -> int:
        """Claim what is found under the account's lock: what `_owing` saw is looked at again."""

        async def body(connection: Connection) -> int:
            watched = await connection.fetchrow(Q.lock_watched, *account)
            holder = (await self._subscribers.accounts.holders(connection, [account]))[account]
            if watched is None or holder.in_use or await self._arrears.invoiced(connection, [account]):
                return 0
            today = self._dunning.today()
            terms = (await store.terms(connection, [today]))[today]
            debts = await store.lock_of_account(connection, account)
            known = await self._dunning.know(connection, debts)
            claimed = sum(known.standings[d.debt_id].open for d in debts if d.kind is DebtKind.FOUND)
            amount = Tiyn(await self._unclaimed(connection, account, debts) - claimed)
            if amount < terms.least_debt_tiyn:
                return 0
            due_on = self._calendar.add_working_days(today, terms.found_debt_wd)
            earlier = await connection.fetchrow(Q.found_before, *account)
            assert earlier is not None
            number = f"ND-{account.account_id}-{earlier['debts'] + 1}"
            row = await connection.fetchrow(
                Q.add_found,
                *account,
                number,
                watched["subscriber_id"],
                due_on,
                amount,
                max(min(amount, earlier["penalties"]), 0),
                self._clock.now(),
                self._calendar.start_of_day(due_on),
                rules.first_posting(due_on),
            )
            assert row is not None
            await self._give_notice(connection, store.debt_of(row), holder, amount)
            return 1

        return await self._database.transact("collection.claim", body)

    async def _give_notice(self, connection: Connection, debt: Debt, holder: Holder, amount: Tiyn) -> None:
        channel = self._dunning.channel(FOUND, holder)
        if channel is Channel.LETTER:
            await self._dunning.write(connection, [Letter(debt, holder, amount, FOUND)])
        else:
            await self._dunning.tell(connection, [Message(debt, holder, amount, FOUND, channel)])

    async def on_invoice_issued(self, event: OutboxEvent) -> None:
        """Consume "billing.invoice_issued": after porting out it is of what was found, and notice is given at once.

        The same event again changes nothing.

        Contract: PSC-7.6
        """
        payload = event.payload
        account = AccountRef(payload["shard"], AccountId(payload["account_id"]))

        async def body(connection: Connection) -> None:
            watched = await connection.fetchrow(Q.lock_watched, *account)
            if watched is None or watched["ground"] != EndGround.PORTED_OUT:
                return
            holder = (await self._subscribers.accounts.holders(connection, [account]))[account]
            bills = await self._arrears.bills(connection, [payload["invoice_id"]])
            if holder.in_use or not bills:
                return
            posts = [rules.first_posting(bill.due_on) for bill in bills]
            for debt_id in await store.enrol(connection, bills, posts, now=self._clock.now()):
                debt = await store.lock_debt(connection, debt_id)
                assert debt is not None
                opens = (await self._dunning.know(connection, [debt])).standings
                await self._give_notice(connection, debt, holder, opens[debt.debt_id].open)

        await self._database.transact("collection.notice_of_found", body)

    async def _unclaimed(self, conn: Connection, account: AccountRef, debts: Sequence[Debt]) -> int:
        """What the account owes beside its invoices and the penalties of debts found before."""
        main = (await self._ledger.balances(account, conn)).main
        penalties = sum(
            debt.penalty for debt in debts if debt.kind is DebtKind.FOUND
        )  # of open debts: claimed with them
        return max(-main - await self._arrears.invoiced_open(conn, account) - penalties, 0)

    async def note_payment(
        self, conn: Connection, account: AccountRef, debts: Sequence[Debt], event_id: int, paid_on: date
    ) -> None:
        """Give what was paid beyond the invoices to the debts found later, the oldest first."""
        found = [debt for debt in debts if debt.kind is DebtKind.FOUND]
        if not found:
            return
        known = await self._dunning.know(conn, found)
        opens = {debt.debt_id: known.standings[debt.debt_id].open for debt in found}
        paid = sum(opens.values()) - await self._unclaimed(conn, account, debts)
        for debt in found:
            part = min(paid, opens[debt.debt_id])
            if part > 0:
                await conn.execute(Q.add_found_payment, debt.debt_id, event_id, paid_on, part)
                paid -= part
