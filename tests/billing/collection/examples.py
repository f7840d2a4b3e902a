"""What the documents' examples of collection's routes name, so that they can be read."""

from __future__ import annotations

from datetime import timedelta

from telco.billing.collection.service import Collection
from telco.kernel.clock import ManualClock
from tests.world import World


async def make_debt_example(world: World) -> None:
    """Debt 1: the example of an invoice, as it falls due."""
    later = ManualClock(world.clock.now() + timedelta(days=60))
    collection = Collection(world.database, later, world.calendar, world.ledger, world.subscribers, world.invoicing)
    await collection.run()
