"""An account to work on, and a ledger whose every test ends with an audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountRef
from telco.kernel.units import Unit
from telco.ledger.audit import audit
from telco.ledger.model import BucketSpec, Op, Outcome, credit, grant
from telco.ledger.service import Ledger
from tests.databases import cloned, cloned_for_many

Open = Callable[..., Awaitable[AccountRef]]
Send = Callable[[Op], Coroutine[Any, Any, Outcome]]


@pytest.fixture(scope="session")
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """One database for all tests of the ledger: each works on accounts of its own."""
    with cloned_for_many(postgres) as url:
        yield url


@pytest.fixture
async def fresh_database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database of its own, for a test that looks at or damages the whole ledger."""
    async with cloned(postgres) as url:
        database = await Database.connect(url, min_size=1, max_size=5)
        yield database
        database.terminate()


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
