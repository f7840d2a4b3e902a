"""The run that takes subscription fees when they are due, and tries those that wait for money after a top-up.

What a fee is, takes and grants is the subscribers feature's; the run reads a batch, has the ledger take it in one go
and marks it, in one transaction of a few statements. Killed anywhere, it has taken whole batches; run again, it takes
the rest.

Contract: PSC-1.1.2, PSC-3.2.4, PSC-4.3.1, PSC-4.3.2
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial

from telco.billing.model import FeeRun
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.subscribers.fees import Fees
from telco.subscribers.model import DueFee, FeeResult

BATCH = 400
"""Fees in one transaction."""
IN_FLIGHT = 3
"""Batches at once in one process, when there is more than one: while the database works on one, the next is read and
the last is marked."""

Read = Callable[[Connection, datetime, int], Awaitable[list[DueFee]]]


class FeeRunner:
    """Takes due fees."""

    def __init__(self, database: Database, clock: Clock, fees: Fees, *, batch: int = BATCH) -> None:
        self._batch_size = batch
        self._database = database
        self._clock = clock
        self._fees = fees

    async def run(self) -> FeeRun:
        """Take every fee that is due now, plans before services; several processes share the work."""
        plans = await self._drain(self._fees.due_plans)
        return plans + await self._drain(self._fees.due_services)

    async def _drain(self, read: Read) -> FeeRun:
        """Work through what `read` finds, some batches at once; one that fails does not stop the others."""
        total = await self._take_batch(read)
        if total is None:
            return FeeRun()
        readers = IN_FLIGHT if total.looked_at == self._batch_size else 1
        runs = await asyncio.gather(*(self._batches(read) for _ in range(readers)), return_exceptions=True)
        for run in runs:
            if isinstance(run, BaseException):
                raise run
            total += run
        return total

    async def _batches(self, read: Read) -> FeeRun:
        total = FeeRun()
        while (taken := await self._take_batch(read)) is not None:
            total += taken
        return total

    async def _take_batch(self, read: Read) -> FeeRun | None:
        return await self._database.transact("billing.fees", partial(self._batch, read))

    async def _batch(self, read: Read, connection: Connection) -> FeeRun | None:
        now = self._clock.now()
        dues = await read(connection, now, self._batch_size)
        return _count(await self._fees.take_all(connection, dues, now)) if dues else None

    async def retry(self, account: AccountRef) -> FeeRun:
        """Try the fees that wait for money on an account, plans first. Contract: PSC-3.2.5"""
        async with self._database.acquire() as connection:
            if not await self._fees.awaits_payment(connection, account):
                return FeeRun()

        async def body(connection: Connection) -> FeeRun:
            now = self._clock.now()
            total = FeeRun()
            for read in (self._fees.unpaid_plans, self._fees.unpaid_services):
                dues = await read(connection, account, now)
                total += _count(await self._fees.take_all(connection, dues, now))
            return total

        return await self._database.transact("billing.retry_fees", body)

    async def on_credited(self, event: OutboxEvent) -> None:
        """Consume "billing.credited": money came, so what waited for it is tried."""
        payload = event.payload
        await self.retry(AccountRef(payload["shard"], AccountId(payload["account_id"])))

    async def on_resumed(self, event: OutboxEvent) -> None:
        """Consume "subscribers.resumed": the fee that waited for the end of a suspension is due now."""
        async with self._database.acquire() as connection:
            account = await self._fees.account(connection, SubscriberId(event.payload["subscriber_id"]))
        if account is not None:
            await self.retry(account)


def _count(results: Sequence[FeeResult]) -> FeeRun:
    charged = sum(result.taken for result in results)
    idle = sum(result.due.idle_until is not None for result in results)
    return FeeRun(charged, len(results) - charged - idle, idle)
