"""What the documents' examples of the payments' routes name, so that they can be read."""

from __future__ import annotations

from telco.billing.payments.ways import WaysIn
from telco.kernel.money import tenge
from tests.billing.payments.bank import bank_file
from tests.billing.payments.conftest import OUR_ACCOUNT
from tests.world import PEPPER, World


async def make_examples(world: World, payee: str) -> None:
    """A provider "kiosk", a closed shift with one payment of 100 tenge, and an empty bank file."""
    ways = WaysIn(
        world.database,
        world.clock,
        world.calendar,
        world.ledger,
        world.subscribers,
        world.trust,
        world.invoicing,
        PEPPER,
    )
    await ways.providers.add("kiosk", "Kiosk", least=tenge(1), most=tenge(500_000), actor="staff:example")
    await ways.transfers.add_account(OUR_ACCOUNT, "main")
    await ways.transfers.take(bank_file(), "empty.txt", actor="staff:example")
    shift = await ways.cash.open_shift("example", cashier="staff:example")
    await ways.cash.take(payee, tenge(100), cashier="staff:example", request_id="example")
    await ways.cash.close_shift(shift.shift_id, tenge(100), cashier="staff:example")
