"""One operator for all acceptance tests that leave it running: each test makes its own subscribers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
import pytest_asyncio

from telco.db.embedded import EmbeddedPostgres, EmbeddedRedis
from tests.acceptance.operator import Operator, operating
from tests.databases import cloned_for_many


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def new_database(postgres: EmbeddedPostgres) -> Iterator[Callable[[], str]]:
    """Makes migrated databases that live as long as the session."""
    with ExitStack() as made:
        yield lambda: made.enter_context(cloned_for_many(postgres))


@pytest.fixture(scope="session")
def shared_database(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis of its own: other tests empty theirs."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def operator(shared_database: str, shared_redis: EmbeddedRedis) -> AsyncIterator[Operator]:
    """A running service with its network."""
    async with operating(shared_database, shared_redis.url, free_port()) as operator:
        yield operator
