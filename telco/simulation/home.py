"""Where a simulation lives: a directory with servers of its own. It may be thrown away; the seed makes it again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from telco import settings as configuration
from telco.app import App
from telco.db.embedded import NOT_DURABLE, EmbeddedPostgres, EmbeddedRedis
from telco.db.migrations import migrate
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.settings import Mode, Settings
from telco.simulation.engine import end_others
from telco.simulation.model import START

_SERVER: Final = {
    **NOT_DURABLE,
    "synchronous_commit": "off",
    "shared_buffers": "512MB",
    "plan_cache_mode": "force_generic_plan",
}
"""A kill of the process loses nothing that it had written; a power cut may, and the seed makes it again. Statements are
planned once a connection: most run a few times a day, where planning each anew is a fifth of the server's work."""
_CONNECTIONS: Final = 12
"""More would be slower: each one plans every statement for itself, again whenever a table was analysed."""
_PARTS: Final = ("postgres", "redis")
_PEPPER: Final = "the simulation has no secrets: 32 characters"


class HomeInUseError(Exception):
    """Another simulation runs on the same data."""


class Home:
    """The directory of one run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self._postgres = EmbeddedPostgres(self.directory / "postgres", _SERVER)
        self._redis = EmbeddedRedis(self.directory / "redis")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other simulations out while the block runs.

        Raises:
            HomeInUseError: one is at work here.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeInUseError(f"a simulation runs in {self.directory}; choose another --home") from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def clear(self) -> None:
        """Throw away what an earlier run left."""
        if (self._postgres.directory / "postmaster.pid").exists():
            self._postgres.start()  # takes over a server that a killed run left, so that it can be stopped
            self._postgres.stop()
        for part in _PARTS:
            shutil.rmtree(self.directory / part, ignore_errors=True)

    @contextmanager
    def servers(self) -> Iterator[tuple[str, str]]:
        """Run the servers and give their addresses; PostgreSQL of a killed run is taken over as it is."""
        with contextlib.ExitStack() as stack:
            self._postgres.start()
            stack.callback(self._postgres.stop)
            self._redis.start()
            stack.callback(self._redis.stop)
            yield self._postgres.url(), self._redis.url


def settings_for(database_url: str, redis_url: str) -> Settings:
    """Return the settings of the simulated service."""
    return configuration.load(
        mode=Mode.DEMO,
        database={"url": database_url, "max_connections": _CONNECTIONS},
        ledger={"shards": 1},
        redis={"url": redis_url},
        staff={"pepper": _PEPPER},
        cards={"pepper": _PEPPER},
    )


@asynccontextmanager
async def opened(database_url: str, redis_url: str) -> AsyncIterator[tuple[App, ManualClock]]:
    """Migrate a database and open the service on it, with a clock at the first day."""
    await end_others(database_url)
    await migrate(database_url)
    clock = ManualClock(Calendar().start_of_day(START))
    app = App(settings_for(database_url, redis_url), clock)
    await app.open()
    try:
        yield app, clock
    finally:
        await app.stop()
