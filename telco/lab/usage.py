"""Voice and data as the network meters them: reserve a portion, use it up, report, ask for the next.

Talk and traffic are simulated: they run at a pace, so that a ten-minute call takes seconds, and at an infinite pace for
tests and the story on the terminal. What is charged is decided by the service alone.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from telco.lab.service import Grant, ServiceClient, ServiceRefusedError, ServiceUnreachableError, Usage

TICK_S: Final = 0.125
"""How often a session's progress is shown."""
INSTANT: Final = math.inf
"""A pace at which use takes no time."""

UNAVAILABLE: Final = "unavailable"
REFUSED: Final = "refused"
STOPPED: Final = "stopped"
FUNDS_USED_UP: Final = "funds_used_up"


@dataclass(frozen=True, slots=True)
class Progress:
    """What a session has used and what it has cost so far."""

    used: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Ended:
    """How a session ended: with all that was wanted where `reason` is None."""

    progress: Progress
    begun: bool
    reason: str | None


class Session:
    """One voice or data session of one subscriber."""

    def __init__(
        self, service: ServiceClient, usage: Usage, *, wanted: int, pace: float, show: Callable[[Progress], None]
    ) -> None:
        """Prepare a session.

        Args:
            wanted: how much will be used, in the service's unit.
            pace: units a real second.
            show: told at the beginning and whenever use or cost changed.
        """
        self._service = service
        self._usage = usage
        self._wanted = wanted
        self._pace = pace
        self._show = show
        self._stop = asyncio.Event()
        self._seq = 0
        self._used = 0
        self._reported = 0
        self._cost = Decimal("0.00")

    def stop(self) -> None:
        """End it at its next tick; what was used is still reported."""
        self._stop.set()

    async def run(self) -> Ended:
        """Go through the whole session; never raises for what the service does."""
        try:
            grant = await self._service.start(self._usage)
        except ServiceUnreachableError:
            return self._ended(begun=False, reason=UNAVAILABLE)
        except ServiceRefusedError as refused:
            return self._ended(begun=False, reason=UNAVAILABLE if refused.status >= 500 else REFUSED)
        if not grant.given:
            return self._ended(begun=False, reason=grant.result)
        self._show(self._progress())
        try:
            reason = await self._use(grant)
        except ServiceUnreachableError:
            reason = UNAVAILABLE
        except ServiceRefusedError:
            reason = REFUSED
        return await self._release(reason)

    async def _use(self, grant: Grant) -> str | None:
        """Use portion after portion; return why it ended early."""
        while True:
            await self._consume(min(self._wanted, self._reported + grant.granted))
            if self._used >= self._wanted:
                return None
            if self._stop.is_set():
                return STOPPED
            if grant.final:
                return FUNDS_USED_UP
            grant = await self._report()
            if not grant.given:
                return FUNDS_USED_UP if grant.result == "insufficient_funds" else grant.result

    async def _consume(self, target: int) -> None:
        """Use up to `target` at the session's pace."""
        carry = 0.0
        while self._used < target and not self._stop.is_set():
            if math.isinf(self._pace):
                self._used = target
            else:
                await self._tick()
                whole, carry = divmod(self._pace * TICK_S + carry, 1)
                self._used = min(target, self._used + int(whole))
            self._show(self._progress())

    async def _tick(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _report(self) -> Grant:
        self._seq += 1
        used, self._reported = self._used - self._reported, self._used
        grant = await self._service.update(self._usage.request_id, self._seq, used)
        self._cost += grant.cost
        self._show(self._progress())
        return grant

    async def _release(self, reason: str | None) -> Ended:
        self._seq += 1
        used, self._reported = self._used - self._reported, self._used
        try:
            last = await self._service.release(self._usage.request_id, self._seq, used)
        except (ServiceUnreachableError, ServiceRefusedError):
            return self._ended(begun=True, reason=reason or UNAVAILABLE)  # the service's sweeper returns the hold
        self._cost += last.cost
        return self._ended(begun=True, reason=reason)

    def _progress(self) -> Progress:
        return Progress(self._used, self._cost)

    def _ended(self, *, begun: bool, reason: str | None) -> Ended:
        return Ended(self._progress(), begun, reason)
