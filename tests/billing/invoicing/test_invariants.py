"""Whatever happens in whatever order, the books agree: each charge on one invoice, each sum where it belongs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telco.billing.invoicing.audit import audit
from telco.db.pool import Connection
from telco.ledger.model import reverse
from telco.subscribers.model import Subscriber
from tests.billing.invoicing.conftest import charge, invoices, pay
from tests.world import World

STEPS = st.one_of(
    st.tuples(st.just("charge"), st.integers(1, 500_000)),
    st.tuples(st.just("penalty"), st.integers(1, 5_000)),
    st.tuples(st.just("pay"), st.integers(1, 2_000_000)),
    st.tuples(st.just("pay named"), st.integers(1, 2_000_000)),
    st.tuples(st.just("pay past"), st.integers(1, 100_000)),
    st.tuples(st.just("take back"), st.integers(0, 20)),
    st.tuples(st.just("reverse charge"), st.integers(0, 20)),
    st.tuples(st.just("days"), st.integers(1, 45)),
    st.tuples(st.just("run"), st.just(0)),
)


class Life:
    """One credit account, and what may happen to it."""

    def __init__(self, world: World, subscriber: Subscriber) -> None:
        self.world, self.subscriber, self.account = world, subscriber, subscriber.account
        self.charges: list[str] = []
        self.payments: list[str] = []
        self.paid_past = 0

    async def do(self, what: str, number: int) -> None:
        sum_text = f"{number // 100}.{number % 100:02d}"
        match what:
            case "charge":
                self.charges.append(await charge(self.world, self.account, sum_text))
            case "penalty":
                await charge(self.world, self.account, sum_text, "revenue.penalty")
            case "pay":
                self.payments.append(await pay(self.world, self.subscriber, sum_text))
            case "pay named":
                newest = (await invoices(self.world, self.subscriber))[-1:]
                named = tuple((invoice, sum_text) for invoice in newest)
                self.payments.append(await pay(self.world, self.subscriber, sum_text, named))
            case "pay past":
                self.paid_past += 1
                await self.world.pay(self.account, sum_text, f"past:{self.paid_past}")
            case "take back" if self.payments:
                await self._take_back(self.payments.pop(number % len(self.payments)))
            case "reverse charge" if self.charges:
                op_id = self.charges.pop(number % len(self.charges))
                await self.world.ledger.submit(reverse(self.account, f"{op_id}:back", target=op_id, forced=True))
            case "days":
                self.world.clock.advance(timedelta(days=number))
            case "run":
                await self.world.invoicing.run()

    async def _take_back(self, op_id: str) -> None:
        async def body(conn: Connection) -> None:
            await self.world.ledger.apply(conn, [reverse(self.account, f"{op_id}:back", target=op_id, forced=True)])
            await self.world.invoicing.deallocate(conn, self.account, op_id)

        await self.world.database.transact("test.take_back", body)


@pytest.mark.clause("PSC-4.3.2", "PSC-4.4", "PSC-3.1.8")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, min_size=5, max_size=40))
async def test_the_books_agree_whatever_happens(world: World, steps: list[tuple[str, int]]) -> None:
    life = Life(world, await world.subscriber("kcell-status"))
    for what, number in steps:
        await life.do(what, number)
    assert await audit(world.database) == []
    world.clock.advance(timedelta(days=32))
    await world.invoicing.run()
    assert await audit(world.database) == []
    due = await world.invoicing.due(life.account)
    assert due.invoiced_open - due.advance == -await world.main(life.subscriber)  # everything is invoiced now
