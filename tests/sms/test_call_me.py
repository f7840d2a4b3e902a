"""Call me: five a day, thirty a month, free, once for each request."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Language, Translator
from telco.kernel.msisdn import Msisdn
from telco.sms.call_me import CallMe, CallMeLimits, CallMeStatus
from telco.sms.model import Inbound, Reply, UssdReply, UssdRequest
from telco.sms.service import SmsService
from telco.sms.settings import SmsSettings

A, B = Msisdn("77011111111"), Msisdn("77022222222")


async def _silent_sms(_: Inbound) -> Reply | None:
    return None


async def _silent_ussd(_: UssdRequest) -> UssdReply | None:
    return None


@pytest.fixture
async def call_me(database: Database, clock: ManualClock, calendar: Calendar, translator: Translator) -> CallMe:
    sms = SmsService(database, clock, None, SmsSettings(links=()), _silent_sms, _silent_ussd)
    return CallMe(database, clock, calendar, translator, sms, CallMeLimits(per_day=5, per_month=30))


async def _queued(database: Database) -> int:
    count: int = await database.fetchval("select count(*) from sms.outbound")
    return count


async def test_five_a_day_then_none_until_midnight_in_kazakhstan(
    call_me: CallMe, clock: ManualClock, database: Database
) -> None:
    answers = [await call_me.ask(A, B, Language.RU, f"m{n}") for n in range(6)]
    assert [answer.status for answer in answers] == [*[CallMeStatus.SENT] * 5, CallMeStatus.DAILY_LIMIT]
    assert [answer.left_today for answer in answers] == [4, 3, 2, 1, 0, 0]
    assert await _queued(database) == 5
    clock.advance(timedelta(hours=13))  # 11:00 and 13 h: midnight
    assert (await call_me.ask(A, B, Language.RU, "next day")).status is CallMeStatus.SENT


async def test_thirty_a_month(call_me: CallMe, clock: ManualClock) -> None:
    for day in range(6):
        for n in range(5):
            assert (await call_me.ask(A, B, Language.RU, f"{day}/{n}")).status is CallMeStatus.SENT
        clock.advance(timedelta(days=1))
    assert (await call_me.ask(A, B, Language.RU, "31st")).status is CallMeStatus.MONTHLY_LIMIT
    clock.advance(timedelta(days=24))  # 8 March and 24 days: 1 April
    assert (await call_me.ask(A, B, Language.RU, "april")).status is CallMeStatus.SENT


async def test_a_request_that_comes_twice_sends_once(call_me: CallMe, database: Database) -> None:
    answers = await asyncio.gather(*(call_me.ask(A, B, Language.KK, "same") for _ in range(4)))
    assert {answer.status for answer in answers} == {CallMeStatus.SENT}
    assert await _queued(database) == 1


async def test_requests_at_once_do_not_pass_the_limit(call_me: CallMe, database: Database) -> None:
    answers = await asyncio.gather(*(call_me.ask(A, B, Language.KK, f"m{n}") for n in range(12)))
    assert sum(answer.status is CallMeStatus.SENT for answer in answers) == await _queued(database) == 5


async def test_nobody_asks_himself(call_me: CallMe, database: Database) -> None:
    assert (await call_me.ask(A, A, Language.EN, "m")).status is CallMeStatus.OWN_NUMBER
    assert await _queued(database) == 0
