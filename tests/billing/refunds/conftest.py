"""The ways in and out for money, put together as the service does it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from telco.billing.documents.requisites import Requisites
from telco.billing.payments.ways import WaysIn
from telco.billing.refunds.audit import audit
from telco.billing.refunds.model import NewRefund, Payee, PayoutWay, Refund, RefundState
from telco.billing.refunds.ways import WaysOut
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn, tenge
from telco.ledger import model as ledger_model
from telco.subscribers.holders import account_holder
from telco.subscribers.model import Channel, EndGround, Subscriber, by_system
from tests.billing.documents.conftest import seller
from tests.world import CLERK, PEPPER, World

ANNA, BOLAT, CASHIER = "staff:anna", "staff:bolat", "staff:saule"
OURS = "KZ87345KZT1234567890"
THEIRS = "KZ86125KZT5004100100"
"""A known example of a right IBAN of Kazakhstan."""
PURPOSE_CODE = "852"


class Office(WaysOut):
    """Every use case of money back, on the world's database and clock, with one account of ours at a bank."""

    def __init__(self, world: World) -> None:
        ways_in = WaysIn(
            world.database,
            world.clock,
            world.calendar,
            world.ledger,
            world.subscribers,
            world.trust,
            world.invoicing,
            PEPPER,
        )
        super().__init__(
            world.database,
            world.clock,
            world.calendar,
            world.ledger,
            world.trust,
            world.invoicing,
            world._obligations,
            world.catalog.current,
            ways_in,
            PURPOSE_CODE,
        )
        self.ways_in = ways_in
        self.world = world
        self.subscribe_to(world.outbox)
        self._requests = 0

    async def today(self) -> date:
        return self.world.calendar.today(self.world.clock.now())

    async def end(self, subscriber: Subscriber, ground: EndGround = EndGround.REFUSAL) -> None:
        """End a subscription and let everybody hear of it."""
        if ground is EndGround.REFUSAL:
            await self.world.subscribers.contracts.refuse(subscriber.subscriber_id, CLERK)
        else:
            origin = by_system("test", "test")
            await self.world.subscribers.contracts.end(subscriber.subscriber_id, ground, origin)
        await self.world.outbox.drain()

    def application(self, subscriber: Subscriber, **changes: Any) -> NewRefund:
        self._requests += 1
        fields: dict[str, Any] = {
            "named": subscriber.msisdn,
            "payee": Payee(PayoutWay.BANK, THEIRS),
            "amount": None,
            "contact_phone": None,
            "channel": Channel.OFFICE,
            "ground": "application 17",
            "actor": ANNA,
            "request_id": f"r{self._requests}",
        }
        return NewRefund(**fields | changes)

    async def iin_bin(self, subscriber: Subscriber) -> str:
        async with self.world.database.acquire() as connection:
            holder = await account_holder(connection, subscriber.account)
        assert holder is not None
        return holder.iin_bin

    async def apply(self, subscriber: Subscriber, **changes: Any) -> Refund:
        """Register an application of the account's holder."""
        fields = {"iin_bin": await self.iin_bin(subscriber)} | changes
        return await self.refunds.register(self.application(subscriber, **fields))

    async def approve(self, refund: Refund, actor: str = BOLAT) -> Refund:
        return await self.refunds.approve(refund.refund_id, actor=actor, decision="checked")

    async def ordered(self, subscriber: Subscriber, **changes: Any) -> Refund:
        """Apply, approve, order."""
        refund = await self.approve(await self.apply(subscriber, **changes))
        return await self.payouts.order(refund.refund_id, actor=BOLAT)

    async def filed(self, subscriber: Subscriber, **changes: Any) -> Refund:
        refund = await self.ordered(subscriber, **changes)
        await self.bank.make_file(OURS, actor=ANNA, request_id=f"file {refund.refund_id}")
        return await self.refunds.get(refund.refund_id)

    async def paid(self, subscriber: Subscriber, **changes: Any) -> Refund:
        refund = await self.filed(subscriber, **changes)
        return await self.payouts.confirm(
            refund.refund_id, paid_on=await self.today(), document=str(refund.refund_id), actor=ANNA
        )

    async def books(self, code: str) -> Tiyn:
        """What an account of the operator got and gave, in all."""
        query = "select coalesce(sum(amount), 0)::bigint from ledger.operator_total where operator_account = $1"
        return Tiyn(await self.world.database.fetchval(query, code))

    async def spend(self, account: AccountRef, amount: str, op_id: str = "spent", *, forced: bool = False) -> None:
        charge = ledger_model.sum_charge(tenge(amount))
        await self.world.ledger.submit(
            ledger_model.debit(account, op_id, charge, contra="revenue.roaming", forced=forced)
        )

    async def state(self, refund: Refund) -> RefundState:
        return (await self.refunds.get(refund.refund_id)).state

    def pass_days(self, days: int) -> None:
        self.world.clock.advance(timedelta(days=days))

    async def findings(self) -> list[str]:
        return [str(finding) for finding in await audit(self.world.database, await self.today())]


@pytest.fixture
async def office(world: World) -> AsyncIterator[Office]:
    office = Office(world)
    await office.ways_in.transfers.add_account(OURS, "main")
    await Requisites(world.database, world.clock, world.calendar).set(seller(), date(2026, 1, 1), actor=BOLAT)
    yield office
    await office.closing.finish()
    assert [finding for finding in await office.findings() if "missed_deadlines" not in finding] == []
