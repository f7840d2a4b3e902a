"""What the documents' examples of the refunds' routes name, so that they can be read."""

from __future__ import annotations

from telco.billing.documents.requisites import Requisites
from tests.billing.documents.conftest import seller
from tests.billing.refunds.conftest import OURS, Office
from tests.world import World

NUMBER = "77071112233"


async def make_refund_examples(world: World) -> None:
    """Refund 1, in file 1; the requisites that its file names are taken back, so that no document is made of it yet."""
    office = Office(world)
    await office.ways_in.transfers.add_account(OURS, "main")
    today = world.calendar.today(world.clock.now())
    await Requisites(world.database, world.clock, world.calendar).set(seller(), today, actor="staff:test")
    await office.filed(await world.subscriber(money="100", number=NUMBER))
    await world.database.fetch("delete from documents.requisites")
