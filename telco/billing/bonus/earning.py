"""Bonuses are earned by the day: one statement a day and shard reads what was charged and says what that earned.

A day is read once it is over, as a whole: reading it again replaces what it gave. So a run may be killed anywhere, two
may run at once, and days that were read while a clock was wrong are read anew when they are really over. What a day
earned adds to its calendar month; months are worth something once they are over (`crediting`).

Contract: PSC-3.1.9
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from telco.billing.bonus import rules, store
from telco.billing.bonus.membership import DAY_READ_AFTER
from telco.billing.bonus.model import EarnRun
from telco.billing.bonus.store import Q
from telco.catalog.catalogue import Catalogue
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock

MOST_DAYS_BACK = 100
"""Days that are looked for when the service was down; what is older was read, or nobody will miss it."""

MANY_EARNINGS = 5_000
"""So many new rows change what the planner has to know."""


class Earning:
    """Reads finished days."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, catalogue: Callable[[], Catalogue]
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._catalogue = catalogue

    async def run(self) -> EarnRun:
        """Read every finished day that was not read, the oldest first, a day and shard in a transaction."""
        today = self.unfinished_day()
        async with self._database.acquire() as conn:
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
            async with self._database.acquire() as conn:
                await conn.execute(Q.analyze_months)
        return total

    def unfinished_day(self) -> date:
        """Return the first day that may still get operations."""
        return self._calendar.today(self._clock.now() - DAY_READ_AFTER)

    async def _read(self, day: date, shard: int) -> EarnRun:
        rows = self.rule_rows()
        start, end = self._calendar.start_of_day(day), self._calendar.start_of_day(day + timedelta(days=1))

        async def body(conn: Connection) -> EarnRun:
            if not await store.claim_day(conn, shard, day, self._clock.now()):
                return EarnRun()
            return EarnRun(1, await store.read_day(conn, shard, day, start, end, rows))

        return await self._database.transact("bonus.read_day", body)

    def rule_rows(self) -> list[rules.RuleRow]:
        """Return the rules of every version of the programme, by the days in which they hold."""
        programmes = self._catalogue().bonus
        following = [programme.effective_from for programme in programmes[1:]]
        days: dict[int, tuple[date, date]] = {}
        for programme, next_from in zip(programmes, [*following, None], strict=True):
            ends = [moment for moment in (programme.effective_until, next_from) if moment is not None]
            until = self._calendar.today(min(ends)) if ends else date.max
            days[programme.version] = self._calendar.today(programme.effective_from), until
        return rules.rule_rows(programmes, days)


def _days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((end - first).days)]
