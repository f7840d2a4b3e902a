"""The SMS transport with the lab's SMSC, the real database and real sockets."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import asyncpg
import pytest
import redis.asyncio

from telco.db.pool import Connection, Database
from telco.kernel.clock import ManualClock
from telco.kernel.msisdn import Msisdn
from telco.lab.smsc import RefusedError
from telco.sms.model import Inbound, OutboundKind, Reply, UssdReply, UssdRequest
from telco.sms.service import SmsService
from telco.sms.settings import Concatenation, SenderLimit, UssdDialect
from telco.sms.smpp.outcome import IdBase
from telco.sms.smpp.pdu import UDHI, Address, Message, Status, Tag
from telco.sms.text import Part, encode_gsm7, header
from tests.sms.transport import OTHER, PATIENCE_S, SUBSCRIBER, running, service_on, settings, until

SENDING = "select count(*) from sms.outbound where state = 'sending'"


def states(side: str) -> str:
    return f"select array_agg(state order by {side}_id) from sms.{side}"


async def enqueue(
    service: SmsService,
    database: Database,
    text: str,
    *,
    to: str = SUBSCRIBER,
    kind: OutboundKind = OutboundKind.NOTICE,
    key: str | None = None,
    valid_for: timedelta = timedelta(hours=1),
) -> int | None:
    async def body(conn: Connection) -> int | None:
        return await service.enqueue(
            conn, Msisdn(to), text, sender="Kcell", kind=kind, dedupe_key=key, valid_for=valid_for
        )

    return await database.transact("test.enqueue", body)


# --- a message and its answer


@pytest.mark.clause("PSC-1.1.30")
async def test_a_message_is_answered_from_the_number_it_was_sent_to(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "баланс")
        await bench.phones.texts(1)
        assert bench.phones.messages == [("5505", SUBSCRIBER, "heard баланс")]
        await bench.until("select count(*) from sms.outbound where state = 'accepted'", 1)
        assert await database.fetchval("select state from sms.inbound") == "processed"
        (submitted,) = bench.smsc.submitted
        assert submitted.validity == "000000001000000R"  # ten minutes
        assert (submitted.source, submitted.destination) == (Address("5505", 3, 0), Address(SUBSCRIBER, 1, 1))
        assert (submitted.priority, submitted.registered_delivery) == (1, 0)


async def test_numbers_are_struck_out_once_a_message_is_acted_on(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "111", "card 12345678901234 now")
        await bench.until(states("inbound"), ["processed"])
        assert [inbound.text for inbound in bench.handled] == ["card 12345678901234 now"]
        assert await database.fetchval("select body from sms.inbound") == "card **** now"


async def test_the_handler_gets_the_stored_message(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "a\x00b'; drop table sms.inbound; --")
        await bench.phones.texts(1)
        row = await database.fetchrow("select * from sms.inbound")
        assert row is not None
        assert (
            bench.handled
            == [Inbound(row["inbound_id"], Msisdn(SUBSCRIBER), "5505", "a?b'; drop table sms.inbound; --", clock.now())]
            or bench.handled[0].text == row["body"]
        )


async def test_a_handler_may_have_nothing_to_say(database: Database, clock: ManualClock) -> None:
    async def silent(_: Inbound) -> Reply | None:
        return None

    async with running(database, clock, silent) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        await bench.until(states("inbound"), ["processed"])
        assert await database.fetchval("select count(*) from sms.outbound") == 0


@pytest.mark.parametrize("concatenation", list(Concatenation))
async def test_a_long_answer_goes_out_in_parts_of_one_coding(
    database: Database, clock: ManualClock, concatenation: Concatenation
) -> None:
    text = "Теңгерім: " + "0123456789" * 20  # 210 characters, UCS-2: 4 parts of 67

    async def long(_: Inbound) -> Reply:
        return Reply(text)

    async with running(database, clock, long, concatenation=concatenation) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "BAL")
        assert await bench.phones.texts(1) == [text]
        assert {message.data_coding for message in bench.smsc.submitted} == {8}
        assert len(bench.smsc.submitted) == 4
        with_header = [bool(message.esm_class & UDHI) for message in bench.smsc.submitted]
        with_sar = [Tag.SAR_MSG_REF_NUM in message.tlvs for message in bench.smsc.submitted]
        assert with_header == [concatenation is Concatenation.UDH] * 4
        assert with_sar == [concatenation is Concatenation.SAR] * 4


async def test_an_answer_past_the_limit_of_parts_is_cut(database: Database, clock: ManualClock) -> None:
    async def endless(_: Inbound) -> Reply:
        return Reply("x" * 1_000)

    async with running(database, clock, endless, max_parts=2) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "BAL")
        assert await bench.phones.texts(1) == ["x" * 306]  # 2 x 153


# --- what arrives in parts


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


# --- what is no text


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


# --- sending


async def test_a_message_is_queued_once_for_its_key(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        assert await enqueue(bench.service, database, "Fee taken", key="fee:1") is not None
        assert await enqueue(bench.service, database, "Fee taken again, in other words " * 9, key="fee:1") is None
        assert await enqueue(bench.service, database, "Another", key="fee:2") is not None
        assert sorted(await bench.phones.texts(2)) == ["Another", "Fee taken"]
        assert await database.fetchval("select count(*) from sms.outbound") == 2


async def test_a_message_of_a_transaction_that_failed_is_not_sent(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:

        async def body(conn: Connection) -> None:
            await bench.service.enqueue(
                conn,
                Msisdn(SUBSCRIBER),
                "no",
                sender="Kcell",
                kind=OutboundKind.NOTICE,
                dedupe_key=None,
                valid_for=timedelta(1),
            )
            raise LookupError

        with pytest.raises(LookupError):
            await database.transact("test", body)
        await enqueue(bench.service, database, "yes")
        assert await bench.phones.texts(1) == ["yes"]


@pytest.mark.parametrize("early", [False, True])
async def test_receipts_settle_messages_even_when_they_come_first(
    database: Database, clock: ManualClock, early: bool
) -> None:
    async with running(database, clock) as bench:
        bench.smsc.faults.early_receipts = early
        await enqueue(bench.service, database, "Fee taken")
        await bench.until(states("outbound"), ["delivered"])
        assert await database.fetchval("select smsc_id from sms.outbound") == "0000000001"
        assert await database.fetchval("select count(*) from sms.early_receipt") == 0
        assert bench.handled == []


async def test_a_receipt_whose_message_another_process_sent_is_matched_later(
    database: Database, clock: ManualClock
) -> None:
    async with running(database, clock) as bench:
        await database.fetch(
            "insert into sms.early_receipt (smsc_id, state, error, received_at) values ($2, 'failed', '12', $1)",
            clock.now(),
            "0000000001",
        )
        bench.phones.off.add(SUBSCRIBER)
        await enqueue(bench.service, database, "Fee taken")
        await bench.until(states("outbound"), ["failed"])
        assert await database.fetchval("select error from sms.outbound") == "12"


async def test_a_stray_receipt_is_forgotten_after_an_hour(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        body = b"id:9999 sub:001 dlvrd:001 submit date:2603020600 done date:2603020600 stat:DELIVRD err:000 text:"
        await bench.smsc.deliver(Message(Address(SUBSCRIBER), Address("Kcell", 5, 0), body, esm_class=4))
        assert await database.fetchval("select count(*) from sms.early_receipt") == 1
        clock.advance(timedelta(minutes=61))
        await bench.service.sweep()
        assert await database.fetchval("select count(*) from sms.early_receipt") == 0


async def test_ids_in_two_bases_are_one_id(database: Database, clock: ManualClock) -> None:
    # The answer says 0000000010 in hexadecimal, the receipt 16 in decimal.
    async with running(database, clock, response_id_base=IdBase.HEXADECIMAL, receipt_id_base=IdBase.DECIMAL) as bench:
        bench.phones.off.add(SUBSCRIBER)
        for _ in range(10):
            await enqueue(bench.service, database, "Fee taken")
        await bench.until("select count(*) from sms.outbound where smsc_id = '16'", 1)
        body = b"id:16 sub:001 dlvrd:001 submit date:2603020600 done date:2603020600 stat:DELIVRD err:000 text:"
        await bench.smsc.deliver(Message(Address(SUBSCRIBER), Address("Kcell", 5, 0), body, esm_class=4))
        await bench.until("select state from sms.outbound where smsc_id = '16'", "delivered")


async def test_a_phone_that_is_off_gets_its_message_later(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        bench.phones.off.add(SUBSCRIBER)
        await enqueue(bench.service, database, "Fee taken")
        await bench.until(states("outbound"), ["accepted"])
        bench.phones.off.clear()
        bench.smsc.switched_on(SUBSCRIBER)
        assert await bench.phones.texts(1) == ["Fee taken"]
        await bench.until(states("outbound"), ["delivered"])


@pytest.mark.parametrize("status", [Status.RTHROTTLED, Status.RMSGQFUL, Status.RSYSERR, Status.RX_T_APPN, 0x0444])
async def test_a_temporary_refusal_is_tried_again(database: Database, clock: ManualClock, status: int) -> None:
    async with running(database, clock, temporary_statuses=frozenset({0x0444}), retry_delay_s=0.5) as bench:
        bench.smsc.faults.refuse.append(status)
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        await bench.until("select attempts from sms.outbound where state = 'queued'", 1)
        clock.advance(timedelta(seconds=1))
        assert await bench.phones.texts(1) == ["heard hello"]
        await bench.until("select attempts from sms.outbound where state = 'accepted'", 2)


@pytest.mark.parametrize("status", [Status.RINVDSTADR, Status.RSUBMITFAIL, Status.RX_P_APPN, 0x0444])
async def test_any_other_refusal_is_final(database: Database, clock: ManualClock, status: int) -> None:
    async with running(database, clock) as bench:
        bench.smsc.faults.refuse.append(status)
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        await bench.until(states("outbound"), ["failed"])
        assert await database.fetchval("select error from sms.outbound") == f"{int(status):#x}"


async def test_a_message_without_an_answer_is_unknown_and_never_sent_again(
    database: Database, clock: ManualClock
) -> None:
    async with running(database, clock) as bench:
        bench.smsc.faults.silent = True
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        await bench.until(SENDING, 1)
        bench.smsc.drop()
        await bench.until(states("outbound"), ["unknown"])
        bench.smsc.faults.silent = False
        await bench.smsc.submit(SUBSCRIBER, "5505", "again")
        assert await bench.phones.texts(1) == ["heard again"]
        assert [message.body for message in bench.smsc.submitted] == [b"heard hello", b"heard again"]


async def test_replies_go_before_notices_before_bulk(database: Database, clock: ManualClock) -> None:
    """With room for one message at a time, what waits leaves by rank, then by age."""
    async with running(database, clock, links=()) as bench:
        for number in range(3):
            for kind in (OutboundKind.BULK, OutboundKind.NOTICE):
                await enqueue(bench.service, database, f"{kind.value} {number}", kind=kind)
        await database.fetch(
            """update sms.outbound set kind = 'reply' where body = 'notice 2'"""  # a reply that waited over a restart
        )
        window_of_one = settings(bench.smsc.port, bulk_share=1.0)
        link = window_of_one.links[0].model_copy(update={"window": 1})
        service = service_on(database, clock, window_of_one.model_copy(update={"links": (link,)}))
        await service.start()
        texts = await bench.phones.texts(6)
        await service.stop()
        assert texts == ["notice 2", "notice 0", "notice 1", "bulk 0", "bulk 1", "bulk 2"]


async def test_bulk_leaves_room_for_replies(database: Database, clock: ManualClock) -> None:
    async with running(database, clock, links=()) as bench:
        for number in range(20):
            await enqueue(bench.service, database, f"bulk {number}", kind=OutboundKind.BULK)
        base = settings(bench.smsc.port, bulk_share=0.5)
        link = base.links[0].model_copy(update={"window": 4, "response_timeout_s": 60.0})
        service = service_on(database, clock, base.model_copy(update={"links": (link,)}))
        bench.smsc.faults.silent = True
        await service.start()
        await until(database, SENDING, 2)  # half of a window of four
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        await until(database, SENDING, 3)
        kinds = await database.fetchval(
            "select array_agg(kind order by kind) from sms.outbound where state = 'sending'"
        )
        assert kinds == ["bulk", "bulk", "reply"]
        bench.smsc.drop()
        await service.stop()


async def test_a_message_that_grew_old_in_an_outage_is_not_sent(database: Database, clock: ManualClock) -> None:
    async with running(database, clock, links=()) as bench:
        await enqueue(bench.service, database, "old", valid_for=timedelta(minutes=5))
        await enqueue(bench.service, database, "fresh", valid_for=timedelta(hours=2))
        clock.advance(timedelta(minutes=30))
        service = service_on(database, clock, settings(bench.smsc.port))
        await service.start()
        assert await bench.phones.texts(1) == ["fresh"]
        await until(database, "select state from sms.outbound where body = 'old'", "expired")
        await service.stop()
        (submitted,) = bench.smsc.submitted
        assert submitted.validity == "000000013000000R"  # what is left of two hours


# --- slowing down


async def test_the_smsc_is_told_to_slow_down_when_too_many_wait(database: Database, clock: ManualClock) -> None:
    release = asyncio.Event()

    async def slow(inbound: Inbound) -> Reply:
        await release.wait()
        return Reply(f"heard {inbound.text}")

    async with running(database, clock, slow, max_in_house=3) as bench:
        waiting = [asyncio.ensure_future(bench.smsc.submit(SUBSCRIBER, "5505", str(number))) for number in range(10)]
        await bench.until("select count(*) from sms.inbound", 3)
        assert bench.service.health.in_house == 3
        release.set()
        await asyncio.gather(*waiting)
        texts = await bench.phones.texts(10)
        assert sorted(texts) == sorted(f"heard {number}" for number in range(10))


async def test_a_number_s_flood_is_kept_but_not_served(database: Database, clock: ManualClock, redis_url: str) -> None:
    client = redis.asyncio.Redis.from_url(redis_url)
    limit = SenderLimit(burst=3, per_minute=6)
    async with running(database, clock, client=client, sms_limit=limit) as bench:
        for number in range(5):
            await bench.smsc.submit(SUBSCRIBER, "5505", str(number))
        await bench.smsc.submit(OTHER, "5505", "other")
        assert sorted(await bench.phones.texts(4)) == ["heard 0", "heard 1", "heard 2", "heard other"]
        await bench.until("select count(*) from sms.inbound where state = 'limited'", 2)
        clock.advance(timedelta(seconds=10))  # 6 a minute: one more
        await bench.smsc.submit(SUBSCRIBER, "5505", "5")
        await bench.smsc.submit(SUBSCRIBER, "5505", "6")
        await bench.phones.texts(5)
        await bench.until("select count(*) from sms.inbound where state = 'limited'", 3)
    await client.aclose()


async def test_without_redis_messages_pass_and_the_service_says_so(database: Database, clock: ManualClock) -> None:
    client = redis.asyncio.Redis(host="127.0.0.1", port=1)
    async with running(database, clock, client=client, sms_limit=SenderLimit(burst=1, per_minute=1)) as bench:
        for number in range(3):
            await bench.smsc.submit(SUBSCRIBER, "5505", str(number))
        await bench.phones.texts(3)
        assert not bench.service.health.limits_available
    await client.aclose()


# --- failing handlers


async def test_a_handler_that_keeps_failing_is_given_up(database: Database, clock: ManualClock) -> None:
    tries: list[str] = []

    async def failing(inbound: Inbound) -> Reply:
        tries.append(inbound.text)
        if inbound.text == "bad":
            raise LookupError
        return Reply("good")

    async with running(database, clock, failing, handler_attempts=2) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "bad")
        await bench.smsc.submit(SUBSCRIBER, "5505", "good")
        assert await bench.phones.texts(1) == ["good"]
        await bench.until(states("inbound"), ["failed", "processed"])
        assert tries.count("bad") == 2


async def test_a_lost_database_is_waited_for(database: Database, clock: ManualClock) -> None:
    tries = 0

    async def unlucky(_: Inbound) -> Reply:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise asyncpg.ConnectionDoesNotExistError
        return Reply("at last")

    async with running(database, clock, unlucky, handler_attempts=1) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        assert await bench.phones.texts(1) == ["at last"]


# --- USSD


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


# --- stopping


async def test_a_stop_finishes_what_is_in_hand(database: Database, clock: ManualClock) -> None:
    began, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Inbound) -> Reply:
        began.set()
        await release.wait()
        return Reply("done")

    async with running(database, clock, slow) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        await began.wait()
        stopping = asyncio.create_task(bench.service.stop())
        release.set()
        assert await bench.phones.texts(1) == ["done"]
        await stopping
        assert await database.fetchval(states("outbound")) == ["accepted"]


async def test_messages_during_a_stop_stay_with_the_smsc(database: Database, clock: ManualClock) -> None:
    began, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Inbound) -> Reply:
        began.set()
        await release.wait()
        return Reply("done")

    async with running(database, clock, slow) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "first")
        await began.wait()
        stopping = asyncio.create_task(bench.service.stop())
        while not bench.service.health.stopping:
            await asyncio.sleep(0)
        late = asyncio.ensure_future(bench.smsc.submit(SUBSCRIBER, "5505", "second"))
        release.set()
        await stopping
        assert not late.done()
        next_service = service_on(database, clock, settings(bench.smsc.port))
        await next_service.start()
        await late
        assert await bench.phones.texts(2) == ["done", "heard second"]
        await next_service.stop()
