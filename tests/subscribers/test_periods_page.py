"""docs/periods.md says what fees, changes, suspensions and promotions come to: every row of its tables is computed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from telco.billing.fees import FeeRunner
from telco.billing.model import FeeRun
from telco.catalog.catalogue import Catalogue
from telco.catalog.loader import load_directory
from telco.catalog.model import FeeAnchor, Interval
from telco.db.outbox import Dispatcher
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.money import json_money, tenge
from telco.kernel.units import GIGABYTE, MINUTE_S, Unit
from telco.ledger.model import Charge, Kind, Status, debit
from telco.ledger.service import Ledger
from telco.subscribers import periods
from telco.subscribers.model import Accession, ChangeTime, Ground, Scope
from telco.subscribers.service import Subscribers
from tests.subscribers.conftest import CLERK, FAST, OPERATOR, SELF, Office, open_office
from tests.subscribers.varied import varied

PAGE = Path(__file__).parents[2] / "docs" / "periods.md"
CATALOGUE = load_directory(OPERATOR)
AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PLENTY = "50000"

Row = dict[str, str]


def table(name: str) -> list[Row]:
    """Read a table of the page."""
    found = re.search(rf"<!-- table: {name} -->\n((?:\|.*\n)+)", PAGE.read_text("utf-8"))
    assert found is not None, name
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines())
    return [dict(zip(head, line, strict=True)) for line in lines]


def rows(name: str) -> pytest.MarkDecorator:
    """One case a row."""
    return pytest.mark.parametrize("row", [pytest.param(row, id=" ".join(row.values())[:60]) for row in table(name)])


def days(text: str) -> list[date]:
    return [date.fromisoformat(day) for day in text.split(", ")]


class Desk:
    """A subscriber's time: days pass, what is due each day is done, and the ledger tells what was taken and when."""

    def __init__(self, database: Database, clock: ManualClock, calendar: Calendar, catalogue: Catalogue) -> None:
        self.clock = clock
        self.calendar = calendar
        self.ledger = Ledger(database, clock)
        self.subscribers = Subscribers(database, clock, calendar, lambda: catalogue, self.ledger, hasher=FAST)
        self.runner = FeeRunner(database, clock, self.subscribers.fees)
        self.outbox = Dispatcher(database, clock)
        self.outbox.subscribe("subscribers.resumed", self.runner.on_resumed)
        self.database = database
        self.office: Office
        self.who: Accession

    async def join(self, plan: str, day: date, money: str = PLENTY) -> Accession:
        """Accede at noon of a day."""
        self.office = await open_office(self.subscribers, self.database, self.ledger)
        self._to(self.calendar.start_of_day(day) + timedelta(hours=12))
        self.who = await self.office.paid(money, plan_code=plan)
        return self.who

    def _to(self, moment: datetime) -> None:
        self.clock.advance(moment - self.clock.now())

    async def begin(self, day: date) -> FeeRun:
        """Come to a day's first moment and do what is due."""
        self._to(self.calendar.start_of_day(day))
        await self.subscribers.plans.lapse()
        return await self.runner.run()

    async def live(self, until: date) -> None:
        """Live through the days up to and with `until`."""
        day = self.calendar.today(self.clock.now())
        while day < until:
            day += timedelta(days=1)
            await self.begin(day)

    async def fees(self, plan: str) -> list[tuple[date, int]]:
        """When a plan's fee was taken, and how much."""
        entries = await self.ledger.statement(self.who.account, 100, kinds=[Kind.PURCHASE])
        return [
            (self.calendar.today(entry.at), entry.cost_tiyn) for entry in entries[::-1] if entry.details["code"] == plan
        ]

    async def given_back(self) -> str:
        entries = await self.ledger.statement(self.who.account, 100, kinds=[Kind.CREDIT])
        back = [entry for entry in entries if entry.details.get("label") == "fee.refund"]
        return json_money(sum(line.amount for entry in back for line in entry.lines))

    async def left(self, code: str) -> int:
        """What may be used now of a kind of volume."""
        view = await self.ledger.balances(self.who.account)
        return sum(bucket.available for bucket in view.buckets if bucket.code == code)


Open = Callable[[Catalogue], Desk]


@pytest.fixture
def open_desk(database: Database, clock: ManualClock, calendar: Calendar) -> Open:
    return lambda catalogue: Desk(database, clock, calendar, catalogue)


@pytest.mark.clause("PSC-1.1.2", "PSC-1.1.26", "PSC-3.2.4")
@rows("days")
def test_days_of_fees(row: Row) -> None:
    plan = replace(CATALOGUE.plan("kcell-start", AT), fee_interval=Interval(row["fee"]))
    period = periods.first_period(plan, date.fromisoformat(row["joined"]))
    for column in ("2nd fee", "3rd fee", "4th fee"):
        following = periods.next_period(plan, period.anchor, period.index)
        assert period.end == following.start == date.fromisoformat(row[column])
        period = following


@pytest.mark.clause("PSC-1.1.2")
@rows("first")
def test_a_part_of_a_period(row: Row) -> None:
    plan = replace(
        CATALOGUE.plan("kcell-start", AT),
        fee=tenge(row["fee"]),
        fee_interval=Interval(row["each"]),
        fee_anchor=FeeAnchor.CALENDAR,
        proration=row["pro-rated"] == "yes",
    )
    period = periods.first_period(plan, date.fromisoformat(row["joined"]))
    assert (json_money(period.fee), period.end.isoformat()) == (row["taken"], row["first period ends before"])


@pytest.mark.clause("PSC-1.1.5", "PSC-1.1.22", "PSC-3.1.11", "PSC-6.5")
@rows("change")
async def test_changing_the_plan(open_desk: Open, row: Row) -> None:
    desk = open_desk(CATALOGUE)
    who = (await desk.join(row["from"], date.fromisoformat(row["joined"]))).subscriber_id
    await desk.live(date.fromisoformat(row["asked on"]))
    when = ChangeTime(row["when"].replace(" ", "_"))
    await desk.subscribers.change_plan(await desk.subscribers.quote_plan(who, row["to"], when, SELF), SELF)

    taken_on = date.fromisoformat(row["taken on"])
    await desk.live(taken_on)
    fee = tenge(row["fee"])
    assert await desk.given_back() == row["given back"]
    assert await desk.fees(row["to"]) == ([(taken_on, fee)] if fee else [])
    found = await desk.subscribers.get(desk.who.msisdn)
    assert found.plan_code == row["to"]
    if row["next fee"] == "never":
        assert found.next_fee_at is None
    else:
        assert found.next_fee_at == desk.calendar.start_of_day(date.fromisoformat(row["next fee"]))


def suspending(tmp_path: Path, says: str) -> Catalogue:
    """The catalogue, with a plan that says what suspended time costs."""
    changed = ('fee = "2990.00"\n', f'fee = "2990.00"\nsuspended = "{says}"\n')
    return varied(tmp_path, "plans_kcell.toml", changed)


@pytest.mark.clause("PSC-1.1.2", "PSC-3.1.5", "PSC-3.1.5.2", "PSC-3.1.5.5", "PSC-3.1.5.11")
@rows("idle")
async def test_suspended_time(open_desk: Open, tmp_path: Path, row: Row) -> None:
    desk = open_desk(suspending(tmp_path, row["plan says"]))
    who = (await desk.join("kcell-start", date(2026, 3, 2))).subscriber_id
    await desk.live(date.fromisoformat(row["from"]))
    suspension = await desk.subscribers.suspend(who, Ground(row["ground"]), CLERK, reason="told so", reference="1")
    await desk.live(date.fromisoformat(row["until"]))
    await desk.subscribers.resume(suspension.suspension_id, CLERK, reason="it is over")
    await desk.outbox.drain()
    await desk.live(date(2026, 5, 25))
    assert [day for day, _ in await desk.fees("kcell-start")] == days(row["fees on"])


@pytest.mark.clause("PSC-1.1.2", "PSC-3.1.5.5")
async def test_a_planned_end_of_a_suspension_is_not_missed(open_desk: Open, tmp_path: Path) -> None:
    desk = open_desk(suspending(tmp_path, "free"))
    who = (await desk.join("kcell-start", date(2026, 3, 2))).subscriber_id
    await desk.subscribers.switch_service_on(who, "russia-calls", SELF, "r1")  # 30 days, until 1 April
    await desk.live(date(2026, 3, 20))
    noon = desk.calendar.start_of_day(date(2026, 4, 5)) + timedelta(hours=12)
    await desk.subscribers.suspend(who, Ground.LOST_DEVICE, CLERK, reason="lost", ends_at=noon)
    await desk.live(date(2026, 4, 1))
    assert (await desk.begin(date(2026, 4, 2))).idle >= 1  # the plan; the service since yesterday
    await desk.office.top_up(desk.who.account, "100")
    assert await desk.runner.retry(desk.who.account) == FeeRun()  # money changes nothing
    await desk.live(date(2026, 4, 5))
    desk.clock.advance(noon - desk.clock.now() - timedelta(seconds=1))
    assert await desk.runner.run() == FeeRun()
    desk.clock.advance(timedelta(seconds=1))
    assert await desk.runner.run() == FeeRun(charged=2)  # nobody had to say that it is over
    assert [day for day, _ in await desk.fees("kcell-start")] == [date(2026, 3, 2), date(2026, 4, 5)]
    assert [day for day, _ in await desk.fees("russia-calls")] == [date(2026, 3, 2), date(2026, 4, 5)]


async def test_two_suspensions_end_the_free_time_with_the_last(open_desk: Open, tmp_path: Path) -> None:
    desk = open_desk(suspending(tmp_path, "free"))
    who = (await desk.join("kcell-start", date(2026, 3, 2))).subscriber_id
    await desk.live(date(2026, 3, 30))
    suspend, resume = desk.subscribers.suspend, desk.subscribers.resume
    lost = await suspend(who, Ground.LOST_DEVICE, CLERK, reason="lost")
    stranger = await suspend(who, Ground.UNAUTHORISED_USE, CLERK, reason="used by a stranger", scopes=[Scope.FULL])
    await desk.live(date(2026, 4, 10))
    assert await resume(lost.suspension_id, CLERK, reason="found") == {Scope.FULL}
    await desk.outbox.drain()
    assert len(await desk.fees("kcell-start")) == 1
    await desk.live(date(2026, 4, 12))
    await resume(stranger.suspension_id, CLERK, reason="checked")
    await desk.outbox.drain()
    assert [day for day, _ in await desk.fees("kcell-start")] == [date(2026, 3, 2), date(2026, 4, 12)]


@pytest.mark.clause("PSC-2.7", "PSC-1.1.2")
async def test_volumes_that_carry_over(open_desk: Open) -> None:
    desk = open_desk(CATALOGUE)
    first, *others = table("volumes")
    await desk.join("activ-week", date.fromisoformat(first["day"]))
    for row in (first, *others):
        if row["used before"]:
            used = int(row["used before"].removesuffix(" GB")) * GIGABYTE
            data = Charge(Unit.BYTES, used, ("data.any",), 1, 1_000_000_000, ())
            op = debit(desk.who.account, f"used-{row['day']}", data, contra="revenue.data")
            assert (await desk.ledger.submit(op)).status is Status.OK
        await desk.live(date.fromisoformat(row["day"]))
        left = (
            await desk.left("data.any") // GIGABYTE,
            await desk.left("voice.any") // MINUTE_S,
            await desk.left("sms.any"),
        )
        assert left == (int(row["GB left"]), int(row["minutes left"]), int(row["SMS left"])), row["why"]


def promotion(tmp_path: Path, lasts: str, interval: str) -> Catalogue:
    """The catalogue with a promotional plan of another length, pro-rated."""
    return varied(
        tmp_path,
        "plans_activ.toml",
        ('lasts = "3 months"', f'lasts = "{lasts}"'),
        ('fee = "1990.00"\ninterval = "month"\n', f'fee = "1990.00"\ninterval = "{interval}"\nproration = true\n'),
    )


@pytest.mark.clause("PSC-1.1.22")
@rows("promotions")
async def test_promotions(open_desk: Open, tmp_path: Path, row: Row) -> None:
    desk = open_desk(promotion(tmp_path, row["lasts"], row["fee"]))
    await desk.join("activ-spring", date.fromisoformat(row["joined"]))
    begins = date.fromisoformat(row["successor begins"])
    await desk.live(begins + timedelta(days=1))
    assert [day for day, _ in await desk.fees("activ-spring")] == days(row["fees of the promotion"])
    assert await desk.fees("activ-week") == [(begins, tenge(890))]
    assert await desk.given_back() == row["given back"]
    assert await desk.left("data.any") == 4 * GIGABYTE  # the successor's alone


@pytest.mark.clause("PSC-1.1.22")
async def test_a_promotion_that_ended_while_nothing_ran(open_desk: Open, tmp_path: Path) -> None:
    desk = open_desk(promotion(tmp_path, "45 days", "month"))
    await desk.join("activ-spring", date(2026, 3, 2))
    await desk.live(date(2026, 4, 14))
    await desk.begin(date(2026, 4, 28))  # it ended with 15 April; two weeks later the service is up again
    assert await desk.given_back() == "1061.33"  # as if it had been up: from 16 April
    found = await desk.subscribers.get(desk.who.msisdn)
    assert found.plan_code == "activ-week"
    assert found.next_fee_at == desk.calendar.start_of_day(date(2026, 4, 30))  # weeks of 16 and 23 April are taken
    assert [fee for _, fee in await desk.fees("activ-week")] == [tenge(890)] * 2
    assert await desk.left("data.any") == 8 * GIGABYTE  # the second week's, and the first one's carried over
