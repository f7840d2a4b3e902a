"""The end of a personal account: when its last number has ended, only money and debts stay on it.

Bonuses are zeroed and never paid out, allowances end, an open trust payment is settled from the main balance; fees,
plans and packs give nothing back. The credit limit goes when the last accounting period is over. What stays is returned
on application, or claimed.

Contract: PSC-6.5, PSC-6.3.5, PSC-3.1.9
"""

from __future__ import annotations

from datetime import date, datetime

from telco.billing.invoicing.service import Invoicing
from telco.billing.refunds import store
from telco.billing.refunds.model import EndedAccount
from telco.billing.refunds.rules import period_end as period_end_of
from telco.billing.refunds.service import Refunds
from telco.billing.refunds.store import Q
from telco.billing.trust import TrustPayments
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection, Database, Record
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import Tiyn
from telco.ledger import model as ledger_model
from telco.ledger.service import Ledger
from telco.ledger.views import AccountView
from telco.subscribers.holders import Holder, account_holder, origins_in_use

BREAKAGE = "breakage"
ACCOUNTS_AT_ONCE = 100
_OF_NUMBERS = ("plan:", "service:")
"""Origins of what belongs to a number; anything else on an account belongs to the account."""
_NOWHERE = (-1, -1)


class Closing:
    """Use cases of accounts at their end."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        trust: TrustPayments,
        invoicing: Invoicing,
        refunds: Refunds,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._trust = trust
        self._invoicing = invoicing
        self._refunds = refunds

    async def on_ended(self, event: OutboxEvent) -> None:
        """Take back what belonged to a number that ended or went to somebody else; with its last the account ends.

        Contract: PSC-6.5
        """
        payload = event.payload
        if "account_id" not in payload:  # an event of an earlier release
            return
        account = AccountRef(payload["shard"], AccountId(payload["account_id"]))

        async def body(connection: Connection) -> None:
            holder = await account_holder(connection, account)
            if holder is None:
                return
            if holder.numbers:
                await self._take_back_of_number(connection, account, event.event_id)
            else:
                period_end = await self._period_end(connection, holder, event.created_at)
                await connection.execute(
                    Q.account_ended,
                    account.shard,
                    account.account_id,
                    holder.ended_at or event.created_at,
                    holder.ground or payload["ground"],
                    period_end is not None,
                    period_end,
                )
                row = await connection.fetchrow(Q.lock_ended_account, account.shard, account.account_id)
                assert row is not None
                await self._work_on(connection, row)

        await self._database.transact("refunds.on_ended", body)

    async def _period_end(self, connection: Connection, holder: Holder, at: datetime) -> date | None:
        if holder.joined_at is not None:
            return await self._refunds.credit_period_end(connection, holder)
        accounting = await self._invoicing.accounting(connection, holder.account)
        return None if accounting is None else period_end_of(accounting[0], self._calendar.today(at))

    async def _take_back_of_number(self, connection: Connection, account: AccountRef, cause: int) -> None:
        """End allowances of plans and services that none of the account's other numbers has."""
        await self._ledger.lock(connection, [account])
        used = await origins_in_use(connection, account)
        view = await self._ledger.balances(account, connection)
        gone = sorted({b.origin for b in view.buckets if b.origin.startswith(_OF_NUMBERS)} - used)
        await self._drain(connection, account, f"number_end:{cause}", gone)

    async def finish(self, limit: int = ACCOUNTS_AT_ONCE) -> int:
        """Go on with accounts whose end waits for open holds or for the end of a period of credit; a job calls it."""
        today, after, done = self._calendar.today(self._clock.now()), _NOWHERE, 0

        while True:

            async def body(connection: Connection, after: tuple[int, int] = after) -> list[Record]:
                rows = await connection.fetch(Q.lock_unfinished_accounts, today, *after, limit)
                for row in rows:
                    await self._work_on(connection, row)
                return rows

            rows = await self._database.transact("refunds.finish_accounts", body)
            done += len(rows)
            if len(rows) < limit:
                return done
            after = (rows[-1]["shard"], rows[-1]["account_id"])

    async def _work_on(self, connection: Connection, row: Record) -> None:
        """Take back what can be taken back now; what an open hold keeps is taken when the hold has ended."""
        account, attempt, now = store.account_of(row), row["attempts"], self._clock.now()
        await self._ledger.lock(connection, [account])
        holder = await account_holder(connection, account)
        if holder is None or holder.numbers:
            await connection.execute(Q.account_in_use_again, account.shard, account.account_id)
            return
        emptied_at: datetime | None = None
        if row["emptied_at"] is None:
            await self._trust.repay(connection, account, f"account_end:{attempt}")
            view = await self._ledger.balances(account, connection)
            origins = sorted({bucket.origin for bucket in view.buckets[1:] if bucket.balance > bucket.held})
            await self._drain(connection, account, f"account_end:{attempt}", origins)
            if _emptied(await self._ledger.balances(account, connection)):
                emptied_at = now
        limit_ended_at = None
        if row["limit_ended_at"] is None and await self._is_invoiced(connection, account, row["period_end"]):
            await self._ledger.set_credit_limit(connection, account, 0, f"account_end:{attempt}:limit")
            limit_ended_at = now
        await connection.execute(Q.account_worked_on, account.shard, account.account_id, emptied_at, limit_ended_at)

    async def _is_invoiced(self, connection: Connection, account: AccountRef, period_end: date | None) -> bool:
        """Whether the last accounting period is over and has its invoice; prepaid has none to wait for."""
        if period_end is None:
            return True
        accounting = await self._invoicing.accounting(connection, account)
        upto = self._calendar.today(self._clock.now()) if accounting is None else accounting[1]
        return upto >= period_end

    async def _drain(self, connection: Connection, account: AccountRef, cause: str, origins: list[str]) -> None:
        details: dict[str, object] = {"label": "account.end"}
        ops = [
            ledger_model.drain(account, f"{cause}:{number}", origin=origin, contra=BREAKAGE, details=details)
            for number, origin in enumerate(origins)
        ]
        if ops:
            await self._ledger.apply(connection, ops)

    async def left(self, after: AccountRef | None = None, limit: int = 500) -> list[EndedAccount]:
        """List ended accounts on which money is left, or arrived later: it is the former subscriber's.

        Contract: PSC-6.4
        """
        found: list[EndedAccount] = []
        key = _NOWHERE if after is None else (after.shard, after.account_id)
        while len(found) < limit:
            rows = await self._database.fetch(Q.ended_accounts, *key, ACCOUNTS_AT_ONCE)
            views = await self._ledger.balances_many([store.account_of(row) for row in rows])
            for row in rows:
                view = views[store.account_of(row)]
                if view.main > 0:
                    found.append(EndedAccount(view.account, row["ended_at"], row["ground"], Tiyn(view.main)))
            if len(rows) < ACCOUNTS_AT_ONCE:
                break
            key = (rows[-1]["shard"], rows[-1]["account_id"])
        return found[:limit]


def _emptied(view: AccountView) -> bool:
    """Whether nothing but money and debts is left; a bucket that an open hold keeps is something."""
    return all(bucket.balance == 0 for bucket in view.buckets[1:])
