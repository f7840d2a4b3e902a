"""Nothing lost and nothing doubled: broken connections, redelivery, death of a process, death of the database."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from telco.db.embedded import EmbeddedPostgres
from telco.db.migrations import migrate
from telco.db.pool import Database
from telco.kernel.clock import ManualClock, SystemClock
from telco.lab.smsc import Smsc
from telco.sms.model import Inbound, Reply
from telco.sms.smpp import codec
from telco.sms.smpp.pdu import UDHI, Address, Command, Message, Status
from telco.sms.text import Part, header
from tests.sms.raw import Centre, Raw
from tests.sms.transport import PATIENCE_S, SUBSCRIBER, Phones, echo, running, service_on, settings, until

HELLO = Message(Address(SUBSCRIBER), Address("5505", 3, 0), b"hello")


async def give(peer: Raw, sequence: int, message: Message = HELLO) -> None:
    """Deliver a message and read its acknowledgement, answering what comes between."""
    peer.write(codec.encode_message(Command.DELIVER_SM, sequence, message))
    while True:
        frame = await peer.read()
        assert frame is not None
        if frame.command == Command.DELIVER_SM_RESP:
            assert (frame.sequence, frame.status) == (sequence, Status.ROK)
            return


async def silent(_: Inbound) -> Reply | None:
    return None


async def test_a_redelivery_uses_the_kept_message_up_and_a_second_text_is_served(
    database: Database, clock: ManualClock
) -> None:
    """The acknowledgement of the first may be lost with its session; the third is the subscriber's own second."""
    handled: list[Inbound] = []

    async def handler(inbound: Inbound) -> None:
        handled.append(inbound)

    async with Centre() as centre:
        service = service_on(database, clock, settings(centre.port), handler)
        await service.start()
        peer = await centre.bind()
        await give(peer, 1)
        await peer.close()
        peer = await centre.bind()
        await give(peer, 1)
        await until(database, "select count(*) from sms.inbound where state = 'processed'", 1)
        assert len(handled) == 1
        await give(peer, 2)
        await until(database, "select count(*) from sms.inbound where state = 'processed'", 2)
        assert len(handled) == 2
        await peer.close()
        await stop(service, centre)


async def stop(service: Any, centre: Centre) -> None:
    """Stop a service whose SMSC does not answer its unbind any more."""
    stopping = asyncio.create_task(service.stop())
    while not stopping.done():
        done, _ = await asyncio.wait({stopping, asyncio.create_task(centre.bind())}, return_when="FIRST_COMPLETED")
        for task in done:
            if task is not stopping:
                await task.result().close()


async def test_the_same_text_twice_in_one_session_is_served_twice(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        for _ in range(2):
            await bench.smsc.deliver(HELLO)
        assert await bench.phones.texts(2) == ["heard hello", "heard hello"]


async def test_a_proven_acknowledgement_is_no_redelivery(database: Database, clock: ManualClock) -> None:
    """The SMSC answered the reply's submit_sm, so it had read the acknowledgement before it."""
    async with running(database, clock) as bench:
        await bench.smsc.deliver(HELLO)
        await bench.phones.texts(1)
        await bench.until("select count(*) from sms.outbound where state = 'accepted'", 1)
        bench.smsc.drop()
        await bench.smsc.unbound()
        await bench.smsc.deliver(HELLO)
        assert await bench.phones.texts(2) == ["heard hello", "heard hello"]


async def test_a_redelivery_after_the_window_is_a_new_message(database: Database, clock: ManualClock) -> None:
    async with Centre() as centre:
        service = service_on(database, clock, settings(centre.port, redelivery_window_s=60), silent)
        await service.start()
        peer = await centre.bind()
        await give(peer, 1)
        await peer.close()
        peer = await centre.bind()
        clock.advance(timedelta(seconds=61))
        await give(peer, 1)
        assert await database.fetchval("select count(*) from sms.inbound") == 2
        await peer.close()
        await stop(service, centre)


async def test_a_long_message_that_is_redelivered_whole_is_served_once(database: Database, clock: ManualClock) -> None:
    """The session ends before the acknowledgement of its last part is proven; the third time it is a new message."""
    parts = [
        Message(HELLO.source, HELLO.destination, header(Part(9, 2, number)) + text, 0, UDHI)
        for number, text in ((1, b"long "), (2, b"text"))
    ]
    async with Centre() as centre:
        service = service_on(database, clock, settings(centre.port), silent)
        await service.start()
        for kept in (1, 1, 2):
            peer = await centre.bind()
            for sequence, message in enumerate(parts, start=1):
                await give(peer, sequence, message)
            assert await database.fetchval("select count(*) from sms.inbound") == kept
            await peer.close()
        await stop(service, centre)


async def test_each_copy_uses_up_one_kept_message(database: Database, clock: ManualClock) -> None:
    """Two equal messages were kept without proof; of three equal copies one is new."""
    async with Centre() as centre:
        service = service_on(database, clock, settings(centre.port), silent)
        await service.start()
        peer = await centre.bind()
        await give(peer, 1)
        await give(peer, 2)
        await peer.close()
        peer = await centre.bind()
        for sequence in (1, 2, 3):
            peer.write(codec.encode_message(Command.DELIVER_SM, sequence, HELLO))
        for _ in range(3):
            assert (await peer.read()) is not None
        assert await database.fetchval("select count(*) from sms.inbound") == 3
        await peer.close()
        await stop(service, centre)


async def test_what_a_dead_process_left_is_taken_over(database: Database, clock: ManualClock) -> None:
    """Stored messages are answered, queued ones are sent, half-sent ones are unknown for good."""
    dead = await database.fetchval(
        "insert into sms.instance (started_at) values ($1) returning instance_id", clock.now()
    )
    await database.fetch(
        """insert into sms.inbound (inbound_id, received_at, link, source, destination, body, fingerprint, state, owner)
           values (nextval('sms.inbound_id'), $1, 'smsc-1', $2, '5505', 'left', 7, 'stored', $3)""",
        clock.now(),
        SUBSCRIBER,
        dead,
    )
    for body, state, owner in (("waiting", "queued", None), ("half", "sending", dead)):
        await database.fetch(
            """insert into sms.outbound (outbound_id, part, parts, kind, sender, recipient, body, coding, wants_receipt,
                                         state, owner, created_at, valid_until, not_before)
               values (nextval('sms.outbound_id'), 1, 1, 'reply', '5505', $2, $3, 0, false, $4, $5, $1,
                       $1::timestamptz + interval '10 minutes', $1)""",
            clock.now(),
            SUBSCRIBER,
            body,
            state,
            owner,
        )
    async with running(database, clock) as bench:
        assert sorted(await bench.phones.texts(2)) == ["heard left", "waiting"]
        await bench.until("select state from sms.outbound where body = 'half'", "unknown")
        await bench.until("select count(*) from sms.instance where ended_at is null", 1)
        assert len(bench.smsc.submitted) == 2


async def test_a_living_process_is_left_alone(database: Database, clock: ManualClock) -> None:
    release = asyncio.Event()

    async def slow(inbound: Inbound) -> Reply:
        await release.wait()
        return Reply(f"heard {inbound.text}")

    async with running(database, clock, slow) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "mine")
        other = service_on(database, clock, settings(bench.smsc.port))
        await other.start()
        await other.sweep()
        await other.stop()
        release.set()
        assert await bench.phones.texts(1) == ["heard mine"]
        assert len(bench.handled) == 1


async def test_several_processes_share_the_tables(database: Database, clock: ManualClock) -> None:
    """Two services, one queue: each message is sent once, each reply is given once."""
    async with running(database, clock) as bench:
        other = service_on(database, clock, settings(bench.smsc.port), echo)
        await database.fetch(
            """insert into sms.outbound (outbound_id, part, parts, kind, sender, recipient, body, coding, wants_receipt,
                                         state, created_at, valid_until, not_before)
               select nextval('sms.outbound_id'), 1, 1, 'notice', 'Kcell', $2, 'notice ' || n, 0, true, 'queued', $1,
                      $1::timestamptz + interval '1 hour', $1
               from generate_series(1, 300) as n""",
            clock.now(),
            SUBSCRIBER,
        )
        await other.start()
        await asyncio.gather(*(bench.smsc.submit(SUBSCRIBER, "5505", str(number)) for number in range(200)))
        texts = Counter(await bench.phones.texts(500))
        await bench.until("select count(*) from sms.outbound where state in ('accepted', 'delivered')", 500)
        await other.stop()
        assert set(texts.values()) == {1}
        assert await database.fetchval("select count(distinct link || body) from sms.outbound") == 500


async def test_an_idle_service_ends_without_a_burial(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "hello")
        await bench.phones.texts(1)
    assert await database.fetchval("select count(*) from sms.instance where ended_at is null") == 0


# --- death

MESSAGES = 400


class Tally(Phones):
    """Phones that count the answers to each message."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Counter[str] = Counter()

    def sms_delivered(self, source: str, destination: str, text: str) -> bool:
        self.answers[text] += 1
        return super().sms_delivered(source, destination, text)


async def start_process(url: str, port: int) -> asyncio.subprocess.Process:
    """Run the service in a process of its own."""
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.sms.service_process",
        url,
        str(port),
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        assert json.loads(await process.stdout.readline()) == "bound"
    return process


@pytest.mark.timeout(180)
async def test_a_killed_service_answers_everything_once_or_says_that_it_does_not_know(
    database: Database, database_url: str
) -> None:
    smsc, phones = Smsc(SystemClock(), {"telco": "telco"}), Tally()
    smsc.attach(phones)
    await smsc.start()
    process = await start_process(database_url, smsc.port)
    sending = [
        asyncio.ensure_future(smsc.submit(f"7701{number:07d}", "5505", f"m{number}")) for number in range(MESSAGES)
    ]
    for share in (0.2, 0.5, 0.8):  # three deaths in mid-traffic
        await phones.until(lambda each, share=share: len(each.messages) >= MESSAGES * share)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        await process.wait()
        process = await start_process(database_url, smsc.port)
    await asyncio.gather(*sending)
    await until(database, "select count(*) from sms.inbound where state = 'processed'", MESSAGES)
    await until(database, "select count(*) from sms.outbound where state in ('queued', 'sending')", 0)
    process.terminate()
    assert await process.wait() == 0
    await smsc.stop()

    assert await database.fetchval("select count(*) from sms.inbound") == MESSAGES  # no redelivery was kept twice
    assert await database.fetchval("select count(*) from sms.outbound") == MESSAGES
    rows = await database.fetch("select body, state from sms.outbound")
    unknown = {row["body"] for row in rows if row["state"] == "unknown"}
    accepted = {row["body"] for row in rows if row["state"] == "accepted"}
    assert max(phones.answers.values()) == 1
    assert accepted <= set(phones.answers)
    assert set(phones.answers) <= accepted | unknown
    assert len(accepted) + len(unknown) == MESSAGES
    assert len(unknown) <= 3 * 100  # at most a window at each death


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A durable server of the test's own, to be killed."""
    server = EmbeddedPostgres(tmp_path / "data", {"shared_buffers": "64MB"})
    await asyncio.to_thread(server.start)
    await migrate(server.url())
    yield server
    await asyncio.to_thread(server.stop)


@pytest.mark.timeout(180)
async def test_a_killed_database_loses_nothing_that_was_acknowledged(mortal: EmbeddedPostgres) -> None:
    database = await Database.connect(mortal.url())
    smsc, phones = Smsc(SystemClock(), {"telco": "telco"}), Tally()
    smsc.attach(phones)
    await smsc.start()
    service = service_on(database, SystemClock(), settings(smsc.port, max_batch=20))
    await service.start()
    sending = [
        asyncio.ensure_future(smsc.submit(f"7701{number:07d}", "5505", f"m{number}")) for number in range(MESSAGES)
    ]
    await phones.until(lambda each: len(each.messages) >= MESSAGES / 4)
    await asyncio.to_thread(mortal.kill)
    await asyncio.to_thread(mortal.start)
    await asyncio.gather(*sending)
    await phones.texts(MESSAGES)
    await until(database, "select count(*) from sms.outbound where state = 'accepted'", MESSAGES)
    await service.stop()
    doubled = [text for text, count in phones.answers.items() if count > 1]
    assert doubled == [], await database.fetch("select * from sms.outbound where body = any($1)", doubled)
    assert await database.fetchval("select count(*) from sms.inbound where state = 'processed'") == MESSAGES
    await smsc.stop()
    await database.close()
