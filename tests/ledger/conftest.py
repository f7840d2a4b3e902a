"""An account to work on, and a ledger whose every test ends with an audit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountRef, uuid7
from telco.kernel.units import Unit
from telco.ledger.audit import audit
from telco.ledger.model import BucketSpec, Op, Outcome, credit, grant
from telco.ledger.service import Ledger
from tests.conftest import TEMPLATE

Open = Callable[..., Awaitable[AccountRef]]
Send = Callable[[Op], Coroutine[Any, Any, Outcome]]


@pytest.fixture(scope="session")
def database_url(postgres: EmbeddedPostgres) -> str:
    """One database for all tests of the ledger: each works on accounts of its own."""

    asyncio.run(_administer(postgres, f"create database ledger_tests template {TEMPLATE}"))
    return postgres.url("ledger_tests")


@pytest.fixture
async def fresh_database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database of its own, for a test that looks at or damages the whole ledger."""
    name = f"ledger_{uuid7().hex}"
    await _administer(postgres, f"create database {name} template {TEMPLATE}")
    database = await Database.connect(postgres.url(name), min_size=1, max_size=5)
    yield database
    database.terminate()
    await _administer(postgres, f"drop database {name} with (force)")


async def _administer(postgres: EmbeddedPostgres, command: str) -> None:
    connection = await asyncpg.connect(postgres.url())
    try:
        await connection.execute(command)
    finally:
        await connection.close()


@pytest.fixture
async def ledger(database: Database, clock: ManualClock) -> AsyncIterator[Ledger]:
    async with Ledger(database, clock) as ledger:
        yield ledger
    assert await audit(database) == []


@pytest.fixture
def open_account(database: Database, ledger: Ledger) -> Open:
    """Open an account with some money, in tiyn, and some buckets."""

    async def open_account(
        main: int = 0, *buckets: BucketSpec, credit_limit: int = 0, low_mark: int | None = None
    ) -> AccountRef:
        account = await database.transact(
            "test.open",
            lambda connection: ledger.open_account(connection, credit_limit=credit_limit, low_mark=low_mark),
        )
        if main:
            await ledger.submit(credit(account, "opening", main, contra="cash.card"))
        if buckets:
            await ledger.submit(grant(account, "opening buckets", buckets, contra="test.granted"))
        return account

    return open_account


@pytest.fixture(params=["lane", "caller's transaction"])
def send(request: pytest.FixtureRequest, database: Database, ledger: Ledger) -> Send:
    """Both ways into the ledger: results do not depend on the way."""

    async def through_lane(op: Op) -> Outcome:
        return await ledger.submit(op)

    async def in_transaction(op: Op) -> Outcome:
        [outcome] = await database.transact("test.apply", lambda connection: ledger.apply(connection, [op]))
        return outcome

    return through_lane if request.param == "lane" else in_transaction


def data(
    amount: int, now: datetime, days: float | None = 30, *, priority: int = 10, code: str = "data.any"
) -> BucketSpec:
    """An allowance of bytes."""
    until = None if days is None else now + timedelta(days=days)
    return BucketSpec(code, Unit.BYTES, amount, priority, now, until, "plan")


def bonus(amount: int, now: datetime, days: float | None = 30, *, priority: int = 50) -> BucketSpec:
    """Bonus money."""
    until = None if days is None else now + timedelta(days=days)
    return BucketSpec("bonus", Unit.MONEY, amount, priority, now, until, "bonus")
