"""The ledger against TPC-B of the same PostgreSQL, durable, at a million accounts."""

from __future__ import annotations

import asyncio
import os
import random
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import asyncpg

from telco.bench.report import Row
from telco.db.embedded import EmbeddedPostgres, postgres_binary
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel import memory
from telco.kernel.clock import SystemClock
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.units import Unit
from telco.ledger.audit import audit
from telco.ledger.model import Charge, Status, debit, reserve, sum_charge, use
from telco.ledger.service import Ledger

FEW = 10_000
SHARDS = 4
CALLERS = 3_000
"""Coroutines that each wait for their operation before they send the next."""
TPC_B_CLIENTS = 8
TPC_B_SCALE = 10
PORTIONS = 8
"""Portions of a session."""
SMS = sum_charge(1_200)
CHUNK = Charge(Unit.BYTES, 10_000_000, ("data.any",), 1_000_000, 250_000_000)
USED = CHUNK._replace(quantity=8_300_000)

_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sizes:
    many: int
    varied: int
    rounds: int
    seconds: float
    warm_up: float
    singles: int


FULL = Sizes(many=1_000_000, varied=250_000, rounds=5, seconds=6, warm_up=8, singles=3_000)
QUICK = Sizes(many=50_000, varied=10_000, rounds=2, seconds=0.7, warm_up=0.4, singles=1_500)


async def run(quick: bool) -> list[Row]:
    """Measure on a server of its own and return the rows."""
    sizes = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="telco-bench-", ignore_cleanup_errors=True) as directory:
        server = EmbeddedPostgres(Path(directory) / "postgres", {"shared_buffers": "2GB"})
        url = await asyncio.to_thread(server.start)
        try:
            return await Bench(server, url, sizes).measure()
        finally:
            await asyncio.to_thread(server.stop)


class Bench:
    """The figures, taken in turns in one run so that what else the machine does falls on all alike."""

    def __init__(self, server: EmbeddedPostgres, url: str, sizes: Sizes) -> None:
        self._server = server
        self._url = url
        self._sizes = sizes
        self._run = f"{time.time_ns():x}"
        self._round = 0

    async def measure(self) -> list[Row]:
        memory.settle()
        await self._pgbench("-i", "-q", "-s", str(TPC_B_SCALE))
        many = await self._load("many", self._sizes.many, buckets=0)
        few = await self._load("few", FEW, buckets=0)
        varied = await self._load("varied", self._sizes.varied, buckets=2)
        for database in (many, few, varied):
            await self._pairs(database, self._sizes.warm_up / 2)
            await self._debits(database, self._sizes.warm_up / 2)
        figures: dict[str, list[float]] = {}
        for _ in range(self._sizes.rounds):
            for name, measurement in self._measurements(many, few, varied).items():
                figures.setdefault(name, []).append(await measurement())
        durable, idle = await self._idle(many)
        for database in (few, varied, many):
            await audited(database)
            await database.close()
        return rows(figures, durable, idle, self._sizes.many)

    def _measurements(
        self, many: Database, few: Database, varied: Database
    ) -> dict[str, Callable[[], Awaitable[float]]]:
        seconds = self._sizes.seconds
        return {
            "tpcb": lambda: self._tpcb(seconds),
            "pairs": lambda: self._pairs(many, seconds),
            "sessions": lambda: self._sessions(many, seconds),
            "debits": lambda: self._debits(many, seconds),
            "few": lambda: self._debits(few, seconds),
            "few pairs": lambda: self._pairs(few, seconds),
            "varied": lambda: self._pairs(varied, seconds),
        }

    async def _pgbench(self, *arguments: str) -> str:
        socket = re.search(r"host=([^&]+)", self._url)
        assert socket is not None
        process = await asyncio.create_subprocess_exec(
            str(postgres_binary("pgbench")),
            *arguments,
            "postgres",
            env={**os.environ, "PGHOST": socket[1], "PGUSER": "postgres"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"pgbench failed: {errors.decode()}")
        return output.decode()

    async def _tpcb(self, seconds: float) -> float:
        output = await self._pgbench("-n", "-c", str(TPC_B_CLIENTS), "-j", "1", "-T", str(max(1, round(seconds))))
        found = _TPS.search(output)
        assert found is not None
        return float(found[1])

    async def _load(self, name: str, accounts: int, *, buckets: int) -> Database:
        """Make a database with funded accounts, as a migration from another system would."""
        administrator = await asyncpg.connect(self._url)
        try:
            await administrator.execute(f"create database {name}")
        finally:
            await administrator.close()
        await migrate(self._server.url(name))
        database = await Database.connect(self._server.url(name), min_size=1, max_size=4)
        async with database.acquire() as connection:
            # Accounts come with their opening operation, so that the audit can explain every balance.
            await connection.execute(_OPERATOR)
            await connection.execute(_FUND, accounts, SHARDS, buckets)
            await connection.execute(_JOURNAL)
            await connection.execute("vacuum analyze ledger.bucket")
            await connection.execute("vacuum analyze ledger.operation")
            await connection.execute("checkpoint")
        return database

    async def _debits(self, database: Database, seconds: float) -> float:
        """Debits a second."""

        async def caller(traffic: Traffic, prefix: str) -> None:
            submit = traffic.ledger.submit
            for turn in traffic:
                outcome = await submit(debit(traffic.account(), f"{prefix}{turn}", SMS, contra="revenue.sms"))
                assert outcome.status is Status.OK, outcome

        return await self._callers(database, seconds, caller)

    async def _pairs(self, database: Database, seconds: float) -> float:
        """Reserves followed by their use, pairs a second."""
        deadline = datetime.now(UTC) + timedelta(hours=1)

        async def caller(traffic: Traffic, prefix: str) -> None:
            submit = traffic.ledger.submit
            for turn in traffic:
                account, hold = traffic.account(), f"{prefix}{turn}"
                held = await submit(
                    reserve(account, hold, CHUNK, hold_id=hold, hold_deadline=deadline, contra="revenue.data")
                )
                used = await submit(use(account, f"{hold}u", USED, hold_id=hold, contra="revenue.data"))
                assert held.status is used.status is Status.OK, (held, used)

        return await self._callers(database, seconds, caller)

    async def _sessions(self, database: Database, seconds: float) -> float:
        """Portions a second, of sessions as the network has them: each use holds the next portion besides.

        A session of `PORTIONS` portions is that many reserves and uses, in one operation more.
        """
        deadline = datetime.now(UTC) + timedelta(hours=1)

        async def caller(traffic: Traffic, prefix: str) -> None:
            submit = traffic.ledger.submit
            for turn in traffic:
                account, hold = traffic.account(), f"{prefix}{turn}"
                outcomes = [
                    await submit(
                        reserve(account, hold, CHUNK, hold_id=hold, hold_deadline=deadline, contra="revenue.data")
                    )
                ]
                for number in range(1, PORTIONS + 1):
                    following = CHUNK if number < PORTIONS else None
                    operation = use(
                        account,
                        f"{hold}u{number}",
                        USED,
                        hold_id=hold,
                        contra="revenue.data",
                        reserve=following,
                        hold_deadline=deadline,
                    )
                    outcomes.append(await submit(operation))
                assert all(outcome.status is Status.OK for outcome in outcomes), outcomes

        return PORTIONS * await self._callers(database, seconds, caller)

    async def _callers(
        self, database: Database, seconds: float, caller: Callable[[Traffic, str], Awaitable[None]]
    ) -> float:
        accounts = await database.fetchval("select max(account_id) from ledger.bucket")
        self._round += 1
        async with Ledger(database, SystemClock(), SHARDS) as ledger:
            traffic = Traffic(ledger, accounts, seconds)
            await asyncio.gather(
                *(caller(traffic, f"{self._run}{self._round:x}-{number}-") for number in range(CALLERS))
            )
            return traffic.done / (time.perf_counter() - traffic.started)

    async def _idle(self, database: Database) -> tuple[float, float]:
        """The p99 of a single-row durable UPDATE by the same driver and of one debit on an idle ledger, in seconds.

        They are taken in turns: what else the machine does in a second falls on both. The server has written down and
        cleared what the load before left, so that it is idle.
        """
        async with database.acquire() as cleaner:
            await cleaner.execute("vacuum ledger.bucket")
            await cleaner.execute("vacuum ledger.operation")
            await cleaner.execute("checkpoint")
        connection = await asyncpg.connect(self._server.url("postgres"))
        try:
            statement = await connection.prepare(
                "update pgbench_accounts set abalance = abalance + 1 where aid = $1 returning abalance"
            )
            updates, debits = [], []
            async with Ledger(database, SystemClock(), SHARDS) as ledger:
                for number in range(-100, self._sizes.singles):
                    aid = random.randrange(100_000 * TPC_B_SCALE) + 1
                    account_id = AccountId(random.randrange(self._sizes.many) + 1)
                    account = AccountRef(account_id % SHARDS, account_id)
                    operation = debit(account, f"{self._run}-s{number}", SMS, contra="revenue.sms")
                    update = await seconds(statement.fetchval(aid))
                    taken = await seconds(ledger.submit(operation))
                    if number >= 0:
                        updates.append(update)
                        debits.append(taken)
        finally:
            await connection.close()
        return p99(updates), p99(debits)


async def seconds(work: Awaitable[object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


class Traffic:
    """What all callers share: random accounts, and an end."""

    def __init__(self, ledger: Ledger, accounts: int, seconds: float) -> None:
        self.ledger = ledger
        self.done = 0
        self.started = time.perf_counter()
        self._accounts = accounts
        self._end = self.started + seconds

    def account(self) -> AccountRef:
        number = int(random.random() * self._accounts) + 1
        return AccountRef(number % SHARDS, AccountId(number))

    def __iter__(self) -> Iterator[int]:
        """Count a caller's turns, all callers' together in `done`."""
        turn = 0
        while time.perf_counter() < self._end:
            yield turn
            turn += 1
            self.done += 1


async def audited(database: Database) -> None:
    """A figure counts only if the books are right."""
    findings = await audit(database)
    if findings:
        raise RuntimeError(f"the audit found: {findings[:3]}")


def rows(figures: dict[str, list[float]], durable: float, idle: float, accounts: int) -> list[Row]:
    """Turn the rounds into rows: medians of figures, and medians of the ratios taken round by round."""
    tpcb = figures["tpcb"]

    def against(name: str, reference: list[float]) -> float:
        return median(value / other for value, other in zip(figures[name], reference, strict=True))

    cost = median(few / many for few, many in zip(figures["few"], figures["debits"], strict=True))
    pair_cost = median(few / many for few, many in zip(figures["few pairs"], figures["pairs"], strict=True))
    base = f"TPC-B of pgbench, {TPC_B_CLIENTS} clients"
    return [
        Row("ledger.accounts", accounts, "accounts"),
        Row("ledger.tpc_b", median(tpcb), "transactions/s"),
        Row("ledger.pairs", median(figures["pairs"]), "reserve+use/s", f"{base} (bar: 10)", against("pairs", tpcb)),
        Row("ledger.session_portions", median(figures["sessions"]), "reserve+use/s", base, against("sessions", tpcb)),
        Row("ledger.debits", median(figures["debits"]), "debits/s", f"{base} (bar: 10)", against("debits", tpcb)),
        Row("ledger.pairs_with_allowances", median(figures["varied"]), "reserve+use/s", base, against("varied", tpcb)),
        Row("ledger.debit_cost", 1e6 / median(figures["debits"]), "us", "at 10,000 accounts (bar: at most 1.3)", cost),
        Row(
            "ledger.pair_cost", 1e6 / median(figures["pairs"]), "us", "at 10,000 accounts (bar: at most 1.3)", pair_cost
        ),
        Row("ledger.idle_p99", idle * 1e3, "ms", "a durable UPDATE's p99 (bar: at most 3)", idle / durable),
    ]


_OPERATOR = "insert into ledger.operator_account (code) values ('opening') on conflict do nothing"
_FUND = """
insert into ledger.bucket (shard, account_id, bucket_no, unit, priority, balance, initial, valid_from, valid_until,
                           others, last_bucket_no, code, origin, last_op)
select a % $2::int, a, n, case n when 0 then 0 else 1 end, case n when 0 then 100 else 10 end,
       case n when 0 then 1000000000 else 10000000000000 end, case n when 0 then 0 else 10000000000000 end,
       now() - interval '1 day', case n when 0 then null else now() + interval '30 days' end,
       case n when 0 then $3::int end, case n when 0 then $3::int end,
       case n when 0 then 'main' else 'data.any' end, 'opening', case n when 0 then 'opening' end
from generate_series(1, $1::int) a, generate_series(0, $3::int) n
order by 1, 2, 3
"""
_JOURNAL = """
insert into ledger.operation (shard, account_id, op_id, at, kind, status, flags, request_hash, contra, grant_contra,
                              main_after, grant_lines)
select shard, account_id, 'opening', now(), 5, 0, 0, 0, operator_no, operator_no, 1000000000,
       array_agg(array[bucket_no, unit, balance] order by bucket_no)
from ledger.bucket cross join ledger.operator_account
group by shard, account_id, operator_no
order by shard, account_id
"""
