"""What the simulation keeps in a schema of its own, and what it reads of the world before it decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from telco.catalog.model import Settlement
from telco.db import queries
from telco.db.pool import Connection, Database, Record
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.simulation.model import Act, Kind, Progress, Scenario, Seat, Slot, Stage
from telco.subscribers.model import PlanState

Q = queries.load("telco.simulation")
_WORLD = queries.load("telco.simulation.oracle", "world.sql")


@dataclass(frozen=True, slots=True)
class SoldCard:
    """A payment card that somebody has in his hand."""

    serial: str
    code: str


async def find_run(database: Database) -> tuple[Scenario, Progress] | None:
    """Read how far the run in a database is, or None for a database without one."""
    row = await database.fetchrow(Q.find_run)
    if row is None:
        return None
    acts = tuple(Act(actor, Kind(kind), terms) for actor, kind, terms in row["acts"])
    progress = Progress(row["day"], Slot(row["slot"]), Stage(row["stage"]), acts)
    return Scenario(row["subscribers"], row["seed"]), progress


def acts_json(acts: Iterable[Act]) -> list[list[Any]]:
    return [[act.actor, act.kind, act.terms] for act in acts]


async def take_cards(connection: Connection, face: Tiyn, count: int) -> list[SoldCard]:
    """Sell so many cards, or as many as there are."""
    rows = await connection.fetch(Q.free_cards, face, count)
    await connection.execute(Q.take_cards, [row["serial"] for row in rows])
    return [SoldCard(row["serial"], row["code"]) for row in rows]


async def add_tallies(connection: Connection, day: int, tallies: Mapping[str, int]) -> None:
    await connection.execute(Q.add_tallies, day, list(tallies), list(tallies.values()))


async def seats(database: Database, now: datetime) -> Mapping[str, Sequence[Seat]]:
    """Read every actor's numbers as they are at a moment, the oldest first, by IIN or BIN."""
    found: dict[str, list[Seat]] = defaultdict(list)
    for row in await database.fetch(_WORLD.seats, now):
        found[row["iin_bin"]].append(_seat(row))
    return found


async def debts(database: Database) -> Mapping[str, Tiyn]:
    """Read what is owed in credit settlement, by IIN or BIN."""
    return {row["iin_bin"]: Tiyn(row["owed"]) for row in await database.fetch(_WORLD.debts)}


async def refund_files(database: Database, since: date) -> list[tuple[date, bytes]]:
    """Read the files of payment orders that the bank was given from a day on, in their order."""
    return [(row["made_on"], row["content"]) for row in await database.fetch(_WORLD.refund_files, since)]


_SETTLEMENTS = {settlement.value: settlement for settlement in Settlement}
_PLAN_STATES = {state.value: state for state in PlanState}


def _seat(row: Record) -> Seat:
    return Seat(
        subscriber_id=SubscriberId(row["subscription_id"]),
        msisdn=Msisdn(row["msisdn"]),
        live=row["live"],
        settlement=_SETTLEMENTS[row["settlement"]],
        brand=row["brand"],
        plan=row["plan_code"],
        version=row["plan_version"],
        plan_state=_PLAN_STATES[row["plan_state"]],
        next_fee_at=row["next_fee_at"],
        account=AccountRef(row["shard"], AccountId(row["account_id"])),
        main=Tiyn(row["main"]),
        services=tuple(row["services"]),
        lost=row["lost"],
    )
