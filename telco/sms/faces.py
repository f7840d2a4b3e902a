"""SMS and USSD commands as the composition root builds them: one table, two faces, one set of reads."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from redis.asyncio import Redis

from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.i18n import Translator
from telco.kernel.msisdn import Msisdn
from telco.sms.command import Codes, Services
from telco.sms.dialogues import Dialogues
from telco.sms.menu import Menu
from telco.sms.model import Inbound, OutboundKind, Reply, UssdReply, UssdRequest
from telco.sms.router import SmsRouter
from telco.sms.shared import Faces
from telco.sms.ussd import UssdRouter
from telco.subscribers.service import Subscribers

LATE_ANSWER_VALID = timedelta(hours=1)


class Enqueue(Protocol):
    """Queues a message in the caller's transaction: `SmsService.enqueue`."""

    async def __call__(
        self,
        conn: Connection,
        to: Msisdn,
        text: str,
        *,
        sender: str,
        kind: OutboundKind,
        dedupe_key: str | None,
        valid_for: timedelta,
    ) -> object: ...


class SubscriberFaces:
    """Answers subscribers' messages and dialogues.

    `services` holds what the commands of `menu` ask for; `redis` need not be there.
    """

    def __init__(
        self,
        menu: Menu,
        services: Services,
        *,
        database: Database,
        subscribers: Subscribers,
        translator: Translator,
        clock: Clock,
        redis: Redis,
        enqueue: Enqueue,
        codes: Codes | None = None,
    ) -> None:
        self._database = database
        self._enqueue = enqueue
        self._codes = codes or Codes()
        faces = Faces(menu, self._codes, services, translator, Dialogues(redis), subscribers.find, clock)
        self._sms = SmsRouter(faces)
        self._ussd = UssdRouter(faces, late=self._send_late)

    async def answer_sms(self, inbound: Inbound) -> Reply | None:
        """Answer a stored message: the transport's `SmsHandler`."""
        return await self._sms.handle(inbound)

    async def answer_ussd(self, request: UssdRequest) -> UssdReply | None:
        """Answer a step of a dialogue: the transport's `UssdHandler`."""
        return await self._ussd.handle(request)

    async def stop(self) -> None:
        """Wait for commands whose dialogues did not."""
        await self._ussd.stop()

    async def _send_late(self, msisdn: Msisdn, text: str) -> None:
        async def body(connection: Connection) -> None:
            await self._enqueue(
                connection,
                msisdn,
                text,
                sender=self._codes.root,
                kind=OutboundKind.REPLY,
                dedupe_key=None,
                valid_for=LATE_ANSWER_VALID,
            )

        await self._database.transact("sms.answer_late", body)
