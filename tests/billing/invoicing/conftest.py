"""What the tests of invoices share."""

from __future__ import annotations

import itertools
from datetime import date

from telco.billing.invoicing.model import Invoice
from telco.billing.payments.model import Channel
from telco.billing.topups import TopUp, TopUps
from telco.db.pool import Connection
from telco.kernel.ids import AccountRef
from telco.kernel.money import tenge
from telco.ledger.model import debit, sum_charge
from telco.subscribers.model import Subscriber
from tests.world import World

_ids = itertools.count(1)


async def to(world: World, day: date) -> None:
    """Move the clock to the first moment of a day in Kazakhstan."""
    world.clock.advance(world.calendar.start_of_day(day) - world.clock.now())


async def charge(world: World, account: AccountRef, amount: str, contra: str = "revenue.voice") -> str:
    """Charge a sum, whatever the limit."""
    op_id = f"charge:{next(_ids)}"
    details = {"label": contra.removeprefix("revenue.")}
    await world.ledger.submit(
        debit(account, op_id, sum_charge(tenge(amount)), contra=contra, forced=True, details=details)
    )
    return op_id


async def pay(world: World, subscriber: Subscriber, amount: str, named: tuple[tuple[Invoice, str], ...] = ()) -> str:
    """Pay as every channel does."""
    topups = TopUps(world.clock, world.ledger, world.trust, world.invoicing)
    op_id = f"pay:{next(_ids)}"
    top_up = TopUp(
        account=subscriber.account,
        subscriber_id=subscriber.subscriber_id,
        msisdn=subscriber.msisdn,
        amount=tenge(amount),
        op_id=op_id,
        contra="cash.desk",
        channel=Channel.CASH_DESK,
        reference=op_id,
        request_id=op_id,
        label="topup.cash_desk",
        named=[(invoice.invoice_id, tenge(part)) for invoice, part in named],
    )

    async def body(connection: Connection) -> None:
        await topups.credit(connection, top_up)

    await world.database.transact("test.pay", body)
    return op_id


async def invoices(world: World, subscriber: Subscriber) -> list[Invoice]:
    """Every invoice of the account, the oldest first."""
    return (await world.invoicing.of_account(subscriber.account, 100))[::-1]
