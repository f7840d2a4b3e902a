"""The daily fee run: a million prepaid subscribers of whom a tenth are due, durable, with notices and allowances."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from telco.bench.population import SHARDS, populate
from telco.bench.report import Row
from telco.bench.stage import own_database, own_server, timed
from telco.billing.fees import FeeRunner
from telco.billing.model import FeeRun
from telco.catalog.service import CatalogService
from telco.db.embedded import EmbeddedPostgres
from telco.db.pool import Database
from telco.kernel import memory
from telco.kernel.calendar import Calendar, add_months
from telco.kernel.clock import ManualClock
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import tenge
from telco.ledger.audit import audit
from telco.ledger.model import Status, debit, sum_charge
from telco.ledger.service import Ledger
from telco.subscribers.model import Accession
from telco.subscribers.service import Subscribers

BAR_S = 60.0
"""A tenth of a million fees are taken within this."""
BAR_RATE = 100_000 / BAR_S
JOINED = datetime(2026, 3, 2, 6, tzinfo=UTC)
EVERY = 10
"""One of so many is due on the day that is measured, the others on the days after."""
POOR = 20
"""One of so many that are due has spent the money: its fee is refused and told."""

# A copy whose fee is not due joined up to 9 times 3 days later; its period and volumes end so much later.
_LATER = f"(n % {EVERY}) * 3"
_VARY = {
    "subscribers.subscription": {
        "next_fee_at": f"next_fee_at + interval '1 day' * {_LATER}",
        "period_anchor": f"period_anchor + {_LATER}",
        "period_start": f"period_start + {_LATER}",
    },
    "ledger.bucket": {"valid_until": f"valid_until + interval '1 day' * {_LATER}"},
}


@dataclass(frozen=True, slots=True)
class Sizes:
    many: int
    few: int


FULL = Sizes(many=1_000_000, few=100_000)
QUICK = Sizes(many=80_000, few=20_000)


async def run(quick: bool) -> list[Row]:
    """Measure on a server of its own and return the rows."""
    sizes = QUICK if quick else FULL
    async with own_server() as server:
        few = await _measure(server, "few", sizes.few)
        many = await _measure(server, "many", sizes.many)
    return rows(few, many)


@dataclass(frozen=True, slots=True)
class Figures:
    """One population: how many there are, how long it took to load them, what the run did and how long that took."""

    subscribers: int
    load_s: float
    run_s: float
    fees: FeeRun

    @property
    def rate(self) -> float:
        return (self.fees.charged + self.fees.refused) / self.run_s


async def _measure(server: EmbeddedPostgres, name: str, subscribers: int) -> Figures:
    clock, calendar = ManualClock(JOINED), Calendar()
    async with own_database(server, name) as database:
        with timed(f"loading {subscribers:,} subscribers") as load:
            original = await populate(database, subscribers, clock=clock, journal=True, vary=_VARY)
        catalog = CatalogService(database, clock)
        await catalog.refresh()
        async with Ledger(database, clock, shards=SHARDS) as ledger:
            await _spend(ledger, original, subscribers)
            await database.fetch("checkpoint")
            clock.advance(calendar.start_of_day(add_months(calendar.today(JOINED), 1)) - JOINED)
            fees = Subscribers(database, clock, calendar, catalog.current, ledger).fees
            memory.settle()
            with timed("taking the fees of a day") as run:
                taken = await FeeRunner(database, clock, fees).run()
        await _check(database, subscribers, taken)
    return Figures(subscribers, load.seconds, run.seconds, taken)


async def _spend(ledger: Ledger, original: Accession, subscribers: int) -> None:
    """Leave some of those that are due without money for their fee."""
    money = sum_charge(tenge(5_000))
    numbers = range(POOR * EVERY, subscribers, POOR * EVERY)
    accounts = (AccountRef(n % SHARDS, AccountId(original.account.account_id + n)) for n in numbers)
    spent = await asyncio.gather(
        *(ledger.submit(debit(account, "spent", money, contra="revenue.voice")) for account in accounts)
    )
    if any(outcome.status is not Status.OK for outcome in spent):
        raise RuntimeError("some had no money to spend")


async def _check(database: Database, subscribers: int, taken: FeeRun) -> None:
    """A figure counts only if everybody who was due was charged and told once, and the books are right."""
    refused = len(range(POOR * EVERY, subscribers, POOR * EVERY))
    expected = FeeRun(charged=len(range(0, subscribers, EVERY)) - refused, refused=refused)
    told = await database.fetchrow(
        """select count(distinct key) filter (where topic = 'subscribers.fee_taken') as charged,
                  count(distinct key) filter (where topic = 'subscribers.fee_not_taken') as refused
           from kernel.outbox where created_at > $1""",
        JOINED,
    )
    assert told is not None
    if not taken == expected == FeeRun(**told):
        raise RuntimeError(f"the run says {taken}, the outbox {FeeRun(**told)}; expected was {expected}")
    if findings := await audit(database):
        raise RuntimeError(f"the audit found: {findings[:3]}")


def rows(few: Figures, many: Figures) -> list[Row]:
    """Turn the two populations into rows."""
    due = many.fees.charged + many.fees.refused
    growth = few.rate / many.rate
    return [
        Row("fees.subscribers", many.subscribers, "subscribers"),
        Row("fees.load", many.load_s, "s"),
        Row("fees.due", due, "fees"),
        Row("fees.run", many.run_s, "s", f"{due / BAR_RATE:.0f} s (bar: at most 1)", many.run_s / (due / BAR_RATE)),
        Row("fees.rate", many.rate, "fees/s", f"{BAR_RATE:,.0f} a second (bar: at least 1)", many.rate / BAR_RATE),
        Row("fees.cost", 1e6 / many.rate, "us", f"at {few.subscribers:,} subscribers (bar: at most 1.3)", growth),
    ]
