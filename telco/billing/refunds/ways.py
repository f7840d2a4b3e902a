"""The ways out for money, put together."""

from __future__ import annotations

from collections.abc import Callable

from telco.billing.documents.requisites import Requisites
from telco.billing.invoicing.service import Invoicing
from telco.billing.payments.ways import WaysIn
from telco.billing.refunds.bank import RefundBank
from telco.billing.refunds.closing import Closing
from telco.billing.refunds.compensations import Compensations
from telco.billing.refunds.payouts import Payouts
from telco.billing.refunds.service import Refunds
from telco.billing.trust import TrustPayments
from telco.catalog.catalogue import Catalogue
from telco.db.outbox import Dispatcher
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.ledger.service import Ledger
from telco.subscribers.consents import Obligations


class WaysOut:
    """Every use case of the end of accounts and of money back."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        trust: TrustPayments,
        invoicing: Invoicing,
        obligations: Obligations,
        catalogue: Callable[[], Catalogue],
        ways_in: WaysIn,
        purpose_code: str,
    ) -> None:
        """`purpose_code` (КНП) is what orders to the bank have."""
        self.refunds = Refunds(database, clock, calendar, ledger, invoicing, obligations)
        self.payouts = Payouts(database, clock, calendar, ledger, self.refunds, ways_in.cash)
        requisites = Requisites(database, clock, calendar)
        self.bank = RefundBank(
            database, clock, calendar, self.refunds, self.payouts, ways_in.transfers, requisites, purpose_code
        )
        ways_in.transfers.explained_by(self.bank.explain)
        self.closing = Closing(database, clock, calendar, ledger, trust, invoicing, self.refunds)
        self.compensations = Compensations(database, clock, calendar, ledger, catalogue)

    def subscribe_to(self, outbox: Dispatcher) -> None:
        """Hear of numbers that ended, or went to another subscriber."""
        outbox.subscribe("subscribers.ended", self.closing.on_ended)
        outbox.subscribe("subscribers.re_registered", self.closing.on_ended)
