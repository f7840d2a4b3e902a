"""One operator for a whole module of acceptance tests: each test makes its own subscribers."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from telco.db.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.acceptance.operator import Operator, operating
from tests.conftest import TEMPLATE

_numbers = itertools.count(1)


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis that tests may stop."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a migrated database for the module."""
    name = f"acceptance_{next(_numbers)}"

    async def run(command: str) -> None:
        connection = await asyncpg.connect(postgres.url())
        try:
            await connection.execute(command)
        finally:
            await connection.close()

    asyncio.run(run(f"create database {name} template {TEMPLATE}"))
    yield postgres.url(name)
    asyncio.run(run(f"drop database {name} with (force)"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(own_database: str, own_redis: EmbeddedRedis) -> AsyncIterator[Operator]:
    """A running service with its network."""
    async with operating(own_database, own_redis.url, free_port()) as operator:
        yield operator


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory for a demo."""
    return tmp_path / "home"
