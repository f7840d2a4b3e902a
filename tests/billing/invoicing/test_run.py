"""The billing run: what an invoice has on it, when it is issued, and that nothing is invoiced twice or never."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from telco.billing.invoicing.audit import audit
from telco.billing.invoicing.model import BillingRun, InvoiceState
from telco.billing.invoicing.service import Invoicing
from telco.catalog.model import Service
from telco.charging.model import UsageRequest
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.money import Tiyn, tenge
from telco.ledger import model as ledger_model
from telco.subscribers.model import ChangeTime, EndGround
from tests.billing.invoicing.conftest import charge, invoices, to
from tests.world import CLERK, World


@pytest.mark.clause("PSC-1.1.26", "PSC-1.1.17", "PSC-4.3.2")
async def test_a_period_lasts_to_the_same_day_of_the_next_month(world: World) -> None:
    subscriber = await world.subscriber("kcell-status", money="1000")  # joined on 2 March
    await to(world, date(2026, 4, 1))
    world.clock.advance(timedelta(days=1, microseconds=-1))  # the last moment of 1 April
    assert await world.invoicing.run() == BillingRun()
    world.clock.advance(timedelta(microseconds=1))
    assert await world.invoicing.run() == BillingRun(periods=1, invoices=1, lines=1, total=tenge(8990))
    assert await world.invoicing.run() == BillingRun()
    [invoice] = await invoices(world, subscriber)
    assert (invoice.number, invoice.period_start, invoice.period_end) == (
        "KC-2026-0000001",
        date(2026, 3, 2),
        date(2026, 4, 2),
    )
    assert invoice.due_on == date(2026, 5, 2)  # 30 cd after 2 April
    assert invoice.vat == tenge(1240)  # 8990 * 0.16 / 1.16 = 1240
    assert invoice.open_amount == tenge(7990)  # less the 1000 paid on joining
    assert invoice.state is InvoiceState.OPEN
    [line] = await world.invoicing.lines(invoice.invoice_id)
    assert (line.code, line.label, line.item, line.amount) == ("revenue.plan", "fee.plan", "kcell-status", tenge(8990))
    assert line.vat_percent == Decimal(16)
    assert (await world.invoicing.due(subscriber.account)).total_owed == tenge(7990)


@pytest.mark.clause("PSC-1.1.26")
async def test_accounts_of_before_invoicing_are_counted_from_their_joining(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await world.subscriber("kcell-start")  # in prepaid settlement: never invoiced
    await world.database.fetch("delete from invoicing.account")  # as a database of before the feature has it
    await to(world, date(2026, 4, 10))
    assert await world.invoicing.adopt() == 1
    assert await world.invoicing.adopt() == 0
    assert (await world.invoicing.run()).periods == 1
    [invoice] = await invoices(world, subscriber)
    assert (invoice.period_start, invoice.period_end) == (date(2026, 3, 2), date(2026, 4, 2))


@pytest.mark.clause("PSC-1.1.26")
async def test_periods_of_the_31st_end_with_shorter_months_and_return(world: World) -> None:
    await to(world, date(2026, 3, 31))
    subscriber = await world.subscriber("kcell-status")
    for day in (date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30), date(2026, 7, 31)):
        await to(world, day - timedelta(days=1))
        assert (await world.invoicing.run()).periods == 0
        await charge(world, subscriber.account, "10")
        await to(world, day)
        assert (await world.invoicing.run()).periods == 1
    starts = [invoice.period_start for invoice in await invoices(world, subscriber)]
    assert starts == [date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31), date(2026, 6, 30)]


@pytest.mark.clause("PSC-4.4")
async def test_what_is_posted_after_the_end_is_on_the_next_invoice(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await charge(world, subscriber.account, "100")
    await to(world, date(2026, 4, 2))
    await charge(world, subscriber.account, "7", "revenue.roaming")  # between the end of the period and the run
    await world.invoicing.run()
    await charge(world, subscriber.account, "5", "revenue.roaming")  # roaming of March, reported in April
    await to(world, date(2026, 5, 2))
    await world.invoicing.run()
    assert [invoice.total for invoice in await invoices(world, subscriber)] == [tenge(9090), tenge(12)]


async def test_a_change_of_vat_inside_a_period_makes_two_groups(database: Database, calendar: Calendar) -> None:
    """12 % until 31 December 2025, 16 % from 1 January 2026 on."""
    world = World(database, ManualClock(datetime(2025, 12, 15, 6, tzinfo=UTC)), calendar)
    await world.open()
    subscriber = await world.subscriber("kcell-status")
    await charge(world, subscriber.account, "1000")
    await to(world, date(2026, 1, 1))
    await charge(world, subscriber.account, "500")
    await to(world, date(2026, 1, 15))
    await world.invoicing.run()
    [invoice] = await invoices(world, subscriber)
    lines = await world.invoicing.lines(invoice.invoice_id)
    assert [(line.label, line.vat_percent, line.amount) for line in lines] == [
        ("fee.plan", Decimal(12), tenge(8990)),
        ("voice", Decimal(12), tenge(1000)),
        ("voice", Decimal(16), tenge(500)),
    ]
    # (8990 + 1000) * 0.12 / 1.12 = 1070.357..., half up 1070.36; 500 * 0.16 / 1.16 = 68.9655..., half up 68.97
    assert invoice.vat == Tiyn(107036 + 6897)
    # the first group's VAT is shared by its lines: 8990 * 0.12 / 1.12 = 963.21; 1070.36 - 963.21 = 107.15
    assert [line.vat for line in lines] == [96321, 10715, 6897]
    await world.close()


@pytest.mark.clause("PSC-4.4")
async def test_usage_reported_late_bears_the_vat_of_when_it_was_used(database: Database, calendar: Calendar) -> None:
    """A partner tells on 10 January of messages at 39.00: ten of December's last second, one of January's first."""
    world = World(database, ManualClock(datetime(2025, 12, 15, 6, tzinfo=UTC)), calendar)
    await world.open()
    subscriber = await world.subscriber("kcell-status")
    await to(world, date(2026, 1, 10))
    january = calendar.start_of_day(date(2026, 1, 1))
    for request_id, used_at, messages in (("tap-1", january - timedelta(seconds=1), 10), ("tap-2", january, 1)):
        request = UsageRequest(
            request_id, subscriber.msisdn, Service.SMS, other="77051234567", visited="43601", requested=messages
        )
        assert (await world.charging.event(request, used_at)).cost == messages * tenge(39)
    await to(world, date(2026, 1, 15))
    await world.invoicing.run()
    [invoice] = await invoices(world, subscriber)
    lines = await world.invoicing.lines(invoice.invoice_id)
    assert [(line.label, line.vat_percent, line.amount) for line in lines] == [
        ("fee.plan", Decimal(12), tenge(8990)),
        ("sms.roaming", Decimal(12), tenge(390)),
        ("sms.roaming", Decimal(16), tenge(39)),
    ]
    # (8990 + 390) * 0.12 / 1.12 = 1005.00; 39 * 0.16 / 1.16 = 5.3793..., half up 5.38
    assert invoice.vat == Tiyn(100500 + 538)
    await world.close()


async def test_a_penalty_and_what_was_sold_before_bear_no_vat(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await charge(world, subscriber.account, "10", "revenue.penalty")
    await charge(world, subscriber.account, "1000", "receivable.other")
    await to(world, date(2026, 4, 2))
    await world.invoicing.run()
    [invoice] = await invoices(world, subscriber)
    assert (invoice.total, invoice.vat) == (tenge(10_000), tenge(1240))  # of the fee of 8990 only
    rates = {line.code: line.vat_rate for line in await world.invoicing.lines(invoice.invoice_id)}
    assert rates == {"revenue.plan": Decimal("0.16"), "revenue.penalty": None, "receivable.other": None}


async def test_missed_periods_are_closed_one_by_one(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    for day in (date(2026, 4, 10), date(2026, 6, 10)):  # nothing is charged in May
        await to(world, day)
        await charge(world, subscriber.account, "10")
    await to(world, date(2026, 7, 2))
    assert (await world.invoicing.run()).periods == 4
    found = await invoices(world, subscriber)
    assert [(invoice.period_start.month, invoice.total) for invoice in found] == [
        (3, tenge(8990)),
        (4, tenge(10)),
        (6, tenge(10)),
    ]
    assert [invoice.due_on for invoice in found] == [date(2026, 5, 2), date(2026, 6, 1), date(2026, 8, 1)]


async def test_two_machines_at_once_issue_each_invoice_once_and_leave_no_gap(world: World) -> None:
    subscribers = [await world.subscriber("kcell-status") for _ in range(12)]
    await to(world, date(2026, 4, 2))
    other = await Database.connect(world.database.url)
    second = Invoicing(other, world.clock, world.calendar, world.ledger, world.subscribers, world.catalog.current)
    runs = await asyncio.gather(*(each.run(5) for each in (world.invoicing, second, world.invoicing, second)))
    runs.append(await second.run())
    await other.close()
    assert sum(run.invoices for run in runs) == 12
    numbers = sorted([invoice.number for each in subscribers for invoice in await invoices(world, each)])
    assert numbers == [f"KC-2026-{n:07d}" for n in range(1, 13)]


async def test_a_crash_after_the_number_was_taken_leaves_no_gap(world: World) -> None:
    """The connection dies with the transaction in which invoices have their numbers already."""
    subscribers = [await world.subscriber("kcell-status") for _ in range(3)]
    await to(world, date(2026, 4, 2))
    doomed = await Database.connect(world.database.url)
    taken = asyncio.Event()

    class Dying(Database):
        async def transact(self, name, body):  # type: ignore[no-untyped-def]
            async def killed(connection: Connection) -> None:
                await body(connection)
                assert await connection.fetchval("select last_no from invoicing.series") == 3
                taken.set()
                await world.database.fetchval("select pg_terminate_backend($1)", connection.get_server_pid())
                await connection.execute("select 1")

            return await super().transact(name, killed)

    doomed.__class__ = Dying
    first = Invoicing(doomed, world.clock, world.calendar, world.ledger, world.subscribers, world.catalog.current)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await first.run(10)
    doomed.terminate()
    assert taken.is_set()
    assert await world.database.fetchval("select count(*) from invoicing.series") == 0
    assert (await world.invoicing.run()).invoices == 3
    found = [invoice for each in subscribers for invoice in await invoices(world, each)]
    assert sorted(invoice.number[-1] for invoice in found) == ["1", "2", "3"]


async def test_a_clock_that_jumps_ahead_and_back_skips_and_doubles_nothing(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await charge(world, subscriber.account, "10")
    wrong = ManualClock(world.clock.now() + timedelta(days=70))  # two periods are over by this clock
    jumped = Invoicing(world.database, wrong, world.calendar, world.ledger, world.subscribers, world.catalog.current)
    assert (await jumped.run()).periods == 2
    await charge(world, subscriber.account, "20")  # by the right clock, of a period that is closed
    await to(world, date(2026, 5, 2))
    assert await world.invoicing.run() == BillingRun()
    await to(world, date(2026, 6, 2))
    assert (await world.invoicing.run()).periods == 1
    assert [(i.period_start.month, i.total) for i in await invoices(world, subscriber)] == [
        (3, tenge(9000)),
        (5, tenge(20)),
    ]


async def test_series_of_brands_and_years_count_for_themselves(world: World) -> None:
    await to(world, date(2026, 12, 1))
    subscriber = await world.subscriber("kcell-status")
    await to(world, date(2027, 1, 1))
    await charge(world, subscriber.account, "1")
    await world.invoicing.run()
    await to(world, date(2027, 2, 1))
    await world.invoicing.run()
    assert [i.number for i in await invoices(world, subscriber)] == ["KC-2027-0000001", "KC-2027-0000002"]


async def test_what_was_owed_before_credit_is_on_the_first_invoice_without_vat(world: World) -> None:
    subscriber = await world.subscriber("kcell-free", money="100")
    await charge(world, subscriber.account, "350", "revenue.roaming")  # a debt of 250 arose abroad
    world.clock.advance(timedelta(days=1))
    quote = await world.subscribers.quote_plan(subscriber.subscriber_id, "kcell-status", ChangeTime.NOW, CLERK)
    limit = ledger_model.credit_limit(subscriber.account, "limit", tenge(20_000))
    await world.ledger.submit(limit)
    await world.subscribers.change_plan(quote, CLERK)
    await to(world, date(2026, 4, 3))
    await world.invoicing.run()
    [invoice] = await invoices(world, subscriber)
    assert (invoice.total, invoice.vat) == (tenge(250 + 8990), tenge(1240))
    carried = next(line for line in await world.invoicing.lines(invoice.invoice_id) if line.code == "carried")
    assert (carried.amount, carried.vat_rate) == (tenge(250), None)


async def test_who_leaves_credit_gets_a_last_invoice(world: World) -> None:
    subscriber = await world.subscriber("kcell-status", money="20000")
    world.clock.advance(timedelta(days=3))
    quote = await world.subscribers.quote_plan(subscriber.subscriber_id, "kcell-free", ChangeTime.NOW, CLERK)
    await world.subscribers.change_plan(quote, CLERK)
    await to(world, date(2026, 4, 2))
    assert (await world.invoicing.run()).invoices == 1
    await to(world, date(2026, 8, 2))
    assert await world.invoicing.run() == BillingRun()
    [invoice] = await invoices(world, subscriber)
    assert invoice.state is InvoiceState.PAID


@pytest.mark.clause("PSC-6.3.5")
async def test_a_debt_found_after_the_end_is_still_invoiced(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await world.subscribers.contracts.end(subscriber.subscriber_id, EndGround.BREACH, CLERK)
    await to(world, date(2026, 4, 20))
    await charge(world, subscriber.account, "30", "revenue.roaming")
    await to(world, date(2026, 5, 2))
    assert (await world.invoicing.run()).invoices == 2
    assert [i.total for i in await invoices(world, subscriber)] == [tenge(8990), tenge(30)]


async def test_the_auditor_sees_a_charge_that_is_on_no_invoice(world: World) -> None:
    subscriber = await world.subscriber("kcell-status")
    await to(world, date(2026, 4, 2))
    await world.invoicing.run()
    op_id = await charge(world, subscriber.account, "10")
    before = await world.database.fetchval("select invoiced_op from invoicing.account")
    await world.database.fetch("update invoicing.account set invoiced_op = $1", op_id)
    assert "invoicing.balances" in {finding.check for finding in await audit(world.database)}
    await world.database.fetch("update invoicing.account set invoiced_op = $1", before)
