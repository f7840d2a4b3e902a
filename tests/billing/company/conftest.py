"""Company payments put together as the service does it, with a company that has numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from telco.billing.company.model import Order, Sheet, SheetKind
from telco.billing.company.together import Companies
from telco.billing.payments.model import ItemState, WorkItem
from telco.subscribers.model import Subscriber
from tests.billing.company.people import company_number
from tests.billing.payments.bank import COMPANY, bank_file, document
from tests.billing.payments.conftest import OUR_ACCOUNT, Desk
from tests.world import PEPPER, World

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
        return await company_number(self.world, iin_bin, plan)


@pytest.fixture
async def books(world: World) -> Books:
    """With one account of ours at a bank."""
    books = Books(world)
    await books.transfers.add_account(OUR_ACCOUNT, "main")
    return books
