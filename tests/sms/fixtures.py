"""Handsets on the network of the demo operator, whose catalogue and numbers are prepared once a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Translator
from tests.databases import cloned, make_template
from tests.sms.handsets import Handsets, prepare

TEMPLATE = "telco_handsets"


@pytest.fixture(scope="session")
def operator_template(postgres: EmbeddedPostgres) -> str:
    """A database with the operator's catalogue, contract and a few numbers, to be cloned."""
    asyncio.run(make_template(postgres, TEMPLATE, _prepare))
    return TEMPLATE


async def _prepare(url: str) -> None:
    database = await Database.connect(url)
    await prepare(database, ManualClock(datetime(2026, 3, 1, tzinfo=UTC)))
    await database.close()


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
    async with cloned(postgres, operator_template) as url:
        database = await Database.connect(url, min_size=1, max_size=10)
        async with Handsets.switched_on(database, clock, calendar, translator, redis_url) as handsets:
            yield handsets
        database.terminate()
