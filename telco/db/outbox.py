"""The outbox: effects that leave a command only after its commit.

An event is a row written in the command's own transaction. The dispatcher hands it to the consumers of its topic after
the commit, at least once: a crash between a consumer's work and the mark repeats the event, so consumers are
idempotent. Events of one key come in their order, those of different keys at the same time. An event that fails waits
longer each time; it holds up the later events of its key for about a minute, and nobody else.

A batch of events is one transaction, with one statement for its marks. A consumer that only writes what follows from
an event (a message to be sent) takes those of a batch together and writes in that transaction, so its work and the
marks are one commit; one with commands of its own takes an event at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter

from telco.db import queries
from telco.db.pool import LOST_CONNECTION, Connection, Database, Record
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError

BATCH = 500
AT_ONCE = 4
"""Keys whose events are handed over at the same time to consumers with transactions of their own."""
IDLE_POLL_S = 1.0
"""How long a lost notification can delay an event."""
IN_ORDER_TRIES = 6
"""After so many failed tries, a minute, the later events of the key go on: one that never succeeds stops nobody."""
KEEP_DISPATCHED = timedelta(days=7)
_FIRST_RETRY = timedelta(seconds=1)
_LONGEST_RETRY = timedelta(minutes=10)
_NEXT_LOOK_S = 0.02
"""How soon to look again for events whose earlier ones another dispatcher has in hand."""
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
"""Takes an event, in transactions of its own."""
BatchConsumer = Callable[[Connection, Sequence[OutboxEvent]], Awaitable[None]]
"""Takes events in their order and writes in the dispatcher's transaction; all of it or nothing."""


class _Batch(NamedTuple):
    claimed: int
    in_turn: int
    done: int


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
        self._batch_consumers: dict[BatchConsumer, set[str]] = defaultdict(set)
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def subscribe(self, topic: str, consumer: Consumer) -> None:
        """Give every event of `topic` to `consumer` as well."""
        self._consumers[topic].append(consumer)

    def subscribe_batch(self, topic: str, consumer: BatchConsumer) -> None:
        """Give the events of `topic` to `consumer` as well, those of a batch together."""
        self._batch_consumers[consumer].add(topic)

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

    async def drain(self, batch: int = BATCH) -> int:
        """Dispatch what is due now, oldest first, `batch` events in a transaction; return how many were handed over."""
        total = 0
        while True:
            handed = await self._database.transact("outbox.dispatch", partial(self._dispatch_batch, batch))
            total += handed.done
            if handed.claimed == 0 or self._stopping:
                return total
            if handed.in_turn == 0:
                await asyncio.sleep(_NEXT_LOOK_S)

    async def _dispatch_batch(self, batch: int, connection: Connection) -> _Batch:
        now = self._clock.now()
        rows = await connection.fetch(_Q.claim_events, now, batch, IN_ORDER_TRIES)
        handing = _Handing([_event(row) for row in rows if row["in_turn"]])
        await self._hand_over_singly(handing)
        for consumer, topics in self._batch_consumers.items():
            await _hand_over_together(connection, handing, consumer, topics)
        await self._mark(connection, handing, now)
        return _Batch(len(rows), len(handing.events), len(handing.passed()))

    async def _hand_over_singly(self, handing: _Handing) -> None:
        """Give events to the consumers that take one at a time: a key's in their order, different keys' at once."""
        keys: dict[str, list[OutboxEvent]] = defaultdict(list)
        for event in handing.events:
            if event.topic in self._consumers:
                keys[event.key].append(event)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def in_order(events: Sequence[OutboxEvent]) -> None:
            async with at_once:
                for event in events:
                    if handing.held(event):
                        return
                    try:
                        for consumer in self._consumers[event.topic]:
                            await consumer(event)
                    except Exception as error:  # whatever a consumer raises, the others' events go on
                        handing.fail(event, error)

        await asyncio.gather(*map(in_order, keys.values()))

    async def _mark(self, connection: Connection, handing: _Handing, now: datetime) -> None:
        if handing.failed:
            await connection.execute(
                _Q.postpone_events,
                [event.event_id for event, _ in handing.failed.values()],
                [now + _wait(event.attempts) for event, _ in handing.failed.values()],
                [repr(error)[:500] for _, error in handing.failed.values()],
            )
        done = handing.passed()
        if done:
            await connection.execute(_Q.mark_dispatched, [event.event_id for event in done], now)
        for topic, count in Tally(event.topic for event in done).items():
            _DISPATCHED.labels(topic, "ok").inc(count)

    async def purge(self) -> int:
        """Delete a bounded number of events dispatched long ago and return how many."""
        status = await self._database.transact("outbox.purge", self._purge_batch)
        return int(status.rsplit(" ", 1)[-1])

    async def _purge_batch(self, connection: Connection) -> str:
        return await connection.execute(_Q.delete_dispatched, self._clock.now() - KEEP_DISPATCHED, 10_000)


class _Handing:
    """The events of a batch in their order, and which of them have failed so far."""

    def __init__(self, events: Sequence[OutboxEvent]) -> None:
        self.events = events
        self.failed: dict[int, tuple[OutboxEvent, Exception]] = {}
        self._held: dict[str, int] = {}

    def fail(self, event: OutboxEvent, error: Exception) -> None:
        """Note that a consumer of an event failed; the later events of its key wait with it, unless it failed often."""
        self.failed[event.event_id] = event, error
        if event.attempts < IN_ORDER_TRIES:
            self._held[event.key] = min(event.event_id, self._held.get(event.key, event.event_id))
        if isinstance(error, DomainError):  # somebody has to do something first; the sentence says what
            log.warning("outbox_event_waits", topic=event.topic, event_id=event.event_id, why=str(error))
        else:
            log.error("outbox_consumer_failed", topic=event.topic, event_id=event.event_id, exc_info=error)
        _DISPATCHED.labels(event.topic, "failed").inc()

    def held(self, event: OutboxEvent) -> bool:
        """Whether an event waits for an earlier one of its key."""
        return event.event_id > self._held.get(event.key, event.event_id)

    def passed(self) -> list[OutboxEvent]:
        """The events that no consumer has failed on, and that wait for no other."""
        return [event for event in self.events if event.event_id not in self.failed and not self.held(event)]


async def _hand_over_together(
    connection: Connection, handing: _Handing, consumer: BatchConsumer, topics: Collection[str]
) -> None:
    """Give a consumer the events of its topics at once; if it fails, one by one, so that only those that fail wait."""
    events = [event for event in handing.passed() if event.topic in topics]
    if not events or await _taken(connection, consumer, events) is None:
        return
    for event in events:
        if not handing.held(event) and (error := await _taken(connection, consumer, [event])) is not None:
            handing.fail(event, error)


async def _taken(connection: Connection, consumer: BatchConsumer, events: Sequence[OutboxEvent]) -> Exception | None:
    """Have a consumer write what follows from events; None if it did, else nothing is left of its attempt."""
    try:
        async with connection.transaction():
            await consumer(connection, events)
    except Exception as error:  # whatever a consumer raises, the others' events go on
        if connection.is_closed():
            raise
        return error
    return None


def _event(row: Record) -> OutboxEvent:
    return OutboxEvent(row["event_id"], row["topic"], row["key"], row["payload"], row["created_at"], row["attempts"])


def _wait(attempts: int) -> timedelta:
    return min(_FIRST_RETRY * float(2 ** min(attempts, _DOUBLINGS)), _LONGEST_RETRY)
