"""Reserve, use, release: portions of what is available."""

from __future__ import annotations

from datetime import timedelta

import pytest

from telco.db.pool import Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountRef
from telco.kernel.units import Unit
from telco.ledger.model import (
    MAIN,
    Charge,
    Op,
    Outcome,
    Status,
    credit,
    debit,
    expire,
    release,
    reserve,
    sum_charge,
    use,
)
from telco.ledger.service import Ledger
from tests.ledger.conftest import Open, Send, bonus, data

PRICE = 100_000_000
"""1 tenge a rating unit of 100 bytes."""


def traffic(quantity: int, fixed: int = 0) -> Charge:
    return Charge(Unit.BYTES, quantity, ("data.any",), 100, PRICE, fixed_tiyn=fixed)


class Session:
    """A data session: one hold that is used and renewed."""

    def __init__(self, send: Send, account: AccountRef, clock: ManualClock, name: str = "session") -> None:
        self._send = send
        self._account = account
        self._clock = clock
        self._name = name
        self._count = 0

    def _op_id(self) -> str:
        self._count += 1
        return f"{self._name}:{self._count}"

    async def start(self, charge: Charge, *, partial: bool = False) -> Outcome:
        return await self._send(
            reserve(
                self._account,
                self._op_id(),
                charge,
                hold_id=self._name,
                hold_deadline=self._clock.now() + timedelta(minutes=5),
                contra="revenue.data",
                partial=partial,
            )
        )

    def use_op(self, used: Charge, more: Charge | None = None, *, partial: bool = True) -> Op:
        return use(
            self._account,
            self._op_id(),
            used,
            hold_id=self._name,
            contra="revenue.data",
            reserve=more,
            hold_deadline=self._clock.now() + timedelta(minutes=5),
            partial=partial,
        )

    async def use(self, used: Charge, more: Charge | None = None, *, partial: bool = True) -> Outcome:
        return await self._send(self.use_op(used, more, partial=partial))


async def held(ledger: Ledger, account: AccountRef) -> dict[str, int]:
    return {bucket.code: bucket.held for bucket in (await ledger.balances(account)).buckets if bucket.held}


@pytest.mark.clause("PSC-2.12")
@pytest.mark.parametrize(
    ("main", "asked", "partial", "status", "granted", "main_held"),
    [
        (500, 500, False, Status.OK, 500, 500),  # 5 units of 1 tenge
        (499, 500, False, Status.INSUFFICIENT_FUNDS, 0, 0),
        (499, 500, True, Status.OK, 400, 400),  # 4 whole units for 4.99 tenge
        (99, 500, True, Status.INSUFFICIENT_FUNDS, 0, 0),
        (100, 500, True, Status.OK, 100, 100),
        (500, 401, False, Status.OK, 401, 500),  # the fifth unit is begun
    ],
)
async def test_a_reserve_grants_what_money_affords(
    ledger: Ledger,
    open_account: Open,
    send: Send,
    clock: ManualClock,
    main: int,
    asked: int,
    partial: bool,
    status: Status,
    granted: int,
    main_held: int,
) -> None:
    account = await open_account(main)
    outcome = await Session(send, account, clock).start(traffic(asked), partial=partial)
    assert (outcome.status, outcome.granted_quantity) == (status, granted)
    assert outcome.hold_id == ("session" if granted else None)
    assert (await held(ledger, account)).get(MAIN, 0) == main_held


@pytest.mark.clause("PSC-2.12")
async def test_a_reserve_takes_allowances_first_and_then_money(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000, data(250, clock.now()), bonus(120, clock.now()))
    outcome = await Session(send, account, clock).start(traffic(550))
    assert outcome.granted_quantity == 550
    # 250 bytes of the allowance; 300 bytes are 3 units, 300 tiyn: 120 bonus and 180 main
    assert await held(ledger, account) == {"data.any": 250, "bonus": 120, MAIN: 180}


async def test_a_partial_reserve_ends_with_whole_units(open_account: Open, send: Send, clock: ManualClock) -> None:
    account = await open_account(250, data(30, clock.now()))
    outcome = await Session(send, account, clock).start(traffic(1_000), partial=True)
    assert outcome.granted_quantity == 30 + 200


async def test_a_fixed_sum_is_held_before_the_units(open_account: Open, send: Send, clock: ManualClock) -> None:
    account = await open_account(250)
    outcome = await Session(send, account, clock).start(traffic(1_000, fixed=60), partial=True)
    assert outcome.granted_quantity == 100  # 2.50 less 0.60 affords one unit
    poor = await open_account(59)
    assert (await Session(send, poor, clock).start(traffic(1, fixed=60), partial=True)).granted_quantity == 0


async def test_a_use_charges_what_was_used_and_returns_the_rest(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000)
    session = Session(send, account, clock)
    await session.start(traffic(800))
    outcome = await session.use(traffic(301))
    assert (outcome.cost_tiyn, outcome.main_after, outcome.hold_id) == (400, 600, None)
    assert await held(ledger, account) == {}


@pytest.mark.clause("PSC-2.12")
async def test_a_new_grant_replaces_the_old_one(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000)
    session = Session(send, account, clock)
    await session.start(traffic(800))
    # of 1000: 200 used, 800 left; a second 800 fits only because the first 800 are given back
    outcome = await session.use(traffic(200), traffic(800))
    assert (outcome.granted_quantity, outcome.main_after) == (800, 800)
    assert await held(ledger, account) == {MAIN: 800}


async def test_the_next_portion_may_be_smaller_or_none(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000)
    session = Session(send, account, clock)
    await session.start(traffic(800))
    smaller = await session.use(traffic(750), traffic(800))
    assert (smaller.status, smaller.granted_quantity, smaller.main_after) == (Status.OK, 200, 200)
    none = await session.use(traffic(150), traffic(800))
    assert (none.status, none.granted_quantity, none.hold_id, none.main_after) == (Status.OK, 0, None, 0)
    assert await held(ledger, account) == {}


async def test_a_next_portion_that_may_not_be_partial_is_whole_or_none(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000)
    session = Session(send, account, clock)
    await session.start(traffic(800))
    outcome = await session.use(traffic(300), traffic(800), partial=False)
    assert (outcome.status, outcome.granted_quantity) == (Status.OK, 0)


@pytest.mark.clause("PSC-3.2.5")
async def test_use_beyond_the_hold_takes_what_is_there_and_forces_the_rest_onto_the_main_balance(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(500, data(100, clock.now()))
    session = Session(send, account, clock)
    await session.start(traffic(300))
    # 900 used: 100 from the allowance, 800 bytes are 800 tiyn: 500 there, 300 forced
    outcome = await session.use(traffic(900), traffic(100))
    assert (outcome.cost_tiyn, outcome.forced_tiyn, outcome.main_after) == (800, 300, -300)
    assert (outcome.status, outcome.granted_quantity) == (Status.OK, 0)


async def test_usage_is_charged_even_if_its_hold_is_gone(open_account: Open, send: Send, clock: ManualClock) -> None:
    account = await open_account(500)
    session = Session(send, account, clock)
    await session.start(traffic(100))
    await send(release(account, "swept", hold_id="session"))
    outcome = await session.use(traffic(200), traffic(100))
    assert (outcome.status, outcome.cost_tiyn, outcome.granted_quantity, outcome.main_after) == (
        Status.OK,
        200,
        100,
        300,
    )


async def test_the_buckets_of_a_hold_pay_even_if_they_ended_meanwhile(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000, data(600, clock.now(), 1))
    session = Session(send, account, clock)
    await session.start(traffic(400))
    clock.advance(timedelta(days=2))
    await send(expire(account, "expire"))
    view = await ledger.balances(account)
    assert [(bucket.balance, bucket.held) for bucket in view.buckets] == [(1000, 0), (400, 400)]
    # 500 used: the 400 that were held, and 100 bytes of money; the ended bucket gives no more than it held
    outcome = await session.use(traffic(500))
    assert {line.code: line.amount for line in outcome.charged} == {"data.any": 400, MAIN: 100}
    await send(expire(account, "expire again"))
    assert len((await ledger.balances(account)).buckets) == 1


async def test_several_holds_of_an_account_do_not_mix(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000, data(250, clock.now()))
    first, second = (Session(send, account, clock, name) for name in ("voice", "data"))
    await first.start(traffic(200))
    await second.start(traffic(150))  # 50 of the allowance, 100 tiyn
    assert await held(ledger, account) == {"data.any": 250, MAIN: 100}
    await first.use(traffic(0))
    assert await held(ledger, account) == {"data.any": 50, MAIN: 100}
    outcome = await second.use(traffic(150))
    assert outcome.charged[0].amount == 150
    assert await held(ledger, account) == {}


async def test_a_second_reserve_under_the_same_hold_is_refused(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000)
    session = Session(send, account, clock)
    await session.start(traffic(100))
    assert (await session.start(traffic(100))).status is Status.HOLD_EXISTS


async def test_release_gives_everything_back(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000, data(250, clock.now()))
    await Session(send, account, clock).start(traffic(300))
    outcome = await send(release(account, "r", hold_id="session"))
    assert (outcome.status, outcome.charged) == (Status.OK, ())
    assert await held(ledger, account) == {}
    again = await send(release(account, "r2", hold_id="session"))
    assert again.status is Status.UNKNOWN_HOLD


async def test_what_is_free_of_charge_can_be_reserved_without_money(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(0)
    free = Charge(Unit.SECONDS, 60, (), 60, 0)
    session = Session(send, account, clock)
    assert (await session.start(free)).granted_quantity == 60
    assert (await session.use(free)).status is Status.OK


async def test_a_limit_check_sees_holds(open_account: Open, send: Send, clock: ManualClock) -> None:
    """Wound: holds ignored by a limit check."""
    account = await open_account(1000, credit_limit=200)
    await Session(send, account, clock).start(traffic(800))
    refused = await send(debit(account, "d1", sum_charge(401), contra="revenue.sms"))
    assert refused.status is Status.INSUFFICIENT_FUNDS
    taken = await send(debit(account, "d2", sum_charge(400), contra="revenue.sms"))
    assert taken.status is Status.OK  # 1000 - 800 held + 200 limit


async def test_a_session_goes_on_after_a_top_up(open_account: Open, send: Send, clock: ManualClock) -> None:
    """Wound: a session that stays blocked after a top-up."""
    account = await open_account(100)
    session = Session(send, account, clock)
    await session.start(traffic(100))
    empty = await session.use(traffic(100), traffic(100))
    assert (empty.granted_quantity, empty.main_after) == (0, 0)
    await send(credit(account, "card", 500, contra="cash.card"))
    again = await session.use(traffic(0), traffic(300))
    assert again.granted_quantity == 300


async def test_the_sweeper_returns_orphaned_holds_and_only_those(
    ledger: Ledger, open_account: Open, send: Send, clock: ManualClock, database: Database
) -> None:
    """Wound: an orphaned hold."""
    account = await open_account(1000)
    await Session(send, account, clock, "orphan").start(traffic(100))
    clock.advance(timedelta(minutes=5, microseconds=-1))
    await Session(send, account, clock, "alive").start(traffic(200))
    await ledger.sweep_holds(clock.now())
    assert await held(ledger, account) == {MAIN: 300}
    clock.advance(timedelta(microseconds=1))
    assert await ledger.sweep_holds(clock.now()) >= 1
    assert await held(ledger, account) == {MAIN: 200}
    rows = await database.fetch("select hold_id from ledger.hold where account_id = $1", account.account_id)
    assert [row["hold_id"] for row in rows] == ["alive"]


async def test_the_sweeper_leaves_a_hold_that_was_prolonged_meanwhile(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(1000)
    session = Session(send, account, clock)
    await session.start(traffic(100))
    clock.advance(timedelta(minutes=5))
    await session.use(traffic(50), traffic(100))
    outcome = await send(release(account, "sweep", hold_id="session", if_due=True))
    assert outcome.status is Status.NOT_DUE
