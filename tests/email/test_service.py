"""Messages are stored with what causes them, sent once by one sender, tried again, and never lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from telco.db.pool import Connection, Database
from telco.email import service
from telco.email.errors import EmailOffError
from telco.email.model import Answer, Attachment, EmailState, OutgoingEmail, Sent, Verdict
from telco.email.service import Email
from telco.email.settings import EmailSettings
from telco.kernel.clock import ManualClock
from tests.email.conftest import Post, settings


async def enqueue(email: Email, database: Database, key: str, **changes: Any) -> int | None:
    message = OutgoingEmail(
        **{
            "recipient": f"{key}@example.kz",
            "subject": "Выписка",
            "body": "Текст\n",
            "reference": "subscriber:1",
            "attachments": (Attachment("x.csv", "text/csv", b"a;b"),),
            **changes,
        }
    )
    return await database.transact("test.mail", lambda conn: email.enqueue(conn, message, dedupe_key=key))


async def failures(database: Database) -> list[dict[str, Any]]:
    rows = await database.fetch("select payload from kernel.outbox where topic = 'email.failed' order by event_id")
    return [row["payload"] for row in rows]


async def state(email: Email, key: str) -> EmailState:
    stored = await email.find(key)
    assert stored is not None
    return stored.state


async def test_a_message_is_sent_once(email: Email, database: Database, post: Post) -> None:
    assert await enqueue(email, database, "a") is not None
    assert await enqueue(email, database, "a") is None  # the same cause
    assert post.box.taken == []
    assert await email.send_due() == Sent(sent=1)
    assert await email.send_due() == Sent()
    [message] = post.box.taken
    assert (message["To"], message["Subject"]) == ("a@example.kz", "Выписка")
    assert post.box.envelopes == [("no-reply@kcell.example", ["a@example.kz"])]
    [attached] = message.iter_attachments()
    assert attached.get_payload(decode=True) == b"a;b"
    assert await state(email, "a") is EmailState.SENT


async def test_what_is_rolled_back_is_not_sent(email: Email, database: Database, post: Post) -> None:
    class KilledError(Exception):
        pass

    async def body(conn: Connection) -> None:
        await email.enqueue(conn, OutgoingEmail("a@example.kz", "s", "b", "r"), dedupe_key="a")
        raise KilledError

    with pytest.raises(KilledError):
        await database.transact("test.mail", body)
    assert await email.send_due() == Sent()
    assert post.box.taken == []


async def test_many_go_in_one_conversation(email: Email, database: Database, post: Post) -> None:
    for number in range(7):
        await enqueue(email, database, f"n{number}")
    assert await email.send_due() == Sent(sent=7)
    assert post.box.sessions == 1


async def test_a_mailbox_that_is_full_is_tried_again(
    email: Email, database: Database, clock: ManualClock, post: Post
) -> None:
    await enqueue(email, database, "full")
    await enqueue(email, database, "other")
    post.box.recipient_answers = ["452 4.2.2 mailbox full"]
    assert await email.send_due() == Sent(sent=1, later=1)  # it holds nobody up
    assert await email.send_due() == Sent()
    clock.advance(timedelta(seconds=59))
    assert await email.send_due() == Sent()
    clock.advance(timedelta(seconds=1))  # a minute after the first attempt
    post.box.content_answers = ["451 4.7.1 greylisted"]
    assert await email.send_due() == Sent(later=1)
    clock.advance(timedelta(minutes=1, seconds=59))
    assert await email.send_due() == Sent()
    clock.advance(timedelta(seconds=1))  # two after the second
    assert await email.send_due() == Sent(sent=1)
    assert await failures(database) == []


async def test_no_such_mailbox_is_final_and_told(email: Email, database: Database, post: Post) -> None:
    await enqueue(email, database, "nobody", reference="subscriber:5")
    post.box.recipient_answers = ["550 5.1.1 no such\tuser"]
    assert await email.send_due() == Sent(failed=1)
    assert await email.send_due() == Sent()
    stored = await email.find("nobody")
    assert stored is not None
    assert (stored.state, stored.last_error) == (EmailState.FAILED, "550 5.1.1 no such user")
    assert await failures(database) == [
        {
            "email_id": stored.email_id,
            "reference": "subscriber:5",
            "subscriber_id": 5,
            "error": "550 5.1.1 no such user",
        }
    ]


async def test_a_message_taken_for_spam_is_final(email: Email, database: Database, post: Post) -> None:
    await enqueue(email, database, "a")
    post.box.content_answers = ["554 5.7.1 spam"]
    assert await email.send_due() == Sent(failed=1)


async def test_a_sender_that_is_not_welcome_is_our_fault(
    email: Email, database: Database, clock: ManualClock, post: Post
) -> None:
    for key in ("a", "b", "c"):
        await enqueue(email, database, key)
    post.box.sender_answers = ["550 5.7.1 not from this address"]
    assert await email.send_due() == Sent(later=1)  # the others were not even tried
    assert [(await email.find(key)).attempts for key in ("a", "b", "c")] == [1, 0, 0]  # type: ignore[union-attr]
    clock.advance(timedelta(minutes=1))
    assert await email.send_due() == Sent(sent=3)


async def test_without_a_server_everything_waits(
    database: Database, clock: ManualClock, email: Email, post: Post
) -> None:
    for key in ("a", "b"):
        await enqueue(email, database, key)
    post.close()
    assert await email.send_due() == Sent(later=1)
    assert await email.send_due() == Sent()
    clock.advance(timedelta(minutes=1))
    other = Post()
    other.open()
    try:
        moved = Email(database, clock, settings(other.port))
        assert await moved.send_due() == Sent(sent=2)
    finally:
        other.close()


async def test_a_message_whose_time_is_over_is_given_up(email: Email, database: Database, clock: ManualClock) -> None:
    await enqueue(email, database, "a")
    clock.advance(timedelta(hours=72))
    assert await email.send_due() == Sent(failed=1)
    assert await state(email, "a") is EmailState.FAILED
    assert [event["error"] for event in await failures(database)] == ["never tried"]


async def test_two_machines_send_each_message_once(
    email: Email, database: Database, clock: ManualClock, post: Post
) -> None:
    for number in range(25):
        await enqueue(email, database, f"n{number}")
    other = Email(database, clock, settings(post.port))
    results = await asyncio.gather(email.send_due(), other.send_due())
    assert sum(result.sent for result in results) == 25
    assert len({message["Message-ID"] for message in post.box.taken}) == len(post.box.taken) == 25


async def test_a_sender_that_dies_between_sending_and_marking(
    email: Email, database: Database, clock: ManualClock, post: Post
) -> None:
    await enqueue(email, database, "a")
    doomed = await Database.connect(database.url)
    dying = Email(doomed, clock, settings(post.port))
    handle = post.box.handle_DATA

    async def taken_then_dead(*arguments: Any) -> str:
        answer = await handle(*arguments)
        doomed.terminate()
        return answer

    post.box.handle_DATA = taken_then_dead  # type: ignore[method-assign, assignment]
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever a lost connection was doing
        await dying.send_due()
    post.box.handle_DATA = handle  # type: ignore[method-assign]
    assert await email.send_due() == Sent()  # still in the dead sender's hand
    clock.advance(service.LEASE)
    assert await email.send_due() == Sent(sent=1)
    # It was sent twice, because nobody knew; both say that they are the same message.
    assert {message["Message-ID"] for message in post.box.taken} == {post.box.taken[0]["Message-ID"]}


async def test_an_old_hand_does_not_mark_what_another_has_sent(
    email: Email, database: Database, clock: ManualClock
) -> None:
    await enqueue(email, database, "a")
    [held] = await database.transact("test.claim", email._claim)
    clock.advance(service.LEASE)
    assert await email.send_due() == Sent(sent=1)
    late = Answer(Verdict.REFUSED, "550 late")
    await email._mark(held, late)
    assert await state(email, "a") is EmailState.SENT
    assert await failures(database) == []


async def test_the_sender_works_by_itself_and_stops(email: Email, database: Database, post: Post) -> None:
    await enqueue(email, database, "a")
    await email.start()
    async with asyncio.timeout(10):
        while await state(email, "a") is not EmailState.SENT:
            await asyncio.sleep(0)
    await email.stop()
    assert len(post.box.taken) == 1


async def test_without_settings_nothing_is_stored(database: Database, clock: ManualClock) -> None:
    email = Email(database, clock, EmailSettings())
    await email.start()
    with pytest.raises(EmailOffError):
        await enqueue(email, database, "a")
    await email.stop()


async def test_old_messages_are_deleted_with_their_files(email: Email, database: Database, clock: ManualClock) -> None:
    await enqueue(email, database, "a")
    await email.send_due()
    clock.advance(service.KEPT)
    assert await email.purge() == 0
    await enqueue(email, database, "b")
    clock.advance(timedelta(seconds=1))
    assert await email.purge() == 1
    assert await database.fetchval("select count(*) from email.attachment") == 1
    assert await state(email, "b") is EmailState.QUEUED
