"""Lanes: operations of a shard queue while its batch is in the database, so batches grow with the load.

An idle lane answers at once. A batch holds at most one operation of an account; the account's next ones wait in order.
A caller that gives up changes nothing: its operation is in the batch or waits, and its result is remembered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable
from enum import IntEnum
from typing import Any

import asyncpg
import structlog
from prometheus_client import Counter, Histogram

from telco.db import queries
from telco.db.pool import LOST_CONNECTION, Database, configure_connection
from telco.kernel.clock import Clock
from telco.ledger.batch import outcomes
from telco.ledger.errors import LedgerStoppedError, LedgerUnavailableError, OperationFailedError
from telco.ledger.model import Op, Outcome
from telco.ledger.numbers import Numbers, columns

MAX_BATCH = 400
MAX_WAITING = 20_000
"""Operations that may wait in a lane; callers beyond it wait before they queue."""
LOCK_TIMEOUT_MS = 2_000
"""How long a batch waits for an account that another transaction holds, before its operations go one by one."""
STATEMENT_TIMEOUT_MS = 30_000
ANSWER_TIMEOUT_S = STATEMENT_TIMEOUT_MS / 1000 + 5
"""How long a lane waits for a server that may be gone without a word."""
LOOK_S = 10.0
"""How long a lane looks for repeated ids beforehand once it met one: they come in numbers or not at all."""
ATTEMPTS = 4


class Care(IntEnum):
    """How `ledger.apply_v1` goes about a batch."""

    TRUST = 0
    """Ids are taken to be new; the primary key tells if one is not."""
    LOOK = 1
    """Ids are looked up first."""
    LOCK = 2
    """Accounts are locked before anything is looked at: right whatever other sessions do."""


_BETWEEN = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""An id was used before, or another session got between: look again with every account locked."""
_IN_THE_WAY = (*_BETWEEN, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
"""Another session stayed in the way."""

_Q = queries.load("telco.ledger")
_BATCHES = Histogram("telco_ledger_batch_operations", "Operations in a batch", buckets=(1, 3, 10, 30, 100, 200, 400))
_REPEATED = Counter("telco_ledger_batches_repeated_total", "Batches sent again", ["why"])

log = structlog.get_logger(__name__)

Entry = tuple[int, Op, "asyncio.Future[Outcome]"]
"""The account's id, by which a batch is sorted, the operation, and who waits for it."""


class Lane:
    """The queue of one shard and its way to the database."""

    def __init__(self, shard: int, database: Database, clock: Clock, numbers: Numbers) -> None:
        self.shard = shard
        self._database = database
        self._clock = clock
        self._numbers = numbers
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Entry] = deque()
        self._queued: dict[int, deque[Entry] | None] = {}
        self._waiting = 0
        self._room: deque[asyncio.Future[None]] = deque()
        self._idle: asyncio.Future[None] | None = None
        self._stopping = False
        self._look_until = 0.0
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._statement: Any = None
        self._task = self._loop.create_task(self._run(), name=f"ledger-lane-{shard}")

    def submit(self, op: Op) -> Awaitable[Outcome]:
        """Queue an operation; the outcome is awaited."""
        if self._waiting >= MAX_WAITING or self._stopping:
            return self._submit_later(op)
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting += 1
        account_id = op[0][1]
        queued = self._queued
        if account_id in queued:
            later = queued[account_id]
            if later is None:
                later = queued[account_id] = deque()
            later.append((account_id, op, future))
        else:
            queued[account_id] = None
            self._ready.append((account_id, op, future))
            if self._idle is not None:
                self._idle.set_result(None)
                self._idle = None
        return future

    async def _submit_later(self, op: Op) -> Outcome:
        while self._waiting >= MAX_WAITING and not self._stopping:
            room: asyncio.Future[None] = self._loop.create_future()
            self._room.append(room)
            await room
        if self._stopping:
            raise LedgerStoppedError
        return await self.submit(op)

    async def stop(self) -> None:
        """Carry out what is queued, take nothing more, close the connection."""
        self._stopping = True
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        self._idle = None
        await asyncio.wait([self._task])  # it may have been cancelled: a second Ctrl-C cancels everything
        while self._room:
            self._wake_one()
        if self._connection is not None:
            with contextlib.suppress(*LOST_CONNECTION):
                await self._connection.close()
            self._connection = None

    async def _run(self) -> None:
        while True:
            if not self._ready:
                if self._stopping:
                    return
                self._idle = self._loop.create_future()
                await self._idle
                continue
            size = min(len(self._ready), MAX_BATCH)
            batch = [self._ready.popleft() for _ in range(size)]
            _BATCHES.observe(size)
            try:
                await self._settle(batch)
            except Exception as error:  # whatever it is, a lane goes on and no caller waits for ever
                log.exception("ledger_lane_failed", shard=self.shard)
                for _, _, future in batch:
                    _fail(future, error)
            self._waiting -= size
            queued, ready = self._queued, self._ready
            for account_id, _, _ in batch:
                later = queued.pop(account_id)
                if later:
                    ready.append(later.popleft())
                    queued[account_id] = later
            while self._room and self._waiting < MAX_WAITING:
                self._wake_one()

    def _wake_one(self) -> None:
        room = self._room.popleft()
        if not room.done():
            room.set_result(None)

    async def _settle(self, batch: list[Entry]) -> None:
        """Give every caller of the batch its outcome or an error."""
        batch.sort()
        try:
            results = await self._apply([op for _, op, _ in batch])
        except LOST_CONNECTION as error:
            log.warning("ledger_connection_lost", shard=self.shard, error=repr(error))
            for _, _, future in batch:
                _fail(future, LedgerUnavailableError())
        except Exception as error:
            if len(batch) > 1:  # find out whose fault it is, and let the others through
                log.warning("ledger_batch_split", shard=self.shard, size=len(batch), error=repr(error))
                for entry in batch:
                    await self._settle([entry])
                return
            log.exception("ledger_operation_failed", shard=self.shard, op_id=batch[0][1].op_id)
            _fail(batch[0][2], _reason(error, batch[0][1]))
        else:
            for (_, _, future), outcome in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(outcome)

    async def _apply(self, ops: list[Op]) -> list[Outcome]:
        """Send a batch, again if another session got between or the connection broke under it.

        A batch whose commit is unknown may be sent again: what was carried out is answered, not repeated.
        """
        try:
            rows = [self._numbers.encode(op) for op in ops]
        except KeyError:
            await self._numbers.learn(ops)
            rows = [self._numbers.encode(op) for op in ops]
        arguments = columns(rows)
        care = Care.TRUST if self._loop.time() > self._look_until else Care.LOOK
        for attempt in range(1, ATTEMPTS + 1):
            try:
                statement = self._statement or await self._connect()
                answer = await statement.fetchrow(
                    self.shard, self._clock.now(), care, *arguments, timeout=ANSWER_TIMEOUT_S
                )
                return outcomes(ops, rows, answer)
            except _BETWEEN as error:
                if attempt == ATTEMPTS:
                    raise
                care = Care.LOCK
                self._look_until = self._loop.time() + LOOK_S
                _REPEATED.labels(type(error).__name__).inc()
            except LOST_CONNECTION:
                self._forget()
                if attempt > 1:
                    raise
                _REPEATED.labels("lost_connection").inc()
        raise AssertionError("unreachable")

    async def _connect(self) -> Any:
        """A lane keeps a connection of its own: an operation on an idle ledger pays for no set-up."""
        self._connection = connection = await asyncpg.connect(
            self._database.url,
            timeout=ANSWER_TIMEOUT_S,
            server_settings={
                "timezone": "UTC",
                "application_name": f"telco-ledger-{self.shard}",
                "jit": "off",
                "lock_timeout": str(LOCK_TIMEOUT_MS),
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
            },
        )
        await configure_connection(connection)
        self._statement = await connection.prepare(_Q.apply)
        return self._statement

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = self._statement = None


def _fail(future: asyncio.Future[Outcome], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _reason(error: Exception, op: Op) -> Exception:
    """Tell a caller what it can do: try again where a lock was in the way, nothing where its operation is at fault."""
    if isinstance(error, _IN_THE_WAY):
        return LedgerUnavailableError()
    if isinstance(error, asyncpg.PostgresError):
        return OperationFailedError(op_id=op.op_id)
    return error
