"""Sending over the lab's SMSC: once for each key, receipts, refusals, order, validity."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from telco.db.pool import Connection, Database
from telco.kernel.clock import ManualClock
from telco.kernel.msisdn import Msisdn
from telco.sms.model import OutboundKind
from telco.sms.smpp.outcome import IdBase
from telco.sms.smpp.pdu import Address, Message, Status
from tests.sms.transport import PATIENCE_S, SUBSCRIBER, enqueue, running, service_on, settings, states, until

SENDING = "select count(*) from sms.outbound where state = 'sending'"


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
        # one more for each time that the link is not there for a moment
        await bench.until("select attempts >= 2 from sms.outbound where state = 'accepted'", True)


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
        await bench.until(SENDING, 1)  # written before the message leaves: the SMSC may not have it yet
        async with asyncio.timeout(PATIENCE_S):
            while not bench.smsc.submitted:
                await asyncio.sleep(0)
        bench.smsc.drop()
        await bench.until(states("outbound"), ["unknown"])
        bench.smsc.faults.silent = False
        await bench.smsc.submit(SUBSCRIBER, "5505", "again")
        assert await bench.phones.texts(1) == ["heard again"]
        assert [message.body for message in bench.smsc.submitted] == [b"heard hello", b"heard again"]


async def test_what_was_sent_is_not_sent_again_when_its_outcome_cannot_be_written(
    database: Database, clock: ManualClock
) -> None:
    await database.fetch(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'no room for this one'; end $$"
    )
    await database.fetch(
        "create trigger refuse before update on sms.outbound for each row"
        " when (new.state = 'accepted' and new.body = 'heard first') execute function refuse()"
    )
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "first")
        await bench.phones.texts(1)
        for text in ("second", "third"):
            await bench.service.sweep()
            await bench.smsc.submit(SUBSCRIBER, "5505", text)
            await bench.until(f"select state from sms.outbound where body = 'heard {text}'", "accepted")
        assert await bench.phones.texts(3) == ["heard first", "heard second", "heard third"]
        assert await database.fetchval(states("outbound")) == ["sending", "accepted", "accepted"]


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
