"""The operator's message centre (SMSC) and USSD gateway, simulated: SMPP 3.4 towards the service, phones behind it.

It keeps what it cannot deliver: a message for the service waits until the service is bound and takes it, and is sent
again when a connection broke before its answer; a message for a phone that is off waits until it is on or too old.
It can be told to misbehave as real ones do: throttle, refuse, stay silent, send receipts early, break connections.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from telco.kernel.clock import Clock
from telco.sms.smpp.codec import number as integer
from telco.sms.smpp.pdu import NO_TLVS, SMSC_RECEIPT, UDHI, WANTS_RECEIPT, Address, Bind, Command, Message, Status, Tag
from telco.sms.smpp.server import SmppServer
from telco.sms.smpp.session import Answer, Session, State, Timers
from telco.sms.text import Part, alphabet_of, decode, encode, header, read_header, split

log = structlog.get_logger(__name__)

SUBMIT_TIMEOUT_S = 30.0
RETRY_PAUSE_S = 0.1
MAX_WAITING_PER_PHONE = 100
_REMEMBERED = 1_000
_TEMPORARY = frozenset((Status.RTHROTTLED, Status.RMSGQFUL, Status.RX_T_APPN, Status.RSYSERR))
_USSD_BEGIN, _USSD_ASK, _USSD_FINISH, _USSD_ANSWER, _USSD_RELEASE = 1, 2, 17, 18, 0x81


class Phones(Protocol):
    """Where messages for handsets go."""

    def sms_delivered(self, source: str, destination: str, text: str) -> bool:
        """Take a message; False when the phone is off."""

    def ussd_answered(self, number: str, text: str, *, more: bool) -> None:
        """Show a page."""


@dataclass(slots=True)
class Faults:
    """What the SMSC does wrong, on demand."""

    refuse: deque[int] = field(default_factory=deque)
    """Statuses to refuse the next submits with, one each."""
    silent: bool = False
    """Submits get no answer."""
    early_receipts: bool = False
    """Receipts go out before the answer that names their message."""


class RefusedError(OSError):
    """The service refused a message for good."""


@dataclass(slots=True, eq=False)
class _Delivery:
    """A deliver_sm on its way to the service; the future is done when the service has it."""

    message: Message
    done: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class _Held:
    """A message for a phone that is off."""

    message: Message
    message_id: str
    text: str
    expires_at: float


class Smsc:
    """A message centre that listens for the service's links."""

    def __init__(self, clock: Clock, accounts: Mapping[str, str], timers: Timers | None = None) -> None:
        """Make one that lets the ESMEs in `accounts` bind: system ids with their passwords."""
        self.faults = Faults()
        self.submitted: deque[Message] = deque(maxlen=_REMEMBERED)
        self.accepted = 0
        self._clock = clock
        self._accounts = accounts
        self._server = SmppServer(self, self._authorize, timers, system_id="lab-smsc")
        self._phones: Phones | None = None
        self._queue: deque[_Delivery] = deque()
        self._held: dict[str, list[_Held]] = {}
        self._parts: dict[tuple[str, str, int, int], dict[int, bytes]] = {}
        self._dialogues: dict[str, tuple[int, str]] = {}
        self._numbers = itertools.count(1)
        self._references = itertools.count(1)
        self._bound = asyncio.Event()
        self._ended = asyncio.Event()

    def attach(self, phones: Phones) -> None:
        """Say where messages for handsets go."""
        self._phones = phones

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def sessions(self) -> list[Session]:
        """The links that are bound."""
        return [session for session in self._server.sessions if session.state is State.BOUND]

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        await self._server.start(host, port)

    async def stop(self) -> None:
        await self._server.stop()

    def drop(self) -> None:
        """Break every link without a word."""
        self._server.drop()

    async def bound(self) -> None:
        """Wait until a link is bound."""
        await self._bound.wait()

    async def unbound(self) -> None:
        """Wait until a link that was bound has ended."""
        self._ended.clear()
        await self._ended.wait()

    # --- the handsets' side

    async def submit(self, source: str, destination: str, text: str) -> None:
        """Take a message for a service number; it is the service's when this returns.

        Raises:
            TimeoutError: the service did not take it in time.
            OSError: the service refused it.
        """
        coding, parts = split(text)
        reference = next(self._references)
        deliveries = []
        for index, part in enumerate(parts, start=1):
            body = encode(part, coding)
            if len(parts) > 1:
                body = header(Part(reference, len(parts), index)) + body
            esm_class = UDHI if len(parts) > 1 else 0
            message = Message(Address(source), Address(destination, 3, 0), body, int(coding), esm_class)
            deliveries.append(self.deliver(message))
        async with asyncio.timeout(SUBMIT_TIMEOUT_S):
            await asyncio.gather(*deliveries)

    def deliver(self, message: Message) -> asyncio.Future[None]:
        """Queue a deliver_sm for the service; the future is done when the service has it."""
        delivery = _Delivery(message, asyncio.get_running_loop().create_future())
        self._queue.append(delivery)
        self.window_opened()
        return delivery.done

    async def begin_ussd(self, source: str, code: str) -> None:
        """Dial a code; the answer comes by `Phones.ussd_answered`.

        Raises:
            OSError: no link is bound, or the service refused.
        """
        self._dialogues[source] = (next(self._references) & 0x7FFF, code)
        await self._ussd(source, code, _USSD_BEGIN)

    async def answer_ussd(self, source: str, text: str) -> None:
        """Answer the page on the screen."""
        await self._ussd(source, text, _USSD_ANSWER)

    async def end_ussd(self, source: str) -> None:
        """Hang up on the dialogue."""
        if source in self._dialogues:
            await self._ussd(source, "", _USSD_RELEASE)
            self._dialogues.pop(source, None)

    async def _ussd(self, source: str, text: str, operation: int) -> None:
        if source not in self._dialogues:
            raise RefusedError("no dialogue")
        if not self.sessions:
            raise RefusedError("no link is bound")
        dialogue, code = self._dialogues[source]
        coding = split(text).coding
        message = Message(
            Address(source),
            Address(code[:20], 0, 1),
            encode(text, coding),
            int(coding),
            service_type="USSD",
            tlvs={
                Tag.USSD_SERVICE_OP: bytes((operation,)),
                Tag.ITS_SESSION_INFO: (dialogue << 1 | (operation == _USSD_RELEASE)).to_bytes(2, "big"),
            },
        )
        async with asyncio.timeout(SUBMIT_TIMEOUT_S):
            await self.deliver(message)

    def switched_on(self, phone: str) -> None:
        """A phone is on again: it gets what waits for it."""
        held = self._held.pop(phone, [])
        now = asyncio.get_running_loop().time()
        for item in held:
            if item.expires_at <= now:
                self._receipt(item.message, item.message_id, "EXPIRED")
            elif not self._to_phone(item.message, item.message_id, item.text):
                self._hold(item)

    # --- towards the service: Owner

    def _authorize(self, bind: Bind) -> Status:
        if bind.system_id not in self._accounts:
            return Status.RINVSYSID
        return Status.ROK if bind.password == self._accounts[bind.system_id] else Status.RINVPASWD

    def window_opened(self) -> None:
        """Send what waits over the links that have room, in turn."""
        sessions = [session for session in self.sessions if session.free > 0 and _receives(session)]
        if sessions:
            self._bound.set()
        while self._queue and sessions:
            session = max(sessions, key=lambda each: each.free)
            if session.free <= 0:
                return
            delivery = self._queue.popleft()
            if not delivery.done.done():
                session.send(delivery.message, delivery)

    def message_answered(self, session: Session, token: Any, answer: Answer) -> None:  # noqa: ARG002  (any link's)
        delivery: _Delivery | None = token
        if delivery is None or delivery.done.done():
            return
        if answer.status == Status.ROK:
            delivery.done.set_result(None)
        elif answer.status is None:  # the link broke: the service may have it, and will know it again
            self._queue.appendleft(delivery)
        elif answer.status in _TEMPORARY:
            asyncio.get_running_loop().call_later(RETRY_PAUSE_S, self._again, delivery)
        else:
            delivery.done.set_exception(RefusedError(f"refused with status {answer.status:#x}"))

    def _again(self, delivery: _Delivery) -> None:
        self._queue.append(delivery)
        self.window_opened()

    def session_closed(self, session: Session, reason: str) -> None:
        log.info("lab_smsc_session_closed", reason=reason)
        self._server.forget(session)
        if not self.sessions:
            self._bound.clear()
        self._ended.set()
        self.window_opened()

    def message_received(self, session: Session, sequence: int, message: Message) -> None:
        """Take a submit_sm from the service."""
        self.submitted.append(message)
        if self.faults.silent:
            return
        if self.faults.refuse:
            session.respond(sequence, self.faults.refuse.popleft())
            return
        self.accepted += 1
        message_id = f"{next(self._numbers):010d}"
        if not self.faults.early_receipts:
            session.respond(sequence, Status.ROK, message_id)
        if Tag.USSD_SERVICE_OP in message.tlvs:
            self._show(message)
        else:
            self._forward(message, message_id)
        if self.faults.early_receipts:
            session.respond(sequence, Status.ROK, message_id)

    # --- towards the phones

    def _show(self, message: Message) -> None:
        more = integer(message.tlvs, Tag.USSD_SERVICE_OP) == _USSD_ASK
        phone = message.destination.digits
        if not more:
            self._dialogues.pop(phone, None)
        if self._phones is not None:
            self._phones.ussd_answered(phone, _text(message, message.body), more=more)

    def _forward(self, message: Message, message_id: str) -> None:
        """Deliver a message, or the last part of one."""
        body = self._whole(message)
        if body is None:
            self._receipt(message, message_id, "DELIVRD")  # a part counts as delivered when the phone has it
            return
        text = _text(message, body)
        if not self._to_phone(message, message_id, text):
            expires_at = asyncio.get_running_loop().time() + _validity_s(message.validity)
            self._hold(_Held(message, message_id, text, expires_at))

    def _hold(self, item: _Held) -> None:
        waiting = self._held.setdefault(item.message.destination.digits, [])
        if len(waiting) >= MAX_WAITING_PER_PHONE:
            self._receipt(item.message, item.message_id, "REJECTD")
        else:
            waiting.append(item)

    def _to_phone(self, message: Message, message_id: str, text: str) -> bool:
        if self._phones is None:
            return False
        taken = self._phones.sms_delivered(message.source.digits, message.destination.digits, text)
        if taken:
            self._receipt(message, message_id, "DELIVRD")
        return taken

    def _whole(self, message: Message) -> bytes | None:
        """Return the octets of a whole message once its last part is there."""
        part, body = None, message.body
        if message.esm_class & UDHI:
            part, body, _ = read_header(message.body)
        elif Tag.SAR_MSG_REF_NUM in message.tlvs:
            tags = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
            part = Part(*(integer(message.tlvs, tag) or 0 for tag in tags))
        if part is None:
            return body
        key = (message.source.digits, message.destination.digits, part.reference, part.total)
        parts = self._parts.setdefault(key, {})
        parts[part.number] = body
        if len(parts) < part.total:
            return None
        del self._parts[key]
        return b"".join(parts[index] for index in sorted(parts))

    def _receipt(self, message: Message, message_id: str, word: str) -> None:
        if message.registered_delivery & WANTS_RECEIPT:
            self.deliver(receipt(message, message_id, word, self._clock.now()))


def receipt(
    message: Message, message_id: str, word: str, at: datetime, tlvs: Iterable[tuple[int, bytes]] = ()
) -> Message:
    """Write a delivery receipt as appendix B of SMPP 3.4 shows it."""
    when = at.strftime("%y%m%d%H%M")
    delivered = int(word == "DELIVRD")
    body = (
        f"id:{message_id} sub:001 dlvrd:{delivered:03d} submit date:{when} done date:{when} "
        f"stat:{word} err:{0 if delivered else 1:03d} text:"
    )
    return Message(
        message.destination, message.source, body.encode("ascii"), 0, SMSC_RECEIPT, tlvs=dict(tlvs) or NO_TLVS
    )


def _receives(session: Session) -> bool:
    return session.bind is not None and session.bind.command is not Command.BIND_TRANSMITTER


def _text(message: Message, body: bytes) -> str:
    return decode(body, alphabet_of(message.data_coding)) or ""


def _validity_s(period: str) -> float:
    """Read a relative validity period; without one a message waits a day."""
    if len(period) != 16 or not period.endswith("R") or not period[:-1].isdigit():
        return 86_400.0
    years, months, days, hours, minutes, seconds = (int(period[at : at + 2]) for at in range(0, 12, 2))
    return ((years * 365 + months * 30 + days) * 24 + hours) * 3600.0 + minutes * 60 + seconds
