"""The ways in for money, put together as the service does it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from telco.billing.payments.audit import audit_payments
from telco.billing.payments.model import Provider
from telco.billing.payments.ways import WaysIn
from telco.kernel.money import tenge
from tests.world import PEPPER, World

OUR_ACCOUNT = "KZ87345KZT1234567890"
OTHER_ACCOUNT = "KZ83765KZT0987654321"


class Desk(WaysIn):
    """Every use case of payments, on the world's database and clock."""

    def __init__(self, world: World) -> None:
        super().__init__(
            world.database,
            world.clock,
            world.calendar,
            world.ledger,
            world.subscribers,
            world.trust,
            world.invoicing,
            PEPPER,
        )
        self.world = world
        self.provider: Provider
        self.key: str


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    """With one provider, "kiosk", that may send 1 to 500,000 tenge at once, and one account of ours at a bank.

    The auditor of money in looks at the end.
    """
    desk = Desk(world)
    await desk.transfers.add_account(OUR_ACCOUNT, "main")
    desk.provider, desk.key = await desk.providers.add(
        "kiosk", "Kiosk", least=tenge(1), most=tenge(500_000), actor="staff:admin"
    )
    yield desk
    assert await audit_payments(world.database) == []
