"""Mistakes are reversed by new operations, ended buckets taken back, ended services drained."""

from __future__ import annotations

from datetime import timedelta

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.units import Unit
from telco.ledger.model import (
    Charge,
    Kind,
    Status,
    credit,
    debit,
    drain,
    expire,
    grant,
    purchase,
    release,
    reserve,
    reverse,
    sum_charge,
)
from telco.ledger.service import Ledger
from tests.ledger.conftest import Open, Send, bonus, data


async def balances(ledger: Ledger, account: object) -> list[tuple[str, int]]:
    return [(bucket.code, bucket.balance) for bucket in (await ledger.balances(account)).buckets]  # type: ignore[arg-type]


async def test_a_reversed_debit_returns_to_where_it_came_from(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000, bonus(100, clock.now()))
    await send(debit(account, "d", sum_charge(250), contra="revenue.content"))
    assert await balances(ledger, account) == [("main", 850), ("bonus", 0)]
    outcome = await send(reverse(account, "r", target="d"))
    assert (outcome.status, outcome.main_after) == (Status.OK, 1000)
    assert await balances(ledger, account) == [("main", 1000), ("bonus", 100)]


@pytest.mark.clause("PSC-3.1.8", "PSC-5.2.2")
@pytest.mark.parametrize(
    ("spent", "forced", "status", "main"),
    [
        (0, False, Status.OK, 100),
        (100, False, Status.OK, 0),  # exactly what was mistaken is still there
        (101, False, Status.SPENT, 999),
        (101, True, Status.OK, -1),
        (1100, True, Status.OK, -1000),
    ],
)
async def test_a_mistaken_payment_is_written_off_once(
    open_account: Open, send: Send, spent: int, forced: bool, status: Status, main: int
) -> None:
    account = await open_account(100)
    await send(credit(account, "mistake", 1000, contra="cash.terminal"))
    if spent:
        await send(debit(account, "d", sum_charge(spent), contra="revenue.sms"))
    outcome = await send(reverse(account, "r", target="mistake", forced=forced))
    assert (outcome.status, outcome.main_after) == (status, main)
    second = await send(reverse(account, "r2", target="mistake", forced=forced))
    assert second.status is (Status.ALREADY_REVERSED if status is Status.OK else status)


async def test_money_on_hold_counts_as_spent(open_account: Open, send: Send, clock: ManualClock) -> None:
    account = await open_account(0)
    await send(credit(account, "mistake", 1000, contra="cash.terminal"))
    call = Charge(Unit.SECONDS, 1, (), 1, 1_000_000)
    await send(reserve(account, "h", call, hold_id="h", hold_deadline=clock.now(), contra="revenue.voice"))
    assert (await send(reverse(account, "r", target="mistake"))).status is Status.SPENT
    await send(release(account, "rel", hold_id="h"))
    assert (await send(reverse(account, "r2", target="mistake"))).status is Status.OK


async def test_a_reversed_purchase_returns_the_price_and_takes_the_grants(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(500)
    pack = (data(1000, clock.now()),)
    await send(purchase(account, "p1", sum_charge(200), grants=pack, contra="revenue.pack"))
    await send(purchase(account, "p2", sum_charge(200), grants=pack, contra="revenue.pack"))
    use_some = Charge(Unit.BYTES, 1, ("data.any",), 1, 0)
    await send(debit(account, "d", use_some, contra="revenue.data"))
    assert (await send(reverse(account, "r1", target="p1"))).status is Status.SPENT
    assert (await send(reverse(account, "r2", target="p2"))).status is Status.OK
    assert await balances(ledger, account) == [("main", 300), ("data.any", 999), ("data.any", 0)]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("never sent", Status.UNKNOWN_OPERATION),
        ("refused", Status.NOT_REVERSIBLE),
        ("reserve", Status.NOT_REVERSIBLE),
        ("reversal", Status.NOT_REVERSIBLE),
        ("reversed", Status.ALREADY_REVERSED),
    ],
)
async def test_only_what_moved_something_is_reversed(
    open_account: Open, send: Send, clock: ManualClock, target: str, status: Status
) -> None:
    account = await open_account(1000)
    await send(debit(account, "refused", sum_charge(5000), contra="revenue.sms"))
    call = Charge(Unit.SECONDS, 1, (), 1, 1_000_000)
    await send(reserve(account, "reserve", call, hold_id="h", hold_deadline=clock.now(), contra="revenue.voice"))
    await send(release(account, "release", hold_id="h"))
    await send(debit(account, "reversed", sum_charge(10), contra="revenue.sms"))
    await send(reverse(account, "reversal", target="reversed"))
    assert (await send(reverse(account, "r", target=target))).status is status


async def test_what_is_left_of_an_ended_bucket_becomes_breakage(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock, database: Database
) -> None:
    account = await open_account(10, data(1000, clock.now(), 1), data(500, clock.now(), 2))
    await send(debit(account, "d", Charge(Unit.BYTES, 300, ("data.any",), 1, 0), contra="revenue.data"))
    clock.advance(timedelta(days=1, microseconds=-1))
    await ledger.expire_buckets(clock.now())
    assert [balance for _, balance in await balances(ledger, account)] == [10, 700, 500]
    clock.advance(timedelta(microseconds=1))
    await ledger.expire_buckets(clock.now())
    assert [balance for _, balance in await balances(ledger, account)] == [10, 500]
    [entry] = await ledger.statement(account, 5, kinds=[Kind.EXPIRE])
    assert (entry.contra, [line.amount for line in entry.lines]) == ("breakage", [-700])
    closed = await database.fetch("select * from ledger.closed_bucket where account_id = $1", account.account_id)
    assert [(row["bucket_no"], row["balance"]) for row in closed] == [(1, 0)]


async def test_expiry_is_done_once_however_often_it_is_asked_for(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(10, data(1000, clock.now(), 1))
    clock.advance(timedelta(days=1))
    outcomes = [await send(expire(account, f"e{n}")) for n in range(2)]
    assert [outcome.granted_quantity for outcome in outcomes] == [1000, 0]


async def test_a_reversal_reopens_a_closed_bucket_and_the_next_expiry_closes_it(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(0, data(1000, clock.now(), 1))
    await send(debit(account, "d", Charge(Unit.BYTES, 400, ("data.any",), 1, 0), contra="revenue.data"))
    clock.advance(timedelta(days=1))
    await ledger.expire_buckets(clock.now())
    assert (await send(reverse(account, "r", target="d"))).status is Status.OK
    again = await send(expire(account, "e"))
    assert again.granted_quantity == 400


@pytest.mark.clause("PSC-6.5")
async def test_an_origin_can_be_drained(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock, database: Database
) -> None:
    account = await open_account(1000, bonus(300, clock.now(), None), data(50, clock.now()))
    await send(debit(account, "d", sum_charge(120), contra="revenue.sms"))
    taken = await database.transact(
        "test.drain",
        lambda connection: ledger.drain(connection, account, "end", origin="bonus", contra="bonus.cost"),
    )
    assert taken == 180
    assert await balances(ledger, account) == [("main", 1000), ("data.any", 50)]
    again = await send(drain(account, "end", origin="bonus", contra="bonus.cost"))
    assert (again.replayed, again.granted_quantity) == (True, 180)


async def test_new_buckets_never_take_the_number_of_closed_ones(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(0, data(10, clock.now(), 1))
    clock.advance(timedelta(days=1))
    await send(expire(account, "e"))
    await send(grant(account, "g", (data(20, clock.now(), 1),), contra="test.granted"))
    view = await ledger.balances(account)
    assert [(bucket.bucket_no, bucket.balance) for bucket in view.buckets] == [(0, 0), (2, 20)]
