"""Sessions and links against raw sockets: states, timers, and everything that a peer can do wrong."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st

from telco.sms.smpp import codec
from telco.sms.smpp.link import Backoff, Link, LinkSettings
from telco.sms.smpp.pdu import MAX_PDU_OCTETS, Address, Bind, Command, Frame, Message, Status
from telco.sms.smpp.server import SmppServer
from telco.sms.smpp.session import Answer, Session, State, Timers
from tests.sms.raw import PATIENCE_S, Centre, Raw

HELLO = Message(Address("5505", 3, 0), Address("77011234567"), b"hello")
BIND = codec.encode_bind(Bind(Command.BIND_TRANSCEIVER, "telco", "secret"), 1)


class Owner:
    """Takes down what a session tells."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.answers: asyncio.Queue[tuple[Any, Answer]] = asyncio.Queue()
        self.closed: asyncio.Queue[str] = asyncio.Queue()
        self.bound: asyncio.Queue[None] = asyncio.Queue()
        self.ended: list[list[Any]] = []
        self.respond = True
        self.broken = False
        self.server: SmppServer | None = None

    def message_received(self, session: Session, sequence: int, message: Message) -> None:
        if self.broken:
            raise LookupError("a fault of the owner's")
        self.received.append(message)
        if self.respond:
            session.respond(sequence, Status.ROK, "0042", token=len(self.received))

    def message_answered(self, session: Session, token: Any, answer: Answer) -> None:
        self.answers.put_nowait((token, answer))

    def window_opened(self) -> None:
        return

    def session_closed(self, session: Session, reason: str) -> None:
        if self.server is not None:
            self.server.forget(session)
        self.closed.put_nowait(reason)

    def link_bound(self) -> None:
        self.bound.put_nowait(None)

    async def link_ended(self, session: Session) -> None:
        self.ended.append(session.unproven())


def authorize(bind: Bind) -> Status:
    if bind.system_id != "telco":
        return Status.RINVSYSID
    return Status.ROK if bind.password == "secret" else Status.RINVPASWD


@asynccontextmanager
async def smsc(timers: Timers | None = None) -> AsyncIterator[tuple[SmppServer, Owner]]:
    owner = Owner()
    server = SmppServer(owner, authorize, timers or Timers())
    owner.server = server
    await server.start()
    try:
        yield server, owner
    finally:
        server.drop()
        await server.stop()


@asynccontextmanager
async def raw(port: int, *, bound: bool = True) -> AsyncIterator[Raw]:
    peer = Raw(*await asyncio.open_connection("127.0.0.1", port))
    try:
        if bound:
            assert (await peer.ask(BIND)).status == Status.ROK
        yield peer
    finally:
        await peer.close()


def enquire(sequence: int = 77) -> bytes:
    return codec.encode_header(Command.ENQUIRE_LINK, 0, sequence)


async def alive(peer: Raw) -> bool:
    return await peer.ask(enquire()) == Frame(Command.ENQUIRE_LINK_RESP, 0, 77, b"")


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [("telco", "secret", Status.ROK), ("telco", "wrong", Status.RINVPASWD), ("other", "secret", Status.RINVSYSID)],
)
async def test_a_bind_needs_the_right_password(system_id: str, password: str, status: Status) -> None:
    async with smsc() as (server, _), raw(server.port, bound=False) as peer:
        answer = await peer.ask(codec.encode_bind(Bind(Command.BIND_TRANSCEIVER, system_id, password), 3))
        assert (answer.command, answer.status, answer.sequence) == (Command.BIND_TRANSCEIVER_RESP, status, 3)


async def test_a_second_bind_is_refused_and_the_session_lives() -> None:
    async with smsc() as (server, _), raw(server.port) as peer:
        assert (await peer.ask(BIND)).status == Status.RALYBND
        assert await alive(peer)


async def test_a_message_before_the_bind_is_refused() -> None:
    async with smsc() as (server, owner), raw(server.port, bound=False) as peer:
        answer = await peer.ask(codec.encode_message(Command.SUBMIT_SM, 9, HELLO))
        assert (answer.command, answer.status) == (Command.SUBMIT_SM_RESP, Status.RINVBNDSTS)
        assert owner.received == []


async def test_a_message_is_taken_and_answered() -> None:
    async with smsc() as (server, owner), raw(server.port) as peer:
        answer = await peer.ask(codec.encode_message(Command.SUBMIT_SM, 9, HELLO))
        assert answer == Frame(Command.SUBMIT_SM_RESP, 0, 9, b"0042\0")
        assert owner.received == [HELLO]


GOOD = codec.encode_message(Command.SUBMIT_SM, 9, HELLO)


def with_length(octets: bytes) -> bytes:
    return len(octets).to_bytes(4, "big") + octets[4:]


@pytest.mark.parametrize(
    ("octets", "command", "status"),
    [
        (codec.encode_header(0x00000099, 0, 9), Command.GENERIC_NACK, Status.RINVCMDID),
        (codec.encode_header(Command.QUERY_SM, 0, 9), Command.GENERIC_NACK, Status.RINVCMDID),
        (codec.encode_header(Command.SUBMIT_MULTI, 0, 9), Command.GENERIC_NACK, Status.RINVCMDID),
        (codec.encode_header(Command.DELIVER_SM, 0, 9), Command.GENERIC_NACK, Status.RINVCMDID),
        (codec.encode_header(Command.SUBMIT_SM, 0, 9), Command.SUBMIT_SM_RESP, Status.RINVPARLEN),
        (with_length(GOOD[:-2]), Command.SUBMIT_SM_RESP, Status.RINVMSGLEN),
        (with_length(GOOD[:30]), Command.SUBMIT_SM_RESP, Status.RINVPARLEN),
        (with_length(GOOD + b"\x05"), Command.SUBMIT_SM_RESP, Status.RINVOPTPARSTREAM),
        (codec.encode_header(Command.DATA_SM, 0, 9), Command.DATA_SM_RESP, Status.RINVPARLEN),
    ],
)
async def test_a_malformed_request_is_refused_and_the_session_lives(
    octets: bytes, command: Command, status: Status
) -> None:
    async with smsc() as (server, owner), raw(server.port) as peer:
        answer = await peer.ask(octets)
        assert (answer.command, answer.status, answer.sequence) == (command, status, 9)
        assert await alive(peer)
        assert owner.received == []


async def test_unknown_parameters_are_no_reason_to_refuse() -> None:
    message = HELLO._replace(tlvs={0x1400: b"vendor", 0x3FFF: b""})
    async with smsc() as (server, owner), raw(server.port) as peer:
        assert (await peer.ask(codec.encode_message(Command.SUBMIT_SM, 9, message))).status == Status.ROK
        assert owner.received == [message]


@pytest.mark.parametrize(
    "octets",
    [
        codec.encode_response(Command.DELIVER_SM_RESP, 0, 4711),
        codec.encode_header(Command.GENERIC_NACK, Status.RINVCMDID, 4711),
        codec.encode_header(Command.UNBIND_RESP, 0, 4711),
        codec.encode_header(0x80000099, 0, 4711),
        codec.encode_header(Command.OUTBIND, 0, 1),
        codec.encode_header(Command.ALERT_NOTIFICATION, 0, 1),
    ],
)
async def test_what_asks_for_no_answer_gets_none(octets: bytes) -> None:
    async with smsc() as (server, _), raw(server.port) as peer:
        peer.write(octets)
        assert await alive(peer)


@pytest.mark.parametrize("length", [0, 4, 15, MAX_PDU_OCTETS + 1, 0xFFFFFFFF])
async def test_a_wrong_command_length_ends_the_session_with_a_nack(length: int) -> None:
    async with smsc() as (server, owner), raw(server.port) as peer:
        answer = await peer.ask(struct.pack(">IIII", length, Command.SUBMIT_SM, 0, 5) + b"x" * 64)
        assert (answer.command, answer.status, answer.sequence) == (Command.GENERIC_NACK, Status.RINVCMDLEN, 5)
        assert await peer.read() is None
        assert f"command_length {length}" in await owner.closed.get()


async def test_a_fault_of_the_owner_s_costs_one_refusal() -> None:
    async with smsc() as (server, owner), raw(server.port) as peer:
        owner.broken = True
        assert (await peer.ask(GOOD)).status == Status.RSYSERR
        owner.broken = False
        assert (await peer.ask(GOOD)).status == Status.ROK


async def test_an_unbind_is_answered_and_ends_the_session() -> None:
    async with smsc() as (server, _), raw(server.port) as peer:
        assert await peer.ask(codec.encode_header(Command.UNBIND, 0, 6)) == Frame(Command.UNBIND_RESP, 0, 6, b"")
        assert await peer.read() is None


async def test_a_connection_that_does_not_bind_is_closed() -> None:
    async with smsc(Timers(bind_s=0.05)) as (server, owner), raw(server.port, bound=False) as peer:
        assert await peer.read() is None
        assert await owner.closed.get() == "not bound in time"


async def test_a_silent_peer_is_asked_and_then_dropped() -> None:
    async with smsc(Timers(response_s=0.05, enquire_s=0.05)) as (server, owner), raw(server.port) as peer:
        frame = await peer.read()
        assert frame is not None
        assert frame.command == Command.ENQUIRE_LINK
        peer.write(codec.encode_header(Command.ENQUIRE_LINK_RESP, 0, frame.sequence))
        frame = await peer.read()  # it was there, and is asked again
        assert frame is not None
        assert frame.command == Command.ENQUIRE_LINK
        assert await owner.closed.get() == "the peer is silent"


async def test_messages_without_an_answer_are_given_up_and_free_the_window() -> None:
    async with smsc(Timers(response_s=0.05, window=2)) as (server, owner), raw(server.port) as peer:
        (session,) = server.sessions
        session.send(HELLO, "first")
        session.send(HELLO, "second")
        assert session.free == 0
        assert [await owner.answers.get(), await owner.answers.get()] == [
            ("first", Answer(None)),
            ("second", Answer(None)),
        ]
        assert session.free == 2
        first, second = await peer.read(), await peer.read()
        assert first is not None
        assert second is not None
        peer.write(codec.encode_response(Command.DELIVER_SM_RESP, 0, first.sequence))  # too late: nothing waits for it
        assert await alive(peer)
        assert (session.counters.timed_out, session.counters.unexpected) == (2, 1)


async def test_a_nack_answers_the_message_it_names() -> None:
    async with smsc() as (server, owner), raw(server.port) as peer:
        (session,) = server.sessions
        session.send(HELLO, "mine")
        frame = await peer.read()
        assert frame is not None
        peer.write(codec.encode_header(Command.GENERIC_NACK, Status.RINVCMDID, frame.sequence))
        assert await owner.answers.get() == ("mine", Answer(Status.RINVCMDID))
        assert session.free == session.timers.window


async def test_an_answer_whose_message_id_is_too_long_is_an_answer() -> None:
    async with smsc() as (server, owner), raw(server.port) as peer:
        (session,) = server.sessions
        session.send(HELLO, "mine")
        frame = await peer.read()
        assert frame is not None
        peer.write(codec.encode_response(Command.DELIVER_SM_RESP, 0, frame.sequence, "0" * 65))
        assert await alive(peer)
        assert owner.answers.get_nowait() == ("mine", Answer(Status.ROK))
        assert (session.free, session.counters.malformed) == (session.timers.window, 1)


async def test_more_pages_than_the_window_leave_no_debt_of_room() -> None:
    """Pages of USSD do not wait for room; another link's room is not less for it."""
    async with smsc(Timers(window=2)) as (server, _), raw(server.port):
        (session,) = server.sessions
        for page in range(5):
            session.send(HELLO, page)
        assert (session.free, session.outstanding) == (0, 5)


async def test_a_lost_connection_tells_what_is_without_an_answer() -> None:
    async with smsc() as (server, owner):
        async with raw(server.port):
            (session,) = server.sessions
            session.send(HELLO, "mine")
        assert await owner.answers.get() == ("mine", Answer(None))
        assert session.state is State.CLOSED
        assert not session.respond(1, Status.ROK)


async def test_an_answer_to_a_later_request_proves_the_acknowledgements_before_it() -> None:
    async with smsc() as (server, owner), raw(server.port) as peer:
        (session,) = server.sessions
        await peer.ask(GOOD)  # acknowledged as 1
        assert session.unproven() == [1]
        session.send(HELLO, "a")
        frame = await peer.read()
        assert frame is not None
        await peer.ask(GOOD)  # acknowledged as 2, after the request
        peer.write(codec.encode_response(Command.DELIVER_SM_RESP, 0, frame.sequence))
        await owner.answers.get()
        assert session.unproven() == [2]


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6), st.integers(0, 2**32 - 1))
@configured(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_octets_break_a_session(chunks: list[bytes], seed: int) -> None:
    """Noise, alone and as bodies of real commands: a session answers or ends with a nack, and the next one works."""

    async def play() -> None:
        rng = random.Random(seed)
        known = [int(command) for command in Command]
        async with smsc() as (server, _):
            async with raw(server.port) as peer:
                for chunk in chunks:
                    command = rng.choice([*known, rng.getrandbits(32)])
                    if command in (Command.UNBIND, Command.UNBIND_RESP):
                        continue
                    peer.write(struct.pack(">IIII", 16 + len(chunk), command, rng.choice([0, 8]), 1) + chunk)
                peer.write(enquire(4242))
                while (frame := await peer.read()) is not None and frame.sequence != 4242:
                    assert frame.command & 0x80000000
                assert frame == Frame(Command.ENQUIRE_LINK_RESP, 0, 4242, b"")
                for chunk in chunks:
                    peer.write(chunk)
            async with raw(server.port) as peer:
                assert await alive(peer)

    asyncio.run(play())


# --- links


@asynccontextmanager
async def linked(port: int, **changes: Any) -> AsyncIterator[tuple[Link, Owner]]:
    owner = Owner()
    settings = {"port": port, "backoff_min_s": 0.01, "backoff_max_s": 0.02, "system_id": "telco", "password": "secret"}
    link = Link(LinkSettings.model_validate({**settings, **changes}), owner, random.Random(1))
    link.start()
    try:
        yield link, owner
    finally:
        await link.abort()


async def test_the_first_message_may_come_in_the_segment_of_the_bind_s_answer() -> None:
    async with Centre() as centre, linked(centre.port) as (_, owner):
        peer = await centre.accept()
        frame = await peer.read()
        assert frame is not None
        peer.write(
            codec.encode_bind_response(frame.command, Status.ROK, frame.sequence, "smsc")
            + codec.encode_message(Command.DELIVER_SM, 1, HELLO)
        )
        answer = await peer.read()
        assert answer is not None
        assert (answer.command, answer.status) == (Command.DELIVER_SM_RESP, Status.ROK)
        assert owner.received == [HELLO]


async def test_a_link_binds_again_after_a_refusal_and_after_a_break() -> None:
    async with Centre() as centre, linked(centre.port) as (link, owner):
        await centre.bind(Status.RBINDFAIL)
        peer = await centre.bind()
        await owner.bound.get()
        assert (link.bound, link.binds, link.last_error) == (True, 1, "")
        await peer.close()
        await centre.bind()
        await owner.bound.get()
        assert link.binds == 2
        assert owner.ended == [[]]


async def test_a_link_that_gets_no_answer_to_its_bind_tries_again() -> None:
    async with Centre() as centre, linked(centre.port, connect_timeout_s=0.05) as (_, owner):
        await centre.accept()
        await centre.bind()
        await owner.bound.get()


async def test_a_link_waits_for_a_server_that_is_not_there_yet() -> None:
    async with Centre() as centre:
        port = centre.port
    async with linked(port) as (link, owner):
        async with asyncio.timeout(PATIENCE_S):
            while not link.last_error:  # the first try has failed
                await asyncio.sleep(0)
        async with Centre(port) as centre:
            await centre.bind()
            await owner.bound.get()


async def test_a_stopped_link_unbinds_and_does_not_come_back() -> None:
    async with Centre() as centre, linked(centre.port) as (link, owner):
        peer = await centre.bind()
        await owner.bound.get()
        stopping = asyncio.create_task(link.stop())
        frame = await peer.read()
        assert frame is not None
        assert frame.command == Command.UNBIND
        peer.write(codec.encode_header(Command.UNBIND_RESP, 0, frame.sequence))
        await stopping
        assert await peer.read() is None
        assert centre.connections.empty()


async def test_a_link_is_stopped_although_nobody_answers_its_unbind() -> None:
    async with Centre() as centre, linked(centre.port, response_timeout_s=0.05) as (link, owner):
        peer = await centre.bind()
        await owner.bound.get()
        async with asyncio.timeout(PATIENCE_S):
            await link.stop()
        assert owner.closed.get_nowait() == "unbound"
        frame = await peer.read()
        assert frame is not None
        assert frame.command == Command.UNBIND
        assert await peer.read() is None


async def test_an_ended_link_names_the_acknowledgements_that_may_be_lost() -> None:
    async with Centre() as centre, linked(centre.port) as (_, owner):
        peer = await centre.bind()
        await peer.ask(codec.encode_message(Command.DELIVER_SM, 1, HELLO))
        await peer.close()
        await centre.bind()
        assert owner.ended == [[1]]


def test_pauses_double_up_to_a_limit_and_vary() -> None:
    backoff = Backoff(1.0, 10.0, random.Random(7))
    pauses = [backoff.next() for _ in range(6)]
    longest = [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert len(set(pauses)) == 6
    backoff.reset()
    assert backoff.next() <= 1.0
