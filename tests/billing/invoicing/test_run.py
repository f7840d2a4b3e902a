"""The billing run: what an invoice has on it, when it is issued, and that nothing is invoiced twice or never."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from telco.billing.invoicing.model import BillingRun, InvoiceState
from telco.kernel.money import tenge
from tests.world import World


async def to(world: World, day: date) -> None:
    """Move the clock to the first moment of a day in Kazakhstan."""
    world.clock.advance(world.calendar.start_of_day(day) - world.clock.now())


@pytest.mark.clause("PSC-1.1.26", "PSC-1.1.17", "PSC-4.3.2")
async def test_a_period_lasts_to_the_same_day_of_the_next_month(world: World) -> None:
    subscriber = await world.subscriber("kcell-status", money="1000")  # joined on 2 March
    await to(world, date(2026, 4, 1))
    assert await world.invoicing.run() == BillingRun()
    world.clock.advance(timedelta(days=1, microseconds=-1))  # the last moment of 1 April
    assert await world.invoicing.run() == BillingRun()
    world.clock.advance(timedelta(microseconds=1))
    assert await world.invoicing.run() == BillingRun(periods=1, invoices=1, lines=1, total=tenge(8990))
    [invoice] = await world.invoicing.of_account(subscriber.account, 10)
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
