"""SQL of the programme's own tables; takes a connection, never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from telco.billing.bonus.model import (
    CreditLine,
    GiftLine,
    Holder,
    LeaveGround,
    Member,
    MemberId,
    MonthEarned,
    MonthRule,
)
from telco.billing.bonus.rules import RuleRow
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn

Q = queries.load("telco.billing.bonus")
MOST_RULES = 50
"""More rules than a month can have; a statement of n months reads n times as many rows at most."""


def member_of(row: Record) -> Member:
    ground = row["left_ground"]
    return Member(
        member_id=MemberId(row["member_id"]),
        account=AccountRef(row["shard"], AccountId(row["account_id"])),
        joined_at=row["joined_at"],
        tenure_from=row["tenure_from"],
        birthday=row["birthday"],
        left_at=row["left_at"],
        left_ground=None if ground is None else LeaveGround(ground),
        zeroed_at=row["zeroed_at"],
        due=Tiyn(row["due_tiyn"]),
        credited=Tiyn(row["credited_tiyn"]),
        credits=row["credits"],
    )


# Membership


async def lock_account(conn: Connection, account: AccountRef) -> None:
    await conn.execute(Q.lock_account, account.shard, account.account_id)


async def numbers_of(conn: Connection, account: AccountRef) -> dict[SubscriberId, datetime]:
    """The numbers that hold an account in the programme, with the moment of their consent."""
    rows = await conn.fetch(Q.numbers_of, account.shard, account.account_id)
    return {SubscriberId(row["subscriber_id"]): row["consent_at"] for row in rows}


async def account_of_number(conn: Connection, subscriber_id: SubscriberId) -> AccountRef | None:
    row = await conn.fetchrow(Q.account_of_number, subscriber_id)
    return None if row is None else AccountRef(row["shard"], AccountId(row["account_id"]))


async def set_numbers(conn: Connection, account: AccountRef, holders: Collection[Holder]) -> None:
    """Write which numbers hold an account now."""
    await conn.execute(Q.forget_numbers, account.shard, account.account_id)
    if holders:
        ids = [holder.subscriber_id for holder in holders]
        await conn.execute(Q.add_numbers, *account, ids, [holder.consent_at for holder in holders])


async def lock_member(conn: Connection, account: AccountRef) -> Member | None:
    row = await conn.fetchrow(Q.lock_member, account.shard, account.account_id)
    return None if row is None else member_of(row)


async def member(conn: Connection, account: AccountRef) -> Member | None:
    row = await conn.fetchrow(Q.member, account.shard, account.account_id)
    return None if row is None else member_of(row)


async def add_member(
    conn: Connection, account: AccountRef, joined_at: datetime, tenure_from: date, birthday: int | None
) -> Member:
    row = await conn.fetchrow(Q.add_member, account.shard, account.account_id, joined_at, tenure_from, birthday)
    assert row is not None
    return member_of(row)


async def leave(conn: Connection, member_id: MemberId, at: datetime, ground: LeaveGround) -> Member:
    row = await conn.fetchrow(Q.leave, member_id, at, ground)
    assert row is not None
    return member_of(row)


# Earning


async def shards(conn: Connection) -> list[tuple[int, date]]:
    """The shards that have members, each with the day on which the first joined."""
    return [(row["shard"], row["first_day"]) for row in await conn.fetch(Q.shards)]


async def days_read(conn: Connection, shard: int, since: date) -> set[date]:
    return {row["day"] for row in await conn.fetch(Q.days_read, shard, since)}


async def claim_day(conn: Connection, shard: int, day: date, at: datetime) -> bool:
    """Say whether this transaction is the one that reads the day."""
    return await conn.fetchval(Q.claim_day, shard, day, at) is not None


async def read_day(
    conn: Connection, shard: int, day: date, start: datetime, end: datetime, rules: Sequence[RuleRow]
) -> int:
    """Write what a day's operations earned in a shard, instead of what an earlier reading wrote; returns how many."""
    await conn.execute(Q.unread_day, shard, day)
    await conn.execute(Q.unzero_reversed, shard, start, end)
    columns = [list(column) for column in zip(*rules, strict=True)] or [[] for _ in RuleRow._fields]
    earnings: int = await conn.fetchval(Q.read_day, shard, day, start, end, *columns)
    return earnings


async def purge_day(conn: Connection, shard: int, day: date) -> int:
    """Forget what a day's operations earned one by one, and return how many rows that were; months keep the sums."""
    earnings: int = await conn.fetchval(Q.purge_day, shard, day)
    return earnings


# Crediting


class Place(NamedTuple):
    """How far a run over changed months has come."""

    month: date
    member_id: int


START = Place(date.min, 0)


async def lock_changed(
    conn: Connection, shard: int, before: date, after: Place, limit: int
) -> tuple[list[Member], Place] | None:
    """Lock members of a shard whose months before a day changed, from beyond a place; None when there are no more."""
    rows = await conn.fetch(Q.changed_months, shard, before, *after, limit)
    if not rows:
        return None
    ids = {row["member_id"] for row in rows}
    locked = [member_of(row) for row in await conn.fetch(Q.lock_members, list(ids))]
    return locked, Place(*rows[-1])


async def lock_months(
    conn: Connection, shard: int, members: Collection[Member], before: date
) -> dict[tuple[MemberId, date], list[MonthRule]]:
    """Read and lock the changed months of a shard's members, and note that they were looked at."""
    ids = [member.member_id for member in members]
    months: dict[tuple[MemberId, date], list[MonthRule]] = {}
    for row in await conn.fetch(Q.lock_months, ids, shard, before):
        key = MemberId(row["member_id"]), row["month"]
        months.setdefault(key, []).append(MonthRule(row["rule"], row["earned_e4"]))
    await conn.execute(Q.months_looked_at, ids, shard, before)
    return months


async def set_month_due(
    conn: Connection, members: Mapping[MemberId, Member], dues: Mapping[tuple[MemberId, date], Tiyn]
) -> dict[MemberId, int]:
    """Write what months are worth and return by how much each member's sum changed."""
    rows = await conn.fetch(
        Q.set_month_due,
        [members[member_id].account.shard for member_id, _ in dues],
        [member_id for member_id, _ in dues],
        [month for _, month in dues],
        list(dues.values()),
    )
    return {MemberId(row["member_id"]): row["growth"] for row in rows}


async def settle_members(conn: Connection, settled: Sequence[tuple[MemberId, Tiyn, Tiyn, int]]) -> None:
    """Write what members' months are worth, what was credited, and how many credits that were."""
    if settled:
        await conn.execute(Q.settle_members, *(list(column) for column in zip(*settled, strict=True)))


async def add_credits(conn: Connection, added: Sequence[tuple[int, MemberId, int, int, str]], at: datetime) -> None:
    """Write credits: shard, member, number, amount, operation."""
    if added:
        await conn.execute(Q.add_credits, *(list(column) for column in zip(*added, strict=True)), at)


# Gifts


async def add_gifts(
    conn: Connection, gift: str, occasion: str, amount: Tiyn, at: datetime, given: Sequence[tuple[Member, str]]
) -> set[MemberId]:
    """Write gifts with their operations; returns the members for whom they are new."""
    rows = await conn.fetch(
        Q.add_gifts,
        gift,
        occasion,
        amount,
        at,
        [member.account.shard for member, _ in given],
        [member.account.account_id for member, _ in given],
        [member.member_id for member, _ in given],
        [op_id for _, op_id in given],
    )
    return {MemberId(row["member_id"]) for row in rows}


# Statements


async def months_of(conn: Connection, member: Member, count: int) -> tuple[MonthEarned, ...]:
    """What a member's latest months earned, the newest first."""
    rows = await conn.fetch(Q.months_of, member.account.shard, member.member_id, count * MOST_RULES)
    months: dict[date, list[MonthRule]] = {}
    dues: dict[date, Tiyn | None] = {}
    for row in rows:
        months.setdefault(row["month"], []).append(MonthRule(row["rule"], row["earned_e4"]))
        dues[row["month"]] = None if row["due_tiyn"] is None else Tiyn(row["due_tiyn"])
    return tuple(MonthEarned(month, tuple(rules), dues[month]) for month, rules in list(months.items())[:count])


async def credits_of(conn: Connection, member: Member, limit: int) -> tuple[CreditLine, ...]:
    rows = await conn.fetch(Q.credits_of, member.account.shard, member.member_id, limit)
    return tuple(CreditLine(row["at"], Tiyn(row["amount_tiyn"]), row["op_id"]) for row in rows)


async def gifts_of(conn: Connection, account: AccountRef, limit: int) -> tuple[GiftLine, ...]:
    rows = await conn.fetch(Q.gifts_of, account.shard, account.account_id, limit)
    return tuple(
        GiftLine(row["at"], row["gift"], row["occasion"], Tiyn(row["amount_tiyn"]), row["op_id"]) for row in rows
    )
