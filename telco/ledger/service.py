"""The ledger as others use it: submit operations, read balances and statements, sweep what is due."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from types import TracebackType
from typing import NamedTuple

from telco.db import queries
from telco.db.coalesce import Coalescer
from telco.db.pool import Connection, Database, Record
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountId, AccountRef, uuid7
from telco.kernel.money import Tiyn
from telco.kernel.units import Unit
from telco.ledger import model
from telco.ledger.batch import outcomes
from telco.ledger.errors import LedgerStoppedError
from telco.ledger.lanes import MAX_BATCH, Care, Lane
from telco.ledger.model import DEFAULT_MONEY, MAIN, NO_DETAILS, Kind, Op, Outcome, Status
from telco.ledger.numbers import Numbers, columns
from telco.ledger.views import AccountView, BucketView, StatementEntry, StatementLine

MAIN_PRIORITY = 100
"""Priority of the main balance; buckets with a smaller number pay before it."""
SHOWN_KINDS = (Kind.DEBIT, Kind.USE, Kind.CREDIT, Kind.PURCHASE, Kind.EXPIRE, Kind.REVERSE, Kind.DRAIN)
"""What a statement lists unless it is asked for other kinds."""
MAX_STATEMENT_STEPS = 10_000
"""How far back a statement looks, in operations of the account."""
SWEEP_LIMIT = 10_000
TRANSFERS = "transfer"

_Q = queries.load("telco.ledger")


class Transfer(NamedTuple):
    """Both sides of a transfer; there is no credit where the debit was refused."""

    debit: Outcome
    credit: Outcome | None


class Ledger:
    """Personal accounts in one database. Several processes may each have one."""

    def __init__(self, database: Database, clock: Clock, shards: int = 4) -> None:
        self._database = database
        self._clock = clock
        self._shards = shards
        self._numbers = Numbers(database)
        self._reads = Coalescer(self.balances_many)
        self._lanes: dict[int, Lane] = {}
        self._stopped = False

    async def __aenter__(self) -> Ledger:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def start(self) -> None:
        """Take operations (again). Lanes open their connection with their first operation."""
        self._stopped = False

    async def stop(self) -> None:
        """Carry out what was submitted, then refuse new operations."""
        self._stopped = True
        lanes, self._lanes = self._lanes, {}
        await asyncio.gather(*(lane.stop() for lane in lanes.values()))

    def submit(self, op: Op) -> Awaitable[Outcome]:
        """Carry out one operation in its own transaction, batched with others of its shard; durable on return.

        Raises:
            LedgerUnavailableError: it is not known whether it was carried out; send it again with the same id.
            LedgerStoppedError: the service is stopping.
        """
        shard = op[0][0]
        lane = self._lanes.get(shard)
        if lane is None:
            lane = self._open_lane(shard)
        return lane.submit(op)

    def _open_lane(self, shard: int) -> Lane:
        if self._stopped:
            raise LedgerStoppedError
        lane = self._lanes[shard] = Lane(shard, self._database, self._clock, self._numbers)
        return lane

    async def apply(self, connection: Connection, ops: Sequence[Op]) -> list[Outcome]:
        """Carry out operations, in their order, in the caller's transaction.

        The accounts stay locked until it ends, so keep it short.
        """
        await self._numbers.learn(ops)
        batches = _batches(ops)
        if len(batches) > 1:  # a batch locks its accounts itself, in their order; of several all come first
            await self.lock(connection, (op.account for op in ops))
        results: dict[int, Outcome] = {}
        for batch in batches:
            together = [ops[position] for position in batch]
            rows = [self._numbers.encode(op) for op in together]
            shard = together[0].account.shard
            answer = await connection.fetchrow(_Q.apply, shard, self._clock.now(), Care.LOCK, *columns(rows))
            results.update(zip(batch, outcomes(together, rows, answer), strict=True))
        return [results[position] for position in range(len(ops))]

    async def lock(self, connection: Connection, accounts: Iterable[AccountRef]) -> set[AccountRef]:
        """Hold accounts as they are until the caller's transaction ends, in one order for everybody.

        For who has to read balances and decide before applying; returns the accounts that exist.
        """
        wanted = sorted(set(accounts))
        rows = await connection.fetch(
            _Q.lock_accounts, [ref.shard for ref in wanted], [ref.account_id for ref in wanted]
        )
        return {AccountRef(row["shard"], row["account_id"]) for row in rows}

    async def open_account(
        self, connection: Connection, *, credit_limit: int = 0, low_mark: int | None = None
    ) -> AccountRef:
        """Open a personal account with an empty main balance.

        `low_mark` is the main balance, in tiyn, below which a "low" notice is due; None for never.

        Contract: PSC-1.1.12
        """
        row = await connection.fetchrow(
            _Q.open_account, self._shards, MAIN_PRIORITY, credit_limit, self._clock.now(), low_mark
        )
        assert row is not None
        return AccountRef(row["shard"], AccountId(row["account_id"]))

    async def set_low_mark(self, connection: Connection, account: AccountRef, low_mark: int | None) -> None:
        """Set the main balance, in tiyn, below which a "low" notice is due; None for never."""
        await connection.execute(_Q.set_low_mark, account.shard, account.account_id, low_mark)

    async def set_credit_limit(self, connection: Connection, account: AccountRef, limit: int, op_id: str) -> Outcome:
        """Let the main balance go down to `-limit` tiyn. Contract: PSC-3.2.6"""
        [outcome] = await self.apply(connection, [model.credit_limit(account, op_id, limit)])
        return outcome

    async def transfer(
        self,
        connection: Connection,
        source: AccountRef,
        target: AccountRef,
        amount: int,
        *,
        op_id: str,
        money: tuple[str, ...] = (MAIN,),
        details: Mapping[str, object] = NO_DETAILS,
    ) -> Transfer:
        """Move money between accounts, both sides or neither."""
        debit = model.debit(source, op_id, model.sum_charge(amount, money=money), contra=TRANSFERS, details=details)
        credit = model.credit(target, op_id, amount, contra=TRANSFERS, details=details)
        known = await self.lock(connection, (source, target))
        if target not in known:
            return Transfer(Outcome(op_id, Status.UNKNOWN_ACCOUNT, False, (), 0, 0, None, 0), None)
        [taken] = await self.apply(connection, [debit])
        if taken.status is not Status.OK:
            return Transfer(taken, None)
        [given] = await self.apply(connection, [credit])
        return Transfer(taken, given)

    async def drain(self, connection: Connection, account: AccountRef, op_id: str, *, origin: str, contra: str) -> int:
        """Take back what is left in the buckets of one origin and return how much that was, in their unit.

        Contract: PSC-6.5
        """
        [outcome] = await self.apply(connection, [model.drain(account, op_id, origin=origin, contra=contra)])
        return outcome.granted_quantity

    async def balances(self, account: AccountRef, connection: Connection | None = None) -> AccountView:
        """Read an account as it is now; on `connection`, as its transaction sees it.

        Raises:
            KeyError: no such account.
        """
        if connection is not None:
            view = (await self.balances_many([account], connection)).get(account)
        else:
            view = await self._reads.get(account)
        if view is None:
            raise KeyError(account)
        return view

    async def balances_many(
        self, accounts: Collection[AccountRef], connection: Connection | None = None
    ) -> dict[AccountRef, AccountView]:
        """Read many accounts as they are now, in one statement; accounts that are unknown are left out."""
        now = self._clock.now()
        shards = [account.shard for account in accounts]
        reader = connection or self._database
        rows = await reader.fetch(_Q.buckets, shards, [account.account_id for account in accounts], now)
        views: dict[AccountRef, AccountView] = {}
        for account, group in groupby(rows, key=_account):
            buckets = list(group)
            views[account] = AccountView(
                account, tuple(_bucket(row, now) for row in buckets), buckets[0]["credit_limit"], buckets[0]["low_mark"]
            )
        return views

    async def knows(self, account: AccountRef, op_id: str) -> bool:
        """Whether an account has an operation of this id, taken or refused: the same again gets its first result."""
        known: bool = await self._database.fetchval(_Q.knows, account.shard, account.account_id, op_id)
        return known

    async def taken(self, connection: Connection, account: AccountRef, stem: str) -> tuple[Tiyn, Tiyn]:
        """What the operations took whose ids begin with `stem` and a colon: in all, and from the main balance."""
        row = await connection.fetchrow(_Q.taken, *account, stem)
        assert row is not None
        return Tiyn(row["cost"]), Tiyn(row["main"])

    async def statement(
        self, account: AccountRef, limit: int, kinds: Iterable[Kind] | None = None
    ) -> list[StatementEntry]:
        """Return the account's newest operations that went through, newest first."""
        wanted = list(SHOWN_KINDS if kinds is None else kinds)
        async with self._database.acquire() as connection:
            rows = await connection.fetch(
                _Q.statement, account.shard, account.account_id, wanted, limit, MAX_STATEMENT_STEPS
            )
            buckets = await connection.fetch(_Q.bucket_codes, account.shard, account.account_id)
        codes: dict[int, str] = {row["bucket_no"]: row["code"] for row in buckets}
        return [_entry(row, codes) for row in rows]

    async def statement_between(
        self, account: AccountRef, since: datetime, until: datetime, limit: int, kinds: Iterable[Kind] | None = None
    ) -> list[StatementEntry]:
        """Return the account's operations that went through from `since` up to `until`, the oldest first.

        It reads all operations of the account since then: for what is asked for now and then, not for a hot path.
        """
        wanted = list(SHOWN_KINDS if kinds is None else kinds)
        async with self._database.acquire() as connection:
            rows = await connection.fetch(
                _Q.statement_between, account.shard, account.account_id, wanted, since, until, limit
            )
            buckets = await connection.fetch(_Q.bucket_codes, account.shard, account.account_id)
        codes: dict[int, str] = {row["bucket_no"]: row["code"] for row in buckets}
        return [_entry(row, codes) for row in rows]

    async def sweep_holds(self, now: datetime, limit: int = SWEEP_LIMIT) -> int:
        """Return holds whose deadline has passed to their accounts and tell how many there were."""
        deadline_us = int(now.timestamp() * 1_000_000)
        rows = await self._database.fetch(_Q.due_holds, deadline_us, limit)
        swept = await asyncio.gather(
            *(
                self.submit(model.release(_account(row), f"sweep:{uuid7().hex}", hold_id=row["hold_id"], if_due=True))
                for row in rows
            )
        )
        return sum(outcome.status is Status.OK for outcome in swept)

    async def expire_buckets(self, now: datetime, limit: int = SWEEP_LIMIT) -> int:
        """Take back what is left in buckets whose time is over and tell of how many accounts."""
        rows = await self._database.fetch(_Q.due_accounts, now, limit)
        await asyncio.gather(*(self.submit(model.expire(_account(row), f"expire:{uuid7().hex}")) for row in rows))
        return len(rows)


def _batches(ops: Sequence[Op]) -> list[list[int]]:
    """Split operations into batches of one shard with at most one of an account, keeping each account's order."""
    batches: list[list[int]] = []
    latest: dict[AccountRef, int] = {}
    for position, op in enumerate(ops):
        first = latest.get(op.account, -1) + 1
        for number in range(first, len(batches)):
            batch = batches[number]
            if ops[batch[0]].account.shard == op.account.shard and len(batch) < MAX_BATCH:
                batch.append(position)
                break
        else:
            number = len(batches)
            batches.append([position])
        latest[op.account] = number
    for batch in batches:
        batch.sort(key=lambda position: ops[position].account.account_id)
    return batches


def _account(row: Record) -> AccountRef:
    return AccountRef(row["shard"], AccountId(row["account_id"]))


def _bucket(row: Record, now: datetime) -> BucketView:
    valid = row["valid_from"] <= now and (row["valid_until"] is None or row["valid_until"] > now)
    free = row["balance"] - row["held"] + row["credit_limit"]
    return BucketView(
        row["bucket_no"],
        row["code"],
        Unit(row["unit"]),
        row["balance"],
        row["held"],
        max(free, 0) if valid else 0,
        row["initial"],
        row["priority"],
        row["valid_from"],
        row["valid_until"],
        row["origin"],
    )


def _entry(row: Record, codes: dict[int, str]) -> StatementEntry:
    moved: dict[tuple[int, int], int] = {}
    if row["moved"]:
        moved[0, Unit.MONEY] = row["moved"]
    for bucket_no, unit, amount, *_ in [*(row["lines"] or ()), *(row["grant_lines"] or ())]:
        moved[bucket_no, unit] = moved.get((bucket_no, unit), 0) + amount
    return StatementEntry(
        row["op_id"],
        row["at"],
        Kind(row["kind"]),
        row["contra"],
        tuple(
            StatementLine(bucket_no, codes[bucket_no], Unit(unit), amount)
            for (bucket_no, unit), amount in moved.items()
            if amount
        ),
        row["cost"],
        row["main_after"],
        {} if row["details"] is None else json.loads(row["details"]),
    )


__all__ = ["DEFAULT_MONEY", "MAIN", "Ledger", "Transfer"]
