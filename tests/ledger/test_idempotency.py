"""The same request is answered as the first time; a different one under its id is refused and named."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from telco.db.pool import Connection, Database
from telco.kernel.clock import ManualClock
from telco.kernel.units import Unit
from telco.ledger.model import (
    MAIN,
    BucketSpec,
    Charge,
    Op,
    Status,
    credit,
    debit,
    grant,
    purchase,
    release,
    reserve,
    reverse,
    sum_charge,
    use,
)
from telco.ledger.service import Ledger
from tests.ledger.conftest import Open, Send, bonus, data

CALL = Charge(Unit.SECONDS, 90, ("voice.any",), 60, 1_000_000_000)


async def test_a_retried_debit_is_taken_once(ledger: Ledger, open_account: Open, send: Send) -> None:
    """Wound: a double debit when a request is retried."""
    account = await open_account(1000)
    op = debit(account, "sms:1", sum_charge(300), contra="revenue.sms", details={"to": "77010000000"})
    first = await send(op)
    again = await send(op)
    assert again == first._replace(replayed=True)
    assert (await ledger.balances(account)).main == 700


async def test_a_debit_sent_many_times_at_once_is_taken_once(ledger: Ledger, open_account: Open) -> None:
    account = await open_account(1000)
    op = debit(account, "sms:1", sum_charge(300), contra="revenue.sms")
    outcomes = await asyncio.gather(*(ledger.submit(op) for _ in range(20)))
    assert [outcome.replayed for outcome in outcomes].count(False) == 1
    assert {outcome._replace(replayed=False) for outcome in outcomes} == {outcomes[0]._replace(replayed=False)}
    assert (await ledger.balances(account)).main == 700


async def test_ids_belong_to_their_account(ledger: Ledger, open_account: Open, send: Send) -> None:
    first, second = await open_account(100), await open_account(100)
    for account in (first, second):
        outcome = await send(debit(account, "same id", sum_charge(30), contra="revenue.sms"))
        assert (outcome.status, outcome.replayed) == (Status.OK, False)


async def test_a_refusal_is_remembered(open_account: Open, send: Send) -> None:
    account = await open_account(100)
    op = debit(account, "d", sum_charge(101), contra="revenue.sms")
    assert (await send(op)).status is Status.INSUFFICIENT_FUNDS
    await send(credit(account, "card", 1000, contra="cash.card"))
    again = await send(op)
    assert (again.status, again.replayed) == (Status.INSUFFICIENT_FUNDS, True)
    # a failed id does not poison the corrected request under a new one
    assert (await send(op._replace(op_id="d2"))).status is Status.OK


async def test_every_kind_answers_again_as_the_first_time(open_account: Open, send: Send, clock: ManualClock) -> None:
    now = clock.now()
    account = await open_account(5_000, data(700, now), bonus(100, now))
    traffic = Charge(Unit.BYTES, 900, ("data.any",), 100, 100_000_000)
    deadline = now + timedelta(minutes=5)
    ops = [
        debit(account, "debit", traffic, contra="revenue.data"),
        reserve(account, "reserve", CALL, hold_id="h", hold_deadline=deadline, contra="revenue.voice"),
        use(account, "use", CALL, hold_id="h", reserve=CALL, hold_deadline=deadline, contra="revenue.voice"),
        release(account, "release", hold_id="h"),
        purchase(account, "buy", sum_charge(100), grants=(data(5, now),), contra="revenue.pack"),
        grant(account, "grant", (bonus(7, now),), contra="bonus.cost"),
        credit(account, "credit", 77, contra="cash.card"),
        reverse(account, "reverse", target="debit"),
        reverse(account, "reverse again", target="debit"),
        release(account, "release again", hold_id="h"),
    ]
    first = [await send(op) for op in ops]
    assert [outcome.status for outcome in first[-2:]] == [Status.ALREADY_REVERSED, Status.UNKNOWN_HOLD]
    again = [await send(op) for op in ops]
    assert again == [outcome._replace(replayed=True) for outcome in first]


async def test_moments_do_not_make_a_request_another_one(open_account: Open, send: Send, clock: ManualClock) -> None:
    """A caller that retries a minute later computes its deadlines and validities anew."""
    account = await open_account(10_000)

    def requests() -> list[Op]:
        now = clock.now()
        deadline = now + timedelta(minutes=5)
        return [
            reserve(account, "r", CALL, hold_id="h", hold_deadline=deadline, contra="revenue.voice"),
            purchase(account, "p", sum_charge(10), grants=(data(5, now),), contra="revenue.pack"),
        ]

    first = [await send(op) for op in requests()]
    clock.advance(timedelta(minutes=1))
    assert [await send(op) for op in requests()] == [outcome._replace(replayed=True) for outcome in first]


def _specs(clock: ManualClock, amount: int = 5) -> tuple[BucketSpec, ...]:
    return (data(amount, clock.now()),)


DEBIT_CHANGES = [
    ("contra", {"contra": "revenue.mms"}),
    ("charge.quantity", {"charge": CALL._replace(quantity=91)}),
    ("charge.terms", {"charge": CALL._replace(price_micro=1)}),
    ("charge.terms", {"charge": CALL._replace(money=(MAIN,))}),
    ("charge.terms", {"charge": CALL._replace(allowances=())}),
    ("charge.fixed_tiyn", {"charge": CALL._replace(fixed_tiyn=1)}),
    ("forced", {"forced": True}),
    ("details", {"details": {"to": "77020000000"}}),
    ("contra", {"contra": "revenue.mms", "charge": CALL._replace(quantity=91)}),  # the first that differs
]


@pytest.mark.parametrize(("field", "change"), DEBIT_CHANGES)
async def test_another_request_under_a_used_id_is_refused_and_the_field_named(
    ledger: Ledger, open_account: Open, send: Send, field: str, change: dict[str, object]
) -> None:
    account = await open_account(10_000)
    op = debit(account, "d", CALL, contra="revenue.voice", details={"to": "77010000000"})
    await send(op)
    balance = (await ledger.balances(account)).main
    outcome = await send(op._replace(**change))  # type: ignore[arg-type]
    assert (outcome.status, outcome.conflict_field, outcome.replayed) == (Status.CONFLICT, field, False)
    assert (await ledger.balances(account)).main == balance


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("reserve.quantity", {"reserve": CALL._replace(quantity=1)}),
        ("reserve.terms", {"reserve": CALL._replace(rating_unit=1)}),
        ("reserve.fixed_tiyn", {"reserve": CALL._replace(fixed_tiyn=5)}),
        ("hold_id", {"hold_id": "other"}),
        ("partial", {"partial": True}),
    ],
)
async def test_another_reserve_under_a_used_id_is_refused_and_the_field_named(
    open_account: Open, send: Send, clock: ManualClock, field: str, change: dict[str, object]
) -> None:
    account = await open_account(10_000)
    op = reserve(account, "r", CALL, hold_id="h", hold_deadline=clock.now(), contra="revenue.voice")
    await send(op)
    outcome = await send(op._replace(**change))  # type: ignore[arg-type]
    assert (outcome.status, outcome.conflict_field) == (Status.CONFLICT, field)


async def test_another_kind_grant_or_target_is_refused_and_named(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    account = await open_account(10_000)
    bought = purchase(account, "p", sum_charge(10), grants=_specs(clock), contra="revenue.pack")
    await send(bought)
    for field, other in (
        ("kind", debit(account, "p", sum_charge(10), contra="revenue.pack")),
        ("grant_contra", bought._replace(grant_contra="gifts")),
        ("grants", bought._replace(grants=_specs(clock, 6))),
        ("grants", bought._replace(grants=())),
    ):
        outcome = await send(other)
        assert (outcome.status, outcome.conflict_field) == (Status.CONFLICT, field)
    await send(reverse(account, "v", target="p"))
    outcome = await send(reverse(account, "v", target="opening"))
    assert (outcome.status, outcome.conflict_field) == (Status.CONFLICT, "target")


async def test_a_repeated_id_is_answered_before_the_account_is_looked_at(
    open_account: Open, send: Send, clock: ManualClock
) -> None:
    """Precedence: a conflict is told even where the hold is unknown and the money short."""
    account = await open_account(10)
    await send(release(account, "x", hold_id="nothing"))
    outcome = await send(debit(account, "x", sum_charge(1_000), contra="revenue.sms"))
    assert (outcome.status, outcome.conflict_field) == (Status.CONFLICT, "kind")


async def test_the_record_and_the_effect_are_one_write(ledger: Ledger, open_account: Open, database: Database) -> None:
    """Wound: deduplication claimed before the write was durable."""
    account = await open_account(1000)
    op = debit(account, "d", sum_charge(300), contra="revenue.sms")

    class PowerCutError(Exception):
        pass

    async def cut_short(connection: Connection) -> None:
        await ledger.apply(connection, [op])
        raise PowerCutError

    with pytest.raises(PowerCutError):
        await database.transact("test.cut", cut_short)
    outcome = await ledger.submit(op)
    assert (outcome.status, outcome.replayed, outcome.main_after) == (Status.OK, False, 700)


async def test_journal_rows_are_never_changed(ledger: Ledger, open_account: Open, database: Database) -> None:
    await open_account(1000)
    for change in (
        "update ledger.operation set cost = 0",
        "delete from ledger.operation",
        "truncate ledger.operation",
    ):
        with pytest.raises(Exception, match="append-only"):
            await database.fetch(change)
