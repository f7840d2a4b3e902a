"""Databases of tests: each is cloned in milliseconds from a template that a session makes once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from telco.db.embedded import EmbeddedPostgres
from telco.db.migrations import migrate

TEMPLATE = "telco_template"
"""Migrated, and empty."""
_numbers = itertools.count(1)


async def make_template(
    server: EmbeddedPostgres, name: str = TEMPLATE, prepare: Callable[[str], Awaitable[None]] | None = None
) -> None:
    """Make a migrated database to be cloned; `prepare` fills it, and leaves no connection to it open."""
    await _administer(server, f"create database {name}")
    await migrate(server.url(name))
    if prepare is not None:
        await prepare(server.url(name))


@asynccontextmanager
async def cloned(server: EmbeddedPostgres, template: str = TEMPLATE) -> AsyncIterator[str]:
    """The URL of a fresh database, which is dropped at the end, whoever is still connected."""
    name = await _clone(server, template)
    yield server.url(name)
    await _drop(server, name)


@contextmanager
def cloned_for_many(server: EmbeddedPostgres, template: str = TEMPLATE) -> Iterator[str]:
    """The same for a fixture that many tests share, each in an event loop of its own."""
    name = asyncio.run(_clone(server, template))
    yield server.url(name)
    asyncio.run(_drop(server, name))


async def _clone(server: EmbeddedPostgres, template: str) -> str:
    name = f"test_{next(_numbers)}"
    await _administer(server, f"create database {name} template {template}")
    return name


async def _drop(server: EmbeddedPostgres, name: str) -> None:
    await _administer(server, f"drop database {name} with (force)")


async def _administer(server: EmbeddedPostgres, command: str) -> None:
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(command)
    finally:
        await connection.close()
