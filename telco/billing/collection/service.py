"""Collection as the rest of telco uses it: the daily run, what follows a payment, objections, the register."""

from __future__ import annotations

from datetime import datetime

from telco.billing.collection import rules, store
from telco.billing.collection.dunning import Dunning
from telco.billing.collection.found import FoundDebts
from telco.billing.collection.model import Run
from telco.billing.collection.objections import Objections
from telco.billing.collection.register import Register
from telco.billing.collection.runner import CollectionRunner
from telco.billing.invoicing.arrears import Arrears
from telco.billing.invoicing.credit_notes import CreditNotes
from telco.billing.invoicing.service import Invoicing
from telco.db.outbox import Dispatcher
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.ledger.service import Ledger
from telco.subscribers.service import Subscribers


class Collection:
    """Everything that follows when an invoice is not paid in time."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        subscribers: Subscribers,
        invoicing: Invoicing,
        *,
        email: bool = False,
    ) -> None:
        self._clock = clock
        self._calendar = calendar
        arrears = Arrears(calendar)
        self.dunning = dunning = Dunning(clock, calendar, ledger, subscribers, arrears, email=email)
        self.credit_notes = CreditNotes(database, clock, calendar, ledger, invoicing)
        self.found = FoundDebts(database, clock, calendar, ledger, subscribers, arrears, dunning)
        self.runner = CollectionRunner(database, clock, calendar, subscribers, arrears, dunning, self.found)
        self.objections = Objections(database, clock, calendar, subscribers, arrears, dunning, self.credit_notes)
        self.register = Register(database, clock, calendar, dunning)

    def subscribe_to(self, outbox: Dispatcher) -> None:
        """Hear of money and of ended contracts."""
        outbox.subscribe("billing.credited", self.runner.on_money)
        outbox.subscribe("billing.invoice_paid", self.runner.on_money)
        outbox.subscribe("subscribers.ended", self.found.on_ended)
        outbox.subscribe("subscribers.re_registered", self.found.on_ended)
        outbox.subscribe("billing.invoice_issued", self.found.on_invoice_issued)

    async def sms_from(self, connection: Connection) -> datetime:
        """When subscribers may next be told by SMS what they have to pay: now, or from the morning on.

        Contract: PSC-3.1.4
        """
        now = self._clock.now()
        today = self._calendar.today(now)
        return rules.sms_from(now, (await store.terms(connection, [today]))[today], self._calendar)

    async def run(self) -> Run:
        """See `CollectionRunner.run`."""
        return await self.runner.run()

    async def reconcile(self) -> int:
        """See `CollectionRunner.reconcile`."""
        return await self.runner.reconcile()
