"""Messages from handsets: stored, then acknowledged, then answered, each once.

A message is acknowledged only when the batch that keeps it is committed. Its handler runs afterwards; the answer and
the mark that the message is done are committed together, so a crash between any two steps loses and doubles nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from telco.db.pool import LOST_CONNECTION, Connection, Database, DatabaseUnavailableError
from telco.kernel.clock import Clock
from telco.kernel.msisdn import Msisdn, MsisdnFormatError, parse_msisdn
from telco.sms import metrics, store
from telco.sms.instance import Instance
from telco.sms.lane import Lane
from telco.sms.limits import SenderLimits
from telco.sms.model import Inbound, InboundState, Reply, SmsHandler
from telco.sms.parts import ArrivedPart, PartGroup, in_rounds
from telco.sms.sender import Sender
from telco.sms.settings import SmsSettings
from telco.sms.smpp.codec import number
from telco.sms.smpp.pdu import UDHI, Address, Message, Status, Tag
from telco.sms.smpp.session import Session
from telco.sms.store import Answered, Arrived
from telco.sms.text import Alphabet, Part, UserData, alphabet_of, clean, decode, read_header, valid_part

log = structlog.get_logger(__name__)

_HOME_NUMBER = re.compile(r"7\d{10}")
_HANDLER_PAUSE_MIN_S = 0.1
_HANDLER_PAUSE_MAX_S = 10.0


@dataclass(slots=True)
class _Arrival:
    """A deliver_sm that waits to be stored; `inbound_id` is given to it once, so that a batch can be repeated."""

    session: Session
    sequence: int
    message: Message
    received_at: datetime
    arrived_s: float
    inbound_id: int = 0
    allowed: bool | None = None  # by its sender's limit; None until it was counted


@dataclass(slots=True)
class _Expectation:
    """Messages whose acknowledgement may be lost; `noted` is set once the database knows."""

    inbound_ids: list[int]
    noted: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Adoption:
    """A wish to answer what this process owes; it passes through the lane so that no message is begun twice."""

    done: asyncio.Event = field(default_factory=asyncio.Event)


class _Read(NamedTuple):
    """A deliver_sm as far as it can be read without the others; `known` says that a telephone number sent it."""

    source: str
    known: bool
    destination: str
    alphabet: Alphabet
    data: UserData


@dataclass(slots=True)
class _Sorted:
    """A batch, read: whole messages and parts, each with where it came from."""

    whole: list[tuple[_Arrival, Arrived]] = field(default_factory=list)
    parts: list[tuple[_Arrival, ArrivedPart]] = field(default_factory=list)


_Item = _Arrival | _Expectation | _Adoption


class Receiver:
    """Keeps what arrives and gets it answered."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: SmsSettings,
        instance: Instance,
        limits: SenderLimits,
        sender: Sender,
        handler: SmsHandler,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._instance = instance
        self._limits = limits
        self._sender = sender
        self._handler = handler
        self._loop = asyncio.get_running_loop()
        self._arrivals: Lane[_Item] = Lane("arrivals", self._keep, self._reject, settings.max_batch)
        self._answers: Lane[Answered] = Lane("answers", self._answer, self._drop, settings.max_batch)
        self._inbound_ids: list[int] = []
        self._in_hand: dict[int, float] = {}  # messages being answered, with their arrival
        self._storing = 0
        self._more_to_adopt = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = True
        self._relieved = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def start(self) -> None:
        self._arrivals.start()
        self._answers.start()

    @property
    def in_house(self) -> int:
        """Messages received and not yet answered."""
        return self._storing + len(self._in_hand)

    def refuse(self) -> None:
        """Take no new messages; the SMSC keeps them for the next process."""
        self._accepting = False

    async def drain(self) -> None:
        """Finish the messages in house."""
        await self._arrivals.drained()
        await self._empty.wait()
        await self._answers.drained()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._arrivals.stop()
        await self._answers.stop()

    # --- arrivals

    def take(self, session: Session, sequence: int, message: Message) -> None:
        """Take a message from a link; the SMSC is told to slow down when too many wait."""
        if not self._accepting:
            session.respond(sequence, Status.RX_T_APPN)
            return
        if self.in_house >= self._settings.max_in_house:
            metrics.THROTTLED.labels("us").inc()
            session.respond(sequence, Status.RTHROTTLED)
            return
        self._storing += 1
        self._empty.clear()
        self._arrivals.put(_Arrival(session, sequence, message, self._clock.now(), self._loop.time()))

    async def session_ended(self, inbound_ids: list[int]) -> None:
        """Note that these acknowledgements may be lost; returns once the database knows."""
        expectation = _Expectation(inbound_ids)
        self._arrivals.put(expectation)
        await expectation.noted.wait()

    async def adopt(self) -> None:
        """Answer what is this process's and unanswered: after a start, and after the death of another process."""
        adoption = _Adoption()
        self._arrivals.put(adoption)
        await adoption.done.wait()

    async def adopt_rest(self) -> None:
        """Go on with an adoption that was more than could be in house at once."""
        if self._more_to_adopt:
            await self.adopt()

    async def _adopt(self, conn: Connection) -> None:
        room = self._settings.max_in_house - self.in_house
        if room <= 0:
            self._more_to_adopt = True
            return
        found = await store.find_stored(conn, self._instance.instance_id, self._in_hand, room)
        self._more_to_adopt = len(found) == room
        for inbound in found:
            self._begin(inbound, self._loop.time())

    async def _keep(self, batch: list[_Item], again: bool) -> None:
        arrivals = [item for item in batch if isinstance(item, _Arrival)]
        while arrivals and len(self._in_hand) >= self._settings.max_in_hand:
            self._relieved.clear()
            await self._relieved.wait()
        now = self._clock.now()
        async with self._database.acquire() as conn:
            await self._expect(conn, [item for item in batch if isinstance(item, _Expectation)], now)
            await self._number(conn, arrivals)
            rows = await self._sort(arrivals)
            settled: dict[int, bool] = {}
            if again:  # what one of them became was committed, and so was the rest
                settled = await store.settled_arrivals(conn, [arrival.inbound_id for arrival in arrivals])
            fresh = [arrived for _, arrived in rows.whole if arrived.inbound_id not in settled]
            joined: list[Arrived] = []
            if rows.parts and not settled:
                redelivered, joined = await self._keep_with_parts(conn, fresh, rows, now)
            else:
                redelivered = await self._keep_whole(conn, fresh, now)
        redelivered |= {inbound_id for inbound_id, taken in settled.items() if taken}
        became = {arrived.inbound_id for arrived in (*joined, *(arrived for _, arrived in rows.whole))}
        self._acknowledge(rows, redelivered, settled.keys() | became)
        self._dispatch(rows, redelivered, joined)
        adoptions = [item for item in batch if isinstance(item, _Adoption)]
        if adoptions or (again and rows.parts):
            async with self._database.acquire() as conn:
                await self._adopt(conn)
        for adoption in adoptions:
            adoption.done.set()

    async def _expect(self, conn: Connection, expectations: Sequence[_Expectation], now: datetime) -> None:
        inbound_ids = [inbound_id for item in expectations for inbound_id in item.inbound_ids]
        if inbound_ids:
            until = now + timedelta(seconds=self._settings.redelivery_window_s)
            await store.expect_redelivery(conn, inbound_ids, until)
        for item in expectations:
            item.noted.set()

    async def _number(self, conn: Connection, arrivals: Sequence[_Arrival]) -> None:
        for arrival in arrivals:
            if arrival.inbound_id == 0:
                if not self._inbound_ids:
                    self._inbound_ids = await store.reserve_inbound_ids(conn)
                arrival.inbound_id = self._inbound_ids.pop()

    async def _keep_whole(self, conn: Connection, fresh: Sequence[Arrived], now: datetime) -> set[int]:
        if not fresh:
            return set()
        return await store.store_inbound(conn, fresh, now, self._instance.instance_id)

    async def _keep_with_parts(
        self, conn: Connection, fresh: Sequence[Arrived], rows: _Sorted, now: datetime
    ) -> tuple[set[int], list[Arrived]]:
        """Keep parts too, and join those that are complete, in one transaction."""
        joined: list[Arrived] = []
        async with conn.transaction():
            await store.lock_parts(conn, (part.group for _, part in rows.parts))
            for parts in in_rounds(rows.parts):
                joined += await self._join(conn, parts)
            redelivered = await self._keep_whole(conn, [*fresh, *joined], now)
        return redelivered, joined

    async def _join(self, conn: Connection, parts: Sequence[tuple[_Arrival, ArrivedPart]]) -> list[Arrived]:
        """Keep parts and return the messages that they complete; each has the id of the last part to arrive."""
        owners = {part.group: arrival for arrival, part in parts}
        joined: list[tuple[PartGroup, Arrived]] = []
        for group, records in (await store.store_parts(conn, [part for _, part in parts])).items():
            octets = b"".join(record["octets"] for record in records)
            text = decode(octets, Alphabet(records[0]["alphabet"]))
            known = sender_of(Address(group.source))[1]
            state = InboundState.STORED if known and text is not None else InboundState.IGNORED
            arrived = self._arrived(owners[group], group.source, group.destination, text or "", state)
            joined.append((group, arrived._replace(fingerprint=store.fingerprint(*group, octets))))
        if joined:
            await store.mark_joined(conn, [(group, arrived.inbound_id) for group, arrived in joined])
        return [arrived for _, arrived in joined]

    def _acknowledge(self, rows: _Sorted, redelivered: set[int], became: Collection[int]) -> None:
        """Acknowledge what is kept, and note of what became messages that they may come again.

        A message in parts comes again only if its last part does.
        """
        lost: list[int] = []
        for arrival in (arrival for arrival, _ in (*rows.parts, *rows.whole)):
            token = arrival.inbound_id if arrival.inbound_id in became else None
            if arrival.session.respond(arrival.sequence, Status.ROK, token=token):
                continue
            if token is not None and token not in redelivered:
                lost.append(token)
        if lost:
            self._arrivals.put(_Expectation(lost))

    def _dispatch(self, rows: _Sorted, redelivered: set[int], joined: Sequence[Arrived]) -> None:
        self._storing -= len(rows.whole) + len(rows.parts)
        for arrival, arrived in rows.whole:
            if arrived.inbound_id in redelivered:
                metrics.RECEIVED.labels("redelivered").inc()
            elif arrived.state is InboundState.STORED:
                self._begin(_inbound(arrived), arrival.arrived_s)
            else:
                metrics.RECEIVED_AS[arrived.state].inc()
        for arrived in joined:
            if arrived.state is InboundState.STORED and arrived.inbound_id not in redelivered:
                self._begin(_inbound(arrived), self._loop.time())
        self._note_empty()

    def _reject(self, item: _Item, error: Exception) -> None:  # noqa: ARG002  (logged by the lane)
        if isinstance(item, _Expectation):
            item.noted.set()
            return
        if isinstance(item, _Adoption):
            item.done.set()
            return
        self._storing -= 1
        metrics.RECEIVED.labels("rejected").inc()
        item.session.respond(item.sequence, Status.RSYSERR)
        self._note_empty()

    # --- reading

    async def _sort(self, arrivals: Sequence[_Arrival]) -> _Sorted:
        """Read a batch and apply the senders' limits."""
        read = [self._read(arrival.message) for arrival in arrivals]
        await self._limit(arrivals, read)
        rows = _Sorted()
        for arrival, item in zip(arrivals, read, strict=True):
            part = item.data.part
            if part is not None and not item.data.addressed and arrival.allowed:
                kept = ArrivedPart(
                    item.source, item.destination, part, item.alphabet.value, item.data.body, arrival.received_at
                )
                rows.parts.append((arrival, kept))
                continue
            text = None if item.data.addressed else decode(item.data.body, item.alphabet)
            state = InboundState.STORED if item.known and text is not None else InboundState.IGNORED
            if not arrival.allowed:
                state = InboundState.LIMITED
            rows.whole.append((arrival, self._arrived(arrival, item.source, item.destination, text or "", state)))
        return rows

    def _read(self, message: Message) -> _Read:
        source, known = sender_of(message.source)
        alphabet = alphabet_of(message.data_coding, self._settings.default_alphabet)
        return _Read(source, known, clean(message.destination.digits), alphabet, _user_data(message))

    async def _limit(self, arrivals: Sequence[_Arrival], read: Sequence[_Read]) -> None:
        """Count each message once, however often its batch is tried."""
        fresh = [
            (arrival, Msisdn(item.source))
            for arrival, item in zip(arrivals, read, strict=True)
            if arrival.allowed is None
        ]
        verdicts = await self._limits.allow([source for _, source in fresh])
        for (arrival, _), allowed in zip(fresh, verdicts, strict=True):
            arrival.allowed = allowed

    def _arrived(self, arrival: _Arrival, source: str, destination: str, text: str, state: InboundState) -> Arrived:
        message = arrival.message
        late = self._loop.time() - arrival.arrived_s > self._settings.late_answer_s
        window = timedelta(seconds=self._settings.redelivery_window_s)
        return Arrived(
            arrival.inbound_id,
            arrival.received_at,
            arrival.session.name,
            source,
            destination,
            text,
            store.fingerprint(
                message.source.digits, message.destination.digits, message.esm_class, message.data_coding, message.body
            ),
            state,
            self._clock.now() + window if late else None,
        )

    # --- answers

    def _begin(self, inbound: Inbound, arrived_s: float) -> None:
        self._in_hand[inbound.message_id] = arrived_s
        self._empty.clear()
        task = self._loop.create_task(self._handle(inbound))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, inbound: Inbound) -> None:
        """Run the handler until it answers; a lost database is waited for, a failing handler given up."""
        failures, pause = 0, _HANDLER_PAUSE_MIN_S
        while True:
            try:
                await self._queue_answer(inbound, await self._handler(inbound))
            except (*LOST_CONNECTION, DatabaseUnavailableError) as error:
                log.warning("sms_handler_delayed", message_id=inbound.message_id, error=repr(error))
            except Exception:
                failures += 1
                log.exception("sms_handler_failed", message_id=inbound.message_id, failures=failures)
                if failures >= self._settings.handler_attempts:
                    self._answers.put(Answered(inbound, InboundState.FAILED))
                    return
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _HANDLER_PAUSE_MAX_S)

    async def _queue_answer(self, inbound: Inbound, reply: Reply | None) -> None:
        if reply is None or not reply.text:
            self._answers.put(Answered(inbound, InboundState.PROCESSED))
            return
        submits = await self._sender.prepare_reply(inbound, reply)
        self._answers.put(Answered(inbound, InboundState.PROCESSED, submits))

    async def _answer(self, batch: list[Answered], again: bool) -> None:
        if again:
            async with self._sender.undisturbed():
                await self._commit_answers(batch, again)
        else:
            await self._commit_answers(batch, again)
        now_s = self._loop.time()
        for state, count in Counter(item.state for item in batch).items():
            metrics.RECEIVED_AS[state].inc(count)
        for item in batch:
            arrived_s = self._in_hand.pop(item.inbound.message_id, None)
            if arrived_s is not None:
                metrics.REPLY_SECONDS.observe(now_s - arrived_s)
        self._note_empty()

    async def _commit_answers(self, batch: list[Answered], again: bool) -> None:
        """Store answers and send those that go at once.

        After a commit that was not confirmed, answers found as sending and in nobody's hand were committed by the first
        try: their bytes have not gone out, so they are sent now.
        """
        owner = self._instance.instance_id
        sending = [self._sender.reserve(len(item.submits)) for item in batch]
        reserved = sum(len(item.submits) for item, now_sent in zip(batch, sending, strict=True) if now_sent)
        held = [
            submit
            for item, now_sent in zip(batch, sending, strict=True)
            if now_sent or again
            for submit in item.submits
            if not self._sender.holds(submit)
        ]
        await self._sender.hold(held)
        mine: set[tuple[int, int]] = set()
        try:
            async with self._database.acquire() as conn:
                if again:
                    mine = await store.find_my_sending(conn, [submit.outbound_id for submit in held], owner)
                    mine &= {submit.key for submit in held}
                mine |= await store.answer_inbound(
                    conn, batch, sending, self._clock.now(), owner, self._sender.wants_reply_receipts
                )
        except BaseException:
            mine.clear()
            raise
        finally:
            self._sender.release(reserved)
            self._sender.let_go([submit for submit in held if submit.key not in mine])
        for item, now_sent in zip(batch, sending, strict=True):
            for submit in item.submits:
                if submit.key in mine:
                    self._sender.dispatch(submit)
                elif not now_sent:
                    self._sender.expect_queued()

    def _drop(self, item: Answered, error: Exception) -> None:  # noqa: ARG002  (logged by the lane)
        """An answer that cannot be stored (its text breaks a rule of the table): the message counts as failed."""
        if item.state is not InboundState.FAILED:
            self._answers.put(Answered(item.inbound, InboundState.FAILED))
            return
        self._in_hand.pop(item.inbound.message_id, None)
        self._note_empty()

    def _note_empty(self) -> None:
        metrics.IN_HOUSE.set(self.in_house)
        self._relieved.set()
        if not self.in_house:
            self._empty.set()


def sender_of(address: Address) -> tuple[str, bool]:
    """Return who sent a message, and whether it is a phone number; a name or a short code gets no answer."""
    digits = address.digits
    if _HOME_NUMBER.fullmatch(digits):
        return digits, True
    try:
        return parse_msisdn(digits), True
    except MsisdnFormatError:
        return clean(digits), False


def _user_data(message: Message) -> UserData:
    """Take a message's header off its body, or its part from the sar parameters."""
    if message.esm_class & UDHI:
        return read_header(message.body)
    if message.tlvs:
        reference, total, seqnum = (
            number(message.tlvs, tag) for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
        )
        if reference is not None and total is not None and seqnum is not None:
            part = Part(reference & 0xFFFF, total & 0xFF, seqnum & 0xFF)
            return UserData(part if valid_part(part) else None, message.body)
    return UserData(None, message.body)


def _inbound(arrived: Arrived) -> Inbound:
    return Inbound(arrived.inbound_id, Msisdn(arrived.source), arrived.destination, arrived.text, arrived.received_at)
