"""The documents feature on a fresh database, with requisites and a company."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.model import Seller
from telco.billing.documents.schemas import RequisitesIn
from telco.billing.invoicing.model import Invoice
from telco.kernel.i18n import Language, Translator
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.model import Status, sum_charge
from telco.subscribers import rules as subscriber_rules
from telco.subscribers.model import PartyData, PartyKind, RegistrationSheet, SimKind, Subscriber
from tests.world import CLERK, World

BIN = "990140000007"
COMPANY_BIN = "000440000003"
FEE = Tiyn(4829_03)
"""Of the company's plan for 30 of the 31 days of March: 4990 * 30 / 31."""
FEE_VAT = Tiyn(666_07)
"""4829.03 * 16 / 116."""
PLAN = "kcell-business"


def in_three(text: str) -> dict[str, str]:
    return {"kk": text, "ru": text, "en": text}


BANK = {"name": in_three("АО «Банк»"), "iban": "KZ87345KZT1234567890", "bik": "HSBKKZKX", "kbe": "17"}
REQUISITES = {
    "name": {"kk": "«Көктем» АҚ", "ru": "АО «Коктем»", "en": "Koktem JSC"},
    "bin": BIN,
    "address": in_three("г. Алматы, ул. Тимирязева, 2"),
    "phone": "+7 727 258 83 00",
    "bank": BANK,
    "vat_certificate": {"series": "60001", "number": "0012345", "issued_on": "2012-08-14"},
    "head": in_three("Директор А. Утегенов"),
    "accountant": in_three("Бухгалтер Г. Избасаркызы"),
    "esf_operator": "Избасаркызы Гульнур",
}


def seller() -> Seller:
    return RequisitesIn.model_validate(REQUISITES).seller()


@dataclass
class Office:
    """The world, and the documents' use cases in it."""

    world: World
    desk: DocumentDesk

    async def to(self, day: date) -> None:
        """Move the clock to the first moment of a day in Kazakhstan."""
        self.world.clock.advance(self.world.calendar.start_of_day(day) - self.world.clock.now())

    async def company(
        self, plan: str = "kcell-business", *, name: str = "ТОО «Ұшқын»", number: str = "77019990000"
    ) -> Subscriber:
        """Accede a company."""
        world = self.world
        iccid = f"8970109{number}"
        iccid += subscriber_rules.luhn_digit(iccid)
        await world.subscribers.numbers.add([Msisdn(number)], "ordinary", CLERK)
        await world.subscribers.sims.add(iccid, f"4010{number}", SimKind.SIM, CLERK)
        party = PartyData(
            PartyKind.COMPANY, COMPANY_BIN, name, "г. Астана, пр. Мәңгілік Ел, 55", "office@example.kz", "77172000000"
        )
        await world.subscribers.accede(
            RegistrationSheet(f"company-{number}", party, plan, Language.RU, CLERK, msisdn=Msisdn(number), iccid=iccid)
        )
        return await world.subscribers.get(Msisdn(number))

    async def use(self, subscriber: Subscriber, op_id: str, tiyn: int, contra: str, **details: object) -> None:
        """Charge something, as charging does on credit."""
        op = ledger_model.debit(
            subscriber.account, op_id, sum_charge(tiyn), contra=contra, forced=True, details=details
        )
        assert (await self.world.ledger.submit(op)).status is Status.OK

    async def invoice(self, subscriber: Subscriber, day: date) -> Invoice:
        """Let the accounting period end on `day` and return its invoice; what hears of it does so."""
        await self.to(day)
        await self.world.invoicing.run()
        await self.world.outbox.drain()
        [invoice, *_] = await self.world.invoicing.of_account(subscriber.account, 10)
        return invoice

    async def pay(self, subscriber: Subscriber, amount: str, op_id: str) -> None:
        await self.world.pay(subscriber.account, amount, op_id)


@pytest.fixture
async def office(world: World, translator: Translator) -> Office:
    """With the operator's requisites since 2026 and no e-invoice system."""
    desk = DocumentDesk(world.database, world.clock, world.calendar, translator, world.invoicing, world.catalog.current)
    await desk.requisites.set(seller(), date(2026, 1, 1), actor="staff:test")
    world.outbox.subscribe("billing.invoice_issued", desk.duties.on_invoice_issued)
    return Office(world, desk)
