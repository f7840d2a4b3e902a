"""Gifts of the programme: on birthdays, for full terms with the operator, on days; each once an occasion.

What was missed while the service was down is given within a week of its day.

Contract: PSC-3.1.9
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta

from telco.billing.bonus import rules, store
from telco.billing.bonus.crediting import bonus_grant
from telco.billing.bonus.desk import BonusDesk
from telco.billing.bonus.errors import BonusRefusedError
from telco.billing.bonus.model import Member
from telco.billing.bonus.store import Q
from telco.catalog.bonus import BonusProgramme, Gift, GiftKind
from telco.db.pool import Connection, Record
from telco.ledger.model import Status

BATCH = 400
LATE_DAYS = 7
"""How many days, with its own, a gift can still be given."""

Finder = Callable[[Connection, int], Awaitable[list[Record]]]
"""Locks members who are to have a gift, from beyond an id."""


class Gifts:
    """Gives gifts that are due."""

    def __init__(self, desk: BonusDesk) -> None:
        self._desk = desk

    async def run(self) -> int:
        """Give every gift that is due and return how many."""
        now = self._desk.clock.now()
        programme = self._desk.catalogue().bonus_at(now)
        if programme is None:
            return 0
        given = 0
        for gift in programme.gifts:
            for occasion, find in self._occasions(programme, gift, self._desk.calendar.today(now)):
                given += await self._give(programme, gift, occasion, find)
        return given

    def _occasions(self, programme: BonusProgramme, gift: Gift, today: date) -> list[tuple[str, Finder]]:
        first = max(today - timedelta(days=LATE_DAYS - 1), self._desk.calendar.today(programme.effective_from))
        match gift.kind:
            case GiftKind.BIRTHDAY:
                return _birthdays(gift, first, today)
            case GiftKind.TENURE:
                return [(f"{gift.months} months", _tenure(gift, first, today))]
            case GiftKind.DAY:
                assert gift.on is not None  # checked when it was published
                return [(gift.on.isoformat(), _day(gift, gift.on))] if first <= gift.on <= today else []

    async def _give(self, programme: BonusProgramme, gift: Gift, occasion: str, find: Finder) -> int:
        given, after = 0, 0
        while True:

            async def body(conn: Connection, after: int = after) -> tuple[int, int]:
                found = [store.member_of(row) for row in await find(conn, after)]
                if not found:
                    return 0, 0
                return await self._give_batch(conn, programme, gift, occasion, found), found[-1].member_id

            done, after = await self._desk.database.transact("bonus.gifts", body)
            given += done
            if after == 0:
                return given

    async def _give_batch(
        self, conn: Connection, programme: BonusProgramme, gift: Gift, occasion: str, found: Sequence[Member]
    ) -> int:
        now = self._desk.clock.now()
        op_ids = {member.member_id: f"{member.origin}:gift:{gift.code}:{occasion}" for member in found}
        pairs = [(member, op_ids[member.member_id]) for member in found]
        new = await store.add_gifts(conn, gift.code, occasion, gift.amount, now, pairs)
        until = gift.lasts.end(now)
        details = {"label": "bonus.gift", "gift": gift.code}
        ops = [
            bonus_grant(member, op_id, gift.amount, programme, until, now, details)
            for member, op_id in pairs
            if member.member_id in new
        ]
        for outcome in await self._desk.ledger.apply(conn, ops):
            if outcome.status is not Status.OK:
                raise BonusRefusedError(operation=outcome.op_id, why=outcome.status.name.lower())
        return len(ops)


def _birthdays(gift: Gift, first: date, today: date) -> list[tuple[str, Finder]]:
    """Birthdays of the last days; the occasion is the year in which the birthday was."""
    by_year: dict[int, list[int]] = {}
    for number in range((today - first).days + 1):
        day = first + timedelta(days=number)
        by_year.setdefault(day.year, []).extend(rules.birthdays_on(day))

    def finder(year: int, birthdays: list[int]) -> Finder:
        async def find(conn: Connection, after: int) -> list[Record]:
            return await conn.fetch(
                Q.birthday_members, birthdays, after, gift.months, today, gift.code, str(year), BATCH
            )

        return find

    return [(str(year), finder(year, birthdays)) for year, birthdays in by_year.items()]


def _tenure(gift: Gift, first: date, today: date) -> Finder:
    async def find(conn: Connection, after: int) -> list[Record]:
        occasion = f"{gift.months} months"
        return await conn.fetch(Q.tenure_members, after, gift.months, first, today, gift.code, occasion, BATCH)

    return find


def _day(gift: Gift, on: date) -> Finder:
    async def find(conn: Connection, after: int) -> list[Record]:
        return await conn.fetch(Q.day_members, after, gift.months, on, gift.code, on.isoformat(), BATCH)

    return find
