"""Messages to handsets: prepared, claimed, sent once, settled by the SMSC's answer and by receipts.

A message is committed as `sending` before its bytes go out. From then on this process alone speaks for it; if the
process dies or the answer never comes, the message is `unknown` and is not sent again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import structlog

from telco.db.pool import LOST_CONNECTION, Connection, Database
from telco.kernel.clock import Clock
from telco.sms import metrics, store
from telco.sms.instance import Instance
from telco.sms.lane import Lane
from telco.sms.links import Links
from telco.sms.model import RANK, Inbound, OutboundKind, OutboundState, Outgoing, Reply
from telco.sms.settings import Concatenation, SmsSettings
from telco.sms.smpp.outcome import Receipt, Verdict, canonical_id, read_receipt, validity, verdict
from telco.sms.smpp.pdu import NO_TLVS, UDHI, WANTS_RECEIPT, Address, Message, Status, Tag
from telco.sms.smpp.session import Answer, Session
from telco.sms.store import Enqueued, Settled, Submit
from telco.sms.text import Part, SplitText, encode, header, split

log = structlog.get_logger(__name__)

_CLAIM_LIMIT = 500
_RETRY_MAX_S = 600.0
_REPLIES = (RANK[OutboundKind.REPLY], RANK[OutboundKind.REPLY])
_URGENT = (RANK[OutboundKind.REPLY], RANK[OutboundKind.NOTICE])
_BULK = (RANK[OutboundKind.BULK], RANK[OutboundKind.BULK])
_NUMBER_LENGTH = 7
"""Shorter digits are service codes, not telephone numbers."""


class _Report(NamedTuple):
    """A receipt and the deliver_sm to acknowledge once it is kept."""

    receipt: Receipt
    session: Session
    sequence: int


class Sender:
    """Sends what waits, replies first."""

    def __init__(
        self, database: Database, clock: Clock, settings: SmsSettings, instance: Instance, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._instance = instance
        self._links = links
        self._outcomes: Lane[Settled | _Report] = Lane("outcomes", self._settle, self._reject, settings.max_batch)
        self._outbound_ids: list[int] = []
        self._refill = asyncio.Lock()
        self._claiming = asyncio.Lock()
        self._recovering = asyncio.Lock()
        self._reserved = 0
        self._unsettled = 0
        self._in_hand: set[tuple[int, int]] = set()
        self._unwritten: set[tuple[int, int]] = set()  # sent, but the database did not take what became of them
        self._idle = asyncio.Event()
        self._replies_queued = True  # what an earlier process left
        self._others_queued = True
        self._wake = asyncio.Event()
        self._sending = True
        self._task: asyncio.Task[None] | None = None
        self.wants_reply_receipts = OutboundKind.REPLY in settings.receipts_for

    def start(self) -> None:
        self._outcomes.start()
        self._task = asyncio.create_task(self._pump(), name="sms-sender")

    async def drain(self) -> None:
        """Send the replies that wait, take nothing else from the queue, and settle every message on its way."""
        self._sending = False
        async with self._claiming:  # a claim in flight is sent first
            try:
                while self._replies_queued and (room := min(self._room(), _CLAIM_LIMIT)) > 0:
                    self._replies_queued = await self._claim(room, _REPLIES) == room
            except LOST_CONNECTION:
                await self._recover_claims()
        while self._in_hand:
            self._idle.clear()
            await self._idle.wait()
        await self._outcomes.drained()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._outcomes.stop()

    # --- what others ask for

    async def prepare_reply(self, inbound: Inbound, reply: Reply) -> tuple[Submit, ...]:
        """Split an answer and number its submits."""
        text = self._split(reply.text)
        valid_until = self._clock.now() + (reply.valid_for or self._settings.reply_valid)
        outbound_id = await self._next_id()
        return tuple(
            Submit(
                outbound_id,
                index,
                len(text.parts),
                OutboundKind.REPLY,
                inbound.destination,
                inbound.source,
                part,
                text.coding,
                self.wants_reply_receipts,
                valid_until,
            )
            for index, part in enumerate(text.parts, start=1)
        )

    async def enqueue(self, conn: Connection, messages: Sequence[Outgoing]) -> list[int | None]:
        """Queue messages in the caller's transaction; see `SmsService.enqueue_all`."""
        kept = [
            Enqueued(message, self._split(message.text), message.kind in self._settings.receipts_for)
            for message in messages
        ]
        return await store.enqueue(conn, kept, self._clock.now())

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """Keep the queue still: nothing is claimed and nothing given back until this is over."""
        async with self._claiming:
            yield

    async def hold(self, submits: Sequence[Submit]) -> None:
        """Take messages in hand before they are committed as sending, so that no recovery gives them back meanwhile."""
        async with self._recovering:
            self._in_hand.update(submit.key for submit in submits)

    def holds(self, submit: Submit) -> bool:
        """Whether a message is on its way already."""
        return submit.key in self._in_hand

    def let_go(self, submits: Sequence[Submit]) -> None:
        """Messages are not this process's to send any more."""
        self._in_hand.difference_update(submit.key for submit in submits)
        if not self._in_hand:
            self._idle.set()

    def reserve(self, count: int) -> bool:
        """Take room in the window for messages about to be committed as sending; False when they have to queue."""
        if not count or not self._sending or self._replies_queued or self._room() < count:
            return False
        self._reserved += count
        return True

    def release(self, count: int) -> None:
        """Give room back."""
        self._reserved -= count

    def dispatch(self, submit: Submit) -> None:
        """Send a message that is committed as sending; without a link it goes back to the queue, unsent."""
        self._in_hand.add(submit.key)
        self._unsettled += 1
        if not self._links.send(self._message(submit), submit):
            self._outcomes.put(Settled(submit, OutboundState.QUEUED, "", not_before=self._clock.now()))

    def expect_queued(self) -> None:
        """Replies wait in the queue: they go before newer ones."""
        self._replies_queued = True
        self._wake.set()

    def window_opened(self) -> None:
        """There is room for more."""
        if self._replies_queued or self._others_queued:
            self._wake.set()

    # --- from the links

    def answered(self, session: Session, submit: Submit, answer: Answer) -> None:
        """Learn what the SMSC said to a message, or that it said nothing."""
        self._outcomes.put(self._judge(session.name, submit, answer))

    def report(self, session: Session, sequence: int, message: Message) -> None:
        """Take a delivery receipt; it is acknowledged once it is kept."""
        receipt = read_receipt(message)
        if receipt is None:
            session.respond(sequence, Status.ROK)
            return
        metrics.RECEIPTS.labels(receipt.state.value).inc()
        named = receipt._replace(message_id=canonical_id(receipt.message_id, self._settings.receipt_id_base))
        self._outcomes.put(_Report(named, session, sequence))

    def _judge(self, link: str, submit: Submit, answer: Answer) -> Settled:
        if answer.status is None:
            return Settled(submit, OutboundState.UNKNOWN, link, error="no answer")
        match verdict(answer.status, self._settings.temporary_statuses):
            case Verdict.ACCEPTED:
                self._links.speed_up(link)
                smsc_id = canonical_id(answer.message_id, self._settings.response_id_base)
                return Settled(submit, OutboundState.ACCEPTED, link, smsc_id)
            case Verdict.THROTTLED:
                self._links.slow_down(link)
                return self._again(link, submit, answer.status, timedelta(seconds=self._settings.throttle_pause_s))
            case Verdict.RETRY:
                delay = min(self._settings.retry_delay_s * 2.0 ** min(submit.attempts - 1, 16), _RETRY_MAX_S)
                return self._again(link, submit, answer.status, timedelta(seconds=delay))
            case Verdict.FINAL:
                return Settled(submit, OutboundState.FAILED, link, error=f"{answer.status:#x}")

    def _again(self, link: str, submit: Submit, status: int, delay: timedelta) -> Settled:
        self._replies_queued = self._replies_queued or submit.kind is OutboundKind.REPLY
        return Settled(submit, OutboundState.QUEUED, link, None, f"{status:#x}", self._clock.now() + delay)

    # --- writing

    def _split(self, text: str) -> SplitText:
        whole = split(text)
        if len(whole.parts) <= self._settings.max_parts:
            return whole
        log.warning("sms_text_cut", parts=len(whole.parts), sent=self._settings.max_parts)
        return whole._replace(parts=whole.parts[: self._settings.max_parts])

    async def _next_id(self) -> int:
        while not self._outbound_ids:
            async with self._refill:
                if not self._outbound_ids:
                    async with self._database.acquire() as conn:
                        self._outbound_ids = await store.reserve_outbound_ids(conn)
        return self._outbound_ids.pop()

    def _message(self, submit: Submit) -> Message:
        body = encode(submit.text, submit.coding)
        esm_class, tlvs = 0, NO_TLVS
        if submit.parts > 1:
            if self._settings.concatenation is Concatenation.UDH:
                body = header(Part(submit.outbound_id, submit.parts, submit.part)) + body
                esm_class = UDHI
            else:
                tlvs = {
                    Tag.SAR_MSG_REF_NUM: (submit.outbound_id & 0xFFFF).to_bytes(2, "big"),
                    Tag.SAR_TOTAL_SEGMENTS: bytes((submit.parts,)),
                    Tag.SAR_SEGMENT_SEQNUM: bytes((submit.part,)),
                }
        return Message(
            address_of(submit.sender),
            address_of(submit.recipient),
            body,
            int(submit.coding),
            esm_class,
            priority=1 if submit.kind is OutboundKind.REPLY else 0,
            validity=validity(int((submit.valid_until - self._clock.now()).total_seconds())),
            registered_delivery=WANTS_RECEIPT if submit.wants_receipt else 0,
            tlvs=tlvs,
        )

    # --- the queue

    async def _pump(self) -> None:
        """Claim and send what waits whenever there may be something and there is room."""
        loop = asyncio.get_running_loop()
        while True:
            timer = loop.call_later(self._settings.poll_interval_s, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
            async with self._claiming:
                try:
                    while self._sending and await self._send_waiting():
                        pass
                except LOST_CONNECTION as error:
                    log.warning("sms_queue_delayed", error=repr(error))
                    await self._recover_claims()
                except Exception:  # the queue outlives any single failure
                    log.exception("sms_queue_failed")
                    await self._recover_claims()

    async def _send_waiting(self) -> bool:
        """Send one claim's worth; True when there may be more to send at once."""
        room = min(self._room(), _CLAIM_LIMIT)
        if room <= 0:
            return False
        urgent = await self._claim(room, _URGENT)
        self._replies_queued = self._others_queued = urgent == room
        bulk_room = int(self._links.window() * self._settings.bulk_share) - self._links.outstanding()
        room = min(room - urgent, bulk_room)
        if room <= 0:
            self._others_queued = True  # bulk may wait: look again when there is room
            return urgent > 0
        bulk = await self._claim(room, _BULK)
        self._others_queued = bulk == room
        return urgent + bulk > 0

    def _room(self) -> int:
        """How many messages may be claimed: the death of this process makes no more than a window of them unknown."""
        free = min(self._links.capacity(), self._links.window() - self._unsettled)
        return free - self._reserved

    async def _claim(self, limit: int, ranks: tuple[int, int]) -> int:
        self._reserved += limit
        try:
            async with self._database.acquire() as conn:
                submits, stale = await store.claim_queued(
                    conn, self._clock.now(), self._instance.instance_id, limit, ranks
                )
        finally:
            self._reserved -= limit
        for submit in submits:
            self.dispatch(submit)
        if stale:
            metrics.SENT.labels("any", OutboundState.EXPIRED.value).inc(stale)
        return len(submits) + stale

    async def give_back(self) -> None:
        """Return to the queue what was claimed in a commit that was not confirmed: nothing of it was sent."""
        async with self._claiming:
            await self._give_back()

    async def _give_back(self) -> None:
        async with self._recovering, self._database.acquire() as conn:
            await store.return_unsent(conn, self._instance.instance_id, self._in_hand | self._unwritten)

    async def _recover_claims(self) -> None:
        """Wait for the database, then give back what may have been claimed."""
        pause = 0.05
        while True:
            await asyncio.sleep(pause)
            try:
                await self._give_back()
            except LOST_CONNECTION:
                pause = min(2 * pause, 2.0)
            else:
                return

    # --- outcomes

    async def _settle(self, batch: list[Settled | _Report], again: bool) -> None:  # noqa: ARG002  (may be repeated as it is)
        settled = [item for item in batch if isinstance(item, Settled)]
        reports = [item for item in batch if isinstance(item, _Report)]
        now = self._clock.now()
        async with self._database.acquire() as conn:
            if settled:
                await self._settle_submits(conn, settled, now)
            if reports:
                await store.settle_receipts(conn, [report.receipt for report in reports], now)
        for report in reports:
            report.session.respond(report.sequence, Status.ROK)
        for outcome, count in Counter((item.submit.kind, item.state) for item in settled).items():
            metrics.SENT_AS[outcome].inc(count)
        self._unsettled -= len(settled)
        self.let_go([item.submit for item in settled])
        if settled:
            self.window_opened()

    async def _settle_submits(self, conn: Connection, settled: Sequence[Settled], now: datetime) -> None:
        await store.settle_outbound(conn, settled, now)
        awaited = [item.smsc_id for item in settled if item.smsc_id and item.submit.wants_receipt]
        if awaited:
            await store.match_early_receipts(conn, awaited, now)

    def _reject(self, item: Settled | _Report, error: Exception) -> None:  # noqa: ARG002  (logged by the lane)
        if isinstance(item, _Report):
            item.session.respond(item.sequence, Status.RSYSERR)
        else:
            self._unsettled -= 1
            if item.state is not OutboundState.QUEUED:
                self._unwritten.add(item.submit.key)
            self.let_go((item.submit,))


@lru_cache(maxsize=4_096)
def address_of(number: str) -> Address:
    """Return how a number is written in a PDU: telephone numbers as international, codes and names as what they are."""
    if not number.isdigit():
        return Address(number, 5, 0)
    if len(number) < _NUMBER_LENGTH:
        return Address(number, 3, 0)
    return Address(number, 1, 1)
