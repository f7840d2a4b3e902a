"""One suite for two SMSCs: smpp34, which shares no code with us, and the lab's own, which has to pass for one.

Each peer delivers messages, takes answers, sends receipts and ends links; the service must not see a difference.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Protocol

import pytest
import smpp34

from telco.db.pool import Connection, Database
from telco.kernel.clock import ManualClock, SystemClock
from telco.kernel.msisdn import Msisdn
from telco.lab.smsc import RefusedError, Smsc
from telco.sms.model import Inbound, OutboundKind, Reply
from telco.sms.service import SmsService
from telco.sms.smpp.pdu import Address, Message
from telco.sms.text import Alphabet, decode, read_header
from tests.sms.transport import PATIENCE_S, SUBSCRIBER, Phones, link, service_on, settings, until


class Centre(Protocol):
    """What the suite needs of an SMSC."""

    @property
    def port(self) -> int: ...

    async def deliver(self, text: bytes, data_coding: int = 0, esm_class: int = 0) -> None:
        """Deliver a message from SUBSCRIBER to 5505 and wait until it is acknowledged."""

    async def texts(self, count: int) -> list[str]:
        """Wait for the texts of `count` messages to handsets."""

    async def bound(self) -> None:
        """Wait for a bind."""

    async def lose_link(self) -> None:
        """End the link as this SMSC can."""

    async def stop(self) -> None: ...


class Independent:
    """smpp34's server with the least around it: accepts everything and sends receipts when they are asked for."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server = smpp34.Server("127.0.0.1", port, system_id="smpp34")
        self._esmes: dict[str, smpp34.Esme] = {}
        self._phones = Phones()
        self._parts: dict[int, bytes] = {}
        self._bound = asyncio.Event()
        self._unbound = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._receipts: set[asyncio.Task[Any]] = set()
        self._last_id = 0

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        await self._server.start()
        self._task = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self._esmes[event.session_id] = event
                self._bound.set()
            elif isinstance(event, smpp34.SubmitSmEvent):
                self._take(event)
            else:
                self._esmes.pop(event.session_id, None)
                self._bound.clear()
                self._unbound.set()

    def _take(self, event: smpp34.SubmitSmEvent) -> None:
        self._last_id += 1
        message_id = f"{self._last_id:010d}"
        event.accept(message_id)
        alphabet = Alphabet.UCS2 if event.data_coding == 8 else Alphabet.GSM7
        body = event.short_message
        if event.esm_class & 0x40:
            data = read_header(body)
            assert data.part is not None
            self._parts[data.part.number] = data.body  # its threads may hand parts over in another order
            if len(self._parts) < data.part.total:
                return
            body, self._parts = b"".join(self._parts[number] for number in sorted(self._parts)), {}
        text = decode(body, alphabet)
        assert text is not None
        if event.registered_delivery & 1:
            receipt = asyncio.create_task(self._receipt(event, message_id))
            self._receipts.add(receipt)
        self._phones.sms_delivered(event.source_addr, event.destination_addr, text)

    async def _receipt(self, event: smpp34.SubmitSmEvent, message_id: str) -> None:
        text = (
            f"id:{message_id} sub:001 dlvrd:001 submit date:2603020600 done date:2603020600 stat:DELIVRD err:000 text:"
        )
        await self._esmes[event.session_id].deliver_sm(
            event.source_addr,
            text.encode(),
            source_addr=event.destination_addr,
            esm_class=4,
        )

    async def deliver(self, text: bytes, data_coding: int = 0, esm_class: int = 0) -> None:
        await self._bound.wait()
        (esme,) = self._esmes.values()
        answer = await esme.deliver_sm(
            "5505",
            text,
            source_addr=SUBSCRIBER,
            source_addr_ton=1,
            source_addr_npi=1,
            data_coding=data_coding,
            esm_class=esm_class,
        )
        if not answer.is_success:
            raise RefusedError(answer.command_status)

    async def texts(self, count: int) -> list[str]:
        return await self._phones.texts(count)

    async def bound(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._bound.wait()

    async def lose_link(self) -> None:
        self._unbound.clear()
        for esme in list(self._esmes.values()):
            await esme.unbind()
        await self._unbound.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, *self._receipts, return_exceptions=True)
        await self._server.stop()


class Lab:
    """The lab's SMSC behind the same face."""

    def __init__(self) -> None:
        self._smsc = Smsc(SystemClock(), {"telco": "telco"})
        self._phones = Phones()
        self._smsc.attach(self._phones)

    async def start(self) -> None:
        await self._smsc.start()

    @property
    def port(self) -> int:
        return self._smsc.port

    async def deliver(self, text: bytes, data_coding: int = 0, esm_class: int = 0) -> None:
        await self._smsc.deliver(Message(Address(SUBSCRIBER), Address("5505"), text, data_coding, esm_class))

    async def texts(self, count: int) -> list[str]:
        return await self._phones.texts(count)

    async def bound(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._smsc.bound()

    async def lose_link(self) -> None:
        self._smsc.drop()
        await self._smsc.unbound()

    async def stop(self) -> None:
        await self._smsc.stop()


@pytest.fixture(params=["smpp34", "lab"])
async def centre(request: pytest.FixtureRequest, unused_tcp_port: int) -> AsyncIterator[Centre]:
    peer: Independent | Lab = Independent(unused_tcp_port) if request.param == "smpp34" else Lab()
    await peer.start()
    yield peer
    await peer.stop()


async def echo(inbound: Inbound) -> Reply:
    return Reply(f"heard {inbound.text}")


@pytest.fixture
async def service(centre: Centre, database: Database, clock: ManualClock) -> AsyncIterator[SmsService]:
    quick = settings(centre.port).model_copy(update={"links": (link(centre.port, enquire_interval_s=0.1),)})
    service = service_on(database, clock, quick, echo)
    await service.start()
    await centre.bound()
    async with asyncio.timeout(PATIENCE_S):
        await service.bound()
    yield service
    await service.stop()


async def test_a_message_is_acknowledged_and_answered(centre: Centre, service: SmsService, database: Database) -> None:
    await centre.deliver(b"BAL")
    assert await centre.texts(1) == ["heard BAL"]
    await until(database, "select smsc_id from sms.outbound where state = 'accepted'", "0000000001")
    assert service.health.links_bound == 1


async def test_kazakh_goes_both_ways(centre: Centre, service: SmsService) -> None:
    await centre.deliver("Теңгерім".encode("utf-16-be"), data_coding=8)
    assert await centre.texts(1) == ["heard Теңгерім"]


async def test_long_messages_go_both_ways(centre: Centre, service: SmsService) -> None:
    await centre.deliver(b"\x05\x00\x03\x07\x02\x01" + b"a" * 153, esm_class=0x40)
    await centre.deliver(b"\x05\x00\x03\x07\x02\x02" + b"b" * 100, esm_class=0x40)
    assert await centre.texts(1) == ["heard " + "a" * 153 + "b" * 100]


async def test_a_notice_is_settled_by_its_receipt(centre: Centre, service: SmsService, database: Database) -> None:
    async def body(conn: Connection) -> None:
        await service.enqueue(
            conn,
            Msisdn(SUBSCRIBER),
            "Fee taken",
            sender="Kcell",
            kind=OutboundKind.NOTICE,
            dedupe_key="fee:1",
            valid_for=timedelta(hours=1),
        )

    await database.transact("test.enqueue", body)
    assert await centre.texts(1) == ["Fee taken"]
    await until(database, "select state from sms.outbound", "delivered")


async def test_a_burst_is_answered_in_full(centre: Centre, service: SmsService, database: Database) -> None:
    await asyncio.gather(*(centre.deliver(b"m%d" % number) for number in range(200)))
    assert sorted(await centre.texts(200)) == sorted(f"heard m{number}" for number in range(200))
    await until(database, "select count(*) from sms.outbound where state = 'accepted'", 200)


async def test_a_lost_link_is_bound_again_and_serves(centre: Centre, service: SmsService, database: Database) -> None:
    await centre.deliver(b"before")
    await centre.texts(1)
    await until(database, "select count(*) from sms.outbound where state = 'accepted'", 1)
    await centre.lose_link()
    await centre.bound()
    await centre.deliver(b"after")
    assert await centre.texts(2) == ["heard before", "heard after"]
