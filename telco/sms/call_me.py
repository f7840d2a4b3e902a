"""Call me: a subscriber without money asks another number, free of charge, to call back.

Limits count by calendar day and month in Kazakhstan and are the operator's data. A repeated request is answered as
before and sends nothing again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from telco.db import queries
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.msisdn import Msisdn
from telco.sms.model import OutboundKind
from telco.sms.service import SmsService

VALID_FOR = timedelta(hours=6)
_LOCK = 0x7E1D0
_Q = queries.load("telco.sms", "call_me.sql")


class CallMeStatus(StrEnum):
    """How a request ended, in order of precedence."""

    OWN_NUMBER = "own_number"
    DAILY_LIMIT = "daily_limit"
    MONTHLY_LIMIT = "monthly_limit"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class CallMeAnswer:
    """The answer, and how many requests are left today."""

    status: CallMeStatus
    left_today: int


@dataclass(frozen=True, slots=True)
class CallMeLimits:
    """Requests that a number may make."""

    per_day: int = 5
    per_month: int = 30


class CallMe:
    """Use case of the call-back request."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        translator: Translator,
        sms: SmsService,
        limits: CallMeLimits,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._translator = translator
        self._sms = sms
        self.limits = limits

    async def ask(self, source: Msisdn, target: Msisdn, language: Language, request_id: str) -> CallMeAnswer:
        """Ask `target` by SMS to call `source`; `language` is the reader's, or the sender's where it is not known."""
        if source == target:
            return CallMeAnswer(CallMeStatus.OWN_NUMBER, 0)
        text = self._translator.render(Text("Please call me: +{number}", number=source), language)

        async def body(connection: Connection) -> CallMeAnswer:
            await connection.execute(_Q.lock, _LOCK, source)
            today, month = await self._used(connection, source)
            if await connection.fetchval(_Q.find, source, request_id) is not None:
                return CallMeAnswer(CallMeStatus.SENT, self.limits.per_day - today)
            if today >= self.limits.per_day:
                return CallMeAnswer(CallMeStatus.DAILY_LIMIT, 0)
            if month >= self.limits.per_month:
                return CallMeAnswer(CallMeStatus.MONTHLY_LIMIT, 0)
            call_me_id = await connection.fetchval(_Q.insert, source, request_id, target, self._clock.now())
            await self._sms.enqueue(
                connection,
                target,
                text,
                sender=source,
                kind=OutboundKind.NOTICE,
                dedupe_key=f"call_me:{call_me_id}",
                valid_for=VALID_FOR,
            )
            return CallMeAnswer(CallMeStatus.SENT, self.limits.per_day - today - 1)

        return await self._database.transact("sms.call_me", body)

    async def _used(self, connection: Connection, source: Msisdn) -> tuple[int, int]:
        today = self._calendar.today(self._clock.now())
        row = await connection.fetchrow(
            _Q.count, source, self._calendar.start_of_day(today.replace(day=1)), self._calendar.start_of_day(today)
        )
        return (row["today"], row["month"]) if row is not None else (0, 0)
