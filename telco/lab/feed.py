"""What happens in the lab, told live to whoever watches: the page's server-sent events, the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

LISTENER_BACKLOG: Final = 1_000
"""Changes a listener may leave unread. One that falls further behind loses them and starts again from a snapshot."""


@dataclass(frozen=True, slots=True)
class Change:
    """One part of one handset (or of the whole lab, where `number` is empty) has this new value."""

    number: str
    part: str
    value: object


@dataclass(frozen=True, slots=True)
class Missed:
    """The listener was too slow and missed changes: only a fresh snapshot is right now."""


class Listener:
    """One watcher's queue of changes."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Change | Missed] = asyncio.Queue(LISTENER_BACKLOG)

    def offer(self, change: Change) -> None:
        """Queue `change`, or, on overflow, replace everything unread by one `Missed`."""
        try:
            self._queue.put_nowait(change)
        except asyncio.QueueFull:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._queue.put_nowait(Missed())

    async def next(self) -> Change | Missed:
        """Wait for the next change."""
        return await self._queue.get()


class Feed:
    """Hands every change to every listener, in order, without ever waiting for one."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def publish(self, change: Change) -> None:
        for listener in self._listeners:
            listener.offer(change)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Watch from now on, until the block ends."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)
