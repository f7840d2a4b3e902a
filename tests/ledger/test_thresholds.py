"""Notices: 80 % and all of an allowance used, a low main balance. Each once."""

from __future__ import annotations

from typing import Any

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountRef
from telco.kernel.units import Unit
from telco.ledger.model import Charge, Outcome, credit, debit, reserve, reverse, sum_charge, use
from telco.ledger.service import Ledger
from tests.ledger.conftest import Open, Send, data


def traffic(quantity: int) -> Charge:
    return Charge(Unit.BYTES, quantity, ("data.any",), 1, 1_000_000)


async def notices(database: Database, account: AccountRef) -> list[tuple[str, str, int, str]]:
    rows = await database.fetch(
        "select payload from kernel.outbox where topic = 'ledger.threshold' and key = $1 order by event_id",
        f"account:{account}",
    )
    payloads: list[dict[str, Any]] = [row["payload"] for row in rows]
    return [(event["code"], event["level"], event["left"], event["op_id"]) for event in payloads]


@pytest.mark.clause("PSC-3.2.3")
async def test_an_allowance_is_told_at_80_percent_and_when_used_up_each_once(
    open_account: Open, send: Send, clock: ManualClock, database: Database
) -> None:
    """Wound: a threshold notice sent twice or never."""
    account = await open_account(1000, data(1000, clock.now()))
    for op_id, quantity in (
        ("to 79.9 %", 799),
        ("to 80 %", 1),
        ("on", 150),
        ("to 99.9 %", 49),
        ("end", 1),
        ("past", 5),
    ):
        op = debit(account, op_id, traffic(quantity), contra="revenue.data")
        await send(op)
        await send(op)  # a repeated request repeats no notice
    assert await notices(database, account) == [("data.any", "80", 200, "to 80 %"), ("data.any", "100", 0, "end")]


async def test_a_jump_over_both_levels_is_told_as_used_up(
    open_account: Open, send: Send, clock: ManualClock, database: Database
) -> None:
    account = await open_account(1000, data(1000, clock.now()))
    await send(debit(account, "d", traffic(1000), contra="revenue.data"))
    await send(reverse(account, "r", target="d"))
    await send(debit(account, "d2", traffic(900), contra="revenue.data"))
    assert await notices(database, account) == [("data.any", "100", 0, "d")]


async def test_what_is_only_held_is_not_used(
    open_account: Open, send: Send, clock: ManualClock, database: Database
) -> None:
    account = await open_account(0, data(1000, clock.now()))
    held = reserve(account, "r", traffic(1000), hold_id="h", hold_deadline=clock.now(), contra="revenue.data")
    await send(held)
    assert await notices(database, account) == []
    await send(use(account, "u", traffic(800), hold_id="h", contra="revenue.data"))
    assert await notices(database, account) == [("data.any", "80", 200, "u")]


async def test_each_bucket_is_told_of_its_own(
    open_account: Open, send: Send, clock: ManualClock, database: Database
) -> None:
    account = await open_account(0, data(100, clock.now(), 1), data(100, clock.now(), 2))
    await send(debit(account, "d", traffic(180), contra="revenue.data"))
    told = await notices(database, account)
    assert sorted(told) == [("data.any", "100", 0, "d"), ("data.any", "80", 20, "d")]


async def test_a_low_balance_is_told_once_until_a_credit_lifts_it(
    open_account: Open, send: Send, database: Database
) -> None:
    account = await open_account(1000, low_mark=500)

    async def step(outcome: Outcome) -> list[str]:
        return [op_id for _, _, _, op_id in await notices(database, account)]

    assert await step(await send(debit(account, "to the mark", sum_charge(500), contra="revenue.sms"))) == []
    below = await send(debit(account, "below", sum_charge(1), contra="revenue.sms"))
    assert await step(below) == ["below"]
    assert await step(await send(debit(account, "on", sum_charge(10), contra="revenue.sms"))) == ["below"]
    assert await step(await send(credit(account, "not enough", 10, contra="cash.card"))) == ["below"]
    assert await step(await send(debit(account, "still low", sum_charge(5), contra="revenue.sms"))) == ["below"]
    assert await step(await send(credit(account, "lifted", 100, contra="cash.card"))) == ["below"]
    again = await send(debit(account, "low again", sum_charge(100), contra="revenue.sms"))
    assert await step(again) == ["below", "low again"]


async def test_without_a_mark_nothing_is_told(open_account: Open, send: Send, database: Database) -> None:
    account = await open_account(1000)
    await send(debit(account, "d", sum_charge(1000), contra="revenue.sms"))
    assert await notices(database, account) == []


async def test_a_mark_set_later_counts_from_then_on(
    ledger: Ledger, open_account: Open, send: Send, database: Database
) -> None:
    account = await open_account(100)
    async with database.acquire() as connection:
        await ledger.set_low_mark(connection, account, 500)
    await send(debit(account, "d", sum_charge(1), contra="revenue.sms"))
    assert await notices(database, account) == [("main", "low", 99, "d")]
