"""USSD over SMPP: dialogues, floods, late answers, vendors' dialects."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.lab.smsc import RefusedError
from telco.sms.model import UssdReply, UssdRequest
from telco.sms.settings import SenderLimit, UssdDialect
from telco.sms.smpp.pdu import Address, Message, Tag
from tests.sms.transport import OTHER, PATIENCE_S, SUBSCRIBER, running


async def test_a_dialogue_goes_through_its_steps_and_is_not_stored(database: Database, clock: ManualClock) -> None:
    requests: list[UssdRequest] = []

    async def menu(request: UssdRequest) -> UssdReply | None:
        requests.append(request)
        return UssdReply(f"Мәзір {request.text}", more=request.text == "*166#")

    async with running(database, clock, menu=menu) as bench:
        await bench.smsc.begin_ussd(SUBSCRIBER, "*166#")
        await bench.phones.until(lambda phones: len(phones.pages) == 1)
        await bench.smsc.answer_ussd(SUBSCRIBER, "1")
        await bench.phones.until(lambda phones: len(phones.pages) == 2)
        assert bench.phones.pages == [(SUBSCRIBER, "Мәзір *166#", True), (SUBSCRIBER, "Мәзір 1", False)]
        assert [request.service_op.name for request in requests] == ["BEGIN", "CONTINUE"]
        assert len({request.session_id for request in requests}) == 1
        assert requests[0].link == "smsc-1"
        with pytest.raises(RefusedError):  # the dialogue is over
            await bench.smsc.answer_ussd(SUBSCRIBER, "2")
        assert await database.fetchval("select count(*) from sms.inbound") == 0
        first, last = bench.smsc.submitted
        assert (first.tlvs[Tag.USSD_SERVICE_OP], last.tlvs[Tag.USSD_SERVICE_OP]) == (b"\x02", b"\x11")
        assert (first.tlvs[Tag.ITS_SESSION_INFO][-1] & 1, last.tlvs[Tag.ITS_SESSION_INFO][-1] & 1) == (0, 1)
        assert first.source == Address("*166#", 0, 1) or first.source.digits == "*166#"


async def test_hanging_up_ends_the_dialogue(database: Database, clock: ManualClock) -> None:
    ended = asyncio.Event()

    async def menu(request: UssdRequest) -> UssdReply | None:
        if request.service_op.name == "END":
            ended.set()
            return None
        return UssdReply("1 Balance", more=True)

    async with running(database, clock, menu=menu) as bench:
        await bench.smsc.begin_ussd(SUBSCRIBER, "*166#")
        await bench.phones.until(lambda phones: len(phones.pages) == 1)
        await bench.smsc.end_ussd(SUBSCRIBER)
        async with asyncio.timeout(PATIENCE_S):
            await ended.wait()


@pytest.mark.parametrize("text", ["a" * 300, "Ә" * 300])
async def test_a_page_is_cut_to_a_ussd_string(database: Database, clock: ManualClock, text: str) -> None:
    async def menu(_: UssdRequest) -> UssdReply:
        return UssdReply(text, more=False)

    async with running(database, clock, menu=menu) as bench:
        await bench.smsc.begin_ussd(SUBSCRIBER, "*166#")
        await bench.phones.until(lambda phones: len(phones.pages) == 1)
        assert len(bench.phones.pages[0][1]) == (182 if text[0] == "a" else 80)


async def test_a_ussd_flood_is_refused_and_others_are_served(
    database: Database, clock: ManualClock, redis_url: str
) -> None:
    client = redis.asyncio.Redis.from_url(redis_url)
    limit = SenderLimit(burst=2, per_minute=1)
    async with running(database, clock, client=client, ussd_limit=limit) as bench:
        await bench.smsc.begin_ussd(SUBSCRIBER, "*166#")
        await bench.smsc.begin_ussd(SUBSCRIBER, "*166#")
        with pytest.raises(RefusedError, match="0x66"):
            await bench.smsc.begin_ussd(SUBSCRIBER, "*166#")
        await bench.smsc.begin_ussd(OTHER, "*166#")
        await bench.phones.until(lambda phones: len(phones.pages) == 3)
    await client.aclose()


async def test_a_handler_that_is_late_or_fails_leaves_the_screen_to_the_gateway(
    database: Database, clock: ManualClock
) -> None:
    async def stuck(request: UssdRequest) -> UssdReply:
        if request.text == "*1#":
            await asyncio.Event().wait()
        if request.text == "*2#":
            raise LookupError
        return UssdReply("fine", more=False)

    async with running(database, clock, menu=stuck, ussd_answer_s=0.05) as bench:
        for code in ("*1#", "*2#", "*3#"):
            await bench.smsc.begin_ussd(SUBSCRIBER, code)
        await bench.phones.until(lambda phones: len(phones.pages) == 1)
        assert bench.phones.pages == [(SUBSCRIBER, "fine", False)]


async def test_another_vendor_s_dialect_is_configuration(database: Database, clock: ManualClock) -> None:
    dialect = UssdDialect(
        begin=frozenset({1}),
        proceed=frozenset({2}),
        ask=3,
        finish=4,
        session_tag=0x1501,
        session_has_end_bit=False,
    )
    async with running(database, clock, menu=dialect_menu, ussd=dialect) as bench:
        tlvs = {Tag.USSD_SERVICE_OP: b"\x01", 0x1501: b"\x00\x00\x30\x39"}
        await bench.smsc.deliver(Message(Address(SUBSCRIBER), Address("*166#", 0, 1), b"*166#", tlvs=tlvs))
        async with asyncio.timeout(PATIENCE_S):
            while not bench.smsc.submitted:
                await asyncio.sleep(0)
        (page,) = bench.smsc.submitted
        assert page.tlvs[Tag.USSD_SERVICE_OP] == b"\x03"
        assert page.tlvs[0x1501] == b"\x00\x00\x30\x39"
        assert page.body == b"smsc-1:77011234567:12345"


async def dialect_menu(request: UssdRequest) -> UssdReply:
    return UssdReply(request.session_id, more=True)


@pytest.mark.parametrize("operation", [None, 99])
async def test_a_gateway_without_operations_is_understood_and_an_unknown_one_refused(
    database: Database, clock: ManualClock, operation: int | None
) -> None:
    async with running(database, clock) as bench:
        tlvs = {} if operation is None else {int(Tag.USSD_SERVICE_OP): bytes((operation,))}
        message = Message(Address(SUBSCRIBER), Address("*166#", 0, 1), b"*166#", service_type="USSD", tlvs=tlvs)
        if operation is None:
            await bench.smsc.deliver(message)
            await bench.phones.until(lambda phones: bool(phones.pages))
        else:
            with pytest.raises(RefusedError, match="0x65"):
                await bench.smsc.deliver(message)
