"""One SMPP session over one connection, the same for both ends.

It cuts the stream into PDUs, keeps the states and timers of the standard, remembers which requests wait for an answer
and refuses what is malformed without losing the rest. What messages mean is its owner's business (`Owner`).

TCP keeps the order, so an answer to a request of ours proves that the peer has read everything sent before that
request: `unproven` names the acknowledgements that a broken connection may have swallowed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple, Protocol, cast

import structlog

from telco.sms.smpp import codec
from telco.sms.smpp.pdu import (
    BINDS,
    MAX_PDU_OCTETS,
    MAX_SEQUENCE,
    RESPONSE,
    Bind,
    Command,
    Frame,
    Message,
    PduError,
    Status,
)

log = structlog.get_logger(__name__)


class State(Enum):
    """Where a session stands; OPEN is connected and not bound."""

    OPEN = "open"
    BOUND = "bound"
    UNBINDING = "unbinding"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Timers:
    """The session's timers, in seconds, and its limits."""

    response_s: float = 30.0
    """A request without an answer for so long is given up."""
    enquire_s: float = 30.0
    """Silence after which the peer is asked whether it is there."""
    bind_s: float = 10.0
    """How long a connection may stay unbound."""
    window: int = 100
    """Messages that may wait for an answer at once."""
    max_pdu_octets: int = MAX_PDU_OCTETS


class Answer(NamedTuple):
    """What became of a message that was sent; `status` None means that no answer came."""

    status: int | None
    message_id: str = ""


class Owner(Protocol):
    """Who uses a session. Calls come from the event loop and do not block."""

    def message_received(self, session: Session, sequence: int, message: Message) -> None:
        """Take a message; answer it with `session.respond` once it is safe."""

    def message_answered(self, session: Session, token: Any, answer: Answer) -> None:
        """Learn what became of the message sent with `token`."""

    def window_opened(self) -> None:
        """Learn that there is room for more messages."""

    def session_closed(self, session: Session, reason: str) -> None:
        """Learn that the session is over; messages without an answer have been told."""


class Counters:
    """What went over a session, and what was wrong with it."""

    __slots__ = ("malformed", "received", "sent", "timed_out", "unexpected")

    def __init__(self) -> None:
        self.received = self.sent = self.malformed = self.unexpected = self.timed_out = 0


class _Pending(NamedTuple):
    order: int
    deadline: float
    token: Any
    waiter: asyncio.Future[Frame] | None


_MESSAGES = {Command.DELIVER_SM: Command.DELIVER_SM_RESP, Command.SUBMIT_SM: Command.SUBMIT_SM_RESP}
_NOT_OFFERED = frozenset((Command.QUERY_SM, Command.CANCEL_SM, Command.REPLACE_SM, Command.SUBMIT_MULTI))


class Session(asyncio.Protocol):
    """A connection that speaks SMPP 3.4."""

    def __init__(
        self, owner: Owner, timers: Timers, name: str, authorize: Callable[[Bind], Status] | None = None
    ) -> None:
        """Make one end: the SMSC's when there is an `authorize` to say who may bind, the ESME's otherwise.

        `name` is the link's at an ESME, and the system_id that an SMSC answers a bind with.
        """
        receives = Command.DELIVER_SM if authorize is None else Command.SUBMIT_SM
        self.owner = owner
        self.name = name
        self._authorize = authorize
        self.timers = timers
        self.counters = Counters()
        self.state = State.OPEN
        self.bind: Bind | None = None
        self.closed = asyncio.Event()
        self._receives = receives
        self._sends = Command.SUBMIT_SM if receives is Command.DELIVER_SM else Command.DELIVER_SM
        self._framer = codec.Framer(timers.max_pdu_octets)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._order = 0
        self._proven = 0
        self._acknowledged: deque[tuple[int, Any]] = deque()
        self._data_sequences: set[int] = set()  # messages that came as data_sm, to be answered so
        self._pending: dict[int, _Pending] = {}
        self._messages_pending = 0
        self._enquiring = False
        self._writable = True
        self._last_received = self._last_proof = self._opened = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._reason = "the peer closed the connection"
        self._handlers: dict[int, Callable[[Frame], None]] = {
            Command.ENQUIRE_LINK: self._on_enquire_link,
            Command.UNBIND: self._on_unbind,
            Command.DATA_SM: self._on_data,
            Command.ALERT_NOTIFICATION: self._ignore,
            Command.OUTBIND: self._ignore,
            Command.SUBMIT_SM_RESP: self._on_message_response,
            Command.DELIVER_SM_RESP: self._on_message_response,
            Command.DATA_SM_RESP: self._on_message_response,
            Command.GENERIC_NACK: self._on_response,
            receives: self._on_message,
            **dict.fromkeys(BINDS, self._on_bind),
            **dict.fromkeys(_NOT_OFFERED, self._on_not_offered),
        }

    # --- what the owner calls

    @property
    def free(self) -> int:
        """How many more messages may be sent now."""
        if self.state is not State.BOUND or not self._writable:
            return 0
        return max(self.timers.window - self._messages_pending, 0)  # pages of USSD go out over a full window, too

    @property
    def outstanding(self) -> int:
        """How many messages wait for an answer."""
        return self._messages_pending

    def send(self, message: Message, token: Any) -> None:
        """Send a message; `token` comes back with its answer. The owner has looked at `free` first."""
        sequence = self._register(token, None)
        self._messages_pending += 1
        self._write(codec.encode_message(self._sends, sequence, message))

    def respond(self, sequence: int, status: int, message_id: str = "", token: Any = None) -> bool:
        """Answer a message; with a `token`, remember it until the answer is proven to have arrived.

        Returns False when the session is over and nothing can be said any more.
        """
        if self.state is State.CLOSED:
            return False
        if token is not None:
            self._acknowledged.append((self._order, token))
        command = self._receives | RESPONSE
        if self._data_sequences and sequence in self._data_sequences:
            self._data_sequences.discard(sequence)
            command = Command.DATA_SM_RESP
        self._write(codec.encode_response(command, status, sequence, message_id))
        return True

    def unproven(self) -> list[Any]:
        """The tokens of answers that the peer may not have read."""
        return [token for _, token in self._acknowledged]

    async def bind_as(self, bind: Bind) -> int:
        """Ask the peer to bind and return its status; ROK makes the session BOUND."""
        self.bind = bind
        frame = await self._request(lambda sequence: codec.encode_bind(bind, sequence))
        return frame.status

    async def unbind(self) -> None:
        """Take leave: no more messages are sent, the peer is told and answers what it still owes before it agrees."""
        if self.state is State.BOUND:
            self.state = State.UNBINDING
            with suppress(ConnectionError):  # a peer that does not agree in time is left all the same
                await self._request(lambda sequence: codec.encode_header(Command.UNBIND, 0, sequence))
        self.close("unbound")

    def close(self, reason: str) -> None:
        """End the connection; what was written before is still sent."""
        if self.state is not State.CLOSED and self._transport is not None and not self._transport.is_closing():
            self._reason = reason
            self._flush()
            self._transport.close()

    def abort(self, reason: str) -> None:
        """End the connection at once, as a broken cable would."""
        if self._transport is not None:
            self._reason = reason
            self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._schedule()

    def data_received(self, data: bytes) -> None:
        self._last_received = self._loop.time()
        for frame in self._framer.feed(data):
            self.counters.received += 1
            self._dispatch(frame)
        broken = self._framer.broken
        if broken is not None and self.state is not State.CLOSED:
            self.counters.malformed += 1
            log.warning("smpp_framing_lost", reason=broken.reason)
            self._write(codec.encode_header(Command.GENERIC_NACK, broken.status, broken.sequence))
            self.close(broken.reason)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self.owner.window_opened()

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = State.CLOSED
        if self._timer is not None:
            self._timer.cancel()
        reason = f"{type(exc).__name__}: {exc}" if exc is not None else self._reason
        pending, self._pending, self._messages_pending = self._pending, {}, 0
        for entry in pending.values():
            if entry.waiter is not None:
                if not entry.waiter.done():
                    entry.waiter.set_exception(ConnectionError(reason))
            else:
                self.owner.message_answered(self, entry.token, Answer(None))
        self.closed.set()
        self.owner.session_closed(self, reason)

    # --- sending

    def _write(self, octets: bytes) -> None:
        """Send a PDU with all others of this turn of the event loop: a system call costs more than ten PDUs."""
        if self.state is State.CLOSED:
            return
        self.counters.sent += 1
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(octets)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _register(self, token: Any, waiter: asyncio.Future[Frame] | None) -> int:
        self._order += 1
        sequence = (self._order - 1) % MAX_SEQUENCE + 1
        self._pending[sequence] = _Pending(self._order, self._loop.time() + self.timers.response_s, token, waiter)
        return sequence

    async def _request(self, encode: Callable[[int], bytes]) -> Frame:
        if self.state is State.CLOSED:
            raise ConnectionError(self._reason)
        waiter: asyncio.Future[Frame] = self._loop.create_future()
        self._write(encode(self._register(None, waiter)))
        return await waiter

    # --- receiving

    def _dispatch(self, frame: Frame) -> None:
        handler = self._handlers.get(frame.command)
        if handler is None:
            handler = self._on_response if frame.command & RESPONSE else self._on_unknown
        try:
            handler(frame)
        except PduError as error:
            self.counters.malformed += 1
            log.warning("smpp_pdu_refused", command=hex(frame.command), reason=error.reason)
            self._refuse(frame, error.status)
        except Exception:  # a fault of ours costs its peer one refusal, not the session
            log.exception("smpp_pdu_failed", command=hex(frame.command))
            self._refuse(frame, Status.RSYSERR)

    def _refuse(self, frame: Frame, status: Status) -> None:
        if not frame.command & RESPONSE:
            command = frame.command | RESPONSE if frame.command in self._handlers else Command.GENERIC_NACK
            self._write(codec.encode_header(command, status, frame.sequence))

    def _on_message(self, frame: Frame) -> None:
        if self.state is not State.BOUND:
            raise PduError(Status.RINVBNDSTS, "a message outside a bound session")
        self.owner.message_received(self, frame.sequence, codec.decode_message(frame.body))

    def _on_data(self, frame: Frame) -> None:
        if self.state is not State.BOUND:
            raise PduError(Status.RINVBNDSTS, "a message outside a bound session")
        message = codec.decode_data(frame)
        self._data_sequences.add(frame.sequence)
        self.owner.message_received(self, frame.sequence, message)

    def _on_bind(self, frame: Frame) -> None:
        if self._authorize is None:
            raise PduError(Status.RINVCMDID, "this end does the binding")
        if self.state is not State.OPEN:
            raise PduError(Status.RALYBND, "bound already")
        bind = codec.decode_bind(frame)
        status = self._authorize(bind)
        self._write(codec.encode_bind_response(frame.command, status, frame.sequence, self.name))
        if status == Status.ROK:
            self.bind, self.state = bind, State.BOUND
            self.owner.window_opened()

    def _on_enquire_link(self, frame: Frame) -> None:
        self._write(codec.encode_header(Command.ENQUIRE_LINK_RESP, Status.ROK, frame.sequence))

    def _on_unbind(self, frame: Frame) -> None:
        self._write(codec.encode_header(Command.UNBIND_RESP, Status.ROK, frame.sequence))
        self.state = State.UNBINDING
        self.close("the peer unbound")

    def _on_not_offered(self, frame: Frame) -> None:
        self.counters.unexpected += 1
        self._write(codec.encode_header(Command.GENERIC_NACK, Status.RINVCMDID, frame.sequence))

    def _on_unknown(self, frame: Frame) -> None:
        raise PduError(Status.RINVCMDID, f"unknown command {frame.command:#010x}")

    def _ignore(self, frame: Frame) -> None:
        log.info("smpp_notification_ignored", command=hex(frame.command))

    def _on_message_response(self, frame: Frame) -> None:
        entry = self._take(frame)
        if entry is None:
            return
        if entry.waiter is not None:  # a message's response to a bind: the peer lost its thread
            if not entry.waiter.done():
                entry.waiter.set_exception(ConnectionError("a wrong response"))
            return
        try:
            message_id = codec.decode_message_id(frame.body)
        except PduError as error:  # what the peer said of the message counts without its id
            self.counters.malformed += 1
            log.warning("smpp_message_id_unreadable", reason=error.reason)
            message_id = ""
        self.owner.message_answered(self, entry.token, Answer(frame.status, message_id))
        self.owner.window_opened()

    def _on_response(self, frame: Frame) -> None:
        entry = self._take(frame)
        if entry is None:
            return
        if entry.waiter is None:
            self.owner.message_answered(self, entry.token, Answer(frame.status))
            self.owner.window_opened()
        elif not entry.waiter.done():
            # The state changes at once: the peer's first message may be in the same segment as its answer.
            if self.state is State.OPEN and frame.command & ~RESPONSE in BINDS and frame.status == Status.ROK:
                self.state = State.BOUND
            entry.waiter.set_result(frame)

    def _take(self, frame: Frame) -> _Pending | None:
        """Find the request that `frame` answers; a response to nothing is counted and dropped."""
        entry = self._pending.pop(frame.sequence, None)
        if entry is None:
            self.counters.unexpected += 1
            log.info("smpp_response_to_nothing", command=hex(frame.command), sequence=frame.sequence)
            return None
        if entry.waiter is None:
            self._messages_pending -= 1
        self._proven = max(self._proven, entry.order)
        self._last_proof = self._last_received
        acknowledged = self._acknowledged
        while acknowledged and acknowledged[0][0] < self._proven:
            acknowledged.popleft()
        return entry

    # --- timers

    def _schedule(self) -> None:
        step = min(self.timers.response_s, self.timers.enquire_s, self.timers.bind_s, 4.0) / 4
        self._timer = self._loop.call_later(step, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        if self.state is State.OPEN and now - self._opened > self.timers.bind_s:
            self.close("not bound in time")
        elif self.state is State.BOUND and not self._enquiring:
            since = self._last_proof if self._acknowledged else self._last_received
            if now - since > self.timers.enquire_s:
                self._enquire()
        self._expire(now)
        self._schedule()

    def _enquire(self) -> None:
        self._enquiring = True
        waiter: asyncio.Future[Frame] = self._loop.create_future()
        waiter.add_done_callback(self._enquired)
        self._write(codec.encode_header(Command.ENQUIRE_LINK, 0, self._register(None, waiter)))

    def _enquired(self, waiter: asyncio.Future[Frame]) -> None:
        self._enquiring = False
        if waiter.cancelled() or waiter.exception() is not None:
            self.abort("the peer is silent")

    def _expire(self, now: float) -> None:
        """Give up requests that wait too long; they were registered in order of their deadlines."""
        overdue = []
        for sequence, entry in self._pending.items():
            if entry.deadline > now:
                break
            overdue.append(sequence)
        for sequence in overdue:
            entry = self._pending.pop(sequence)
            self.counters.timed_out += 1
            if entry.waiter is None:
                self._messages_pending -= 1
                self.owner.message_answered(self, entry.token, Answer(None))
            elif not entry.waiter.done():
                entry.waiter.set_exception(ConnectionError("no answer in time"))
        if overdue:
            self.owner.window_opened()
