"""Connections to PostgreSQL and the one way to run a command's transaction."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog
from prometheus_client import Counter

from telco.kernel.errors import DomainError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Record: TypeAlias = asyncpg.Record

T = TypeVar("T")

log = structlog.get_logger(__name__)

TRANSACTION_ATTEMPTS = 5
_RETRIED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_RETRIES = Counter("telco_transaction_retries_total", "Transactions run again after a conflict", ["name"])
LOST_CONNECTION = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server died between two messages of the protocol
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    OSError,
)
"""What is raised when the server is gone or silent; whether the last commit happened is then unknown.

A time-out is an OSError. asyncpg.DataError, an InterfaceError too, is our own mistake: see `StatementArgumentError`.
"""

TIMEOUT_S = 120.0
"""How long a statement may take before its server counts as gone."""
PREPARED_STATEMENTS = 1_000
"""Statements that a connection keeps prepared: all there are. Of asyncpg's 100 each was thrown out before it was needed
again, and planned anew: a fifth of the server's time on a working day of the simulation."""


class DatabaseUnavailableError(DomainError):
    """The service cannot reach its database. Nothing was changed; try again in a moment."""

    code = "database_unavailable"
    status = 503


class StatementArgumentError(TypeError):
    """A statement was given a value that its parameter's type does not take: a defect of the caller."""


async def configure_connection(connection: Connection) -> None:
    """Set what telco expects of every connection: jsonb as Python values, times in UTC."""
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


class Database:
    """A pool of connections to one PostgreSQL database."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], url: str, sessions: set[int]) -> None:
        self._pool = pool
        self._sessions = sessions
        self.url = url

    @classmethod
    async def connect(
        cls, url: str, *, min_size: int = 1, max_size: int = 10, timeout_s: float = TIMEOUT_S
    ) -> Database:
        """Open a pool of `max_size` connections at most; a statement without an answer in `timeout_s` fails.

        A connection is given back as it is, for a statement or a transaction leaves nothing in it; clearing each, as
        the pool would, is one more round trip for every read. One that was borrowed by `session` is cleared.
        """
        sessions: set[int] = set()

        async def clear(connection: Connection) -> None:
            process = connection.get_server_pid()
            if process in sessions:
                await connection.execute(connection.get_reset_query())
                sessions.discard(process)

        pool = await asyncpg.create_pool(
            url,
            min_size=min_size,
            max_size=max_size,
            init=configure_connection,
            reset=clear,
            command_timeout=timeout_s,
            statement_cache_size=PREPARED_STATEMENTS,
            max_cached_statement_lifetime=0,
            server_settings={"timezone": "UTC", "application_name": "telco", "jit": "off"},
        )
        return cls(pool, url, sessions)

    async def close(self) -> None:
        """Wait for running statements and close."""
        await self._pool.close()

    def terminate(self) -> None:
        """Drop every connection at once."""
        self._pool.terminate()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """Borrow a connection for reads, each statement its own transaction."""
        async with self._pool.acquire() as connection:
            try:
                yield connection
            except TimeoutError:
                connection.terminate()  # a server that is silent would not answer a rollback either
                raise
            except asyncpg.DataError as error:
                raise StatementArgumentError(str(error)) from error

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Connection]:
        """Borrow a connection for what outlives a statement: listening, advisory locks. It is cleared afterwards."""
        async with self.acquire() as connection:
            self._sessions.add(connection.get_server_pid())
            yield connection

    async def transact(self, name: str, body: Callable[[Connection], Awaitable[T]]) -> T:
        """Run `body` in one transaction; run it again, with a bound, when it lost against another.

        `body` therefore makes no effect outside the database. `name` is the command, for metrics, such as
        "billing.activate_card".
        """
        for attempt in range(1, TRANSACTION_ATTEMPTS + 1):
            try:
                async with self.acquire() as connection, connection.transaction():
                    return await body(connection)
            except _RETRIED:
                if attempt == TRANSACTION_ATTEMPTS:
                    raise
                _RETRIES.labels(name).inc()
                log.info("transaction_retried", name=name, attempt=attempt)
                await asyncio.sleep(0.005 * 2**attempt)
        raise AssertionError("unreachable")

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        async with self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args)
