"""Invoices: issued when an accounting period ends, paid by what comes in, opened again when it is taken back.

The run closes the periods of a batch of accounts in one transaction: what was charged is read from the ledger, lines,
VAT, numbers and open amounts are written in sets. Killed anywhere, it has closed whole batches; run again, or on
another machine at the same time, it closes the rest.

Contract: PSC-1.1.17, PSC-1.1.26, PSC-4.3.2, PSC-4.4
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta

from telco.billing.invoicing import rules, store
from telco.billing.invoicing.errors import InvoiceUnknownError
from telco.billing.invoicing.model import (
    Allocation,
    AmountDue,
    BillingRun,
    Invoice,
    InvoiceId,
    InvoiceLine,
    Overdue,
    VatRates,
)
from telco.billing.invoicing.store import Q
from telco.catalog.catalogue import Catalogue
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn
from telco.ledger.service import Ledger
from telco.subscribers.service import Subscribers

BATCH = 1_000
"""Accounts of one transaction."""
ADOPT_BATCH = 5_000
WORKERS = 3
"""Batches at once: while one writes, the next reads, and one waits for the disk."""
KEPT_AFTER_END = timedelta(days=3 * 365)
"""How long after the contract's end debts found later are invoiced: while they can be claimed. Contract: PSC-6.3.5"""
LAST_INVOICE = 2**62


class Invoicing:
    """Use cases of invoices."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        subscribers: Subscribers,
        catalogue: Callable[[], Catalogue],
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._subscribers = subscribers
        self._catalogue = catalogue

    # The run

    async def run(self, limit: int | None = None) -> BillingRun:
        """Close every accounting period that is over, the oldest first, and issue its invoice; at most `limit` periods.

        Periods that were missed while the service was down are closed one by one. Several processes share the work.

        Contract: PSC-1.1.26, PSC-4.3.2, PSC-4.4
        """
        today = self._calendar.today(self._clock.now())
        done = BillingRun()
        day = await self._database.fetchval(Q.next_day, date.min, today)
        while day is not None and (limit is None or done.periods < limit):
            left = None if limit is None else limit - done.periods
            done += await self._close_day(day, left)
            day = await self._database.fetchval(Q.next_day, day, today)
        return done

    async def _close_day(self, day: date, limit: int | None) -> BillingRun:
        """Close the periods that end on `day`, with several batches at work."""
        if limit is not None:
            return await self._close_batches(day, limit)
        runs = await asyncio.gather(*(self._close_batches(day, None) for _ in range(WORKERS)))
        return sum(runs, BillingRun())

    async def _close_batches(self, day: date, limit: int | None) -> BillingRun:
        done = BillingRun()
        while limit is None or done.periods < limit:
            size = BATCH if limit is None else min(BATCH, limit - done.periods)
            batch = await self._close_batch(day, size)
            if batch.periods == 0:
                break
            done += batch
        return done

    async def _close_batch(self, day: date, size: int) -> BillingRun:
        now, rates = self._clock.now(), self.vat_rates()
        today = self._calendar.today(now)

        async def body(conn: Connection) -> BillingRun:
            row = await conn.fetchrow(
                Q.close_periods,
                day,
                self._calendar.start_of_day(day),
                rules.due_on(day),
                rules.found_due_on(today, self._calendar),
                today.year,
                now,
                now - KEPT_AFTER_END,
                size,
                rates.since,
                rates.millionths,
                rules.UNTAXED,
            )
            assert row is not None
            return BillingRun(row["periods"], row["invoices"], row["lines"], Tiyn(row["total"]))

        return await self._database.transact("invoicing.close_periods", body)

    def vat_rates(self) -> VatRates:
        """The rates of VAT and since when each is in force, from the catalogue."""
        figures = self._catalogue().figures.get("vat", ())
        return VatRates(
            tuple(figure.effective_from for figure in figures),
            tuple(int(figure.value * rules.MILLIONTHS) for figure in figures),
        )

    async def join(
        self, conn: Connection, account: AccountRef, subscriber_id: SubscriberId, joined_at: datetime
    ) -> None:
        """Begin to count an account's periods, in the transaction in which a number of it joins credit settlement.

        Where they are counted already, they go on as they are: one period per personal account.

        Contract: PSC-1.1.26
        """
        await self._open(conn, [(account, subscriber_id, joined_at)])

    async def adopt(self) -> int:
        """Begin to count the periods of accounts whose joining was not told: those of before this feature.

        Returns:
            How many accounts these were.

        Contract: PSC-1.1.26
        """
        adopted = 0
        while batch := await self._database.transact("invoicing.adopt", self._adopt_batch):
            adopted += batch
        return adopted

    async def _adopt_batch(self, conn: Connection) -> int:
        rows = await conn.fetch(Q.uncounted_accounts, ADOPT_BATCH)
        joined = [(store.account_of(row), SubscriberId(row["subscription_id"]), row["joined_at"]) for row in rows]
        return await self._open(conn, joined)

    async def _open(self, conn: Connection, joined: Sequence[tuple[AccountRef, SubscriberId, datetime]]) -> int:
        opened = await conn.fetch(
            Q.open_accounts,
            [account.shard for account, _, _ in joined],
            [account.account_id for account, _, _ in joined],
            [subscriber_id for _, subscriber_id, _ in joined],
            [joined_at for _, _, joined_at in joined],
            [self._calendar.today(joined_at) for _, _, joined_at in joined],
            self._clock.now(),
        )
        return len(opened)

    # What comes in and what is taken back

    async def billed(self, conn: Connection, accounts: Collection[AccountRef]) -> set[AccountRef]:
        """Return those of the accounts that are invoiced, in one statement."""
        rows = await conn.fetch(Q.billed_accounts, [a.shard for a in accounts], [a.account_id for a in accounts])
        return {AccountRef(row["shard"], AccountId(row["account_id"])) for row in rows}

    async def by_numbers(self, numbers: Collection[str]) -> dict[str, Invoice]:
        """Find invoices by the numbers printed on them; those that were never issued are left out."""
        invoices = [store.invoice_of(row) for row in await self._database.fetch(Q.invoices_by_number, list(numbers))]
        return {invoice.number: invoice for invoice in invoices}

    async def open_of_accounts(self, accounts: Collection[AccountRef]) -> list[Invoice]:
        """What is to be paid in any of the accounts, the oldest debt first. Contract: PSC-3.2.4-4"""
        shards, ids = [account.shard for account in accounts], [account.account_id for account in accounts]
        return [store.invoice_of(row) for row in await self._database.fetch(Q.open_of_accounts, shards, ids)]

    async def allocate(
        self,
        conn: Connection,
        account: AccountRef,
        op_id: str,
        amount: Tiyn,
        at: datetime,
        named: Sequence[tuple[InvoiceId, Tiyn]] = (),
    ) -> Sequence[Allocation]:
        """Give a payment to the invoices that it names, then to the oldest debt; what is left is the advance.

        Call it in the payment's transaction, after the ledger's operation `op_id`. The same again is answered with what
        the first call did. An account without credit settlement has nothing to allocate to.

        Contract: PSC-3.1.7, PSC-3.2.4-4, PSC-4.3.2
        """
        billed = await store.lock_account(conn, account)
        if billed is None:
            return ()
        if await conn.fetchval(Q.settle, *account, op_id, amount, at) is None:
            return [store.allocation_of(row) for row in await conn.fetch(Q.allocations_of, *account, op_id)]
        given = await self._give_named(conn, account, op_id, amount, at, named)
        left = amount - sum(allocation.amount for allocation in given)
        rows = await conn.fetch(Q.spread, *account, billed.advance + left, at, op_id)
        return [*given, *(store.allocation_of(row) for row in rows)]

    async def _give_named(
        self,
        conn: Connection,
        account: AccountRef,
        op_id: str,
        amount: Tiyn,
        at: datetime,
        named: Sequence[tuple[InvoiceId, Tiyn]],
    ) -> list[Allocation]:
        if not named:
            return []
        rows = await conn.fetch(Q.lock_open, *account, [invoice_id for invoice_id, _ in named])
        left_open = {row["invoice_id"]: row["open_tiyn"] for row in rows}
        shares: dict[int, int] = {}
        for invoice_id, wanted in named:
            share = min(wanted, left_open.get(invoice_id, 0), amount - sum(shares.values()))
            if share > 0:
                shares[invoice_id] = shares.get(invoice_id, 0) + share
                left_open[invoice_id] -= share
        rows = await conn.fetch(Q.allocate, list(shares), list(shares.values()), at, op_id)
        return [store.allocation_of(row) for row in rows]

    async def deallocate(
        self, conn: Connection, account: AccountRef, op_id: str, *, by: str | None = None, amount: Tiyn | None = None
    ) -> Sequence[Allocation]:
        """Open invoices again, because a payment was taken back: the whole of it, or `amount`.

        `by` is the ledger's operation that took it, where that is not the reversal of `op_id`. What is still an advance
        goes first, then what the payment itself had paid, then the newest of what else was paid; what is then still
        missing will be on the next invoice. The same again changes nothing.

        Contract: PSC-3.1.8, PSC-5.2.2
        """
        billed = await store.lock_account(conn, account)
        by = by or await conn.fetchval(Q.reversal_of, *account, op_id)
        if billed is None or by is None:
            return ()
        if amount is None:
            amount = await conn.fetchval(Q.settled_amount, *account, op_id)
            if amount is None:  # the run has not seen the payment yet: it settles both
                return ()
        at = self._clock.now()
        if await conn.fetchval(Q.settle, *account, by, -amount, at) is None:
            return ()
        missing = amount - max(min(billed.advance, amount), 0)
        opened: list[Allocation] = []
        own = {row["invoice_id"]: row["amount_tiyn"] for row in await conn.fetch(Q.allocations_of, *account, op_id)}
        paid = {row["invoice_id"]: row["paid_tiyn"] for row in await conn.fetch(Q.paid_invoices, *account)}
        for source, available in ((op_id, own), (None, paid)):
            shares: dict[int, int] = {}
            for invoice_id, part in paid.items():
                share = min(missing, available.get(invoice_id, 0), part)
                if share > 0:
                    shares[invoice_id] = -share
                    missing -= share
            for invoice_id, share in shares.items():
                paid[invoice_id] += share
            rows = await conn.fetch(Q.allocate, list(shares), list(shares.values()), at, source)
            opened += [store.allocation_of(row) for row in rows]
        reopened = -sum(allocation.amount for allocation in opened)
        await conn.execute(Q.set_advance, *account, billed.advance - amount + reopened)
        return opened

    # Reading

    async def invoice(self, invoice_id: InvoiceId, conn: Connection | None = None) -> Invoice:
        """Read an invoice; on `conn`, as its transaction sees it.

        Raises:
            InvoiceUnknownError
        """
        row = await (conn or self._database).fetchrow(Q.invoice, invoice_id)
        if row is None:
            raise InvoiceUnknownError(invoice=str(invoice_id))
        return store.invoice_of(row)

    async def by_number(self, number: str) -> Invoice | None:
        """Find an invoice by the number printed on it, however it is typed. Contract: PSC-3.2.4-1"""
        row = await self._database.fetchrow(Q.invoice_by_number, number.strip().upper())
        return None if row is None else store.invoice_of(row)

    async def paid_in_advance(self, conn: Connection, invoice_id: InvoiceId) -> Tiyn:
        """What of an invoice the account's advance paid as it was issued; it never changes. Contract: PSC-4.3.2"""
        return Tiyn(await conn.fetchval(Q.paid_in_advance, invoice_id))

    async def lines(self, invoice_id: InvoiceId, conn: Connection | None = None) -> list[InvoiceLine]:
        """What an invoice charges, line by line."""
        return [store.line_of(row) for row in await (conn or self._database).fetch(Q.invoice_lines, invoice_id)]

    async def of_account(
        self, account: AccountRef, limit: int, before: InvoiceId | None = None, conn: Connection | None = None
    ) -> list[Invoice]:
        """An account's invoices, the newest first, from before the invoice `before` on."""
        source = conn or self._database
        rows = await source.fetch(Q.invoices_of_account, *account, before or LAST_INVOICE, limit)
        return [store.invoice_of(row) for row in rows]

    async def open_invoices(self, account: AccountRef, conn: Connection | None = None) -> list[Invoice]:
        """What is to be paid, the oldest debt first; on `conn`, as its transaction sees it."""
        rows = await (conn or self._database).fetch(Q.open_invoices, *account)
        return [store.invoice_of(row) for row in rows]

    async def due(self, account: AccountRef) -> AmountDue:
        """Say what an account owes in all, what of it is invoiced and what is overdue.

        Raises:
            KeyError: no such account.
        """
        today = self._calendar.today(self._clock.now())
        main = (await self._ledger.balances(account)).main
        row = await self._database.fetchrow(Q.amounts_due, *account, today)
        assert row is not None
        async with self._database.acquire() as conn:
            billed = await store.billed(conn, account)
        return AmountDue(
            total_owed=Tiyn(max(-main, 0)),
            invoiced_open=Tiyn(row["open"]),
            overdue=Tiyn(row["overdue"]),
            next_due_on=row["next_due_on"],
            advance=Tiyn(max(billed.advance, 0)) if billed is not None else Tiyn(0),
        )

    async def overdue_of(self, conn: Connection, accounts: Collection[AccountRef]) -> dict[AccountRef, Tiyn]:
        """Say what of accounts' invoices was not paid by their last day; those without such invoices are left out."""
        shards, ids = [account.shard for account in accounts], [account.account_id for account in accounts]
        rows = await conn.fetch(Q.overdue_of, shards, ids, self._calendar.today(self._clock.now()))
        return {store.account_of(row): Tiyn(row["overdue"]) for row in rows}

    async def accounting(self, conn: Connection, account: AccountRef) -> tuple[date, date] | None:
        """Return from which day an account's accounting periods are counted, and up to which day it is invoiced.

        None for an account that is not invoiced. Contract: PSC-1.1.26
        """
        billed = await store.billed(conn, account)
        return None if billed is None else (billed.anchor, billed.period_start)

    async def not_invoiced(
        self, conn: Connection, accounts: Collection[AccountRef], since: datetime, until: datetime
    ) -> dict[AccountRef, tuple[datetime, datetime]]:
        """Narrow a span of time to what of it no invoice of an account is or will be of: its time in prepaid.

        Accounts of which nothing is left are left out.
        """
        shards, ids = [account.shard for account in accounts], [account.account_id for account in accounts]
        rows = await conn.fetch(Q.not_invoiced, shards, ids, since, until)
        return {store.account_of(row): (row["since"], row["until"]) for row in rows if row["since"] < row["until"]}

    async def overdue(self, conn: Connection, today: date, after: AccountRef | None, limit: int) -> list[Overdue]:
        """Accounts beyond `after` with invoices that were not paid by their last day, in order of account.

        Contract: PSC-1.1.17, PSC-3.1.4
        """
        shard, account_id = after or (-1, 0)
        rows = await conn.fetch(Q.overdue, today, shard, account_id, limit)
        return [store.overdue_of(row) for row in rows]
