"""The run that takes subscription fees when they are due, and tries those that wait for money after a top-up.

What a fee is, takes and grants is the subscribers feature's; the run reads a batch, has the ledger take it in one go
and marks each fee, in one transaction. Killed anywhere, it has taken whole batches; run again, it takes the rest.

Contract: PSC-1.1.2, PSC-3.2.4, PSC-4.3.1, PSC-4.3.2
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from telco.billing.model import FeeRun
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountId, AccountRef
from telco.ledger.model import Outcome
from telco.ledger.service import Ledger
from telco.subscribers.fees import Fees
from telco.subscribers.model import DueFee

BATCH = 200


class FeeRunner:
    """Takes due fees."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, fees: Fees) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._fees = fees

    async def run(self) -> FeeRun:
        """Take every fee that is due now; several processes share the work."""
        total = FeeRun()
        while True:
            batch = await self._database.transact("billing.fees", self._run_batch)
            if batch is None:
                return total
            total += batch

    async def _run_batch(self, connection: Connection) -> FeeRun | None:
        now = self._clock.now()
        dues = await self._fees.due(connection, now, BATCH)
        if not dues:
            return None
        outcomes = await self._take(connection, dues, now)
        results = [await self._fees.mark(connection, due, outcomes.get(due.op_id), now) for due in dues]
        charged = sum(result.taken for result in results)
        return FeeRun(charged, len(results) - charged)

    async def _take(self, connection: Connection, dues: Iterable[DueFee], now: datetime) -> dict[str, Outcome]:
        """Have the ledger take the fees; those of one account in the order in which they are due."""
        ops = [op for due in dues if (op := self._fees.operation(due, now)) is not None]
        return {outcome.op_id: outcome for outcome in await self._ledger.apply(connection, ops)}

    async def retry(self, account: AccountRef) -> FeeRun:
        """Try the fees that wait for money on an account, plans first. Contract: PSC-3.2.5"""

        async def body(connection: Connection) -> FeeRun:
            now = self._clock.now()
            results = [
                await self._fees.take(connection, due, now) for due in await self._fees.unpaid(connection, account, now)
            ]
            charged = sum(result.taken for result in results)
            return FeeRun(charged, len(results) - charged)

        return await self._database.transact("billing.retry_fees", body)

    async def on_credited(self, event: OutboxEvent) -> None:
        """Consume "billing.credited": money came, so what waited for it is tried."""
        payload = event.payload
        await self.retry(AccountRef(payload["shard"], AccountId(payload["account_id"])))
