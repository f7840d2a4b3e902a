"""Gathers reads that are wanted at the same moment into one set-based query.

While a query is in the database the next one gathers its keys, so queries grow with load and an idle service reads at
once. A read never sees the database as it was before it was asked for: it joins only a query that has not begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar, cast

K = TypeVar("K")
V = TypeVar("V")

MAX_KEYS = 500
"""Keys of one query."""
QUERIES_AT_ONCE = 2
"""One in the database while the other's rows are read."""


class Coalescer(Generic[K, V]):
    """Reads values by key; `load` reads many at once and leaves out what there is not."""

    def __init__(self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._load = load
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V | None:
        """Read one value, together with whatever else is asked for now."""
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if len(self._running) < QUERIES_AT_ONCE:
            task = asyncio.create_task(self._drain(), name="coalesced read")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _drain(self) -> None:
        """Read until nothing waits. It starts in the next turn of the loop, so that what is asked in this one joins."""
        try:
            while self._waiting:
                await self._read(list(islice(self._waiting, MAX_KEYS)))
        finally:  # in the very step that saw nothing waiting: what is asked next needs a reader of its own
            self._running.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _read(self, keys: Sequence[K]) -> None:
        asked = {key: self._waiting.pop(key) for key in keys}
        try:
            found = await self._load(keys)
        except Exception as error:  # whoever asked gets it
            for future in _undone(asked):
                future.set_exception(error)
            return
        for key, futures in asked.items():
            value = found.get(key)
            for future in futures:
                if not future.done():
                    future.set_result(value)


def _undone(asked: Mapping[K, list[asyncio.Future[V | None]]]) -> list[asyncio.Future[V | None]]:
    return [future for futures in asked.values() for future in futures if not future.done()]
