"""The documents feature put together."""

from __future__ import annotations

from collections.abc import Callable

from telco.billing.documents.drafts import Drafts
from telco.billing.documents.duties import CompanyDuties
from telco.billing.documents.einvoice import EInvoices, EInvoiceSystem
from telco.billing.documents.requisites import Requisites
from telco.billing.documents.service import Documents
from telco.billing.invoicing.service import Invoicing
from telco.catalog.catalogue import Catalogue
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.i18n import Translator


class DocumentDesk:
    """Every use case of documents on one database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        translator: Translator,
        invoicing: Invoicing,
        catalogue: Callable[[], Catalogue],
        system: EInvoiceSystem | None = None,
    ) -> None:
        """Without `system`, the state's e-invoice system, what goes there waits in the queue."""
        self.requisites = Requisites(database, clock, calendar)
        drafts = Drafts(calendar, translator, invoicing, catalogue, self.requisites)
        self.documents = Documents(database, clock, calendar, translator, drafts)
        self.duties = CompanyDuties(database, clock, calendar, self.documents, invoicing)
        self.einvoices = EInvoices(database, clock, self.documents, system)
