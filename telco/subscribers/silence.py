"""Silence: a contract ends after so many months without any use.

What counts as use is what the network reports: calls and messages in or out, data. A number's last use is a day,
written at most once a day: the first report of a day waits until it is written, together with the others of that
moment, so a crash forgets none; every later one finds the number among those noted and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from telco.db import queries
from telco.db.coalesce import Coalescer
from telco.db.pool import Connection, Record
from telco.kernel.calendar import ZONE
from telco.kernel.ids import SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.subscribers import rules, store
from telco.subscribers.contracts import end_subscription
from telco.subscribers.desk import Desk, Work
from telco.subscribers.errors import SubscriberUnknownError
from telco.subscribers.model import EndGround, by_system

MOST_NOTED = 100_000
"""Numbers of today that a process remembers; beyond them it forgets all and lets the database say what is known."""
ADOPTED_AT_ONCE = 20_000
MONTHS, WARNING_DAYS = "silence_months", "silence_warning_days"

_Q = queries.load("telco.subscribers", "silence.sql")

Use = tuple[Msisdn, date]


@dataclass(frozen=True, slots=True)
class LastUse:
    """When a number was last used, and what follows if it stays silent."""

    used_on: date
    warned_on: date | None
    warn_on: date
    ends_on: date
    """The earliest day on which the contract ends; later where the warning came later."""


class Silence:
    """Use cases of numbers that nobody uses."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._writes: Coalescer[Use, None] = Coalescer(self._write)
        self._day = date.min
        self._noted: set[Msisdn] = set()

    # What the network reports

    async def note_use(self, msisdn: Msisdn) -> None:
        """Note that a number was used today; durable on return.

        Contract: PSC-6.3.4
        """
        today = self._desk.calendar.today(self._desk.clock.now())
        if today != self._day or len(self._noted) >= MOST_NOTED:
            self._day, self._noted = today, set()
        if msisdn in self._noted:
            return
        await self._writes.get((msisdn, today))
        if self._day == today:
            self._noted.add(msisdn)

    async def note_late_use(self, subscriber_id: SubscriberId, at: datetime) -> None:
        """Note that a subscriber had used his number at a moment that is reported later; ended contracts are left out.

        Contract: PSC-6.3.4
        """

        async def body(conn: Connection) -> None:
            await conn.execute(_Q.note_late_use, subscriber_id, self._desk.calendar.today(at))

        await self._desk.db.transact("subscribers.note_late_use", body)

    async def _write(self, uses: Sequence[Use]) -> Mapping[Use, None]:
        async def body(conn: Connection) -> None:
            await conn.execute(_Q.note_uses, [msisdn for msisdn, _ in uses], [day for _, day in uses])

        await self._desk.db.transact("subscribers.note_uses", body)
        return {}

    async def last_use(self, subscriber_id: SubscriberId) -> LastUse | None:
        """Tell when a number was last used; None until the first night after its accession."""
        async with self._desk.db.acquire() as conn:
            row = await conn.fetchrow(_Q.last_use, subscriber_id)
            if row is None:
                return None
            terms = await store.terms(conn, self._desk.calendar.today(self._desk.clock.now()))
        ends_on = rules.silence_ends_on(row["used_on"], terms[MONTHS])
        return LastUse(row["used_on"], row["warned_on"], ends_on - timedelta(days=terms[WARNING_DAYS]), ends_on)

    # The nightly work

    async def count_new(self) -> int:
        """Count the silence of numbers that were never used from the day of their accession."""

        async def body(conn: Connection) -> int:
            status = await conn.execute(_Q.count_from_accession, str(ZONE), ADOPTED_AT_ONCE)
            return int(status.rsplit(" ", 1)[-1])

        return await self._desk.db.transact("subscribers.count_silence_from_accession", body)

    async def warn(self, limit: int = 500) -> int:
        """Warn subscribers whose contract will end, each once for a silence, and return how many.

        Contract: PSC-6.3.4
        """

        async def body(conn: Connection) -> int:
            work = self._desk.work(conn, by_system("silence", "no use"))
            terms = await work.terms()
            days = timedelta(days=terms[WARNING_DAYS])
            last = rules.silent_since(work.today + days, terms[MONTHS])
            rows = await conn.fetch(_Q.silent, last, None, limit)
            ends = [max(rules.silence_ends_on(row["used_on"], terms[MONTHS]), work.today + days) for row in rows]
            return sum([await self._warn(work, row, ends_on) for row, ends_on in zip(rows, ends, strict=True)])

        return await self._desk.db.transact("subscribers.warn_silent", body)

    async def _warn(self, work: Work, row: Record, ends_on: date) -> bool:
        if await work.conn.fetchval(_Q.lock_silent, row["subscription_id"], row["used_on"]) is None:
            return False
        await work.conn.execute(_Q.warned, row["subscription_id"], work.today)
        payload: dict[str, object] = {
            "msisdn": row["msisdn"],
            "used_on": row["used_on"].isoformat(),
            "ends_on": ends_on.isoformat(),
        }
        await work.emit("silence_warned", row["subscription_id"], payload)
        return True

    async def end_silent(self, limit: int = 200) -> int:
        """End contracts after the months without use, not before the warning has stood for its days.

        After a stop of the service the warning comes first: nobody's contract ends unannounced.

        Contract: PSC-6.3.4
        """

        async def body(conn: Connection) -> int:
            work = self._desk.work(conn, by_system("silence", "months without any use"))
            terms = await work.terms()
            last = rules.silent_since(work.today, terms[MONTHS])
            warned = work.today - timedelta(days=terms[WARNING_DAYS])
            rows = await conn.fetch(_Q.silent, last, warned, limit)
            return sum([await self._end(work, row) for row in rows])

        return await self._desk.db.transact("subscribers.end_silent", body)

    async def _end(self, work: Work, row: Record) -> bool:
        if await work.conn.fetchval(_Q.lock_silent, row["subscription_id"], row["used_on"]) is None:
            return False
        try:
            subscription = await store.lock_subscription(work.conn, row["subscription_id"])
        except SubscriberUnknownError:
            return False  # it ended on another ground while we looked
        await end_subscription(work, subscription, EndGround.UNUSED)
        return True

    async def forget_ended(self) -> int:
        """Forget the uses of numbers that ended."""

        async def body(conn: Connection) -> int:
            status = await conn.execute(_Q.forget_uses)
            return int(status.rsplit(" ", 1)[-1])

        return await self._desk.db.transact("subscribers.forget_uses", body)
