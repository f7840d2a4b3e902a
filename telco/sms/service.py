"""SMS and USSD as the rest of telco sees them: handlers that answer, and messages to send."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis.asyncio
import structlog

from telco.db.pool import LOST_CONNECTION, Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.msisdn import Msisdn
from telco.sms import metrics, store
from telco.sms.instance import Instance
from telco.sms.limits import SenderLimits
from telco.sms.links import Links, Listeners
from telco.sms.model import RANK, OutboundKind, OutboundState, Outgoing, SmsHandler, UssdHandler
from telco.sms.receiver import Receiver
from telco.sms.sender import Sender
from telco.sms.settings import SmsSettings
from telco.sms.smpp.outcome import is_receipt
from telco.sms.smpp.pdu import Message
from telco.sms.smpp.session import Answer, Session
from telco.sms.store import Q, Submit
from telco.sms.ussd_link import UssdGate, UssdToken

log = structlog.get_logger(__name__)

_DELETED_AT_ONCE = 5_000
_EARLY_RECEIPT_LIVES = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SmsHealth:
    """How the transport does, for the readiness page."""

    stopping: bool
    links: int
    links_bound: int
    in_house: int
    limits_available: bool


class SmsService:
    """The links to the SMSC with everything behind them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        client: redis.asyncio.Redis | None,
        settings: SmsSettings,
        sms_handler: SmsHandler,
        ussd_handler: UssdHandler,
        rng: random.Random | None = None,
    ) -> None:
        """Make it; nothing runs until `start`. Without a Redis `client` there are no limits per sender."""
        self._database = database
        self._clock = clock
        self._settings = settings
        self._limits = SenderLimits(client, clock, "sms", settings.sms_limit)
        self._instance = Instance(database)
        listeners = Listeners(self._arrived, self._answered, self._opened, self._ended)
        self._links = Links(settings, listeners, rng)
        self._sender = Sender(database, clock, settings, self._instance, self._links)
        self._receiver = Receiver(database, clock, settings, self._instance, self._limits, self._sender, sms_handler)
        self._ussd = UssdGate(settings, SenderLimits(client, clock, "ussd", settings.ussd_limit), ussd_handler)
        self._sweeper: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self) -> None:
        """Take over what dead processes left, then let the links bind."""
        await self._instance.start(self._clock.now())
        self._sender.start()
        self._receiver.start()
        await self._bury()
        await self._receiver.adopt()
        self._links.start()
        self._sweeper = asyncio.create_task(self._sweep_regularly(), name="sms-sweeper")

    async def stop(self) -> None:
        """Finish what is in hand, unbind, stop. What a time-out leaves is the next process's."""
        if self._stopping:
            return
        self._stopping = True
        self._receiver.refuse()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        try:
            async with asyncio.timeout(self._settings.drain_timeout_s):
                await asyncio.gather(self._ussd.drain(), self._receiver.drain())
                await self._sender.drain()
                await self._links.stop()
        except TimeoutError:
            log.warning("sms_drain_timed_out", in_house=self._receiver.in_house)
            await self._links.abort()
        await self._ussd.stop()
        await self._receiver.stop()
        await self._sender.stop()
        await self._instance.stop(self._clock.now())

    async def enqueue(
        self,
        conn: Connection,
        to: Msisdn,
        text: str,
        *,
        sender: str,
        kind: OutboundKind,
        dedupe_key: str | None,
        valid_for: timedelta,
        not_before: datetime | None = None,
    ) -> int | None:
        """Queue a rendered message in the caller's transaction; it leaves after the commit.

        Returns its id, or None when a message with the same `dedupe_key` was queued before.
        """
        message = Outgoing(to, text, sender, kind, dedupe_key, valid_for, not_before)
        [outbound_id] = await self.enqueue_all(conn, [message])
        return outbound_id

    async def enqueue_all(self, conn: Connection, messages: Sequence[Outgoing]) -> list[int | None]:
        """Queue rendered messages, in their order, in the caller's transaction; they leave after the commit.

        Returns their ids, None for one with a `dedupe_key` that was queued before.
        """
        return await self._sender.enqueue(conn, messages) if messages else []

    async def put_off(self, conn: Connection, until: datetime) -> int:
        """Let what may only leave in the day and still waits do so until a coming moment; returns how many parts."""
        now = self._clock.now()
        if until <= now:
            return 0
        status: str = await conn.execute(Q.put_off, until, RANK[OutboundKind.NOTICE], now)
        return int(status.rsplit(" ", 1)[-1])

    async def withdraw(self, conn: Connection, abouts: Sequence[str]) -> None:
        """Do not send, in the caller's transaction, what was queued about these matters and still waits."""
        await conn.execute(Q.withdraw, abouts, self._clock.now())

    async def bound(self) -> None:
        """Wait until a link is bound."""
        await self._links.bound()

    @property
    def health(self) -> SmsHealth:
        return SmsHealth(
            self._stopping,
            len(self._links.links),
            self._links.bound_count,
            self._receiver.in_house,
            self._limits.available,
        )

    async def sweep(self) -> None:
        """Bury dead processes, expire what is too old, match stray receipts. Runs by itself every few seconds."""
        await self._bury()
        await self._receiver.adopt_rest()
        await self._sender.give_back()
        now = self._clock.now()
        async with self._database.acquire() as conn:
            await conn.execute(Q.expire_queued, now)
            await store.match_early_receipts(conn, None, now)
            await conn.execute(Q.delete_old_receipts, now - _EARLY_RECEIPT_LIVES)
            keep_from = now - timedelta(seconds=self._settings.keep_s)
            await conn.execute(Q.delete_old_inbound, keep_from, _DELETED_AT_ONCE)
            await conn.execute(Q.delete_old_outbound, keep_from, _DELETED_AT_ONCE)
            incomplete = await conn.fetchval(Q.delete_old_parts, now - timedelta(seconds=self._settings.part_wait_s))
        if incomplete:
            log.warning("sms_parts_missing", parts=incomplete)

    async def _bury(self) -> None:
        window = timedelta(seconds=self._settings.redelivery_window_s)
        buried = await self._instance.bury(self._clock.now(), window, window)
        metrics.SENT.labels("any", OutboundState.UNKNOWN.value).inc(buried.given_up)
        if buried.adopted:
            await self._receiver.adopt()

    async def _sweep_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._settings.sweep_interval_s)
            try:
                await self.sweep()
            except LOST_CONNECTION as error:
                log.warning("sms_sweep_delayed", error=repr(error))
            except Exception:
                log.exception("sms_sweep_failed")

    # --- Listeners

    def _arrived(self, session: Session, sequence: int, message: Message) -> None:
        if message.esm_class and is_receipt(message):
            self._sender.report(session, sequence, message)
        elif (message.tlvs or message.service_type) and self._ussd.speaks(message):
            self._ussd.take(session, sequence, message)
        else:
            self._receiver.take(session, sequence, message)

    def _answered(self, session: Session, token: Any, answer: Answer) -> None:
        if isinstance(token, Submit):
            self._sender.answered(session, token, answer)
        elif isinstance(token, UssdToken):
            self._ussd.answered(token, answer)

    def _opened(self) -> None:
        self._sender.window_opened()

    async def _ended(self, inbound_ids: list[int]) -> None:
        await self._receiver.session_ended(inbound_ids)
