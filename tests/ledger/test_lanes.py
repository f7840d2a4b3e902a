"""Lanes under load, under faults, and at the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psutil
import pytest

from telco.db.pool import Connection, Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountRef
from telco.kernel.units import Unit
from telco.ledger import lanes
from telco.ledger.errors import InvalidOperationError, LedgerStoppedError, LedgerUnavailableError
from telco.ledger.model import Charge, Outcome, Status, credit, debit, reserve, sum_charge, use
from telco.ledger.service import Ledger
from tests.ledger.conftest import Open


async def test_operations_of_one_account_keep_their_order(ledger: Ledger, open_account: Open) -> None:
    account = await open_account(1000)
    # 0 + 1 + ... + 44 = 990; the 45th is too much, so are all after it
    outcomes = await asyncio.gather(
        *(ledger.submit(debit(account, f"d{n}", sum_charge(n), contra="revenue.sms")) for n in range(60))
    )
    assert [outcome.status for outcome in outcomes] == [Status.OK] * 45 + [Status.INSUFFICIENT_FUNDS] * 15


async def test_one_busy_account_does_not_hold_the_others_up(ledger: Ledger, open_account: Open) -> None:
    busy, *others = [await open_account(10_000) for _ in range(5)]
    order: list[str] = []

    async def send(account: AccountRef, name: str) -> None:
        await ledger.submit(debit(account, name, sum_charge(1), contra="revenue.sms"))
        order.append(name)

    same_shard = [account for account in others if account.shard == busy.shard]
    assert same_shard
    await asyncio.gather(
        *(send(busy, f"busy {n}") for n in range(50)), *(send(account, "other") for account in same_shard)
    )
    assert order.index("other") <= len(same_shard)


async def test_two_processes_work_on_the_same_accounts(
    ledger: Ledger, open_account: Open, database: Database, clock: ManualClock
) -> None:
    """Two ledgers and callers' transactions, all on three accounts: every operation is carried out once."""
    accounts = [await open_account(100_000) for _ in range(3)]
    async with Ledger(database, clock) as second:

        async def in_transaction(number: int) -> list[Outcome]:
            ops = [debit(account, f"t{number}", sum_charge(1), contra="revenue.sms") for account in accounts]
            return await database.transact("test", lambda connection: ledger.apply(connection, ops))

        async def session(through: Ledger, account: AccountRef, name: str) -> None:
            call = Charge(Unit.SECONDS, 10, (), 1, 1_000_000)
            held = reserve(account, name, call, hold_id=name, hold_deadline=clock.now(), contra="revenue.voice")
            assert (await through.submit(held)).status is Status.OK
            used = use(account, f"{name}u", call, hold_id=name, contra="revenue.voice")
            assert (await through.submit(used)).cost_tiyn == 10

        await asyncio.gather(
            *(
                session(through, account, f"{name}{number}")
                for name, through in (("a", ledger), ("b", second))
                for account in accounts
                for number in range(20)
            ),
            *(in_transaction(number) for number in range(20)),
        )
        same = debit(accounts[0], "same", sum_charge(7), contra="revenue.sms")
        first, again = await asyncio.gather(ledger.submit(same), second.submit(same))
        assert {first.replayed, again.replayed} == {True, False}
    # 2 ledgers x 20 sessions x 10 tiyn and 20 transactions x 1 tiyn
    balances = [(await ledger.balances(account)).main for account in accounts]
    assert balances == [100_000 - 420 - 7, 100_000 - 420, 100_000 - 420]


async def test_a_caller_that_gives_up_harms_nobody(ledger: Ledger, open_account: Open) -> None:
    account = await open_account(1000)
    op = debit(account, "d", sum_charge(100), contra="revenue.sms")
    given_up = asyncio.ensure_future(ledger.submit(op))
    patient = asyncio.ensure_future(ledger.submit(op._replace(op_id="d2")))
    given_up.cancel()
    assert (await patient).main_after == 800
    assert (await ledger.submit(op)).replayed


async def test_a_faulty_operation_fails_alone(ledger: Ledger, open_account: Open) -> None:
    """Wound: a panic that leaves one subscriber locked for ever."""
    accounts = [await open_account(1000) for _ in range(8)]
    bad = debit(accounts[0], "bad", sum_charge(1), contra="revenue.sms", details={"text": "x" * 5_000})
    results = await asyncio.gather(
        ledger.submit(bad),
        *(ledger.submit(debit(account, "good", sum_charge(1), contra="revenue.sms")) for account in accounts),
        return_exceptions=True,
    )
    assert isinstance(results[0], InvalidOperationError)
    assert [outcome.status for outcome in results[1:] if isinstance(outcome, Outcome)] == [Status.OK] * 8
    after = await ledger.submit(debit(accounts[0], "after", sum_charge(1), contra="revenue.sms"))
    assert after.main_after == 998


async def test_an_account_locked_elsewhere_fails_alone_and_works_again(
    ledger: Ledger, open_account: Open, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "LOCK_TIMEOUT_MS", 50)
    locked, free = [account for account in [await open_account(1000) for _ in range(8)] if account.shard == 1]
    async with Ledger(database, ledger._clock) as second:  # its lanes take the short time-out
        release = asyncio.Event()
        held = asyncio.Event()

        async def hold(connection: Connection) -> None:
            await ledger.apply(connection, [debit(locked, "long", sum_charge(1), contra="revenue.sms")])
            held.set()
            await release.wait()

        holder = asyncio.create_task(database.transact("test.long", hold))
        await held.wait()
        blocked, others = await asyncio.gather(
            second.submit(debit(locked, "d", sum_charge(1), contra="revenue.sms")),
            second.submit(debit(free, "d", sum_charge(1), contra="revenue.sms")),
            return_exceptions=True,
        )
        assert isinstance(blocked, LedgerUnavailableError)
        assert isinstance(others, Outcome)
        release.set()
        await holder
        retried = await second.submit(debit(locked, "d", sum_charge(1), contra="revenue.sms"))
        assert (retried.status, retried.main_after) == (Status.OK, 998)


async def test_a_broken_connection_is_replaced_and_nothing_is_done_twice(
    ledger: Ledger, open_account: Open, database: Database
) -> None:
    account = await open_account(1000)
    lane = ledger._lanes[account.shard]
    assert lane._connection is not None
    await database.fetch("select pg_terminate_backend($1)", lane._connection.get_server_pid())
    outcome = await ledger.submit(debit(account, "d", sum_charge(1), contra="revenue.sms"))
    assert (outcome.status, outcome.main_after) == (Status.OK, 999)


async def test_more_callers_than_a_lane_may_queue_wait_their_turn(
    ledger: Ledger, open_account: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_WAITING", 5)
    account = await open_account(1000)
    outcomes = await asyncio.gather(
        *(ledger.submit(credit(account, f"c{n}", 1, contra="cash.card")) for n in range(40))
    )
    assert sorted(outcome.main_after for outcome in outcomes) == list(range(1001, 1041))


async def test_stop_carries_out_what_was_submitted_and_takes_no_more(
    database: Database, clock: ManualClock, open_account: Open
) -> None:
    accounts = [await open_account(1000) for _ in range(4)]
    ledger = Ledger(database, clock)
    waiting = [
        asyncio.ensure_future(ledger.submit(debit(account, f"d{n}", sum_charge(1), contra="revenue.sms")))
        for n in range(30)
        for account in accounts
    ]
    await ledger.stop()
    assert all(task.result().status is Status.OK for task in waiting)
    with pytest.raises(LedgerStoppedError):
        await ledger.submit(debit(accounts[0], "late", sum_charge(1), contra="revenue.sms"))
    ledger.start()
    outcome = await ledger.submit(debit(accounts[0], "late", sum_charge(1), contra="revenue.sms"))
    assert outcome.main_after == 969
    await ledger.stop()


async def test_stop_ends_cleanly_when_every_task_was_cancelled(
    database: Database, clock: ManualClock, open_account: Open
) -> None:
    """As a second Ctrl-C does it: the event loop cancels all tasks, idle lanes among them, before anybody stops."""
    account = await open_account(1000)
    ledger = Ledger(database, clock)
    before = asyncio.all_tasks()
    await ledger.submit(debit(account, "d", sum_charge(1), contra="revenue.sms"))
    [lane] = asyncio.all_tasks() - before
    lane.cancel()
    await asyncio.wait([lane])
    await ledger.stop()


async def test_batches_are_split_by_shard_and_account_in_order(
    ledger: Ledger, open_account: Open, database: Database
) -> None:
    accounts = [await open_account(1000) for _ in range(6)]
    ops = [debit(account, f"{n}", sum_charge(n), contra="revenue.sms") for n in range(4) for account in accounts]
    outcomes = await database.transact("test", lambda connection: ledger.apply(connection, ops))
    assert [outcome.op_id for outcome in outcomes] == [op.op_id for op in ops]
    assert [outcome.main_after for outcome in outcomes[-6:]] == [994] * 6  # 1000 - 1 - 2 - 3


async def test_a_slow_clock_changes_nothing(ledger: Ledger, open_account: Open, clock: ManualClock) -> None:
    """Operations are ordered by the account's lock, not by time."""
    account = await open_account(1000)
    await ledger.submit(debit(account, "a", sum_charge(1), contra="revenue.sms"))
    behind = ManualClock(clock.now() - timedelta(hours=1))
    async with Ledger(ledger._database, behind) as second:
        await second.submit(debit(account, "b", sum_charge(2), contra="revenue.sms"))
    assert [entry.op_id for entry in await ledger.statement(account, 2)] == ["b", "a"]


async def test_an_operation_whose_server_process_hangs_is_carried_out_by_another(
    ledger: Ledger, open_account: Open, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(lanes, "ANSWER_TIMEOUT_S", 0.5)
    account = await open_account(1000)
    await ledger.submit(debit(account, "opens the lane", sum_charge(1), contra="revenue.sms"))
    hung = await database.fetch(
        "select pid from pg_stat_activity where application_name = $1 and datname = current_database()",
        f"telco-ledger-{account.shard}",
    )
    backends = [psutil.Process(row["pid"]) for row in hung]
    assert backends
    for backend in backends:
        backend.suspend()
    try:
        async with asyncio.timeout(10):
            outcome = await ledger.submit(debit(account, "hangs", sum_charge(1), contra="revenue.sms"))
    finally:
        for backend in backends:
            backend.resume()
    assert (outcome.status, outcome.main_after) == (Status.OK, 998)
