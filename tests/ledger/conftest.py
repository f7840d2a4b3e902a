"""An account to work on, and a ledger whose every test ends with an audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountRef
from telco.ledger.model import BucketSpec, credit, grant
from telco.ledger.service import Ledger

Open = Callable[..., Awaitable[AccountRef]]


@pytest.fixture
async def ledger(database: Database, clock: ManualClock) -> AsyncIterator[Ledger]:
    async with Ledger(database, clock) as ledger:
        yield ledger


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
