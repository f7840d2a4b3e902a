"""The run of a simulation: day after day, slot after slot, each stage written down before the next begins.

A slot is decided from the database as it is, written down, carried out, and settled. Whatever was written down is
carried out under the same ids, so a process that is killed anywhere goes on with its stage and comes to the same end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import asyncpg

from telco.app import App
from telco.db.pool import Connection
from telco.kernel.calendar import ZONE
from telco.kernel.clock import ManualClock
from telco.kernel.ids import uuid7
from telco.kernel.money import Tiyn
from telco.simulation import bank, behaviour, news, people, store
from telco.simulation.actions import Doer, Tally
from telco.simulation.chance import Chance
from telco.simulation.due import DueJobs
from telco.simulation.model import (
    HOURS,
    OPERATOR,
    START,
    Act,
    Actor,
    Finding,
    Kind,
    Progress,
    Scenario,
    Slot,
    Stage,
    Way,
)
from telco.simulation.oracle import auditor
from telco.simulation.store import Q, SoldCard
from telco.subscribers.model import PartyKind

SLOTS: Final = tuple(Slot)
_CARDS_PRINTED: Final = 200
_CARDS_LAST: Final = timedelta(days=365)


class OtherRunError(Exception):
    """The database holds the run of another scenario."""


@dataclass(frozen=True, slots=True)
class DayDone:
    """Told after every simulated day."""

    number: int
    figures: Mapping[str, Any]
    findings: Sequence[Finding]


def day_of(number: int) -> date:
    """Return the day with a number."""
    return START + timedelta(days=number)


class Simulation:
    """One scenario on one database."""

    def __init__(
        self, app: App, clock: ManualClock, scenario: Scenario, tell: Callable[[DayDone], None] = lambda _: None
    ) -> None:
        self._app = app
        self._clock = clock
        self._scenario = scenario
        self._tell = tell
        self._chance = Chance(scenario.seed)
        self._actors = people.population(scenario)
        self._doer = Doer(app, self._actors)
        self._jobs = DueJobs(app)
        self._progress = Progress(0, SLOTS[0], Stage.DECIDE, ())

    async def prepare(self) -> Progress:
        """Set the operator up, or find out how far an earlier run came.

        Raises:
            OtherRunError: with which numbers the database was begun.
        """
        database = self._app.database
        async with database.acquire() as connection:
            await connection.execute(Q.make)
            await auditor.make_notes(connection, self._clock.now(), START)
        found = await store.find_run(database)
        if found is None:
            await news.begin(self._app)
            for life in range(people.LIVES):
                await self._doer.stock(life)
            begin = (self._scenario.subscribers, self._scenario.seed, 0, SLOTS[0], Stage.DECIDE)
            await database.transact("simulation.begin", lambda conn: conn.execute(Q.begin_run, *begin))
        else:
            scenario, self._progress = found
            if scenario != self._scenario:
                raise OtherRunError(f"--subscribers {scenario.subscribers} --seed {scenario.seed}")
            await self._app.catalog.refresh()
        await self._doer.prepare()
        return self._progress

    async def run(self, days: int) -> list[Finding]:
        """Go on until `days` days are over, and look at everything once more; return all that was ever found wrong."""
        while self._progress.day < days:
            await self._slot(last_day=days - 1)
        rows = await self._app.database.fetch(Q.findings)
        return [Finding(row["day"], row["check"], row["detail"]) for row in rows]

    async def _slot(self, *, last_day: int) -> None:
        """Go through one slot, from the stage at which the run is."""
        progress = self._progress
        number, slot = progress.day, progress.slot
        self._move(number, slot)
        if progress.stage is Stage.DECIDE:
            acts = await self._decide(number, slot)
            progress = self._progress = replace(progress, stage=Stage.ACT, acts=tuple(acts))
        if progress.stage is Stage.ACT:
            tally = await self._doer.carry_out(progress.acts, f"sim:{number}:{slot}")
            await self._acted(number, slot, tally)
        await self._jobs.settle(night=slot is Slot.NIGHT)
        if slot is SLOTS[-1]:
            await self._end_day(number, thorough=auditor.is_last_of_quarter(day_of(number)) or number == last_day)
        else:
            await self._note(number, SLOTS[SLOTS.index(slot) + 1], Stage.DECIDE)

    def _move(self, number: int, slot: Slot) -> None:
        """Put the clock to a slot: at one of its hours, by the chance of the day."""
        hours = HOURS[slot]
        hour = hours[int(self._chance.share("hour", number, slot) * len(hours))]
        self._clock.advance(_moment(day_of(number), hour) - self._clock.now())

    async def _note(self, number: int, slot: Slot, stage: Stage) -> None:
        async with self._app.database.acquire() as connection:
            await connection.execute(Q.note_progress, number, slot, stage)
        self._progress = Progress(number, slot, stage, ())

    async def _acted(self, number: int, slot: Slot, tally: Tally) -> None:
        async def body(connection: Connection) -> None:
            await store.add_tallies(connection, number, tally)
            await connection.execute(Q.note_progress, number, slot, Stage.SETTLE)

        await self._app.database.transact("simulation.acted", body)
        self._progress = Progress(number, slot, Stage.SETTLE, ())

    # Deciding

    async def _decide(self, number: int, slot: Slot) -> list[Act]:
        """Decide what everybody does, and write it down in one transaction."""
        if slot is Slot.NIGHT:
            await news.publish(self._app, day_of(number))
            return []
        seats = await store.seats(self._app.database, self._clock.now())
        debts = await store.debts(self._app.database) if slot is Slot.DAY else {}
        today = behaviour.Today(
            number, day_of(number), self._clock.now(), self._chance, self._app.catalog.current(), debts
        )
        decide = behaviour.in_the_day if slot is Slot.DAY else behaviour.in_the_evening
        acts = [
            act for actor in self._actors if (act := decide(actor, seats.get(actor.iin_bin, ()), today)) is not None
        ]

        async def body(connection: Connection) -> list[Act]:
            done = await self._buy_cards(connection, self._through_bank(acts, number))
            await connection.execute(Q.note_acts, Stage.ACT, store.acts_json(done))
            return done

        for face, count in _cards_wanted(acts).items():
            await self._print_cards(face, count)
        return await self._app.database.transact("simulation.decide", body)

    def _through_bank(self, acts: Sequence[Act], number: int) -> list[Act]:
        """Gather what is paid through the bank into the bank's file of the day."""
        paid = [act for act in acts if act.kind is Kind.PAY and act.terms["way"] == Way.BANK]
        others = [act for act in acts if act.kind is not Kind.PAY or act.terms["way"] != Way.BANK]
        if not paid:
            return others
        orders = [self._order(self._actors[act.actor], act.terms, number) for act in paid]
        return [Act(OPERATOR, Kind.BANK_FILE, {"orders": orders}), *others]  # the longest act begins first

    def _order(self, actor: Actor, terms: Mapping[str, Any], number: int) -> dict[str, Any]:
        company = actor.kind is PartyKind.COMPANY
        return {
            "number": f"{number}-{actor.index}",
            "payer": actor.iin_bin,
            "name": actor.name,
            "amount": terms["amount"],
            "register": bank.register(terms["amount"], terms["numbers"]) if company else "",
            "purpose": "Оплата услуг связи по реестру" if company else f"За услуги связи, номер {terms['msisdn']}",
        }

    async def _buy_cards(self, connection: Connection, acts: Sequence[Act]) -> list[Act]:
        """Give everybody who pays by card one of the printed cards."""
        stock: dict[int, list[SoldCard]] = {
            face: await store.take_cards(connection, Tiyn(face), count) for face, count in _cards_wanted(acts).items()
        }
        return [
            replace(act, terms={**act.terms, "code": stock[act.terms["amount"]].pop().code}) if _by_card(act) else act
            for act in acts
        ]

    async def _print_cards(self, face: int, wanted: int) -> None:
        """Make sure that there are enough cards of a worth on sale."""
        free = len(await self._app.database.fetch(Q.free_cards, face, wanted))
        if free < wanted:
            expires_on = self._app.calendar.today(self._clock.now()) + _CARDS_LAST
            _, cards = await self._app.cards.make_batch(
                f"print:{uuid7().hex}",
                face_value=Tiyn(face),
                count=wanted + _CARDS_PRINTED,
                expires_on=expires_on,
                actor="staff:simulation",
            )
            codes = [card.serial for card in cards], [card.code for card in cards], [face] * len(cards)
            async with self._app.database.acquire() as connection:
                await connection.execute(Q.add_cards, *codes)

    # The end of a day

    async def _end_day(self, number: int, *, thorough: bool) -> None:
        """Audit the day, note its figures, and go to the next."""
        day = day_of(number)
        app, now = self._app, self._clock.now()
        everything = (
            await auditor.audit_everything(app.database, day, now, app.calendar, app.catalog.current())
            if thorough
            else []
        )
        async with app.database.acquire() as connection:
            await auditor.begin_day(connection, day, now, app.catalog.current())

        async def body(connection: Connection) -> DayDone:
            async with app.database.acquire() as beside, asyncio.TaskGroup() as parts:
                of_state = parts.create_task(auditor.audit_state(beside, day))
                operations = await auditor.audit_operations(connection, day)
            state, digest = of_state.result()
            findings = [*operations.findings, *state.findings, *everything]
            for finding in findings:
                await connection.execute(Q.add_finding, finding.day, finding.check, finding.detail)
            figures = {**state.figures, **operations.figures}
            await connection.execute(Q.add_day, day, digest, figures)
            await connection.execute(Q.note_progress, number + 1, SLOTS[0], Stage.DECIDE)
            return DayDone(number, figures, findings)

        done = await app.database.transact("simulation.end_day", body)
        self._progress = Progress(number + 1, SLOTS[0], Stage.DECIDE, ())
        self._tell(done)


async def end_others(url: str) -> None:
    """End the connections that a killed run left in the database: what they were about to commit could come late.

    They are ended before anything is read, and waited for.
    """
    connection = await asyncpg.connect(url)
    try:
        while await connection.fetchval(Q.others):
            await connection.execute(Q.end_others)
    finally:
        await connection.close()


def _moment(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=ZONE)


def _by_card(act: Act) -> bool:
    return act.kind is Kind.PAY and act.terms["way"] == Way.CARD


def _cards_wanted(acts: Sequence[Act]) -> Counter[int]:
    return Counter(int(act.terms["amount"]) for act in acts if _by_card(act))
