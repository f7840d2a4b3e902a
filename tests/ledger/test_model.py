"""Hypothesis drives the ledger and a plain Python model of it; the auditor looks after every step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Connection, Database
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountRef
from telco.kernel.units import Unit
from telco.ledger import model as operations
from telco.ledger.audit import audit
from telco.ledger.model import BucketSpec, Charge, Op, Status, sum_charge
from telco.ledger.service import Ledger
from tests.databases import cloned_for_many
from tests.ledger.reference import Account

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
ACCOUNTS = 3
EMPTY = """
alter table ledger.operation disable trigger user;
truncate ledger.operation, ledger.bucket, ledger.closed_bucket, kernel.outbox;
alter table ledger.operation enable trigger user;
"""

numbers = st.integers(0, ACCOUNTS - 1)
amounts = st.integers(0, 60)
money = st.sampled_from([operations.DEFAULT_MONEY, ("main",), ("bonus",), ("bonus", "main")])
charges = st.one_of(
    st.builds(lambda amount, money: sum_charge(amount, money=money), amounts, money),
    st.builds(
        Charge,
        st.sampled_from([Unit.BYTES, Unit.SECONDS]),
        amounts,
        st.sampled_from([(), ("any",), ("night",), ("any", "night")]),
        st.sampled_from([1, 7, 10]),
        st.sampled_from([0, 400_000, 500_000, 1_000_000, 3_300_000]),
        money,
        st.sampled_from([0, 0, 0, 5]),
    ),
)
portions = charges.filter(lambda charge: charge.quantity > 0)
holds = st.sampled_from(["h1", "h2"])


@st.composite
def buckets(draw: st.DrawFn) -> tuple[str, Unit, int, int, int, int | None]:
    """Code, unit, amount, priority, hours until valid, hours of validity."""
    unit = draw(st.sampled_from([Unit.MONEY, Unit.BYTES, Unit.SECONDS]))
    codes = ["bonus", "main"] if unit is Unit.MONEY else ["any", "night"]
    return (
        draw(st.sampled_from(codes)),
        unit,
        draw(st.integers(1, 60)),
        draw(st.sampled_from([5, 10, 200])),
        draw(st.sampled_from([0, 0, 0, 3])),
        draw(st.sampled_from([None, 1, 5, 24])),
    )


class LedgerMachine(RuleBasedStateMachine):
    """Three accounts: everything that can be asked of them, in any order."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock(START)
        self.accounts: list[AccountRef] = []
        self.models: list[Account] = []
        self.sent: list[tuple[int, Op]] = []
        self.count = 0
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.database = await Database.connect(self.url, min_size=1, max_size=2)
        self.ledger = Ledger(self.database, self.clock)
        async with self.database.acquire() as connection:
            await connection.execute(EMPTY)
            for number in range(ACCOUNTS):
                low_mark = 30 if number == 0 else None
                self.accounts.append(await self.ledger.open_account(connection, low_mark=low_mark))
                self.models.append(Account(START, low_mark))

    def teardown(self) -> None:
        async def close() -> None:
            await self.ledger.stop()
            await self.database.close()

        self.runner.run(close())
        self.runner.close()

    def name(self) -> str:
        self.count += 1
        return f"op{self.count}"

    def send(self, number: int, op: Op, *, in_transaction: bool = False) -> None:
        """Ask both and compare."""

        async def ask() -> operations.Outcome:
            if not in_transaction:
                return await self.ledger.submit(op)

            async def body(connection: Connection) -> operations.Outcome:
                [outcome] = await self.ledger.apply(connection, [op])
                return outcome

            return await self.database.transact("test", body)

        outcome = self.runner.run(ask())
        expected = self.models[number].answer(op, self.clock.now())
        assert outcome._replace(conflict_field=None) == expected, op
        assert (outcome.conflict_field is not None) == (outcome.status is Status.CONFLICT)
        self.sent.append((number, op))

    @rule(number=numbers, charge=charges, forced=st.booleans(), in_transaction=st.booleans())
    def debit(self, number: int, charge: Charge, forced: bool, in_transaction: bool) -> None:
        op = operations.debit(self.accounts[number], self.name(), charge, contra="revenue", forced=forced)
        self.send(number, op, in_transaction=in_transaction)

    @rule(number=numbers, amount=st.integers(1, 100))
    def credit(self, number: int, amount: int) -> None:
        self.send(number, operations.credit(self.accounts[number], self.name(), amount, contra="cash"))

    @rule(
        number=numbers,
        charge=portions,
        hold=holds,
        minutes=st.integers(0, 90),
        flags=st.tuples(st.booleans(), st.booleans()),
    )
    def reserve(self, number: int, charge: Charge, hold: str, minutes: int, flags: tuple[bool, bool]) -> None:
        op = operations.reserve(
            self.accounts[number],
            self.name(),
            charge,
            hold_id=hold,
            hold_deadline=self.clock.now() + timedelta(minutes=minutes),
            contra="revenue",
            partial=flags[0],
            forced=flags[1],
        )
        self.send(number, op)

    @rule(
        number=numbers, charge=charges, more=st.none() | portions, hold=holds, partial=st.booleans(), tx=st.booleans()
    )
    def use(self, number: int, charge: Charge, more: Charge | None, hold: str, partial: bool, tx: bool) -> None:
        op = operations.use(
            self.accounts[number],
            self.name(),
            charge,
            hold_id=hold,
            reserve=more,
            hold_deadline=self.clock.now() + timedelta(hours=1),
            contra="revenue",
            partial=partial,
        )
        self.send(number, op, in_transaction=tx)

    @rule(number=numbers, hold=holds, if_due=st.booleans())
    def release(self, number: int, hold: str, if_due: bool) -> None:
        self.send(number, operations.release(self.accounts[number], self.name(), hold_id=hold, if_due=if_due))

    def _specs(self, drawn: list[tuple[Any, ...]]) -> tuple[BucketSpec, ...]:
        now = self.clock.now()
        return tuple(
            BucketSpec(
                code,
                unit,
                amount,
                priority,
                now + timedelta(hours=start),
                None if hours is None else now + timedelta(hours=start + hours),
                f"pack{amount % 2}",
            )
            for code, unit, amount, priority, start, hours in drawn
        )

    @rule(number=numbers, drawn=st.lists(buckets(), min_size=1, max_size=3))
    def grant(self, number: int, drawn: list[tuple[Any, ...]]) -> None:
        self.send(number, operations.grant(self.accounts[number], self.name(), self._specs(drawn), contra="gifts"))

    @rule(number=numbers, charge=charges, drawn=st.lists(buckets(), max_size=2), forced=st.booleans())
    def purchase(self, number: int, charge: Charge, drawn: list[tuple[Any, ...]], forced: bool) -> None:
        grants = self._specs(drawn)
        op = operations.purchase(
            self.accounts[number], self.name(), charge, grants=grants, contra="revenue", forced=forced
        )
        self.send(number, op)

    @rule(number=numbers, limit=st.sampled_from([0, 20, 50]))
    def credit_limit(self, number: int, limit: int) -> None:
        self.send(number, operations.credit_limit(self.accounts[number], self.name(), limit))

    @rule(number=numbers)
    def expire(self, number: int) -> None:
        self.send(number, operations.expire(self.accounts[number], self.name()))

    @rule(number=numbers, origin=st.sampled_from(["pack0", "pack1"]))
    def drain(self, number: int, origin: str) -> None:
        self.send(number, operations.drain(self.accounts[number], self.name(), origin=origin, contra="gifts"))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), forced=st.booleans())
    def reverse(self, data: st.DataObject, forced: bool) -> None:
        number, target = data.draw(st.sampled_from(self.sent))
        self.send(number, operations.reverse(self.accounts[number], self.name(), target=target.op_id, forced=forced))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), changed=st.booleans(), in_transaction=st.booleans())
    def repeat(self, data: st.DataObject, changed: bool, in_transaction: bool) -> None:
        number, op = data.draw(st.sampled_from(self.sent[-10:]))
        again = op._replace(details={"changed": True}) if changed else op
        self.send(number, again, in_transaction=in_transaction)

    @rule(minutes=st.sampled_from([1, 59, 60, 300, 1440]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(timedelta(minutes=minutes))

    @invariant()
    def buckets_are_as_the_model_says(self) -> None:
        async def look() -> list[asyncpg.Record]:
            assert await audit(self.database) == []
            return await self.database.fetch("select * from ledger.bucket order by shard, account_id, bucket_no")

        rows: dict[int, list[tuple[Any, ...]]] = {account.account_id: [] for account in self.accounts}
        for row in self.runner.run(look()):
            rows[row["account_id"]].append((row["bucket_no"], row["code"], row["balance"], row["held"]))
        for account, known in zip(self.accounts, self.models, strict=True):
            expected = [(bucket.number, bucket.code, bucket.balance, bucket.held) for bucket in known.buckets.values()]
            assert rows[account.account_id] == sorted(expected)

    @invariant()
    def notices_are_as_the_model_says(self) -> None:
        rows = self.runner.run(self.database.fetch("select key, payload from kernel.outbox"))
        for account, known in zip(self.accounts, self.models, strict=True):
            told = [
                (row["payload"]["bucket_id"], row["payload"]["level"], row["payload"]["op_id"])
                for row in rows
                if row["key"] == f"account:{account}"
            ]
            assert sorted(told) == sorted(known.notices)


@pytest.fixture(scope="module")
def model_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    with cloned_for_many(postgres) as url:
        yield url


def test_the_ledger_does_what_the_model_does(model_url: str) -> None:
    profile = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )

    class Machine(LedgerMachine):
        url = model_url

    run_state_machine_as_test(Machine, settings=profile)
