"""A link to the operator's SMSC that binds, stays bound, and binds again with growing pauses."""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from telco.sms.smpp.pdu import Bind, Command, Status
from telco.sms.smpp.session import Owner, Session, State, Timers

log = structlog.get_logger(__name__)


class LinkSettings(BaseModel):
    """One transceiver link. Its name appears in metrics, logs and USSD session ids."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str = Field(default="smsc-1", min_length=1, max_length=40)
    """Names the link in metrics, logs and USSD session ids."""
    host: str = "127.0.0.1"
    """Where the SMSC listens."""
    port: int = Field(default=2775, ge=0, le=65535)
    """Port of the SMSC."""
    system_id: str = Field(default="telco", max_length=15)
    """Who binds."""
    password: SecretStr = Field(default=SecretStr("telco"), max_length=8)
    """The bind's password, at most 8 characters (SMPP 3.4)."""
    system_type: str = Field(default="", max_length=12)
    """What kind of system binds, where the SMSC asks for it."""
    window: int = Field(default=100, ge=1, le=10_000)
    """Messages that may wait for the SMSC's answer at once."""
    response_timeout_s: float = Field(default=30.0, gt=0)
    """A message without an answer for so long is given up; a session that does not answer whether it lives ends."""
    enquire_interval_s: float = Field(default=30.0, gt=0)
    """How often a silent session is asked whether it lives."""
    connect_timeout_s: float = Field(default=10.0, gt=0)
    """For the connection and the bind."""
    backoff_min_s: float = Field(default=0.5, gt=0)
    """The first pause before binding again; each further one is twice as long, with jitter."""
    backoff_max_s: float = Field(default=60.0, gt=0)
    """The longest pause."""
    stable_s: float = Field(default=30.0, ge=0)
    """A session that lasted so long makes the pauses short again."""

    @property
    def timers(self) -> Timers:
        return Timers(self.response_timeout_s, self.enquire_interval_s, self.connect_timeout_s, self.window)


class Backoff:
    """Pauses that double up to a limit, each up to half shorter at random, so that many links do not march in step."""

    def __init__(self, shortest_s: float, longest_s: float, rng: random.Random) -> None:
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._rng = rng
        self._step = 0

    def next(self) -> float:
        """Return the next pause in seconds."""
        pause = min(self._longest_s, self._shortest_s * 2.0 ** min(self._step, 32))
        self._step += 1
        return pause * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._step = 0


class LinkOwner(Owner, Protocol):
    """Who uses a link."""

    def link_bound(self) -> None:
        """Learn that messages can flow."""

    async def link_ended(self, session: Session) -> None:
        """Settle what the ended session left behind; the link binds again only after it."""


class Link:
    """Keeps one session bound from `start` to `stop`."""

    def __init__(self, settings: LinkSettings, owner: LinkOwner, rng: random.Random | None = None) -> None:
        self.settings = settings
        self.name = settings.name
        self.session: Session | None = None
        self.binds = 0
        self.last_error = ""
        self._owner = owner
        self._backoff = Backoff(settings.backoff_min_s, settings.backoff_max_s, rng or random.Random())  # noqa: S311  (jitter)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def bound(self) -> bool:
        return self.session is not None and self.session.state is State.BOUND

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"smpp-link-{self.name}")

    async def stop(self) -> None:
        """Unbind, close, and do not come back."""
        self._stopping.set()
        if self.session is not None:
            await self.session.unbind()
        if self._task is not None:
            await self._task

    async def abort(self) -> None:
        """Break the connection and forget it: the last resort of a stop."""
        self._stopping.set()
        if self.session is not None:
            self.session.abort("the service stops")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            session = await self._open()
            if session is not None:
                began = loop.time()
                await self._serve(session)
                if loop.time() - began >= self.settings.stable_s:
                    self._backoff.reset()
            await self._pause(self._backoff.next())

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _open(self) -> Session | None:
        """Connect and bind; None when either failed, which is logged."""
        settings = self.settings
        session: Session | None = None
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                loop = asyncio.get_running_loop()
                _, session = await loop.create_connection(
                    lambda: Session(self._owner, settings.timers, settings.name), settings.host, settings.port
                )
                status = await session.bind_as(
                    Bind(
                        Command.BIND_TRANSCEIVER,
                        settings.system_id,
                        settings.password.get_secret_value(),
                        settings.system_type,
                    )
                )
        except OSError as error:  # TimeoutError and ConnectionError are among them
            self.last_error = f"{type(error).__name__}: {error}"
        else:
            if status == Status.ROK:
                self.last_error = ""
                return session
            self.last_error = f"bind refused with status {status:#x}"
        log.warning("smpp_bind_failed", link=self.name, error=self.last_error)
        if session is not None:
            session.abort(self.last_error)
        return None

    async def _serve(self, session: Session) -> None:
        self.session = session
        self.binds += 1
        log.info("smpp_bound", link=self.name)
        self._owner.link_bound()
        if self._stopping.is_set():
            await session.unbind()
        await session.closed.wait()
        self.session = None
        await self._owner.link_ended(session)
