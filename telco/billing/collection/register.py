"""What staff read and set: debts with their history, the day's lists, the steps and figures.

Contract: PSC-3.1.4, PSC-1.1.21
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from telco.billing.collection import lists, rules, store
from telco.billing.collection.dunning import Dunning
from telco.billing.collection.errors import (
    CollectionTermError,
    CollectionValueError,
    DebtUnknownError,
    SmsWindowError,
    StepError,
)
from telco.billing.collection.model import (
    Action,
    Channel,
    DayList,
    Debt,
    DebtDetails,
    HandoverDay,
    Row,
    Step,
    StepVersion,
    Terms,
)
from telco.billing.collection.store import Q
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.i18n import Text
from telco.kernel.ids import AccountRef

MAX_ROWS = 10_000
"""Of a day's list in one answer, and the other rows of its last debt; the answer says where the next one begins."""
EARLIEST, LATEST = -60, 1095


class Register:
    """Reads, lists, steps and figures."""

    def __init__(self, database: Database, clock: Clock, calendar: Calendar, dunning: Dunning) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._dunning = dunning

    # Debts

    async def of_account(self, account: AccountRef, limit: int = 50) -> list[Debt]:
        """Read an account's debts, the newest first."""
        return [store.debt_of(row) for row in await self._database.fetch(Q.debts_of_account, *account, limit)]

    async def details(self, debt_id: int) -> DebtDetails:
        """Read a debt with every step that was taken and that follows, every objection and penalty.

        Raises:
            DebtUnknownError
        """

        async def body(connection: Connection) -> DebtDetails:
            row = await connection.fetchrow(Q.debt, debt_id)
            if row is None:
                raise DebtUnknownError(debt_id=debt_id)
            debt = store.debt_of(row)
            known = await self._dunning.know(connection, [debt])
            taken = tuple((await store.taken_of(connection, [debt_id]))[debt_id])
            steps = store.steps_for(await store.step_versions(connection), debt.due_on)
            return DebtDetails(
                debt,
                known.standings[debt_id].open,
                taken,
                rules.steps_ahead(debt, steps, {step.step for step in taken}, self._dunning.today(), self._calendar),
                tuple(store.objection_of(row) for row in await connection.fetch(Q.objections_of, debt_id)),
                tuple(store.posting_of(row) for row in await connection.fetch(Q.postings, debt_id)),
            )

        return await self._database.transact("collection.read", body)

    # Lists

    async def handover(self, day: date, after: int = 0, *, actor: str, ground: str) -> DayList:
        """The file for collectors of a day, from beyond a debt; who takes it is in the audit trail.

        Contract: PSC-3.1.4, PSC-1.1.21
        """
        rows = await self._day(Q.handed_over, day, after, "collection.handover_read", actor, ground)
        return _list("handover", day, after, rows, lists.HANDOVER_COLUMNS)

    async def withdrawals(self, day: date, after: int = 0, *, actor: str, ground: str) -> DayList:
        """What collectors have to give back since a day's file: paid, or not owed. Contract: PSC-3.1.4"""
        rows = await self._day(Q.withdrawn, day, after, "collection.withdrawals_read", actor, ground)
        return _list("withdrawn", day, after, rows, lists.WITHDRAWAL_COLUMNS)

    async def letters(self, day: date, after: int = 0, *, actor: str, ground: str) -> DayList:
        """The letters of a day, for the post."""
        rows = await self._day(Q.letters, day, after, "collection.letters_read", actor, ground)
        return _list("letters", day, after, rows, lists.LETTER_COLUMNS)

    async def handover_days(self, since: date, limit: int) -> list[HandoverDay]:
        """The days that have a file for collectors, the newest first."""
        rows = await self._database.fetch(Q.handover_days, since, limit)
        return [HandoverDay(row["day"], row["debts"], row["withdrawn"]) for row in rows]

    async def _day(self, query: str, day: date, after: int, action: str, actor: str, ground: str) -> list[Row]:
        async def body(connection: Connection) -> list[Row]:
            found = await store.rows(connection, query, day, after, MAX_ROWS)
            await audit.record(
                connection,
                at=self._clock.now(),
                actor=actor,
                action=action,
                subject=f"day:{day.isoformat()}",
                ground=ground,
                details={"after": after, "rows": len(found)},
            )
            return found

        return await self._database.transact(action, body)

    # Steps and figures

    async def steps(self) -> list[StepVersion]:
        """Every version of every step, by code and day."""
        async with self._database.acquire() as connection:
            return await store.step_versions(connection)

    async def set_step(self, step: Step, valid_from: date, *, enabled: bool, actor: str) -> StepVersion:
        """Set a step for debts due from a day on; debts due earlier keep theirs.

        Raises:
            StepError: the day is past, the offset is out of range, or the channel does not fit the action.

        Contract: PSC-3.1.4
        """
        told = step.action in (Action.REMIND, Action.NOTICE)
        if valid_from <= self._dunning.today():
            raise StepError(why=Text("its first day must lie ahead"))
        if told != (step.channel is not Channel.NONE):
            raise StepError(why=Text("reminders and notices need a channel, other steps have none"))
        if step.action is not Action.REMIND and step.offset_days <= 0:
            raise StepError(why=Text("only a reminder may come before the debt is late"))
        if not EARLIEST <= step.offset_days <= LATEST:
            raise StepError(why=Text("its days must be {least} to {most}", least=EARLIEST, most=LATEST))

        async def body(connection: Connection) -> StepVersion:
            await connection.execute(
                Q.set_step,
                step.code,
                valid_from,
                step.action,
                step.offset_days,
                step.unit,
                step.channel,
                enabled,
                actor,
            )
            await audit.record(
                connection,
                at=self._clock.now(),
                actor=actor,
                action="collection.set_step",
                subject=f"step:{step.code}",
                ground=f"from {valid_from.isoformat()}",
                details={
                    "action": step.action,
                    "offset_days": step.offset_days,
                    "unit": step.unit,
                    "channel": step.channel,
                    "enabled": enabled,
                },
            )
            return StepVersion(step, valid_from, enabled, actor)

        return await self._database.transact("collection.set_step", body)

    async def set_term(self, name: str, valid_from: date, value: int, *, actor: str) -> None:
        """Set a figure for debts due from a day on.

        Raises:
            CollectionTermError: there is no such figure, or its day is past.
            CollectionValueError: it is larger than it can mean.
            SmsWindowError: on some day no minute would be left to tell debtors by SMS.

        Contract: PSC-5.4
        """
        if name not in Terms._fields or valid_from <= self._dunning.today():
            raise CollectionTermError(name=name[:64], known=", ".join(Terms._fields))
        most: int = getattr(rules.LARGEST, name)
        if value > most:
            raise CollectionValueError(name=name, most=most)

        async def body(connection: Connection) -> None:
            await connection.execute(Q.set_term, name, valid_from, value)
            days = [row["valid_from"] for row in await connection.fetch(Q.term_days, valid_from)]
            if any(not rules.is_window(terms) for terms in (await store.terms(connection, days)).values()):
                raise SmsWindowError()
            await audit.record(
                connection,
                at=self._clock.now(),
                actor=actor,
                action="collection.set_term",
                subject=f"term:{name}",
                ground=f"from {valid_from.isoformat()}",
                details={"value": value},
            )

        await self._database.transact("collection.set_term", body)

    async def terms_today(self) -> Terms:
        """The figures in force today."""
        today = self._dunning.today()
        async with self._database.acquire() as connection:
            return (await store.terms(connection, [today]))[today]


def _list(name: str, day: date, after: int, rows: Sequence[Row], columns: tuple[str, ...]) -> DayList:
    part = f"-{after}" if after else ""
    next_after = rows[-1].debt_id if len(rows) >= MAX_ROWS else None
    return DayList(f"{name}-{day.isoformat()}{part}.csv", len(rows), lists.as_csv(rows, columns), next_after)
