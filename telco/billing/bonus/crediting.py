"""What months earned is credited once they are over, and taken back where an operation that earned it was reversed.

A member's months are worth their sums after the caps; what was credited is compared with that, all months together.
The difference is granted as one bucket with the programme's validity, or taken back from what bonuses there are; what
is not there any more is set off against what is earned next.

Contract: PSC-3.1.9, PSC-6.5
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from telco.billing.bonus import rules, store
from telco.billing.bonus.desk import BonusDesk
from telco.billing.bonus.earning import Earning
from telco.billing.bonus.errors import BonusRefusedError
from telco.billing.bonus.model import COST, CreditRun, Member, MemberId, MonthRule
from telco.catalog.bonus import BONUS, BonusProgramme
from telco.db.pool import Connection
from telco.kernel.calendar import add_months
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.kernel.units import Unit
from telco.ledger import model as ledger_model
from telco.ledger.model import BucketSpec, Op, Status

BATCH = 1_000
"""Members whose changed months one transaction looks at."""
SHARDS_AT_ONCE = 4
"""Each holds a connection."""


class Crediting:
    """Credits what finished months earned."""

    def __init__(self, desk: BonusDesk, earning: Earning) -> None:
        self._desk = desk
        self._earning = earning

    async def run(self) -> CreditRun:
        """Credit every member whose finished months changed; bounded batches, each its own transaction.

        A month is finished when the day after its last is the first that may still get operations, so run it after
        `Earning.run`.
        """
        if not self._desk.catalogue().bonus:
            return CreditRun()
        before = self._earning.unfinished_day().replace(day=1)
        async with self._desk.database.acquire() as conn:
            shards = [shard for shard, _ in await store.shards(conn)]
        at_once = asyncio.Semaphore(SHARDS_AT_ONCE)

        async def credit(shard: int) -> CreditRun:
            async with at_once:
                return await self._credit_shard(shard, before)

        return sum(await asyncio.gather(*map(credit, shards)), CreditRun())

    async def _credit_shard(self, shard: int, before: date) -> CreditRun:
        total, place = CreditRun(), store.START
        while True:

            async def body(conn: Connection, place: store.Place = place) -> tuple[CreditRun, store.Place] | None:
                return await self._run_batch(conn, shard, before, place)

            done = await self._desk.database.transact("bonus.credit", body)
            if done is None:
                return total
            batch, place = done
            total += batch

    async def _run_batch(
        self, conn: Connection, shard: int, before: date, place: store.Place
    ) -> tuple[CreditRun, store.Place] | None:
        found = await store.lock_changed(conn, shard, before, place, BATCH)
        if found is None:
            return None
        locked, reached = found
        if not locked:  # another run has them
            return CreditRun(), reached
        members = {member.member_id: member for member in locked}
        months = await store.lock_months(conn, shard, locked, before)
        staying = {key: found for key, found in months.items() if members[key[0]].left_at is None}
        dues = {(member_id, month): self._due(month, found) for (member_id, month), found in staying.items()}
        growth = await store.set_month_due(conn, members, dues)
        return await self._move(conn, members, growth), reached

    def _due(self, month: date, found: Sequence[MonthRule]) -> Tiyn:
        last_moment = self._desk.calendar.start_of_day(add_months(month, 1)) - timedelta(microseconds=1)
        programmes = self._desk.catalogue().bonus
        programme = programmes.at(last_moment) or programmes[0]
        caps = {rule.code: rule.month_cap for rule in programme.earn}
        return rules.month_due(found, caps, programme.month_cap)

    async def _move(
        self, conn: Connection, members: Mapping[MemberId, Member], growth: Mapping[MemberId, int]
    ) -> CreditRun:
        programme, now = self._terms(), self._desk.clock.now()
        wanted: list[tuple[Member, Tiyn, int]] = []
        for member_id, grown in growth.items():
            member = members[member_id]
            due = Tiyn(member.due + grown)
            wanted.append((member, due, rules.to_move(due, member.credited, programme.least)))
        available = await self._available(conn, [member for member, _, amount in wanted if amount < 0])
        moves = [
            (member, due, amount if amount >= 0 else -min(-amount, available[member.account]))
            for member, due, amount in wanted
        ]
        ops = [self._operation(member, amount, programme) for member, _, amount in moves if amount]
        for outcome in await self._desk.ledger.apply(conn, ops):
            if outcome.status is not Status.OK:
                raise BonusRefusedError(operation=outcome.op_id, why=outcome.status.name.lower())
        await store.add_credits(
            conn,
            [
                (member.account.shard, member.member_id, member.credits + 1, amount, _op_id(member))
                for member, _, amount in moves
                if amount
            ],
            now,
        )
        await store.settle_members(
            conn,
            [
                (member.member_id, due, Tiyn(member.credited + amount), member.credits + (amount != 0))
                for member, due, amount in moves
            ],
        )
        return CreditRun(
            len(moves),
            sum(amount for _, _, amount in moves if amount > 0),
            -sum(amount for _, _, amount in moves if amount < 0),
        )

    def _terms(self) -> BonusProgramme:
        programmes = self._desk.catalogue().bonus
        return programmes.at(self._desk.clock.now()) or programmes[0]

    async def _available(self, conn: Connection, members: Sequence[Member]) -> dict[AccountRef, int]:
        """The bonuses that something can be taken back from."""
        if not members:
            return {}
        views = await self._desk.ledger.balances_many([member.account for member in members], conn)
        return {
            account: sum(bucket.available for bucket in view.buckets if bucket.code == BONUS)
            for account, view in views.items()
        }

    def _operation(self, member: Member, amount: int, programme: BonusProgramme) -> Op:
        now = self._desk.clock.now()
        if amount < 0:
            charge = ledger_model.sum_charge(-amount, money=(BONUS,))
            details: dict[str, object] = {"label": "bonus.taken_back"}
            return ledger_model.debit(member.account, _op_id(member), charge, contra=COST, details=details)
        return bonus_grant(
            member, _op_id(member), amount, programme, programme.lasts.end(now), now, {"label": "bonus.earned"}
        )


def bonus_grant(
    member: Member,
    op_id: str,
    amount: int,
    programme: BonusProgramme,
    until: datetime,
    now: datetime,
    details: Mapping[str, object],
) -> Op:
    """The operation that gives a member bonuses to spend until a moment."""
    spec = BucketSpec(BONUS, Unit.MONEY, amount, programme.priority, now, until, member.origin)
    return ledger_model.grant(member.account, op_id, (spec,), contra=COST, details=details)


def _op_id(member: Member) -> str:
    return f"{member.origin}:credit:{member.credits + 1}"
