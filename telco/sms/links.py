"""The links to the SMSC as one: where the next message goes, who hears what arrives, and when to slow down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from telco.sms import metrics
from telco.sms.settings import SmsSettings
from telco.sms.smpp.link import Link
from telco.sms.smpp.pdu import Message
from telco.sms.smpp.session import Answer, Session

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Listeners:
    """Who is told what. Everything is called from the event loop and does not block, but `ended`."""

    arrived: Callable[[Session, int, Message], None]
    answered: Callable[[Session, Any, Answer], None]
    opened: Callable[[], None]
    ended: Callable[[list[int]], Awaitable[None]]
    """Gets the tokens of acknowledgements that the ended session may not have delivered."""


@dataclass(slots=True)
class _Throttle:
    """A link's pauses after the SMSC asked to slow down."""

    until: float = 0.0
    step: int = 0
    reopen: asyncio.TimerHandle | None = field(default=None, repr=False)


class Links:
    """All links of this process. It is the owner of their sessions."""

    def __init__(self, settings: SmsSettings, listeners: Listeners, rng: random.Random | None = None) -> None:
        self._settings = settings
        self._listeners = listeners
        self.links = [Link(link, self, rng) for link in settings.links]
        self._throttles = {link.name: _Throttle() for link in self.links}
        self._loop = asyncio.get_running_loop()
        self._any_bound = asyncio.Event()

    def start(self) -> None:
        for link in self.links:
            link.start()

    async def stop(self) -> None:
        """Unbind all and close."""
        await asyncio.gather(*(link.stop() for link in self.links))
        for throttle in self._throttles.values():
            if throttle.reopen is not None:
                throttle.reopen.cancel()

    async def abort(self) -> None:
        """Break what is left after a stop that took too long."""
        await asyncio.gather(*(link.abort() for link in self.links))

    async def bound(self) -> None:
        """Wait until at least one link is bound."""
        await self._any_bound.wait()

    @property
    def bound_count(self) -> int:
        return sum(link.bound for link in self.links)

    # --- sending

    def _free(self, link: Link) -> int:
        if link.session is None or self._throttles[link.name].until > self._loop.time():
            return 0
        return link.session.free

    def capacity(self) -> int:
        """How many messages may be sent now, over all links."""
        return sum(self._free(link) for link in self.links)

    def window(self) -> int:
        """How many messages the bound links carry at once."""
        return sum(link.settings.window for link in self.links if link.bound)

    def outstanding(self) -> int:
        """How many messages wait for the SMSC's answer."""
        return sum(link.session.outstanding for link in self.links if link.session is not None)

    def send(self, message: Message, token: Any) -> bool:
        """Send over the link with the most room; False when there is none, and nothing was sent."""
        best, room = None, 0
        for link in self.links:
            free = self._free(link)
            if free > room:
                best, room = link.session, free
        if best is None:
            return False
        best.send(message, token)
        return True

    def slow_down(self, name: str) -> None:
        """The SMSC refused for load: leave the link alone for a while, longer each time."""
        throttle = self._throttles[name]
        now = self._loop.time()
        if throttle.until > now:
            return  # answers to what was sent before the pause began
        settings = self._settings
        pause = min(settings.throttle_pause_s * 2.0 ** min(throttle.step, 16), settings.throttle_pause_max_s)
        throttle.step += 1
        throttle.until = now + pause
        throttle.reopen = self._loop.call_at(throttle.until, self._listeners.opened)
        metrics.THROTTLED.labels("smsc").inc()
        log.warning("smpp_throttled", link=name, pause_s=pause)

    def speed_up(self, name: str) -> None:
        """The SMSC accepted a message: the next pause is a short one again."""
        throttle = self._throttles[name]
        if throttle.step and throttle.until <= self._loop.time():
            throttle.step = 0

    # --- LinkOwner

    def message_received(self, session: Session, sequence: int, message: Message) -> None:
        self._listeners.arrived(session, sequence, message)

    def message_answered(self, session: Session, token: Any, answer: Answer) -> None:
        self._listeners.answered(session, token, answer)

    def window_opened(self) -> None:
        self._listeners.opened()

    def session_closed(self, session: Session, reason: str) -> None:
        log.info("smpp_session_closed", link=session.name, reason=reason)

    def link_bound(self) -> None:
        self._any_bound.set()
        metrics.LINKS_BOUND.set(self.bound_count)
        self._listeners.opened()

    async def link_ended(self, session: Session) -> None:
        metrics.LINKS_BOUND.set(self.bound_count)
        if not self.bound_count:
            self._any_bound.clear()
        await self._listeners.ended(session.unproven())
