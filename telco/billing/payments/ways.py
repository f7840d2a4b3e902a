"""The ways in for money, put together."""

from __future__ import annotations

from telco.billing.invoicing.service import Invoicing
from telco.billing.payments.bank_transfers import BankTransfers
from telco.billing.payments.cash_desk import CashDesk
from telco.billing.payments.corrections import Corrections
from telco.billing.payments.payees import Payees
from telco.billing.payments.registers import Registers
from telco.billing.payments.service import Payments
from telco.billing.payments.terminals import Providers, Terminals
from telco.billing.payments.work_list import WorkList
from telco.billing.topups import TopUps
from telco.billing.trust import TrustPayments
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.ledger.service import Ledger
from telco.subscribers.service import Subscribers


class WaysIn:
    """Every use case of payments but cards. `pepper` keys the digests of providers' keys."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        subscribers: Subscribers,
        trust: TrustPayments,
        invoicing: Invoicing,
        pepper: bytes,
    ) -> None:
        topups = TopUps(clock, ledger, trust, invoicing)
        self.payments = Payments(database, clock, Payees(database, clock, subscribers, ledger), topups)
        self.providers = Providers(database, clock, pepper)
        self.terminals = Terminals(database, clock, self.payments)
        self.registers = Registers(database, clock, calendar)
        self.transfers = BankTransfers(database, clock, calendar, self.payments)
        self.work_list = WorkList(database, clock, self.payments, self.transfers)
        self.cash = CashDesk(database, clock, calendar, self.payments)
        self.corrections = Corrections(database, clock, ledger, self.payments, topups, invoicing)
