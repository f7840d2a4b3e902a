"""All SQL of the SMS transport's tables. Statements are set-based: a batch is one statement, or one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from telco.db.pool import Connection, Record
from telco.db.queries import load
from telco.kernel.msisdn import Msisdn
from telco.sms.model import RANK, Inbound, InboundState, OutboundKind, OutboundState, Outgoing
from telco.sms.parts import ArrivedPart, PartGroup
from telco.sms.smpp.outcome import Receipt
from telco.sms.text import Coding, SplitText

Q = load("telco.sms", "transport_queries.sql")
_ID_BLOCK = 500


class Arrived(NamedTuple):
    """A whole message to be kept; `redeliverable_until` is set when the SMSC may have given up waiting."""

    inbound_id: int
    received_at: datetime
    link: str
    source: str
    destination: str
    text: str
    fingerprint: int
    state: InboundState
    redeliverable_until: datetime | None = None


class Submit:
    """One submit_sm to be sent: a row of sms.outbound."""

    __slots__ = (
        "attempts",
        "coding",
        "kind",
        "outbound_id",
        "part",
        "parts",
        "recipient",
        "sender",
        "text",
        "valid_until",
        "wants_receipt",
    )

    def __init__(
        self,
        outbound_id: int,
        part: int,
        parts: int,
        kind: OutboundKind,
        sender: str,
        recipient: str,
        text: str,
        coding: Coding,
        wants_receipt: bool,
        valid_until: datetime,
        attempts: int = 1,
    ) -> None:
        self.outbound_id = outbound_id
        self.part = part
        self.parts = parts
        self.kind = kind
        self.sender = sender
        self.recipient = recipient
        self.text = text
        self.coding = coding
        self.wants_receipt = wants_receipt
        self.valid_until = valid_until
        self.attempts = attempts

    @property
    def key(self) -> tuple[int, int]:
        return (self.outbound_id, self.part)

    @property
    def order(self) -> tuple[int, int, int]:
        return (RANK[self.kind], self.outbound_id, self.part)


class Settled(NamedTuple):
    """What became of a submit; `not_before` says when one that goes back to the queue may be tried again."""

    submit: Submit
    state: OutboundState
    link: str
    smsc_id: str | None = None
    error: str | None = None
    not_before: datetime | None = None


class Answered(NamedTuple):
    """A message that is done, with the submits of its answer."""

    inbound: Inbound
    state: InboundState
    submits: tuple[Submit, ...] = ()


def fingerprint(*fields: bytes | str | int) -> int:
    """Return what makes a message the same when it comes again, as a signed 64-bit number."""
    digest = blake2b(repr(fields).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


async def reserve_inbound_ids(conn: Connection) -> list[int]:
    """Take a block of ids, the highest first, so that they can be popped."""
    return [row[0] for row in await conn.fetch(Q.reserve_inbound_ids, _ID_BLOCK)][::-1]


async def reserve_outbound_ids(conn: Connection) -> list[int]:
    """Take a block of ids, the highest first, so that they can be popped."""
    return [row[0] for row in await conn.fetch(Q.reserve_outbound_ids, _ID_BLOCK)][::-1]


async def store_inbound(conn: Connection, arrived: Sequence[Arrived], now: datetime, owner: int) -> set[int]:
    """Keep messages and return the ids of those that were redeliveries of kept ones."""
    columns = list(zip(*arrived, strict=True))
    rows = await conn.fetch(Q.store_inbound, *columns, now, owner)
    return {row[0] for row in rows}


async def settled_arrivals(conn: Connection, inbound_ids: Sequence[int]) -> dict[int, bool]:
    """Say of ids whose commit was not confirmed which are settled: kept (False) or taken for a redelivery (True)."""
    return {row[0]: row[1] for row in await conn.fetch(Q.find_settled_arrivals, inbound_ids)}


async def expect_redelivery(conn: Connection, inbound_ids: Sequence[int], until: datetime) -> None:
    """Note messages whose acknowledgement may be lost."""
    await conn.execute(Q.expect_redelivery, inbound_ids, until)


async def lock_parts(conn: Connection, groups: Iterable[PartGroup]) -> None:
    """Let nobody else join the parts of these messages before the transaction ends."""
    await conn.execute(Q.lock_part_groups, [fingerprint(*group) for group in sorted(set(groups))])


async def store_parts(conn: Connection, parts: Sequence[ArrivedPart]) -> dict[PartGroup, list[Record]]:
    """Keep parts, each once, and return the messages that are complete with them, each with its parts in order."""
    groups = sorted({part.group for part in parts})
    await conn.execute(
        Q.store_parts,
        [part.source for part in parts],
        [part.destination for part in parts],
        [part.part.reference for part in parts],
        [part.part.total for part in parts],
        [part.part.number for part in parts],
        [part.alphabet for part in parts],
        [part.octets for part in parts],
        [part.received_at for part in parts],
    )
    found: dict[PartGroup, list[Record]] = {}
    for row in await conn.fetch(Q.find_parts, *_group_columns(groups)):
        group = PartGroup(row["source"], row["destination"], row["reference"], row["total"])
        found.setdefault(group, []).append(row)
    return {group: rows for group, rows in found.items() if len(rows) == group.total}


async def mark_joined(conn: Connection, joined: Sequence[tuple[PartGroup, int]]) -> None:
    """Note which message the parts became."""
    groups = [group for group, _ in joined]
    await conn.execute(Q.mark_joined, *_group_columns(groups), [inbound_id for _, inbound_id in joined])


def _group_columns(groups: Iterable[PartGroup]) -> list[tuple[object, ...]]:
    return list(zip(*groups, strict=True))


async def find_stored(conn: Connection, owner: int, known: Iterable[int], limit: int) -> list[Inbound]:
    """Return messages that this process owes an answer, beside those it knows of, oldest first."""
    rows = await conn.fetch(Q.find_stored, owner, list(known), limit)
    return [
        Inbound(row["inbound_id"], Msisdn(row["source"]), row["destination"], row["body"], row["received_at"])
        for row in rows
    ]


async def answer_inbound(
    conn: Connection,
    answered: Sequence[Answered],
    sending: Sequence[bool],
    now: datetime,
    owner: int,
    wants_receipt: bool,
) -> set[tuple[int, int]]:
    """Mark messages done and keep their answers: those `sending` says of as sent by this process now, others queued.

    Returns the keys of the submits that this process is to send.
    """
    submits = [(submit, item) for item in answered for submit in item.submits]
    states = [
        "sending" if now_sent else "queued"
        for item, now_sent in zip(answered, sending, strict=True)
        for _ in item.submits
    ]
    rows = await conn.fetch(
        Q.answer_inbound,
        [item.inbound.message_id for item in answered],
        [item.state.value for item in answered],
        now,
        owner,
        [submit.outbound_id for submit, _ in submits],
        [submit.part for submit, _ in submits],
        [submit.parts for submit, _ in submits],
        [item.inbound.message_id for _, item in submits],
        [submit.sender for submit, _ in submits],
        [submit.recipient for submit, _ in submits],
        [submit.text for submit, _ in submits],
        [submit.coding for submit, _ in submits],
        [submit.valid_until for submit, _ in submits],
        states,
        wants_receipt,
    )
    return {(row[0], row[1]) for row in rows}


async def find_my_sending(conn: Connection, outbound_ids: Sequence[int], owner: int) -> set[tuple[int, int]]:
    """Return which of some messages this process holds for sending, after a commit that was not confirmed."""
    return {(row[0], row[1]) for row in await conn.fetch(Q.find_my_sending, outbound_ids, owner)}


class Enqueued(NamedTuple):
    """A message to be kept: cut into parts, and whether its receipt is wanted."""

    message: Outgoing
    text: SplitText
    wants_receipt: bool


async def enqueue(conn: Connection, messages: Sequence[Enqueued], now: datetime) -> list[int | None]:
    """Keep messages to be sent and return their ids, None for one whose key a kept message has."""
    parts = [
        (place, number, body)
        for place, (_, text, _) in enumerate(messages, start=1)
        for number, body in enumerate(text.parts, start=1)
    ]
    rows = await conn.fetch(
        Q.enqueue,
        now,
        [message.dedupe_key for message, _, _ in messages],
        [message.kind.value for message, _, _ in messages],
        [message.sender for message, _, _ in messages],
        [message.to for message, _, _ in messages],
        [text.coding.value for _, text, _ in messages],
        [wants_receipt for _, _, wants_receipt in messages],
        [(message.not_before or now) + message.valid_for for message, _, _ in messages],
        *zip(*parts, strict=True),
        [message.not_before or now for message, _, _ in messages],
        [message.about for message, _, _ in messages],
        [message.not_before is not None for message, _, _ in messages],
    )
    kept = {row["place"]: row["outbound_id"] for row in rows}
    return [kept.get(place) for place in range(1, len(messages) + 1)]


async def claim_queued(
    conn: Connection, now: datetime, owner: int, limit: int, ranks: tuple[int, int]
) -> tuple[list[Submit], int]:
    """Take waiting messages for sending, best first; also return how many were too old and are given up."""
    rows = await conn.fetch(Q.claim_queued, now, owner, limit, *ranks)
    claimed = [
        Submit(
            row["outbound_id"],
            row["part"],
            row["parts"],
            OutboundKind(row["kind"]),
            row["sender"],
            row["recipient"],
            row["body"],
            Coding(row["coding"]),
            row["wants_receipt"],
            row["valid_until"],
            row["attempts"],
        )
        for row in rows
        if row["state"] == "sending"
    ]
    claimed.sort(key=lambda submit: submit.order)
    return claimed, len(rows) - len(claimed)


async def return_unsent(conn: Connection, owner: int, in_hand: Iterable[tuple[int, int]]) -> None:
    """Give back claims that this process does not know of: their commit was not confirmed, so they were not sent."""
    keys = list(in_hand)
    await conn.execute(Q.return_unsent, owner, [key[0] for key in keys], [key[1] for key in keys])


async def settle_outbound(conn: Connection, settled: Sequence[Settled], now: datetime) -> None:
    """Note what became of submits; of two entries for one submit the later counts."""
    rows = list({item.submit.key: item for item in settled}.values())
    await conn.execute(
        Q.settle_outbound,
        [item.submit.outbound_id for item in rows],
        [item.submit.part for item in rows],
        [item.state.value for item in rows],
        [item.link for item in rows],
        [item.smsc_id for item in rows],
        [item.error for item in rows],
        [item.not_before for item in rows],
        now,
    )


async def settle_receipts(conn: Connection, receipts: Sequence[Receipt], now: datetime) -> None:
    """Settle messages by their receipts; keep receipts whose message is not known yet."""
    await conn.execute(
        Q.settle_receipts,
        [receipt.message_id for receipt in receipts],
        [receipt.state.value for receipt in receipts],
        [receipt.error for receipt in receipts],
        now,
    )


async def match_early_receipts(conn: Connection, smsc_ids: Sequence[str] | None, now: datetime) -> None:
    """Settle messages whose receipts came first: those with some ids, or all (None)."""
    await conn.execute(Q.match_early_receipts, smsc_ids, now)
