"""Handsets on the network of the demo operator, whose catalogue and numbers are prepared once a session."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from telco.db.embedded import EmbeddedPostgres
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Translator
from tests.sms.handsets import Handsets, prepare

TEMPLATE = "telco_handsets"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def operator_template(postgres: EmbeddedPostgres) -> str:
    """A database with the operator's catalogue, contract and a few numbers, to be cloned."""
    asyncio.run(_make_template(postgres))
    return TEMPLATE


async def _make_template(postgres: EmbeddedPostgres) -> None:
    await _administer(postgres, f"create database {TEMPLATE}")
    await migrate(postgres.url(TEMPLATE))
    database = await Database.connect(postgres.url(TEMPLATE))
    await prepare(database, ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
    await database.close()


async def _administer(postgres: EmbeddedPostgres, command: str) -> None:
    connection = await asyncpg.connect(postgres.url())
    try:
        await connection.execute(command)
    finally:
        await connection.close()


@pytest.fixture
async def handsets(
    postgres: EmbeddedPostgres,
    operator_template: str,
    clock: ManualClock,
    calendar: Calendar,
    translator: Translator,
    redis_url: str,
) -> AsyncIterator[Handsets]:
    """Subscribers with telephones, before the real service; the ledger's auditor looks at the end."""
    name = f"handsets_{next(_numbers)}"
    await _administer(postgres, f"create database {name} template {operator_template}")
    database = await Database.connect(postgres.url(name), min_size=1, max_size=10)
    async with Handsets.switched_on(database, clock, calendar, translator, redis_url) as handsets:
        yield handsets
    database.terminate()
    await _administer(postgres, f"drop database {name} with (force)")
