"""What the phones' owners see of their money: read from the service's staff API, never from its database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from telco.lab.feed import Feed
from telco.lab.handset import Handset
from telco.lab.service import ServiceClient, ServiceRefusedError, ServiceUnreachableError

POLL_S: Final = 2.0
"""How often the accounts are read while somebody watches the page: fees and expiry move money without any phone."""
SHOWN_LINES: Final = 20

UNKNOWN: Final[dict[str, Any]] = {"main": None, "plan": "", "allowances": [], "lines": []}
"""What is shown when the service does not answer."""

log = structlog.get_logger(__name__)


class Accounts:
    """Keeps what each phone shows of its owner's money up to date."""

    def __init__(
        self,
        service: ServiceClient,
        feed: Feed,
        handsets: Mapping[str, Handset],
        card_used: Callable[[str], None] = lambda _serial: None,
    ) -> None:
        self._service = service
        self._feed = feed
        self._handsets = handsets
        self._card_used = card_used
        self._stale: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def refresh(self, number: str) -> None:
        """Read this phone's account again, soon."""
        self._stale.add(number)
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._wake.wait()
            self._wake.clear()
            wanted = set(self._handsets) if self._feed.watched else set()
            for number in sorted(self._stale | wanted):
                self._stale.discard(number)
                await self._show(number)

    async def _show(self, number: str) -> None:
        phone = self._handsets.get(number)
        if phone is None:
            return
        try:
            account = await self.read(number)
        except (ServiceUnreachableError, ServiceRefusedError) as error:
            log.info("lab_account_unknown", error=str(error))
            account = {**UNKNOWN, "lines": (phone.account or UNKNOWN)["lines"]}
        phone.show_account(account)

    async def read(self, number: str) -> dict[str, Any]:
        """Return a subscriber's money as the page shows it."""
        raise NotImplementedError
