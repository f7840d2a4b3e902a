"""A whole operator behind the command router: the real catalogue, ledger, subscribers, cards, PostgreSQL and Redis."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

from redis.asyncio import Redis

from telco.billing.documents.desk import DocumentDesk
from telco.billing.statements import Statements
from telco.commands import menu
from telco.db.pool import Database
from telco.email.service import Email
from telco.email.settings import EmailSettings
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Language, Translator
from telco.kernel.money import tenge
from telco.ledger.model import Charge, debit
from telco.sms.call_me import CallMe, CallMeLimits
from telco.sms.command import Services
from telco.sms.faces import SubscriberFaces
from telco.sms.model import Inbound, OutboundKind, UssdOp, UssdReply, UssdRequest
from telco.sms.notices import Notices
from telco.sms.pages import fits
from telco.sms.service import SmsService
from telco.sms.settings import SmsSettings
from telco.subscribers.model import Accession
from tests.subscribers.conftest import Office, person
from tests.world import World

MONTH_END = date(2026, 12, 31)


async def prepare(database: Database, clock: ManualClock) -> None:
    """Publish the catalogue and the contract; put a few numbers into the pool."""
    world = World(database, clock, Calendar())
    await world.open()
    await Office(world.subscribers, database, world.ledger).stock(4)
    await world.close()


class Handsets(World):
    """Short ways to do what subscribers do."""

    def __init__(
        self, database: Database, clock: ManualClock, calendar: Calendar, translator: Translator, redis: Redis
    ) -> None:
        super().__init__(database, clock, calendar)
        self.office = Office(self.subscribers, database, self.ledger)
        self.transport = SmsService(database, clock, None, SmsSettings(), self._no_sms, self._no_ussd)
        self.email = Email(
            database, clock, EmailSettings(host="127.0.0.1", sender="no-reply@kcell.example", sender_name="Kcell")
        )
        self.documents = DocumentDesk(database, clock, calendar, translator, self.invoicing, self.catalog.current)
        self.statements = Statements(
            database, clock, calendar, self.ledger, self.subscribers, self.email, translator, self.documents.documents
        )
        call_me = CallMe(database, clock, calendar, translator, self.transport, CallMeLimits())
        self.faces = SubscriberFaces(
            menu(),
            Services(
                self.catalog,
                self.ledger,
                self.subscribers,
                self.cards,
                self.collection,
                self.trust,
                self.bonuses,
                self.instalments,
                call_me,
                self.invoicing,
                self.limits,
                self.statements,
            ),
            database=database,
            subscribers=self.subscribers,
            translator=translator,
            clock=clock,
            redis=redis,
            enqueue=self.transport.enqueue,
        )
        self.notices = Notices(
            clock,
            translator,
            self.subscribers,
            self.catalog.current,
            self.transport.enqueue_all,
            self.transport.withdraw,
            self.collection.sms_from,
        )
        self.notices.subscribe_to(self.outbox)
        self._numbers = itertools.count(1)
        self._people = itertools.count(1)

    @classmethod
    @asynccontextmanager
    async def switched_on(
        cls, database: Database, clock: ManualClock, calendar: Calendar, translator: Translator, redis_url: str
    ) -> AsyncIterator[Handsets]:
        """Use a database that `prepare` has made; the auditor looks at the end."""
        async with Redis.from_url(redis_url) as redis:
            handsets = cls(database, clock, calendar, translator, redis)
            await handsets.catalog.refresh()
            yield handsets
            await handsets.close()

    async def _no_sms(self, inbound: Inbound) -> None:
        raise AssertionError("the transport is not started here")

    async def _no_ussd(self, request: UssdRequest) -> None:
        raise AssertionError("the transport is not started here")

    async def accede(
        self, plan: str = "kcell-free", language: Language = Language.RU, amount: str = "5000", **changes: Any
    ) -> Accession:
        party = changes.pop("party", None) or person(next(self._people))
        sheet = {"plan_code": plan, "language": language, "initial_payment": tenge(amount), **changes}
        return await self.office.accede(party, **sheet)

    async def sms(self, who: Accession, text: str, message_id: int | None = None, to: str = "111") -> str:
        number = message_id if message_id is not None else next(self._numbers)
        reply = await self.faces.answer_sms(Inbound(number, who.msisdn, to, text, self.clock.now()))
        assert reply is not None
        return reply.text

    def session(self) -> str:
        """A session number that no dialogue has."""
        return f"s{next(self._numbers)}"

    async def step(self, who: Accession, session: str, text: str, *, first: bool) -> UssdReply:
        """One step of a dialogue."""
        op = UssdOp.BEGIN if first else UssdOp.CONTINUE
        reply = await self.faces.answer_ussd(UssdRequest(session, who.msisdn, text, op, "link"))
        assert reply is not None
        assert fits(reply.text)
        return reply

    async def dial(self, who: Accession, *texts: str) -> UssdReply:
        """Dial the first text, answer with the others, and return the last page."""
        session = self.session()
        reply = await self.step(who, session, texts[0], first=True)
        for text in texts[1:]:
            assert reply.more, f"the dialogue had ended before {text!r}: {reply.text}"
            reply = await self.step(who, session, text, first=False)
        return reply

    async def page(self, who: Accession, *texts: str) -> str:
        return (await self.dial(who, *texts)).text

    async def card_codes(self, *faces: str) -> list[str]:
        """Print a card of each face value and return their codes."""
        codes: list[str] = []
        for face in faces:
            request = f"batch-{next(self._numbers)}"
            _, [card] = await self.cards.make_batch(
                request, face_value=tenge(face), count=1, expires_on=MONTH_END, actor="staff:aigul"
            )
            codes.append(card.code)
        return codes

    async def spend(self, who: Accession, op_id: str, charge: Charge, label: str) -> None:
        outcome = await self.ledger.submit(
            debit(who.account, op_id, charge, contra="revenue.test", details={"label": label})
        )
        assert outcome.status == 0

    async def sent(self, who: Accession, kind: OutboundKind = OutboundKind.NOTICE) -> list[str]:
        """Texts queued for a number, the oldest first."""
        rows = await self.database.fetch(
            "select string_agg(body, '' order by part) as text from sms.outbound where recipient = $1 and kind = $2"
            " group by outbound_id order by outbound_id",
            who.msisdn,
            kind,
        )
        return [row["text"] for row in rows]

    def later(self, **step: float) -> None:
        self.clock.advance(timedelta(**step))
