"""Company payments, put together."""

from __future__ import annotations

from telco.billing.company.proposals import Proposals
from telco.billing.company.service import CompanyPayments
from telco.billing.company.sheets import Sheets
from telco.billing.invoicing.service import Invoicing
from telco.billing.payments.audit import Finding, MoneyIn, money_in
from telco.billing.payments.ways import WaysIn
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.ledger.service import Ledger


class Companies:
    """Every use case of company payments. `pepper` keys the digests of contacts' keys."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        invoicing: Invoicing,
        ways: WaysIn,
        pepper: bytes,
    ) -> None:
        self._database = database
        self.work_list = ways.work_list
        self.payments = CompanyPayments(database, clock, ways.payments, ways.work_list, invoicing)
        self.proposals = Proposals(database, clock, calendar, ledger, invoicing)
        self.sheets = Sheets(database, clock, self.payments, pepper)

    async def money_in(self) -> tuple[MoneyIn, list[Finding]]:
        """Where the money of the bank is, and everything that is wrong with it. Contract: PSC-3.2.4-4"""
        return await money_in(self._database)
