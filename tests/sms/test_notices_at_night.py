"""What nobody asked for waits for the hours of the day; what is untrue by then is not told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

import pytest

from telco.db import outbox
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection
from telco.kernel.ids import AccountRef
from telco.kernel.money import tenge
from telco.ledger.model import sum_charge
from telco.sms import jobs
from telco.sms.notices import LONG
from telco.subscribers.model import Accession, Channel, Ground, Origin, by_system
from tests.sms.handsets import Handsets
from tests.subscribers.conftest import CLERK

DAY = date(2026, 4, 2)
"""A month after 2 March: fees are due on it, and invoices issued."""
COLLECTION = by_system("collection", "PSC-3.1.5.1")
REMINDER: Mapping[str, object] = {
    "channel": "sms",
    "debt_id": 7,
    "number": "KC-1",
    "amount": 899_000,
    "due_on": "2026-04-05",
    "overdue": False,
}
NOTICE: Mapping[str, object] = {**REMINDER, "overdue": True, "answer_until": "2026-04-09"}


class Waiting(NamedTuple):
    """A message: when it may leave, and what became of it."""

    hours: float
    """Since `DAY` began."""
    state: str


async def at(handsets: Handsets, hours: float, day: date = DAY) -> None:
    handsets.clock.advance(handsets.calendar.start_of_day(day) + timedelta(hours=hours) - handsets.clock.now())


async def waiting(handsets: Handsets, topic: str) -> list[Waiting]:
    """What is told of the events of a topic."""
    await handsets.outbox.drain()
    rows = await handsets.database.fetch(
        "select not_before, state from sms.outbound where dedupe_key like $1 and part = 1 order by outbound_id",
        f"{topic}:%",
    )
    return [Waiting(_hours(handsets, row["not_before"]), row["state"]) for row in rows]


def _hours(handsets: Handsets, moment: datetime) -> float:
    return round((moment - handsets.calendar.start_of_day(DAY)) / timedelta(hours=1), 3)


async def newcomer(handsets: Handsets, plan: str = "kcell-start", amount: str = "5000") -> Accession:
    who = await handsets.accede(plan, amount=amount)
    await handsets.outbox.drain()
    return who


async def emit(handsets: Handsets, topic: str, key: str, payload: Mapping[str, object]) -> None:
    async def body(conn: Connection) -> None:
        await outbox.emit(conn, topic, key, dict(payload), at=handsets.clock.now())

    await handsets.database.transact("test", body)


async def suspend(handsets: Handsets, account: AccountRef, reference: str) -> None:
    async def body(conn: Connection) -> None:
        await handsets.subscribers.accounts.suspend(
            conn, [(account, reference)], Ground.MONEY, COLLECTION, reason="unpaid"
        )

    await handsets.database.transact("test", body)


async def resume(handsets: Handsets, reference: str) -> None:
    async def body(conn: Connection) -> None:
        await handsets.subscribers.accounts.resume(conn, [reference], Ground.MONEY, COLLECTION, reason="paid")

    await handsets.database.transact("test", body)


async def top_up(handsets: Handsets, who: Accession, face: str) -> None:
    [code] = await handsets.card_codes(face)
    await handsets.page(who, f"*111*4*{code}#")


@pytest.mark.clause("PSC-3.1.4")
@pytest.mark.parametrize(("hours", "leaves"), [(0.1, 9), (8.9, 9), (9, 9), (20.9, 20.9), (21, 33)])
async def test_an_invoice_of_the_night_is_told_in_the_morning(handsets: Handsets, hours: float, leaves: float) -> None:
    await newcomer(handsets, "kcell-status", "0")
    await at(handsets, hours)
    await handsets.invoicing.run()
    assert await waiting(handsets, "billing.invoice_issued") == [Waiting(leaves, "queued")]
    valid = await handsets.database.fetchval(
        "select valid_until - not_before from sms.outbound where dedupe_key like 'billing.invoice_issued:%'"
    )
    assert valid == LONG


@pytest.mark.clause("PSC-3.2.4")
@pytest.mark.parametrize(("paid", "state"), [(("5000",), "queued"), (("5000", "5000"), "expired")])
async def test_an_invoice_paid_in_the_night_is_not_asked_for_in_the_morning(
    handsets: Handsets, paid: tuple[str, ...], state: str
) -> None:
    """Of 8,990 are open 3,990, or nothing."""
    who = await newcomer(handsets, "kcell-status", "0")
    await at(handsets, 0.1)
    await handsets.invoicing.run()
    await handsets.outbox.drain()
    for face in paid:
        await top_up(handsets, who, face)
    assert await waiting(handsets, "billing.invoice_issued") == [Waiting(9, state)]


@pytest.mark.clause("PSC-6.3.4")
@pytest.mark.parametrize(("hours", "leaves"), [(3, 9), (12, 12)])
async def test_a_warning_of_silence_waits_for_the_morning(handsets: Handsets, hours: float, leaves: float) -> None:
    who = await newcomer(handsets)
    await at(handsets, hours)
    payload = {"msisdn": who.msisdn, "used_on": "2025-05-02", "ends_on": "2026-05-02"}
    await emit(handsets, "subscribers.silence_warned", f"msisdn:{who.msisdn}", payload)
    assert await waiting(handsets, "subscribers.silence_warned") == [Waiting(leaves, "queued")]


@pytest.mark.clause("PSC-1.1.2", "PSC-3.2.4")
@pytest.mark.parametrize(("hours", "leaves"), [(0.5, 9), (12, 12)])
async def test_a_fee_taken_in_the_night_is_told_in_the_morning(handsets: Handsets, hours: float, leaves: float) -> None:
    await newcomer(handsets, amount="10000")
    await at(handsets, hours)
    await handsets.database.fetch("delete from sms.outbound")
    await handsets.fees.run()
    assert await waiting(handsets, "subscribers.fee_taken") == [Waiting(leaves, "queued")]


@pytest.mark.clause("PSC-1.1.22")
@pytest.mark.parametrize(("when", "hours", "leaves"), [("1", 2, 2), ("2", 1, 9)])
async def test_a_plan_that_changes_by_itself_is_told_in_the_morning(
    handsets: Handsets, when: str, hours: float, leaves: float
) -> None:
    """Changed by hand at two in the night, or with the period that begins at midnight."""
    who = await newcomer(handsets, amount="20000")
    if when == "1":
        await at(handsets, hours)
    await handsets.sms(who, f"тарифы kcell-free {when} да")
    if when == "2":
        await at(handsets, hours)
        await handsets.fees.run()
    assert await waiting(handsets, "subscribers.plan_changed") == [Waiting(leaves, "queued")]


@pytest.mark.clause("PSC-3.2.12")
async def test_an_instalment_of_the_night_is_told_in_the_morning(handsets: Handsets) -> None:
    who = await newcomer(handsets)
    await at(handsets, 0.2)
    payload = {"subscriber_id": who.subscriber_id, "part": 1, "of": 12, "amount": 500_000, "op_id": "device:1:1"}
    await emit(handsets, "billing.instalment_posted", f"account:{who.account}", payload)
    assert await waiting(handsets, "billing.instalment_posted") == [Waiting(9, "queued")]


@pytest.mark.clause("PSC-3.2.5", "PSC-3.1.5.1")
async def test_who_pays_in_the_night_hears_of_it_at_once_and_not_of_what_was_lacking(handsets: Handsets) -> None:
    who = await newcomer(handsets, amount="3000")  # 10 are left of it
    await at(handsets, 0.5)
    await handsets.fees.run()
    assert await waiting(handsets, "subscribers.fee_not_taken") == [Waiting(9, "queued")]
    await handsets.database.fetch("delete from sms.outbound where dedupe_key not like '%fee_not_taken%'")
    await at(handsets, 3)
    await top_up(handsets, who, "3000")
    await handsets.outbox.drain()
    assert await waiting(handsets, "subscribers.fee_not_taken") == [Waiting(9, "expired")]
    assert await waiting(handsets, "billing.credited") == [Waiting(3, "queued")]
    assert await waiting(handsets, "subscribers.fee_taken") == [Waiting(3, "queued")]


@pytest.mark.clause("PSC-3.1.11")
async def test_a_service_that_was_switched_off_meanwhile_is_not_asked_to_be_paid(handsets: Handsets) -> None:
    who = await newcomer(handsets)
    await at(handsets, 0.5)
    version = handsets.catalog.current().service_versions["russia-calls"][-1].version
    fee = {"subscriber_id": who.subscriber_id, "kind": "service", "version": version, "amount": "490.00"}
    for code, op_id in (("russia-calls", "service:1:0"), ("russia-calls", "service:1:1")):
        payload = {**fee, "code": code, "op_id": op_id, "asked": False}
        await emit(handsets, "subscribers.fee_not_taken", f"subscriber:{who.subscriber_id}", payload)
        if op_id == "service:1:0":
            off = {"subscriber_id": who.subscriber_id, "code": code, "channel": Channel.CABINET}
            await emit(handsets, "subscribers.service_off", f"subscriber:{who.subscriber_id}", off)
    assert await waiting(handsets, "subscribers.fee_not_taken") == [Waiting(9, "queued")]  # of what came after it
    [left] = await handsets.database.fetch(
        "select dedupe_key from sms.outbound where dedupe_key like '%fee_not_taken%'"
    )
    assert "service:1:1" in left["dedupe_key"]


@pytest.mark.clause("PSC-3.1.5", "PSC-3.1.5.1")
async def test_a_suspension_of_the_night_is_told_in_the_morning_unless_it_has_ended(handsets: Handsets) -> None:
    who = await newcomer(handsets)
    await at(handsets, 0.5)
    await suspend(handsets, who.account, "KC-1")
    await suspend(handsets, who.account, "KC-2")
    assert await waiting(handsets, "subscribers.suspended") == [Waiting(9, "queued")] * 2
    await at(handsets, 4)
    await resume(handsets, "KC-1")
    assert await waiting(handsets, "subscribers.suspended") == [Waiting(9, "expired"), Waiting(9, "queued")]
    await resume(handsets, "KC-2")
    assert await waiting(handsets, "subscribers.suspended") == [Waiting(9, "expired")] * 2
    assert await waiting(handsets, "subscribers.resumed") == [Waiting(4, "queued")]


@pytest.mark.clause("PSC-3.1.5.5")
async def test_what_somebody_suspends_in_the_night_is_told_at_once(handsets: Handsets) -> None:
    who = await newcomer(handsets)
    await at(handsets, 3)
    await handsets.subscribers.suspend(who.subscriber_id, Ground.LOST_DEVICE, CLERK, reason="lost in a taxi")
    assert await waiting(handsets, "subscribers.suspended") == [Waiting(3, "queued")]


@pytest.mark.clause("PSC-3.1.5")
async def test_a_suspension_that_ends_by_itself_is_told_in_the_morning_unless_another_begins(
    handsets: Handsets,
) -> None:
    who = await newcomer(handsets)
    ends_at = handsets.calendar.start_of_day(DAY) + timedelta(hours=1)
    await handsets.subscribers.suspend(
        who.subscriber_id, Ground.NETWORK_HARM, CLERK, reason="calls by a robot", ends_at=ends_at
    )
    await at(handsets, 1)
    await handsets.subscribers.suspensions.end_lapsed()
    assert await waiting(handsets, "subscribers.resumed") == [Waiting(9, "queued")]
    await at(handsets, 2)
    await suspend(handsets, who.account, "KC-1")
    assert await waiting(handsets, "subscribers.resumed") == [Waiting(9, "expired")]


@pytest.mark.clause("PSC-3.2.5")
@pytest.mark.parametrize(("op_id", "leaves"), [("session:1:2", 3), ("event:1", 3), ("plan:1:kcell-start.1:0", 9)])
async def test_a_balance_that_gets_low_in_a_call_is_told_at_once_and_not_one_that_a_fee_lowers(
    handsets: Handsets, op_id: str, leaves: float
) -> None:
    who = await newcomer(handsets, "kcell-free", "500")
    await handsets.database.transact("test", lambda conn: handsets.ledger.set_low_mark(conn, who.account, tenge(100)))
    await at(handsets, 3)
    await handsets.spend(who, op_id, sum_charge(tenge("401")), "voice.mobile")
    assert await waiting(handsets, "ledger.threshold") == [Waiting(leaves, "queued")]
    await top_up(handsets, who, "500")
    assert await waiting(handsets, "ledger.threshold") == [Waiting(leaves, "expired")]


@pytest.mark.clause("PSC-3.1.11")
async def test_what_others_switch_in_the_night_is_told_at_once(handsets: Handsets) -> None:
    """The subscriber is on the telephone with them."""
    who = await newcomer(handsets, amount="10000")
    await at(handsets, 3)
    office = Origin("staff:aigul", Channel.HELPDESK, "asked by phone")
    await handsets.subscribers.switch_service_on(who.subscriber_id, "russia-calls", office, "call-1")
    assert await waiting(handsets, "subscribers.service_on") == [Waiting(3, "queued")]


@pytest.mark.clause("PSC-3.1.4")
@pytest.mark.parametrize(("hours", "leaves"), [(20.9, 20), (21, 33), (32.9, 33), (33, 20)])
async def test_what_the_evening_left_over_does_not_leave_at_night_when_the_smsc_comes_back(
    handsets: Handsets, hours: float, leaves: float
) -> None:
    """Told at 20:00 while no SMSC was bound; what leaves at any hour, and what has begun to leave, is not put off."""
    who = await newcomer(handsets, amount="10000")
    [job] = jobs.jobs(handsets.database, handsets.transport, handsets.notices)
    await handsets.database.fetch("delete from sms.outbound")
    await at(handsets, 20)
    await handsets.fees.run()
    await top_up(handsets, who, "500")
    await emit(handsets, "collection.notice", "debt:7", {**NOTICE, "subscriber_id": who.subscriber_id, "op_id": "7:1"})
    await handsets.outbox.drain()
    begun = "update sms.outbound set state = 'accepted' where dedupe_key like 'collection.notice:%' and part = 1"
    await handsets.database.fetch(begun)
    await at(handsets, hours)
    for _ in range(2):
        await job.body(handsets.clock.now())
    assert await waiting(handsets, "subscribers.fee_taken") == [Waiting(leaves, "queued")]
    assert await waiting(handsets, "billing.credited") == [Waiting(20, "queued")]
    rest = "select distinct not_before from sms.outbound where dedupe_key like 'collection.notice:%' and part > 1"
    assert [_hours(handsets, row["not_before"]) for row in await handsets.database.fetch(rest)] == [20]


@pytest.mark.clause("PSC-3.1.4", "PSC-3.1.4-1")
@pytest.mark.parametrize(("topic", "payload"), [("collection.reminder", REMINDER), ("collection.notice", NOTICE)])
@pytest.mark.parametrize(("debt_id", "state"), [(7, "expired"), (8, "queued")])
async def test_a_reminder_that_waits_for_the_smsc_is_withdrawn_when_its_debt_is_paid(
    handsets: Handsets, topic: str, payload: Mapping[str, object], debt_id: int, state: str
) -> None:
    who = await newcomer(handsets)
    await at(handsets, 10)
    await emit(handsets, topic, "debt:7", {**payload, "subscriber_id": who.subscriber_id, "op_id": "7:1"})
    assert await waiting(handsets, topic) == [Waiting(10, "queued")]
    await emit(handsets, "collection.closed", f"debt:{debt_id}", {"debt_id": debt_id, "state": "paid"})
    assert await waiting(handsets, topic) == [Waiting(10, state)]
    await emit(handsets, topic, "debt:7", {**payload, "subscriber_id": who.subscriber_id, "op_id": "7:2"})
    assert await waiting(handsets, topic) == [Waiting(10, state), Waiting(10, "queued")]  # the payment was taken back


async def test_within_a_batch_an_event_ends_what_came_before_it_and_nothing_that_comes_after(
    handsets: Handsets,
) -> None:
    who = await newcomer(handsets)
    happened = [("collection.reminder", REMINDER), ("collection.closed", REMINDER), ("collection.notice", NOTICE)]
    events = [
        OutboxEvent(number, topic, "debt:7", {**payload, "subscriber_id": who.subscriber_id}, handsets.clock.now(), 0)
        for number, (topic, payload) in enumerate(happened)
    ]
    await handsets.database.transact("test", lambda conn: handsets.notices.on_events(conn, events))
    assert await waiting(handsets, "collection.reminder") == []
    assert [one.state for one in await waiting(handsets, "collection.notice")] == ["queued"]
