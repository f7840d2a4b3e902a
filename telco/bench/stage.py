"""Where benchmarks measure: a server of its own, a database for each population, and what takes time told on stderr."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import psutil

from telco.db.embedded import EmbeddedPostgres
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel.log import configure

MEGABYTE = 1 << 20
STATEMENT_TIMEOUT_S = 1_200.0
"""Loading and vacuuming a million subscribers takes statements of minutes."""


class Timing:
    """How long something took; known when it is over."""

    seconds = 0.0


@contextmanager
def timed(what: str) -> Iterator[Timing]:
    """Time the body and say on stderr what runs and how long it took."""
    print(f"  {what} ...", end=" ", file=sys.stderr, flush=True)
    timing, started = Timing(), time.perf_counter()
    yield timing
    timing.seconds = time.perf_counter() - started
    print(f"{timing.seconds:.1f} s", file=sys.stderr, flush=True)


@asynccontextmanager
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A server that commits durably and has a quarter of the machine's memory, as PostgreSQL's manual advises."""
    configure(level="error")
    buffers = psutil.virtual_memory().total // 4 // MEGABYTE
    with tempfile.TemporaryDirectory(prefix="telco-bench-", ignore_cleanup_errors=True) as directory:
        server = EmbeddedPostgres(Path(directory) / "postgres", {"shared_buffers": f"{buffers}MB"})
        await asyncio.to_thread(server.start)
        try:
            yield server
        finally:
            await asyncio.to_thread(server.stop)


@asynccontextmanager
async def own_database(server: EmbeddedPostgres, name: str) -> AsyncIterator[Database]:
    """A migrated database of this name."""
    administrator = await asyncpg.connect(server.url())
    try:
        await administrator.execute(f"create database {name}")
    finally:
        await administrator.close()
    await migrate(server.url(name))
    database = await Database.connect(server.url(name), timeout_s=STATEMENT_TIMEOUT_S)
    try:
        yield database
    finally:
        await database.close()
