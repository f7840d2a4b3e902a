"""What the documents' examples of the payments' routes name, so that they can be read."""

from __future__ import annotations

from datetime import date

from telco.billing.company.model import Order, SheetKind
from telco.billing.company.together import Companies
from telco.billing.payments.ways import WaysIn
from telco.kernel.money import tenge
from tests.billing.company.people import company_number
from tests.billing.payments.bank import COMPANY, bank_file, document
from tests.billing.payments.conftest import OUR_ACCOUNT
from tests.world import PEPPER, World


async def make_examples(world: World, payee: str) -> None:
    """A provider "kiosk", a shift with a payment, an empty bank file, a company's transfer and register."""
    ways = WaysIn(
        world.database,
        world.clock,
        world.calendar,
        world.ledger,
        world.subscribers,
        world.trust,
        world.invoicing,
        PEPPER,
    )
    await ways.providers.add("kiosk", "Kiosk", least=tenge(1), most=tenge(500_000), actor="staff:example")
    await ways.transfers.add_account(OUR_ACCOUNT, "main")
    await ways.transfers.take(bank_file(), "empty.txt", actor="staff:example")
    shift = await ways.cash.open_shift("example", cashier="staff:example")
    await ways.cash.take(payee, tenge(100), cashier="staff:example", request_id="example")
    await ways.cash.close_shift(shift.shift_id, tenge(100), cashier="staff:example")
    await _make_company_examples(world, ways, payee)


async def _make_company_examples(world: World, ways: WaysIn, payee: str) -> None:
    companies = Companies(world.database, world.clock, world.calendar, world.ledger, world.invoicing, ways, PEPPER)
    await company_number(world, COMPANY, "kcell-m2m")
    raw = bank_file(document("за связь", number="416", ПлательщикИНН=COMPANY))
    await ways.transfers.take(raw, "company.txt", actor="staff:example")
    await companies.payments.process()
    register = f"Номер;Сумма\n{payee};100\n".encode()
    order = Order(COMPANY, "415", date(2026, 3, 1))
    await companies.sheets.take(register, "r.csv", SheetKind.REGISTER, order, actor="staff:example")
    await companies.sheets.add_contact(COMPANY, "altyn-accounts", "Айгүл", actor="staff:example")
