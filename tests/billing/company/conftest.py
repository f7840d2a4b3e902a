"""Company payments put together as the service does it, with a company that has numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from telco.billing.company.model import Order, Sheet, SheetKind
from telco.billing.company.together import Companies
from telco.billing.payments.model import ItemState, WorkItem
from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn
from telco.subscribers import rules
from telco.subscribers.model import DeviceKind, PartyData, PartyKind, RegistrationSheet, SimKind, Subscriber
from tests.billing.payments.bank import COMPANY, bank_file, document
from tests.billing.payments.conftest import OUR_ACCOUNT, Desk
from tests.world import CLERK, PEPPER, World

__all__ = ["COMPANY"]

ORDER = Order(COMPANY, "1", date(2026, 3, 1))
ACCOUNTANT = "staff:accountant"


class Books(Desk):
    """Every use case of payments, and those of companies."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.companies = Companies(
            world.database, world.clock, world.calendar, world.ledger, world.invoicing, self, PEPPER
        )

    async def came(self, purpose: str, amount: str, number: str = "1", payer: str = COMPANY) -> None:
        """A company's transfer comes, and the job looks at it."""
        await self.transfers.take(
            bank_file(document(purpose, amount, number, ПлательщикИНН=payer)), f"{number}.txt", actor=ACCOUNTANT
        )
        await self.companies.payments.process()

    async def waiting(self) -> list[WorkItem]:
        return await self.work_list.items(ItemState.OPEN, None, 0, 100)

    async def send(
        self,
        lines: Sequence[tuple[str, str]],
        *,
        kind: SheetKind = SheetKind.REGISTER,
        order: Order = ORDER,
        name: str = "register.csv",
    ) -> Sheet:
        """A register or letter comes."""
        text = "\n".join(["Номер;Сумма", *(f"{whom};{amount}" for whom, amount in lines)])
        return await self.companies.sheets.take(text.encode(), name, kind, order, actor=ACCOUNTANT)

    async def number_of(self, iin_bin: str = COMPANY, plan: str = "kcell-m2m") -> Subscriber:
        """Accede a number of a company, on a contract and account of its own."""
        world, serial = self.world, next(self.world._serials)
        msisdn = Msisdn(f"7701{serial:07d}")
        iccid = f"897010{serial:012d}"
        iccid += rules.luhn_digit(iccid)
        await world.subscribers.numbers.add([msisdn], "ordinary", CLERK)
        await world.subscribers.sims.add(iccid, f"40101{serial:010d}", SimKind.SIM, CLERK)
        party = PartyData(PartyKind.COMPANY, iin_bin, "Алтын ЖШС", "Алматы, Абай 2", "altyn@example.kz", "77011112233")
        sheet = RegistrationSheet(
            request_id=f"company-{serial}",
            party=party,
            plan_code=plan,
            language=Language.RU,
            device_kind=DeviceKind.M2M if plan == "kcell-m2m" else DeviceKind.PHONE,
            origin=CLERK,
            msisdn=msisdn,
            iccid=iccid,
        )
        accession = await world.subscribers.accede(sheet)
        found = await world.subscribers.find(accession.msisdn)
        assert found is not None
        return found


@pytest.fixture
async def books(world: World) -> Books:
    """With one account of ours at a bank."""
    books = Books(world)
    await books.transfers.add_account(OUR_ACCOUNT, "main")
    return books
