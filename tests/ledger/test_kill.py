"""SIGKILL in mid-traffic: the server's, then the service's. Every acknowledged operation is there, once, and whole."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from telco.db.embedded import EmbeddedPostgres
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel.clock import SystemClock
from telco.kernel.ids import AccountRef
from telco.ledger.audit import audit
from telco.ledger.errors import LedgerUnavailableError
from telco.ledger.model import Status, credit, debit, sum_charge
from telco.ledger.service import Ledger

ACCOUNTS = 40
OPENING = 1_000_000
ACKNOWLEDGED_BEFORE_THE_KILL = 2_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A durable server of its own."""
    server = EmbeddedPostgres(tmp_path / "postgres", {"shared_buffers": "32MB"})
    url = await asyncio.to_thread(server.start)
    await migrate(url)
    yield server
    await asyncio.to_thread(server.stop)


async def open_accounts(url: str) -> list[AccountRef]:
    database = await Database.connect(url, min_size=1, max_size=4)
    async with Ledger(database, SystemClock()) as ledger:
        async with database.acquire() as connection:
            accounts = [await ledger.open_account(connection) for _ in range(ACCOUNTS)]
        await asyncio.gather(
            *(ledger.submit(credit(account, "opening", OPENING, contra="cash.card")) for account in accounts)
        )
    await database.close()
    return accounts


async def check(url: str, acknowledged: dict[tuple[int, str], int], submitted: set[tuple[int, str]]) -> None:
    """Compare the books with what callers were told."""
    database = await Database.connect(url, min_size=1, max_size=2)
    rows = await database.fetch("select account_id, op_id, status, cost from ledger.operation where kind = 1")
    there = {(row["account_id"], row["op_id"]): row["cost"] for row in rows}
    assert len(there) == len(rows)
    lost = {name: cost for name, cost in acknowledged.items() if there.get(name) != cost}
    assert lost == {}
    assert set(there) <= submitted  # those never acknowledged are there as they were asked, or not at all
    assert {row["status"] for row in rows} == {Status.OK}
    assert await audit(database) == []  # nothing half there: every balance follows from the journal
    await database.close()


async def test_the_server_is_killed_in_mid_traffic(server: EmbeddedPostgres) -> None:
    accounts = await open_accounts(server.url())
    database = await Database.connect(server.url(), min_size=1, max_size=2)
    ledger = Ledger(database, SystemClock())
    acknowledged: dict[tuple[int, str], int] = {}
    submitted: set[tuple[int, str]] = set()
    unknown: list[tuple[AccountRef, str, int]] = []
    enough = asyncio.Event()

    async def caller(account: AccountRef, number: int) -> None:
        for turn in range(100_000):
            name, cost = f"{number}-{turn}", 1 + turn % 7
            submitted.add((account.account_id, name))
            try:
                outcome = await ledger.submit(debit(account, name, sum_charge(cost), contra="revenue.sms"))
            except LedgerUnavailableError:
                unknown.append((account, name, cost))
                return
            acknowledged[account.account_id, name] = outcome.cost_tiyn
            if len(acknowledged) >= ACKNOWLEDGED_BEFORE_THE_KILL:
                enough.set()

    callers = [asyncio.create_task(caller(account, number)) for number in range(5) for account in accounts]
    await enough.wait()
    await asyncio.to_thread(server.kill)
    await asyncio.gather(*callers)
    assert len(unknown) == len(callers)

    await asyncio.to_thread(server.start)
    await check(server.url(), acknowledged, submitted)
    # The same ledger object goes on, and repeating what was unknown carries it out once.
    retried = await asyncio.gather(
        *(
            ledger.submit(debit(account, name, sum_charge(cost), contra="revenue.sms"))
            for account, name, cost in unknown
        )
    )
    for (account, name, cost), outcome in zip(unknown, retried, strict=True):
        assert outcome.status is Status.OK
        acknowledged[account.account_id, name] = cost
    await check(server.url(), acknowledged, submitted)
    spent = sum(acknowledged.values())
    row = await database.fetchrow("select sum(balance)::bigint as total from ledger.bucket")
    assert row is not None
    assert row["total"] == ACCOUNTS * OPENING - spent
    await ledger.stop()
    database.terminate()


async def test_the_service_is_killed_in_mid_traffic(server: EmbeddedPostgres) -> None:
    accounts = await open_accounts(server.url())
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.ledger.traffic",
        server.url(),
        json.dumps(accounts),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    acknowledged: dict[tuple[int, str], int] = {}
    submitted: set[tuple[int, str]] = set()

    def read(line: bytes) -> None:
        if not line.endswith(b"\n"):
            return  # cut off by the kill: never told
        said, account_id, name, cost = line.decode().split()
        submitted.add((int(account_id), name))
        if said == "done":
            acknowledged[int(account_id), name] = int(cost)

    while len(acknowledged) < ACKNOWLEDGED_BEFORE_THE_KILL:
        read(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    for line in (await process.stdout.read()).splitlines(keepends=True):
        read(line)
    await process.wait()
    await nobody_else_connected(server.url())
    await check(server.url(), acknowledged, submitted)

    # A new process finds every account free: nothing of the dead one is in the way.
    database = await Database.connect(server.url(), min_size=1, max_size=2)
    async with Ledger(database, SystemClock()) as ledger:
        outcomes = await asyncio.gather(
            *(
                ledger.submit(debit(AccountRef(*account), "after", sum_charge(1), contra="revenue.sms"))
                for account in accounts
            )
        )
        assert {outcome.status for outcome in outcomes} == {Status.OK}
    await database.close()


async def nobody_else_connected(url: str) -> None:
    """Wait until the server has noticed that the process is gone: its last statement ends or is rolled back."""
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval(
            "select count(*) from pg_stat_activity where application_name like 'telco%' and pid <> pg_backend_pid()"
        ):
            await connection.execute("select pg_stat_clear_snapshot()")
    finally:
        await connection.close()
