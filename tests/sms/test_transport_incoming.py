"""What arrives over the lab's SMSC: long messages in parts, and what is no text."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.sms.smpp.pdu import UDHI, Address, Message, Tag
from telco.sms.text import Part, encode_gsm7, header
from tests.sms.transport import OTHER, PATIENCE_S, SUBSCRIBER, running, service_on, settings, states


async def test_a_long_message_is_handled_once_whole(database: Database, clock: ManualClock) -> None:
    text = "Сәлем " * 40  # 240 characters: 4 parts
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", text)
        assert await bench.phones.texts(1) == ["heard " + text]
        assert [inbound.text for inbound in bench.handled] == [text]


def part(number: int, text: bytes, reference: int = 9, total: int = 3) -> Message:
    body = header(Part(reference, total, number)) + text
    return Message(Address(SUBSCRIBER), Address("5505", 3, 0), body, 0, UDHI)


def sar(number: int, text: bytes) -> Message:
    values = {Tag.SAR_MSG_REF_NUM: 700, Tag.SAR_TOTAL_SEGMENTS: 2, Tag.SAR_SEGMENT_SEQNUM: number}
    tlvs: dict[int, bytes] = {tag: value.to_bytes(2 if value > 255 else 1, "big") for tag, value in values.items()}
    return Message(Address(SUBSCRIBER), Address("5505", 3, 0), text, tlvs=tlvs)


async def test_parts_in_any_order_and_twice_make_one_message(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        # The escape of the euro sign is split over two parts, as careless phones do.
        for message in (part(3, b"c"), part(1, b"a"), part(1, b"a"), part(2, b"\x65b"), part(2, b"\x65b")):
            await bench.smsc.deliver(message._replace(body=message.body))
        assert await bench.phones.texts(1) == ["heard aebc"]
        await bench.smsc.deliver(part(1, b"a"))  # a late copy of a part of a message that is whole
        await bench.smsc.submit(SUBSCRIBER, "5505", "next")
        assert await bench.phones.texts(2) == ["heard aebc", "heard next"]


async def test_an_escape_split_over_two_parts_is_one_character(database: Database, clock: ManualClock) -> None:
    euro = encode_gsm7("10€")
    async with running(database, clock) as bench:
        await bench.smsc.deliver(part(1, euro[:-1], total=2))
        await bench.smsc.deliver(part(2, euro[-1:], total=2))
        assert await bench.phones.texts(1) == ["heard 10€"]


async def test_sar_parameters_join_as_headers_do(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.deliver(sar(2, b"two"))
        await bench.smsc.deliver(sar(1, b"one "))
        assert await bench.phones.texts(1) == ["heard one two"]


async def test_a_reference_used_again_starts_a_new_message(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        for round_ in (b"first ", b"second "):
            await bench.smsc.deliver(part(1, round_, total=2))
            await bench.smsc.deliver(part(2, round_ + b"end", total=2))
        assert await bench.phones.texts(2) == ["heard first first end", "heard second second end"]


async def test_two_texts_under_one_reference_may_share_a_part(database: Database, clock: ManualClock) -> None:
    """A telephone that numbers every long message alike, and a text that was mended at its beginning only.

    Nor is it a redelivery of the one before, whose acknowledgement may have been lost with a process.
    """
    async with running(database, clock) as bench:
        for count, beginning in enumerate((b"first ", b"second ", b"third "), start=1):
            await bench.smsc.deliver(part(1, beginning, total=2))
            await bench.smsc.deliver(part(2, b"end", total=2))
            await bench.phones.texts(count)
            soon = clock.now() + timedelta(minutes=5)
            await database.fetch("update sms.inbound set redeliverable_until = $1", soon)
        await bench.smsc.deliver(part(2, b"end", total=2))  # a late copy
        assert await bench.phones.texts(3) == ["heard first end", "heard second end", "heard third end"]
        together = [bench.smsc.deliver(part(number, text, total=2)) for number, text in ((1, b"fourth "), (2, b"end"))]
        await asyncio.gather(*together)
        assert (await bench.phones.texts(4))[3:] == ["heard fourth end"]
        assert await database.fetchval("select count(*) from sms.inbound") == 4


async def test_the_same_long_text_again_under_one_reference_is_another_message(
    database: Database, clock: ManualClock
) -> None:
    """As a short text is, whose acknowledgement has surely arrived."""
    async with running(database, clock) as bench:
        for count in (1, 2):
            await bench.smsc.deliver(part(1, b"long ", total=2))
            await bench.smsc.deliver(part(2, b"text", total=2))
            await bench.phones.texts(count)
            clock.advance(timedelta(seconds=60))
        assert await bench.phones.texts(2) == ["heard long text"] * 2


async def test_messages_under_one_reference_that_arrive_together_are_told_apart(
    database: Database, clock: ManualClock
) -> None:
    """What an SMSC had kept while nobody was bound; the second begins like the first, the third is the second again."""
    texts = [(b"a ", b"b"), (b"a ", b"c"), (b"a ", b"c"), (b"d ", b"b")]
    async with running(database, clock) as bench:
        parts = [part(number, text, total=2) for pair in texts for number, text in enumerate(pair, start=1)]
        await asyncio.gather(*(bench.smsc.deliver(message) for message in parts))
        assert sorted(await bench.phones.texts(4)) == ["heard a b", "heard a c", "heard a c", "heard d b"]


@pytest.mark.parametrize("order", [(1, 2, 3), (1, 3, 2), (2, 1, 3), (2, 3, 1)])
async def test_what_is_left_of_a_message_that_never_came_whole_is_not_joined_with_the_next(
    database: Database, clock: ManualClock, order: tuple[int, ...]
) -> None:
    """Of the first its last part is lost; the second comes ten minutes later under the same reference."""
    async with running(database, clock) as bench:
        for number, text in ((1, b"x"), (2, b"y")):
            await bench.smsc.deliver(part(number, text))
            clock.advance(timedelta(seconds=4))
        clock.advance(timedelta(seconds=600))
        for number in order:
            await bench.smsc.deliver(part(number, b"abc"[number - 1 : number]))
            clock.advance(timedelta(seconds=4))
        assert await bench.phones.texts(1) == ["heard abc"]


async def test_a_late_copy_of_a_part_is_not_joined_with_the_next_message(
    database: Database, clock: ManualClock
) -> None:
    async with running(database, clock) as bench:
        for number, text in ((1, b"a "), (2, b"b"), (2, b"b")):
            await bench.smsc.deliver(part(number, text, total=2))
            clock.advance(timedelta(seconds=4))
        assert await bench.phones.texts(1) == ["heard a b"]
        clock.advance(timedelta(seconds=600))
        await bench.smsc.deliver(part(1, b"c ", total=2))
        await bench.smsc.deliver(part(2, b"d", total=2))
        assert await bench.phones.texts(2) == ["heard a b", "heard c d"]


async def test_missing_parts_are_waited_for_and_given_up(database: Database, clock: ManualClock) -> None:
    async with running(database, clock, part_wait_s=900) as bench:
        await bench.smsc.deliver(part(1, b"a", total=2))
        clock.advance(timedelta(seconds=899))
        await bench.service.sweep()
        assert await database.fetchval("select count(*) from sms.inbound_part") == 1
        clock.advance(timedelta(seconds=2))
        await bench.service.sweep()
        assert await database.fetchval("select count(*) from sms.inbound_part") == 0
        await bench.smsc.deliver(part(2, b"b", total=2))
        assert bench.handled == []


async def test_parts_that_come_over_two_links_at_once_are_joined_once(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        other = service_on(database, clock, settings(bench.smsc.port))
        await other.start()
        async with asyncio.timeout(PATIENCE_S):
            await other.bound()
        deliveries = [
            bench.smsc.deliver(part(number, b"x", reference, 2)) for reference in range(20) for number in (1, 2)
        ]
        await asyncio.gather(*deliveries)
        assert await bench.phones.texts(20) == ["heard xx"] * 20
        await other.stop()
        assert await database.fetchval("select count(*) from sms.inbound") == 20


@pytest.mark.parametrize(
    "message",
    [
        Message(Address(SUBSCRIBER), Address("5505", 3, 0), bytes(range(200)), data_coding=4),
        Message(Address(SUBSCRIBER), Address("5505", 3, 0), b"\x06\x05\x04\x0b\x84\x23\xf0wap", 0, UDHI),
        Message(Address("Kaspi", 5, 0), Address("5505", 3, 0), b"hello"),
        Message(Address("5505", 3, 0), Address("5505", 3, 0), b"hello"),
        Message(Address("", 0, 0), Address("", 0, 0), b"hello"),
    ],
    ids=["8-bit", "for a port", "from a name", "from a short code", "from nobody"],
)
async def test_what_cannot_be_served_is_kept_and_not_handled(
    database: Database, clock: ManualClock, message: Message
) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.deliver(message)
        assert await database.fetchval(states("inbound")) == ["ignored"]
        assert bench.handled == []


async def test_an_empty_message_is_a_message(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.deliver(Message(Address(SUBSCRIBER), Address("5505", 3, 0), b""))
        assert await bench.phones.texts(1) == ["heard "]


def hostile(seed: int) -> list[Message]:
    """Messages with anything in any field that the codec lets pass."""
    rng = random.Random(seed)
    noise = [chr(code) for code in range(1, 256)]
    return [
        Message(
            Address(rng.choice([SUBSCRIBER, "".join(rng.choices(noise, k=rng.randrange(21)))]), rng.randrange(256)),
            Address(rng.choice(["5505", "".join(rng.choices(noise, k=rng.randrange(21)))]), rng.randrange(256)),
            rng.randbytes(rng.randrange(0, 255)),
            rng.choice([0, 8, rng.randrange(256)]),
            rng.choice([0, 0x40, 0x40, rng.randrange(256) & ~0x3C]),
            tlvs={rng.choice([0x020C, 0x020E, 0x020F, 0x1400]): rng.randbytes(rng.randrange(5)) for _ in range(4)},
        )
        for _ in range(300)
    ]


async def test_whatever_arrives_is_kept_and_harms_nobody(database: Database, clock: ManualClock) -> None:
    messages = hostile(20260302)
    async with running(database, clock) as bench:
        await asyncio.gather(*(bench.smsc.deliver(message) for message in messages))
        kept = await database.fetchval(
            "select (select count(*) from sms.inbound) + (select count(*) from sms.inbound_part)"
        )
        assert kept == len(messages)
        await bench.until("select count(*) from sms.inbound where state = 'stored'", 0)
        assert await database.fetchval("select count(*) from sms.inbound where state = 'failed'") == 0
        before = len(bench.phones.messages)
        await bench.smsc.submit(OTHER, "5505", "still here?")
        await bench.phones.until(lambda phones: ("5505", OTHER, "heard still here?") in phones.messages[before:])


async def test_messages_long_done_are_deleted_and_others_stay(database: Database, clock: ManualClock) -> None:
    async with running(database, clock, keep_s=86_400) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "old")
        await bench.phones.texts(1)
        await bench.until(states("outbound"), ["accepted"])
        clock.advance(timedelta(hours=23))
        await bench.smsc.submit(SUBSCRIBER, "5505", "new")
        await bench.phones.texts(2)
        await bench.until(states("outbound"), ["accepted", "accepted"])
        clock.advance(timedelta(hours=2))
        await bench.service.sweep()
        assert await database.fetchval("select array_agg(body) from sms.inbound") == ["new"]
        assert await database.fetchval("select array_agg(body) from sms.outbound") == ["heard new"]
