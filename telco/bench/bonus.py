"""The bonus programme's night: a day of a million members is read, and what a month earned is credited; durable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from telco.bench.population import SHARDS, populate
from telco.bench.report import Row
from telco.bench.stage import own_database, own_server, timed
from telco.billing.bonus.audit import audit
from telco.billing.bonus.service import Bonuses
from telco.catalog.service import CatalogService
from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Database
from telco.kernel import memory
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.ledger.service import Ledger
from telco.subscribers.service import Subscribers

JOINED = datetime(2026, 3, 30, 6, tzinfo=UTC)
CHARGES = 3
"""A member is charged so often on the day that is read, and once before, which is not looked at."""
TIYN = 20_000
"""Of each charge: 3 charges of 200 tenge at 3 % earn 18 tenge."""


@dataclass(frozen=True, slots=True)
class Sizes:
    many: int
    few: int


FULL = Sizes(many=1_000_000, few=100_000)
QUICK = Sizes(many=60_000, few=15_000)


@dataclass(frozen=True, slots=True)
class Figures:
    """One population, and how long its night took."""

    members: int
    load_s: float
    read_s: float
    credit_s: float


async def run(quick: bool) -> list[Row]:
    """Measure on a server of its own and return the rows."""
    sizes = QUICK if quick else FULL
    async with own_server() as server:
        few = await _measure(server, "few", sizes.few)
        many = await _measure(server, "many", sizes.many)
    return _rows(few, many)


async def _measure(server: EmbeddedPostgres, name: str, members: int) -> Figures:
    clock, calendar = ManualClock(JOINED), Calendar()
    async with own_database(server, name) as database:
        with timed(f"loading {members:,} members") as load:
            await populate(database, members, clock=clock)
            await _charge(database)
        catalog = CatalogService(database, clock)
        await catalog.refresh()
        async with Ledger(database, clock, shards=SHARDS) as ledger:
            subscribers = Subscribers(database, clock, calendar, catalog.current, ledger)
            bonuses = Bonuses(database, clock, calendar, catalog.current, ledger, subscribers)
            clock.advance(timedelta(days=1))
            memory.settle()
            with timed("reading a day") as read:
                await bonuses.earning.run()
            clock.advance(timedelta(days=1))
            await bonuses.earning.run()
            with timed("crediting a month") as credit:
                credited = await bonuses.crediting.run()
        await _check(database, members, credited.members)
    return Figures(members, load.seconds, read.seconds, credit.seconds)


async def _charge(database: Database) -> None:
    """Make every account a member and write what it was charged, as the journal holds it; balances do not matter."""
    async with database.acquire() as connection:
        await connection.execute(
            """insert into bonus.member (shard, account_id, joined_at, tenure_from, birthday)
               select shard, account_id, $1::timestamptz, ($1::timestamptz)::date, 101
               from ledger.bucket where bucket_no = 0""",
            JOINED - timedelta(days=1),
            timeout=600,
        )
        await connection.execute(
            "insert into ledger.operator_account (code) values ('revenue.voice') on conflict do nothing"
        )
        for day, charges in ((-2, 1), (0, CHARGES)):
            for charge in range(charges):
                await connection.execute(
                    """insert into ledger.operation (shard, kind, status, flags, account_id, at, request_hash, contra,
                                                     moved, cost, main_after, op_id)
                       select b.shard, 1, 0, 0, b.account_id, $1, 0, a.operator_no, -$2::bigint, $2, 0, $3
                       from ledger.bucket b, ledger.operator_account a
                       where b.bucket_no = 0 and a.code = 'revenue.voice'""",
                    JOINED + timedelta(days=day, minutes=charge),
                    TIYN,
                    f"bench:{day}:{charge}",
                    timeout=600,
                )
        for table in ("bonus.member", "ledger.operation"):
            await connection.execute(f"vacuum analyze {table}", timeout=600)


async def _check(database: Database, members: int, credited: int) -> None:
    """A figure counts only if everybody earned what he was to, once, and the programme's books are right."""
    row = await database.fetchrow(
        "select count(*) as members, sum(earned_e4) as e4 from bonus.month where rule = 'usage' and not changed"
    )
    assert row is not None
    expected = members, members * CHARGES * TIYN * 300
    if (row["members"], int(row["e4"])) != expected or credited != members or await audit(database):
        raise RuntimeError(f"{row} and {credited} credited are not what {members} members were to get")


def _rows(few: Figures, many: Figures) -> list[Row]:
    against = f"at {few.members:,}"
    growth = (many.read_s / many.members) / (few.read_s / few.members)
    credit_growth = (many.credit_s / many.members) / (few.credit_s / few.members)
    return [
        Row("bonus members", many.members, "accounts"),
        Row("bonus population load", many.load_s, "s"),
        Row("bonus day read", many.read_s, "s"),
        Row("bonus day read, operations", many.members * CHARGES / many.read_s, "1/s"),
        Row("bonus day read, cost per member", many.read_s / many.members * 1e6, "us", against, growth),
        Row("bonus month credited", many.credit_s, "s"),
        Row("bonus month credited, members", many.members / many.credit_s, "1/s"),
        Row("bonus month credited, cost per member", many.credit_s / many.members * 1e6, "us", against, credit_growth),
    ]
