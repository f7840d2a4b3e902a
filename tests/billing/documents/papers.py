"""What the documents' examples of the documents' routes name, so that they can be read."""

from __future__ import annotations

from datetime import timedelta

from telco.billing.documents.desk import DocumentDesk
from telco.billing.invoicing.service import Invoicing
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Translator
from tests.billing.documents.conftest import Office, seller
from tests.world import World


async def make_document_example(world: World) -> None:
    """Document 1: the first invoice of a company, on its way to the state's e-invoice system."""
    later = ManualClock(world.clock.now() + timedelta(days=31))
    invoicing = Invoicing(world.database, later, world.calendar, world.ledger, world.subscribers, world.catalog.current)
    desk = DocumentDesk(world.database, later, world.calendar, Translator.load(), invoicing, world.catalog.current)
    company = await Office(world, desk).company()
    await invoicing.run()
    [invoice] = await invoicing.of_account(company.account, 1)
    await desk.requisites.set(seller(), world.calendar.today(later.now()), actor="staff:test")
    await desk.documents.issue_invoice(invoice.invoice_id)
