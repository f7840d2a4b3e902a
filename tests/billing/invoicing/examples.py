"""An invoice for the documents' own examples."""

from __future__ import annotations

from datetime import timedelta

from telco.billing.invoicing.service import Invoicing
from telco.kernel.clock import ManualClock
from tests.world import World


async def make_invoice_example(world: World) -> None:
    """The first invoice of the year, issued when the first period of a new credit account is over."""
    await world.subscriber("kcell-status")
    later = ManualClock(world.clock.now() + timedelta(days=31))
    invoicing = Invoicing(world.database, later, world.calendar, world.ledger, world.subscribers, world.catalog.current)
    await invoicing.run()
