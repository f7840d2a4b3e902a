"""What pays, how much, and what is refused: worked examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountId, AccountRef, uuid7
from telco.kernel.units import Unit
from telco.ledger.model import (
    MAIN,
    PRECEDENCE,
    BucketSpec,
    Charge,
    Line,
    Status,
    credit,
    debit,
    grant,
    purchase,
    sum_charge,
)
from telco.ledger.service import Ledger
from tests.ledger.conftest import Open, Send, bonus, data

_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MEGABYTE_TENGE = 100_000_000
"""1 tenge a rating unit, in micro-tiyn."""


def traffic(quantity: int, *, rating_unit: int = 100, price_micro: int = MEGABYTE_TENGE, fixed: int = 0) -> Charge:
    return Charge(Unit.BYTES, quantity, ("data.any",), rating_unit, price_micro, fixed_tiyn=fixed)


@pytest.mark.clause("PSC-3.2.5", "PSC-4.3.1")
@pytest.mark.parametrize(
    ("main", "limit", "amount", "status", "left"),
    [
        (500, 0, 499, Status.OK, 1),
        (500, 0, 500, Status.OK, 0),
        (500, 0, 501, Status.INSUFFICIENT_FUNDS, 500),
        (0, 0, 1, Status.INSUFFICIENT_FUNDS, 0),
        (500, 200, 700, Status.OK, -200),
        (500, 200, 701, Status.INSUFFICIENT_FUNDS, 500),
        (500, 0, 0, Status.OK, 500),
    ],
)
async def test_a_debit_takes_what_is_available_and_no_tiyn_more(
    open_account: Open, send: Send, main: int, limit: int, amount: int, status: Status, left: int
) -> None:
    account = await open_account(main, credit_limit=limit)
    outcome = await send(debit(account, "d", sum_charge(amount), contra="revenue.sms"))
    assert (outcome.status, outcome.main_after) == (status, left)
    expected = (Line(MAIN, Unit.MONEY, amount),) if status is Status.OK and amount else ()
    assert outcome.charged == expected
    assert outcome.cost_tiyn == (amount if status is Status.OK else 0)


@pytest.mark.clause("PSC-2.7", "PSC-1.1.8")
@pytest.mark.parametrize(
    ("quantity", "from_allowance", "cost"),
    [
        (999, 999, 0),
        (1000, 1000, 0),
        (1001, 1000, 100),  # 1 byte over: one rating unit of 100 bytes begun, 1 tenge = 100 tiyn
        (1100, 1000, 100),
        (1101, 1000, 200),
    ],
)
async def test_after_the_included_volume_the_plans_price_applies(
    open_account: Open, send: Send, clock: ManualClock, quantity: int, from_allowance: int, cost: int
) -> None:
    account = await open_account(1000, data(1000, clock.now()))
    outcome = await send(debit(account, "d", traffic(quantity), contra="revenue.data"))
    taken = {line.code: line.amount for line in outcome.charged}
    assert taken == {"data.any": from_allowance} | ({MAIN: cost} if cost else {})
    assert (outcome.cost_tiyn, outcome.main_after) == (cost, 1000 - cost)


@pytest.mark.parametrize(
    ("quantity", "price_micro", "cost"),
    [
        (1, 500_000, 1),  # 0.5 tiyn, half up
        (1, 499_999, 0),
        (3, 500_000, 2),  # 1.5
        (3, 333_333, 1),  # 0.999999: rounded once for the event, not three times 0.33
        (1, 0, 0),
    ],
)
async def test_money_is_rounded_once_an_event_half_up(
    open_account: Open, send: Send, quantity: int, price_micro: int, cost: int
) -> None:
    account = await open_account(1000)
    charge = traffic(quantity, rating_unit=1, price_micro=price_micro)
    outcome = await send(debit(account, "d", charge, contra="revenue.data"))
    assert (outcome.cost_tiyn, outcome.main_after) == (cost, 1000 - cost)


async def test_a_fixed_sum_comes_on_top_and_is_money(open_account: Open, send: Send, clock: ManualClock) -> None:
    account = await open_account(1000, data(1000, clock.now()))
    outcome = await send(debit(account, "d", traffic(500, fixed=70), contra="revenue.data"))
    assert {line.code: line.amount for line in outcome.charged} == {"data.any": 500, MAIN: 70}
    refused = await send(debit(account, "d2", traffic(1, fixed=931), contra="revenue.data"))
    assert refused.status is Status.INSUFFICIENT_FUNDS


async def test_buckets_pay_by_priority_then_by_earliest_end(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    now = clock.now()
    late, soon, first, endless = (
        data(100, now, 30),
        data(100, now, 7),
        data(100, now, 60, priority=5),
        data(100, now, None),
    )
    account = await open_account(0, late, soon, first, endless)
    # 250 of 400: the one of priority 5, then the 7 days, then 50 of the 30 days; the endless one last
    outcome = await send(debit(account, "d", traffic(250), contra="revenue.data"))
    assert [line.amount for line in outcome.charged] == [100, 100, 50]
    left = {bucket.bucket_no: bucket.balance for bucket in (await ledger.balances(account)).buckets}
    assert left == {0: 0, 1: 50, 2: 0, 3: 0, 4: 100}


async def test_bonus_money_pays_before_the_main_balance_unless_the_charge_forbids_it(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000, bonus(300, clock.now()))
    both = await send(debit(account, "d1", sum_charge(400), contra="revenue.sms"))
    assert {line.code: line.amount for line in both.charged} == {"bonus": 300, MAIN: 100}
    account = await open_account(1000, bonus(300, clock.now()))
    main_only = await send(debit(account, "d1", sum_charge(400, money=(MAIN,)), contra="revenue.content"))
    assert main_only.charged == (Line(MAIN, Unit.MONEY, 400),)
    bonus_only = await send(debit(account, "d2", sum_charge(301, money=("bonus",)), contra="revenue.sms"))
    assert bonus_only.status is Status.INSUFFICIENT_FUNDS


async def test_a_bucket_pays_from_its_first_moment_to_just_before_its_last(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    start = clock.now() + timedelta(hours=1)
    account = await open_account(0, data(100, start, 1))
    charge = traffic(1)

    async def works(name: str) -> bool:
        return (await send(debit(account, name, charge, contra="revenue.data"))).status is Status.OK

    clock.advance(timedelta(hours=1, microseconds=-1))
    assert not await works("before")
    clock.advance(timedelta(microseconds=1))
    assert await works("first moment")
    clock.advance(timedelta(days=1, microseconds=-1))
    assert await works("last moment")
    clock.advance(timedelta(microseconds=1))
    assert not await works("after")


@pytest.mark.clause("PSC-3.2.5", "PSC-4.3.2")
async def test_a_forced_debit_leaves_a_debt_and_says_how_much_was_not_there(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(300, bonus(50, clock.now()))
    outcome = await send(debit(account, "d", sum_charge(1000), contra="revenue.roaming", forced=True))
    assert (outcome.status, outcome.main_after, outcome.forced_tiyn) == (Status.OK, -650, 650)
    assert {line.code: line.amount for line in outcome.charged} == {"bonus": 50, MAIN: 950}
    topped_up = await send(credit(account, "c", 600, contra="cash.card"))
    assert topped_up.main_after == -50
    refused = await send(debit(account, "d2", sum_charge(1), contra="revenue.sms"))
    assert refused.status is Status.INSUFFICIENT_FUNDS


@pytest.mark.clause("PSC-3.2.5")
async def test_a_purchase_without_money_grants_nothing(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(499)
    pack = (data(5_000, clock.now()), BucketSpec(MAIN, Unit.MONEY, 20, 0, clock.now(), None, "pack"))
    refused = await send(purchase(account, "p1", sum_charge(500), grants=pack, contra="revenue.pack"))
    assert refused.status is Status.INSUFFICIENT_FUNDS
    assert len((await ledger.balances(account)).buckets) == 1
    await send(credit(account, "c", 1, contra="cash.card"))
    bought = await send(purchase(account, "p2", sum_charge(500), grants=pack, contra="revenue.pack"))
    assert (bought.status, bought.cost_tiyn, bought.main_after) == (Status.OK, 500, 20)
    assert [bucket.balance for bucket in (await ledger.balances(account)).buckets] == [20, 5_000]


async def test_one_can_buy_what_costs_nothing(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account()
    bought = await send(purchase(account, "p", sum_charge(0), grants=(data(7, clock.now()),), contra="revenue.pack"))
    assert (bought.status, bought.charged) == (Status.OK, ())
    assert (await ledger.balances(account)).buckets[1].available == 7


async def test_an_unknown_account_is_told_and_not_remembered(send: Send) -> None:
    nobody = AccountRef(1, AccountId(999_999))
    for _ in range(2):
        outcome = await send(debit(nobody, "d", sum_charge(1), contra="revenue.sms"))
        assert (outcome.status, outcome.replayed) == (Status.UNKNOWN_ACCOUNT, False)


async def test_an_account_is_known_in_its_own_shard_only(open_account: Open, send: Send) -> None:
    account = await open_account(100)
    elsewhere = AccountRef((account.shard + 1) % 4, account.account_id)
    assert (await send(credit(elsewhere, "c", 1, contra="cash.card"))).status is Status.UNKNOWN_ACCOUNT


async def test_a_credit_limit_can_be_set_and_lowered(ledger: Ledger, open_account: Open, database: Database) -> None:
    account = await open_account(0)

    async def limit(tiyn: int, op_id: str) -> None:
        outcome = await database.transact(
            "test.limit", lambda connection: ledger.set_credit_limit(connection, account, tiyn, op_id)
        )
        assert outcome.status is Status.OK

    await limit(1000, "limit:1")
    assert (await ledger.submit(debit(account, "d1", sum_charge(800), contra="revenue.voice"))).status is Status.OK
    await limit(500, "limit:2")
    view = await ledger.balances(account)
    assert (view.main, view.available_money, view.credit_limit) == (-800, 0, 500)
    outcome = await ledger.submit(debit(account, "d2", sum_charge(1), contra="revenue.voice"))
    assert outcome.status is Status.INSUFFICIENT_FUNDS


async def test_transfers_move_both_sides_or_neither(ledger: Ledger, open_account: Open, database: Database) -> None:
    source, target = await open_account(1000), await open_account(0)

    async def transfer(amount: int, op_id: str, to: AccountRef) -> tuple[Status, Status | None]:
        done = await database.transact(
            "test.transfer",
            lambda connection: ledger.transfer(connection, source, to, amount, op_id=op_id),
        )
        return done.debit.status, done.credit and done.credit.status

    assert await transfer(400, "t1", target) == (Status.OK, Status.OK)
    assert await transfer(400, "t1", target) == (Status.OK, Status.OK)
    assert await transfer(601, "t2", target) == (Status.INSUFFICIENT_FUNDS, None)
    nobody = AccountRef(0, AccountId(10**9))
    assert await transfer(100, "t3", nobody) == (Status.UNKNOWN_ACCOUNT, None)
    assert [(await ledger.balances(account)).main for account in (source, target)] == [600, 400]
    total = await database.fetchrow("select amount from ledger.operator_total where operator_account = 'transfer'")
    assert total is not None
    assert total["amount"] == 0


async def test_operator_totals_are_sums_over_the_journal(open_account: Open, send: Send, database: Database) -> None:
    mark = uuid7().hex
    for number in range(3):
        account = await open_account(1000)
        await send(debit(account, "sms", sum_charge(100 + number), contra=f"revenue.{mark}"))
        await send(grant(account, "bonus", (bonus(50, _LONG_AGO),), contra=f"bonus.{mark}"))
    rows = await database.fetch(
        "select operator_account, amount, lines from ledger.operator_total where operator_account like $1 order by 1",
        f"%{mark}",
    )
    assert [tuple(row) for row in rows] == [(f"bonus.{mark}", -150, 3), (f"revenue.{mark}", 303, 3)]  # 100 + 101 + 102


async def test_every_status_has_its_place_in_the_order_of_precedence() -> None:
    assert sorted(PRECEDENCE) == sorted(Status)
