"""Which process has which messages in hand, and what happens to them when it dies.

A process holds an advisory lock on a connection of its own. PostgreSQL frees the lock when the connection ends, however
that happens; the next process to look buries the dead one and takes over its messages.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg
import structlog

from telco.db.pool import LOST_CONNECTION, Connection, Database
from telco.db.queries import load

Q = load("telco.sms", "transport_queries.sql")
LOCK_CLASS = 0x534D53

log = structlog.get_logger(__name__)


class Buried(NamedTuple):
    """What was taken over from dead processes."""

    instances: int
    adopted: int
    given_up: int


class Instance:
    """This process's place in sms.instance."""

    def __init__(self, database: Database) -> None:
        self.instance_id = 0
        self._database = database
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    async def start(self, now: datetime) -> None:
        """Take a number and its lock."""
        self._connection = await asyncpg.connect(self._database.url)
        async with self._connection.transaction():  # nobody sees the number before its lock is held
            self.instance_id = await self._connection.fetchval(Q.begin_instance, now)
            await self._hold(self._connection)
        self._task = asyncio.create_task(self._keep(), name="sms-instance")

    async def stop(self, now: datetime) -> None:
        """Free the lock; whatever is left in hand is the next process's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.execute(Q.end_idle_instance, self.instance_id, now)
            await self._connection.close()

    async def _hold(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        await connection.execute(Q.lock_instance, LOCK_CLASS, self.instance_id)
        self._lost.clear()
        connection.add_termination_listener(lambda _: self._lost.set())

    async def _keep(self) -> None:
        """Take the lock again when its connection is lost: every write names its owner, so nothing is done twice."""
        while True:
            await self._lost.wait()
            log.warning("sms_instance_lock_lost", instance=self.instance_id)
            try:
                self._connection = await asyncpg.connect(self._database.url)
                await self._hold(self._connection)
                await self._connection.execute(Q.revive_instance, self.instance_id)
            except LOST_CONNECTION:
                await asyncio.sleep(0.5)

    async def bury(self, now: datetime, lookback: timedelta, window: timedelta) -> Buried:
        """Take over what dead processes left: unanswered messages are ours, half-sent ones are given up."""

        async def body(connection: Connection) -> Buried:
            rows = await connection.fetch(Q.find_dead_instances, LOCK_CLASS, self.instance_id)
            dead = [row["instance_id"] for row in rows]
            if not dead:
                return Buried(0, 0, 0)
            await connection.execute(Q.expect_redelivery_from_dead, dead, lookback, now + window)
            adopted = _count(await connection.execute(Q.adopt_inbound, dead, self.instance_id))
            given_up = _count(await connection.execute(Q.give_up_sending, dead, now))
            await connection.execute(Q.end_instances, dead, now)
            return Buried(len(dead), adopted, given_up)

        buried = await self._database.transact("sms.bury", body)
        if buried.instances:
            log.warning("sms_process_died", processes=buried.instances, adopted=buried.adopted, unknown=buried.given_up)
        return buried


def _count(tag: str) -> int:
    """Read the number of rows off a command tag such as ``UPDATE 3``."""
    return int(tag.rsplit(" ", 1)[-1])
