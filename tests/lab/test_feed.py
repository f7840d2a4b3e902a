"""The feed never waits for a watcher, and a watcher that fell behind knows it."""

from __future__ import annotations

from telco.lab.feed import LISTENER_BACKLOG, Change, Feed, Missed


async def test_every_listener_gets_every_change_in_order() -> None:
    feed = Feed()
    with feed.listen() as one, feed.listen() as two:
        assert feed.watched
        for number in range(3):
            feed.publish(Change("77011234567", "call", number))
        for listener in (one, two):
            changes = [await listener.next() for _ in range(3)]
            assert [change.value for change in changes if isinstance(change, Change)] == [0, 1, 2]
    assert not feed.watched


async def test_a_slow_listener_is_told_that_it_missed_something() -> None:
    feed = Feed()
    with feed.listen() as listener:
        for number in range(LISTENER_BACKLOG + 1):
            feed.publish(Change("", "call", number))
        feed.publish(Change("", "call", "after"))
        assert await listener.next() == Missed()
        assert await listener.next() == Change("", "call", "after")
