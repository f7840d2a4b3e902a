"""What the tests of the SMS transport share: a service on the lab's SMSC, phones, and ways to wait for a state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import redis.asyncio

from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.msisdn import Msisdn
from telco.lab.smsc import Smsc
from telco.sms.model import Inbound, OutboundKind, Reply, UssdReply, UssdRequest
from telco.sms.service import SmsService
from telco.sms.settings import SmsSettings
from telco.sms.smpp.link import LinkSettings

SUBSCRIBER = "77011234567"
OTHER = "77017654321"
PATIENCE_S = 20.0


class Phones:
    """All phones of the lab: what they got, in order; those named in `off` take nothing."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        self.pages: list[tuple[str, str, bool]] = []
        self.off: set[str] = set()
        self._changed = asyncio.Event()

    def sms_delivered(self, source: str, destination: str, text: str) -> bool:
        if destination in self.off:
            return False
        self.messages.append((source, destination, text))
        self._changed.set()
        return True

    def ussd_answered(self, number: str, text: str, *, more: bool) -> None:
        self.pages.append((number, text, more))
        self._changed.set()

    async def until(self, condition: Callable[[Phones], bool]) -> None:
        """Wait until the phones have what the test waits for."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def texts(self, count: int) -> list[str]:
        """Wait for `count` messages and return their texts."""
        await self.until(lambda phones: len(phones.messages) >= count)
        return [text for _, _, text in self.messages]


async def echo(inbound: Inbound) -> Reply | None:
    """The simplest service: it says what it heard."""
    return Reply(f"heard {inbound.text}")


async def ussd_echo(request: UssdRequest) -> UssdReply | None:
    return UssdReply(f"{request.service_op.name} {request.text}", more=request.service_op.name == "BEGIN")


def link(port: int, **changes: Any) -> LinkSettings:
    """A link that is quick to come back."""
    return LinkSettings.model_validate(
        {
            "name": "smsc-1",
            "port": port,
            "backoff_min_s": 0.01,
            "backoff_max_s": 0.05,
            "response_timeout_s": 2,
            **changes,
        }
    )


def settings(port: int, **changes: Any) -> SmsSettings:
    """Settings of a service on one link to `port`, with short pauses."""
    return SmsSettings.model_validate(
        {
            "links": (link(port),),
            "poll_interval_s": 0.02,
            "sweep_interval_s": 0.05,
            "throttle_pause_s": 0.02,
            "retry_delay_s": 0.0,
            "drain_timeout_s": 5.0,
            **changes,
        }
    )


@dataclass
class Bench:
    """A running service with the lab's SMSC before it."""

    smsc: Smsc
    phones: Phones
    service: SmsService
    database: Database
    handled: list[Inbound] = field(default_factory=list)

    async def until(self, query: str, expected: Any) -> None:
        await until(self.database, query, expected)


async def until(database: Database, query: str, expected: Any) -> None:
    """Wait until a query answers `expected`; the server is asked again as soon as it has answered."""
    found = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (found := await database.fetchval(query)) != expected:
                await asyncio.sleep(0)
    except TimeoutError:
        rows = await database.fetch("select * from sms.outbound order by outbound_id desc limit 20")
        raise AssertionError(f"{query} answers {found!r}, not {expected!r}; outbound: {rows}") from None


def service_on(
    database: Database,
    clock: Clock,
    configuration: SmsSettings,
    handler: Callable[[Inbound], Awaitable[Reply | None]] = echo,
    menu: Callable[[UssdRequest], Awaitable[UssdReply | None]] = ussd_echo,
    client: redis.asyncio.Redis | None = None,
) -> SmsService:
    return SmsService(database, clock, client, configuration, handler, menu)


@asynccontextmanager
async def running(
    database: Database,
    clock: Clock,
    handler: Callable[[Inbound], Awaitable[Reply | None]] = echo,
    menu: Callable[[UssdRequest], Awaitable[UssdReply | None]] = ussd_echo,
    client: redis.asyncio.Redis | None = None,
    **changes: Any,
) -> AsyncIterator[Bench]:
    """Run an SMSC and a service bound to it."""
    smsc, phones = Smsc(clock, {"telco": "telco"}), Phones()
    smsc.attach(phones)
    await smsc.start()
    handled: list[Inbound] = []

    async def recording(inbound: Inbound) -> Reply | None:
        handled.append(inbound)
        return await handler(inbound)

    configuration = settings(smsc.port, **changes)
    service = service_on(database, clock, configuration, recording, menu, client)
    await service.start()
    try:
        if configuration.links:
            async with asyncio.timeout(PATIENCE_S):
                await service.bound()
        yield Bench(smsc, phones, service, database, handled)
    finally:
        await service.stop()
        await smsc.stop()


def states(side: str) -> str:
    return f"select array_agg(state order by {side}_id) from sms.{side}"


async def enqueue(
    service: SmsService,
    database: Database,
    text: str,
    *,
    to: str = SUBSCRIBER,
    kind: OutboundKind = OutboundKind.NOTICE,
    key: str | None = None,
    valid_for: timedelta = timedelta(hours=1),
) -> int | None:
    async def body(conn: Connection) -> int | None:
        return await service.enqueue(
            conn, Msisdn(to), text, sender="Kcell", kind=kind, dedupe_key=key, valid_for=valid_for
        )

    return await database.transact("test.enqueue", body)
