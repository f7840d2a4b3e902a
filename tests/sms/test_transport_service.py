"""The SMS transport as a whole: a message and its answer, too many of them, handlers that fail, a stop."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
import redis.asyncio

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.msisdn import Msisdn
from telco.sms.model import Inbound, Reply
from telco.sms.settings import Concatenation, SenderLimit
from telco.sms.smpp.pdu import UDHI, Address, Tag
from tests.sms.transport import OTHER, SUBSCRIBER, running, service_on, settings, states


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


@pytest.mark.parametrize("code", ["12345678901234", "123 456 789 012 34", "12-34-56-78-90-12-34", "1.2.3.4, 5"])
async def test_numbers_are_struck_out_once_a_message_is_acted_on(
    database: Database, clock: ManualClock, code: str
) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "111", f"card {code} now 1 2 3")
        await bench.until(states("inbound"), ["processed"])
        assert [inbound.text for inbound in bench.handled] == [f"card {code} now 1 2 3"]
        assert await database.fetchval("select body from sms.inbound") == "card **** now 1 2 3"


async def test_numbers_are_struck_out_of_what_is_not_served(
    database: Database, clock: ManualClock, redis_url: str
) -> None:
    client = redis.asyncio.Redis.from_url(redis_url)
    async with running(database, clock, client=client, sms_limit=SenderLimit(burst=1, per_minute=1)) as bench:
        await bench.smsc.submit(SUBSCRIBER, "111", "hello")
        await bench.smsc.submit(SUBSCRIBER, "111", "card 12345678901234")
        await bench.until("select body from sms.inbound where state = 'limited'", "card ****")
    await client.aclose()


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


async def test_an_answer_that_cannot_be_prepared_is_tried_again(database: Database, clock: ManualClock) -> None:
    """Numbers for answers are taken from the database a block at a time; it may fail at that moment, too."""
    tries = 0

    async def handler(_: Inbound) -> Reply:
        nonlocal tries
        tries += 1
        old, new = ("outbound_id", "mislaid") if tries == 1 else ("mislaid", "outbound_id")
        await database.fetch(f"alter sequence sms.{old} rename to {new}")
        return Reply("here it is")

    async with running(database, clock, handler) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        assert await bench.phones.texts(1) == ["here it is"]
        await bench.until(states("inbound"), ["processed"])


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
