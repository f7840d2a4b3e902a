"""What the documents' examples of the instalments' routes name, so that they can be read."""

from __future__ import annotations

from telco.billing.instalments.bureau import CreditBureaus
from telco.billing.instalments.model import Sale
from telco.kernel.money import tenge
from telco.kernel.msisdn import Msisdn
from tests.world import CLERK, World


async def make_examples(world: World, buyer: str) -> None:
    """A device sold for 10,000 tenge in 3 parts, and the file that tells a bureau of it."""
    subscriber = await world.subscribers.get(Msisdn(buyer))
    sale = Sale("device-standard", "Galaxy A15", "356938035643809", tenge(10_000), tenge(1_000), 3)
    await world.instalments.sign(subscriber, sale, CLERK, request_id="example")
    bureaus = CreditBureaus(
        world.database, world.clock, world.calendar, world.ledger, world.subscribers, world.invoicing
    )
    await bureaus.make()
