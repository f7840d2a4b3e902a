"""A lane: while one batch is being committed the next gathers, so batches grow with load and an idle lane is quick."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import asyncpg
import structlog

from telco.db.pool import LOST_CONNECTION

T = TypeVar("T")

log = structlog.get_logger(__name__)

_TRANSIENT = (*LOST_CONNECTION, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_PAUSE_MIN_S = 0.05
_PAUSE_MAX_S = 2.0


class Lane(Generic[T]):
    """Hands items to `flush` in batches, in order, one batch at a time, until it succeeds.

    `flush(batch, again)` gets `again` when the same batch failed for a lost connection or a conflict: it may have been
    committed. A batch that fails for another reason is tried item by item; an item that fails alone goes to `reject`.
    """

    def __init__(
        self,
        name: str,
        flush: Callable[[list[T], bool], Awaitable[None]],
        reject: Callable[[T, Exception], None],
        max_batch: int,
    ) -> None:
        self.name = name
        self._flush = flush
        self._reject = reject
        self._max_batch = max_batch
        self._items: list[T] = []
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"sms-lane-{self.name}")

    def put(self, item: T) -> None:
        """Add an item; its batch leaves as soon as the one before it is done."""
        self._items.append(item)
        self._ready.set()
        self._idle.clear()

    async def drained(self) -> None:
        """Wait until everything that was put is done."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Stop at once; drain first to lose nothing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._ready.wait()
            batch, self._items = self._items[: self._max_batch], self._items[self._max_batch :]
            if batch:
                await self._settle(batch)
            if not self._items:
                self._ready.clear()
                self._idle.set()

    async def _settle(self, batch: list[T]) -> None:
        pause, again = _PAUSE_MIN_S, False
        while True:
            try:
                await self._flush(batch, again)
            except _TRANSIENT as error:
                log.warning("sms_batch_delayed", lane=self.name, items=len(batch), error=repr(error))
                again = True
                await asyncio.sleep(pause)
                pause = min(2 * pause, _PAUSE_MAX_S)
            except Exception as error:
                if len(batch) == 1:
                    log.exception("sms_item_rejected", lane=self.name)
                    self._reject(batch[0], error)
                else:
                    log.exception("sms_batch_divided", lane=self.name, items=len(batch))
                    for item in batch:
                        await self._settle([item])
                return
            else:
                return
