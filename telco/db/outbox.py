"""The outbox: effects that leave a command only after its commit.

An event is a row written in the command's own transaction. The dispatcher hands it to the consumers of its topic after
the commit, at least once: a crash between a consumer's work and the mark repeats the event, so consumers are
idempotent. An event that fails waits longer each time and holds nobody else up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter

from telco.db import queries
from telco.db.pool import LOST_CONNECTION, Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError

BATCH = 200
IDLE_POLL_S = 1.0
"""How long a lost notification can delay an event."""
KEEP_DISPATCHED = timedelta(days=7)
_FIRST_RETRY = timedelta(seconds=1)
_LONGEST_RETRY = timedelta(minutes=10)
_DOUBLINGS = 10
"""After so many the longest wait is reached; a higher power would only overflow."""

_Q = queries.load("telco.db")
_DISPATCHED = Counter("telco_outbox_events_total", "Events handed to their consumers", ["topic", "result"])

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """Something that happened, as its consumers get it."""

    event_id: int
    topic: str
    key: str
    payload: dict[str, Any]
    created_at: datetime
    attempts: int


Consumer = Callable[[OutboxEvent], Awaitable[None]]


async def emit(connection: Connection, topic: str, key: str, payload: dict[str, object], *, at: datetime) -> None:
    """Record an event in the caller's transaction; `key` names what it is about (``subscriber:42``)."""
    await connection.execute(_Q.emit_event, topic, key, payload, at)


async def emit_many(
    connection: Connection, events: Sequence[tuple[str, str, dict[str, object]]], *, at: datetime
) -> None:
    """Record events, each with its topic, key and payload, in their order, in the caller's transaction."""
    if events:
        topics, keys, payloads = zip(*events, strict=True)
        await connection.execute(_Q.emit_events, topics, keys, payloads, at)


class Dispatcher:
    """Hands committed events to the consumers of their topic; several processes share the work."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._consumers: dict[str, list[Consumer]] = defaultdict(list)
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, topic: str, consumer: Consumer) -> None:
        """Give every event of `topic` to `consumer` as well."""
        self._consumers[topic].append(consumer)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="outbox")

    async def stop(self) -> None:
        """Finish the batch in hand and stop."""
        if self._task is not None:
            self._stopping = True
            self._wake.set()  # the loop looks again and ends
            await self._task
            self._task = None

    @property
    def running(self) -> bool:
        """Whether events are being dispatched; for /ready."""
        return self._task is not None and not self._task.done()

    async def _run(self) -> None:
        while not self._stopping:
            try:
                async with self._database.session() as listener:
                    await listener.add_listener("telco_outbox", self._on_notify)
                    try:
                        await self._drain_forever()
                    finally:
                        if not listener.is_closed():
                            await listener.remove_listener("telco_outbox", self._on_notify)
            except LOST_CONNECTION as error:
                log.warning("outbox_waits_for_database", error=str(error))
                await asyncio.sleep(IDLE_POLL_S)
            except Exception:  # a full disk, a read-only server, lost conflicts: dispatching goes on when that is over
                log.exception("outbox_interrupted")
                await asyncio.sleep(IDLE_POLL_S)

    def _on_notify(self, *_: object) -> None:
        self._wake.set()

    async def _drain_forever(self) -> None:
        while not self._stopping:
            await self.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_POLL_S)
            self._wake.clear()

    async def drain(self) -> int:
        """Dispatch what is due now, oldest first, and return how many events were handed over."""
        total = 0
        while True:
            dispatched = await self._database.transact("outbox.dispatch", self._dispatch_batch)
            total += dispatched
            if dispatched == 0 or self._stopping:
                return total

    async def _dispatch_batch(self, connection: Connection) -> int:
        now = self._clock.now()
        rows = await connection.fetch(_Q.claim_events, now, BATCH)
        done: list[int] = []
        for row in rows:
            event = OutboxEvent(**row)
            if await self._hand_over(connection, event, now):
                done.append(event.event_id)
        if done:
            await connection.execute(_Q.mark_dispatched, done, now)
        return len(done)

    async def _hand_over(self, connection: Connection, event: OutboxEvent, now: datetime) -> bool:
        try:
            for consumer in self._consumers.get(event.topic, ()):
                await consumer(event)
        except Exception as error:  # whatever a consumer raises, the others' events go on
            wait = min(_FIRST_RETRY * 2 ** min(event.attempts, _DOUBLINGS), _LONGEST_RETRY)
            if isinstance(error, DomainError):  # somebody has to do something first; the sentence says what
                log.warning("outbox_event_waits", topic=event.topic, event_id=event.event_id, why=str(error))
            else:
                log.exception("outbox_consumer_failed", topic=event.topic, event_id=event.event_id)
            await connection.execute(_Q.postpone_event, event.event_id, now + wait, repr(error)[:500])
            _DISPATCHED.labels(event.topic, "failed").inc()
            return False
        _DISPATCHED.labels(event.topic, "ok").inc()
        return True

    async def purge(self) -> int:
        """Delete a bounded number of events dispatched long ago and return how many."""
        status = await self._database.transact("outbox.purge", self._purge_batch)
        return int(status.rsplit(" ", 1)[-1])

    async def _purge_batch(self, connection: Connection) -> str:
        return await connection.execute(_Q.delete_dispatched, self._clock.now() - KEEP_DISPATCHED, 10_000)
