"""The billing run: 100,000 credit invoices with itemised lines, durable, of 100,000 and of 1,000,000 subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psutil

from telco.bench.population import SHARDS, Copied, copy, msisdn, populate
from telco.bench.report import Row
from telco.bench.stage import own_database, own_server, timed
from telco.billing.invoicing.audit import audit
from telco.billing.invoicing.model import BillingRun
from telco.billing.invoicing.service import Invoicing
from telco.catalog.model import Service
from telco.catalog.service import CatalogService
from telco.charging.model import UsageRequest
from telco.charging.service import Charging
from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Database
from telco.kernel import memory
from telco.kernel.calendar import Calendar, add_months
from telco.kernel.clock import ManualClock
from telco.ledger.service import Ledger
from telco.subscribers.model import Accession, Channel, Origin
from telco.subscribers.service import Subscribers

BAR_RATE = 2_000
"""Invoices a second."""
BAR_GROWTH = 1.3
"""What an invoice may cost among a million subscribers, over what it costs among a tenth of them."""
PLAN = "kcell-status"
JOINED = datetime(2026, 3, 2, 6, tzinfo=UTC)
MEGABYTE = 1_000_000
_OWNER = Origin("staff:bench", Channel.OFFICE, "benchmark")
_ON_NET, _MOBILE, _ABROAD, _RUSSIA = "77011112233", "77051112233", "79161112233", "250"

_ACCOUNTS = Copied(
    "invoicing.account",
    "account_id",
    {"shard": f"n % {SHARDS}", "account_id": "account_id + n", "subscription_id": "subscription_id + n"},
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many invoices are due on the day that is measured, and how many subscribers there are."""

    due: int
    many: int


FULL = Sizes(due=100_000, many=1_000_000)
QUICK = Sizes(due=2_000, many=20_000)


@dataclass(frozen=True, slots=True)
class Figures:
    """One population: what the run did, how long that took, what the process and the servers needed for it."""

    subscribers: int
    run: BillingRun
    run_s: float
    grown_mb: float

    @property
    def rate(self) -> float:
        return self.run.invoices / self.run_s

    @property
    def cost_us(self) -> float:
        return self.run_s / self.run.invoices * 1_000_000


async def run(quick: bool) -> list[Row]:
    """Measure on a server of its own and return the rows."""
    sizes = QUICK if quick else FULL
    async with own_server() as server:
        few = await _measure(server, "few", sizes.due, sizes.due)
        many = await _measure(server, "many", sizes.many, sizes.due)
    return rows(few, many)


def rows(few: Figures, many: Figures) -> list[Row]:
    """The figures beside their bars."""
    growth = many.cost_us / few.cost_us
    lines = few.run.lines / few.run.invoices
    return [
        *(
            Row(
                f"{each.run.invoices:,} invoices of {each.subscribers:,} subscribers, {lines:.0f} lines each",
                each.rate,
                "invoices/s",
                f"at least {BAR_RATE:,}/s",
                each.rate / BAR_RATE,
            )
            for each in (few, many)
        ),
        Row(
            "cost of an invoice, tenfold subscribers",
            many.cost_us,
            "us",
            f"at most {BAR_GROWTH} x {few.cost_us:.0f} us",
            growth,
        ),
        Row("memory the process took for the run", many.grown_mb, "MB", "flat"),
    ]


async def _measure(server: EmbeddedPostgres, name: str, subscribers: int, due: int) -> Figures:
    clock, calendar = ManualClock(JOINED), Calendar()
    async with own_database(server, name) as database:
        await _load(database, clock, calendar, subscribers, every=subscribers // due)
        catalog = CatalogService(database, clock)
        await catalog.refresh()
        clock.advance(calendar.start_of_day(add_months(calendar.today(JOINED), 1)) - clock.now())
        async with Ledger(database, clock, shards=SHARDS) as ledger:
            people = Subscribers(database, clock, calendar, catalog.current, ledger)
            invoicing = Invoicing(database, clock, calendar, ledger, people, catalog.current)
            await database.fetch("checkpoint")
            memory.settle()
            process = psutil.Process()
            before = process.memory_info().rss
            with timed(f"invoicing {due:,} of {subscribers:,} subscribers") as run:
                done = await invoicing.run()
            grown = process.memory_info().rss - before
        if done.invoices != due:
            raise RuntimeError(f"{due} invoices were due: {done}")
        if subscribers == due:
            with timed("auditing every invoice"):
                found = await audit(database)
            if found:
                raise RuntimeError(f"the books are not right: {found[0]}")
    return Figures(subscribers, done, run.seconds, grown / MEGABYTE)


async def _load(database: Database, clock: ManualClock, calendar: Calendar, subscribers: int, every: int) -> None:
    """One subscriber lives for a month by the service's own use cases; the others are copies of him.

    One of `every` joined on the same day; the others some days later, and lived so much later. Operations are written
    in the order of time, so those of one account lie far apart, as they do in an operator's journal.
    """
    later = f"interval '1 day' * (n % {every})"
    dates = {name: f"{name} + n % {every}" for name in ("anchor", "period_start", "period_end")}
    vary: dict[str, Mapping[str, str]] = {
        "subscribers.subscription": {"plan_joined_at": f"plan_joined_at + {later}"},
        "invoicing.account": {**dates, "opened_at": f"opened_at + {later}"},
    }

    async def live(original: Accession) -> None:
        await _live(database, clock, calendar, original)

    with timed(f"loading {subscribers:,} subscribers"):
        original = await populate(database, subscribers, clock=clock, plan=PLAN, live=live, more=[_ACCOUNTS], vary=vary)
    shard, account_id = original.account
    operations = await database.fetch("select op_id from ledger.operation order by at, main_after desc")
    two_at_once = asyncio.Semaphore(2)

    async def spread(op_id: str) -> None:
        """Give everybody one operation of the original."""
        async with two_at_once, database.acquire() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await copy(
                connection,
                "ledger.operation",
                {"shard": f"n % {SHARDS}", "account_id": "account_id + n", "at": f"at + {later}"},
                (f"(shard, account_id) = ({shard}, {account_id}) and op_id", op_id),
                subscribers,
            )

    with timed(f"loading {subscribers * len(operations):,} operations"):
        await asyncio.gather(*(spread(row["op_id"]) for row in operations))
        for table in ("ledger.operation", "invoicing.account"):
            await database.fetch(f"vacuum analyze {table}")


async def _live(database: Database, clock: ManualClock, calendar: Calendar, original: Accession) -> None:
    """A month of somebody in credit settlement: calls, messages, data, abroad, a pack, a quiz."""
    catalog = CatalogService(database, clock)
    await catalog.refresh()
    async with Ledger(database, clock, shards=SHARDS) as ledger:
        people = Subscribers(database, clock, calendar, catalog.current, ledger)
        await Invoicing(database, clock, calendar, ledger, people, catalog.current).adopt()
        charging = Charging(database, clock, ledger, people, catalog.current)
        for number, (service, other, visited, offer, quantity) in enumerate(_USAGE):
            clock.advance(timedelta(days=1))
            event = UsageRequest(
                f"e{number}", msisdn(0), service, other=other, visited=visited, offer=offer, requested=quantity
            )
            if quantity is None:
                await charging.event(event)
                continue
            await charging.start(event)
            clock.advance(timedelta(minutes=5))
            await charging.stop(event.request_id, 1, quantity)
        clock.advance(timedelta(days=1))
        await people.switch_service_on(original.subscriber_id, "data-1gb", _OWNER, "pack")


_USAGE: tuple[tuple[Service, str, str | None, str, int | None], ...] = (
    (Service.SMS, _ON_NET, None, "", None),
    (Service.SMS, _MOBILE, None, "", None),
    (Service.VOICE, _MOBILE, None, "", 130),
    (Service.VOICE, _ABROAD, None, "", 95),
    (Service.DATA, "", None, "", 30 * MEGABYTE),
    (Service.DATA, "", None, "", 50 * MEGABYTE),
    (Service.SMS, _ON_NET, _RUSSIA, "", None),
    (Service.VOICE, _ON_NET, _RUSSIA, "", 61),
    (Service.CONTENT, "", None, "quiz", None),
)
