"""Fixtures of the whole suite: one embedded PostgreSQL and Redis a session, one fresh database a test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import pytest
import redis

from telco.db.embedded import NOT_DURABLE, EmbeddedPostgres, EmbeddedRedis
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Translator
from tests.databases import cloned, make_template
from tests.world import World

pytest_plugins = ["tests.clause_record", "tests.sms.fixtures", "pytester"]

_OWN_DIRECTORY = pytest.StashKey[str]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the run a temporary directory of its own.

    PostgreSQL refuses root, so for root its server runs as another user; every further run of pytest would close the
    directory that runs share by default to that user, and the server of this run would stop.
    """
    if config.option.basetemp is None:
        config.option.basetemp = config.stash[_OWN_DIRECTORY] = mkdtemp(prefix="telco-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the run made."""
    if _OWN_DIRECTORY in config.stash:
        shutil.rmtree(config.stash[_OWN_DIRECTORY], ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server for the session: not durable, so that tests are quick; tests that kill a server start their own."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "data", NOT_DURABLE)
    server.start()
    asyncio.run(make_template(server))
    yield server
    server.stop()


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a fresh, migrated database."""
    async with cloned(postgres) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated database."""
    database = await Database.connect(database_url, min_size=1, max_size=10)
    yield database
    database.terminate()


@pytest.fixture(scope="session")
def _redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(_redis_server: EmbeddedRedis) -> str:
    """The URL of an empty Redis."""
    with redis.Redis.from_url(_redis_server.url) as client:
        client.flushall()
    return _redis_server.url


@pytest.fixture
def clock() -> ManualClock:
    """Monday, 2 March 2026, 11:00 in Kazakhstan."""
    return ManualClock(datetime(2026, 3, 2, 6, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture(scope="session")
def translator() -> Translator:
    return Translator.load()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parents[1]


@pytest.fixture
async def world(database: Database, clock: ManualClock, calendar: Calendar) -> AsyncIterator[World]:
    """The features on a fresh database with the demo operator's catalogue; the auditor looks at the end."""
    world = World(database, clock, calendar)
    await world.open()
    yield world
    await world.close()
