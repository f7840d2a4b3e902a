"""The SMS transport with the lab's SMSC, the real database and real sockets."""

from __future__ import annotations

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from tests.sms.transport import SUBSCRIBER, running


async def test_a_message_is_answered_from_the_number_it_was_sent_to(database: Database, clock: ManualClock) -> None:
    async with running(database, clock) as bench:
        await bench.smsc.submit(SUBSCRIBER, "5505", "баланс")
        await bench.phones.texts(1)
        assert bench.phones.messages == [("5505", SUBSCRIBER, "heard баланс")]
        await bench.until("select count(*) from sms.outbound where state = 'accepted'", 1)
        assert await database.fetchval("select state from sms.inbound") == "processed"
