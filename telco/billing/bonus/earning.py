"""Bonuses are earned by the day: one statement a day and shard reads what was charged and says what that earned.

A day is read once it is over, as a whole: reading it again replaces what it gave. So a run may be killed anywhere, two
may run at once, and days that were read while a clock was wrong are read anew when they are really over. What a day
earned adds to its calendar month; months are worth something once they are over (`crediting`).

Contract: PSC-3.1.9
"""

from __future__ import annotations

from datetime import date, timedelta

from telco.billing.bonus import rules, store
from telco.billing.bonus.desk import BonusDesk
from telco.billing.bonus.membership import DAY_READ_AFTER
from telco.billing.bonus.model import EarnRun
from telco.billing.bonus.store import Q
from telco.db.pool import Connection

MOST_DAYS_BACK = 100
"""Days that are looked for when the service was down; what is older was read, or nobody will miss it."""

MANY_EARNINGS = 5_000
"""So many new rows change what the planner has to know."""


class Earning:
    """Reads finished days."""

    def __init__(self, desk: BonusDesk) -> None:
        self._desk = desk

    async def run(self) -> EarnRun:
        """Read every finished day that was not read, the oldest first, a day and shard in a transaction."""
        today = self.unfinished_day()
        async with self._desk.database.acquire() as conn:
            await conn.execute(Q.forget_unfinished_days, today)
            shards = await store.shards(conn)
            waiting = []
            for shard, first_day in shards:
                since = max(first_day, today - timedelta(days=MOST_DAYS_BACK))
                done = await store.days_read(conn, shard, since)
                waiting += [(day, shard) for day in _days(since, today) if day not in done]
        total = EarnRun()
        for day, shard in sorted(waiting):
            total += await self._read(day, shard)
        if total.earnings >= MANY_EARNINGS:  # what comes next is planned by what is there now
            async with self._desk.database.acquire() as conn:
                await conn.execute(Q.analyze_months)
        return total

    def unfinished_day(self) -> date:
        """Return the first day that may still get operations."""
        return self._desk.calendar.today(self._desk.clock.now() - DAY_READ_AFTER)

    async def _read(self, day: date, shard: int) -> EarnRun:
        rows = self.rule_rows()
        start, end = self._desk.calendar.start_of_day(day), self._desk.calendar.start_of_day(day + timedelta(days=1))

        async def body(conn: Connection) -> EarnRun:
            if not await store.claim_day(conn, shard, day, self._desk.clock.now()):
                return EarnRun()
            return EarnRun(1, await store.read_day(conn, shard, day, start, end, rows))

        return await self._desk.database.transact("bonus.read_day", body)

    async def purge(self, keep_days: int) -> int:
        """Keep days older than `keep_days` as parts of their months only; returns how many earnings are gone.

        A day and shard is a transaction. Days that a run might still read are kept whatever is asked for.
        """
        before = self.unfinished_day() - timedelta(days=max(keep_days, MOST_DAYS_BACK))
        purged = 0
        for day, shard in await self._desk.database.fetch(Q.purgeable_days, before):

            async def body(conn: Connection, day: date = day, shard: int = shard) -> int:
                return await store.purge_day(conn, shard, day)

            purged += await self._desk.database.transact("bonus.purge_day", body)
        return purged

    def rule_rows(self) -> list[rules.RuleRow]:
        """Return the rules of every version of the programme, by the days in which they hold."""
        programmes = self._desk.catalogue().bonus
        following = [programme.effective_from for programme in programmes[1:]]
        days: dict[int, tuple[date, date]] = {}
        for programme, next_from in zip(programmes, [*following, None], strict=True):
            ends = [moment for moment in (programme.effective_until, next_from) if moment is not None]
            until = self._desk.calendar.today(min(ends)) if ends else date.max
            days[programme.version] = self._desk.calendar.today(programme.effective_from), until
        return rules.rule_rows(programmes, days)


def _days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((end - first).days)]
