"""The refund order as a document: one for each refund that was ordered, once the operator's requisites are known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.model import Kind
from telco.billing.documents.refund_orders import RefundOrders
from telco.billing.documents.service import Search
from telco.kernel.i18n import Translator
from telco.kernel.money import tenge
from tests.billing.documents.conftest import seller
from tests.billing.refunds.conftest import BOLAT, Office

pytestmark = pytest.mark.clause("PSC-6.4")


@pytest.fixture
def desk(office: Office, translator: Translator) -> DocumentDesk:
    world = office.world
    desk = DocumentDesk(world.database, world.clock, world.calendar, translator, world.invoicing, world.catalog.current)
    orders = RefundOrders(world.database, world.calendar, desk.documents, office.refunds)
    world.outbox.subscribe("refunds.ordered", orders.on_ordered)
    return desk


async def test_an_order_is_issued_once_and_waits_for_the_requisites(office: Office, desk: DocumentDesk) -> None:
    await office.world.database.fetch("delete from documents.requisites")
    subscriber = await office.world.subscriber("kcell-free", money="1500")
    await office.end(subscriber)
    refund = await office.ordered(subscriber)
    await office.world.outbox.drain()
    assert await desk.documents.search(Search(account=subscriber.account), None, 10) == []  # who pays is not known yet

    await desk.requisites.set(seller(), office.world.calendar.today(office.world.clock.now()), actor=BOLAT)
    office.world.clock.advance(timedelta(minutes=1))
    await office.world.outbox.drain()
    await office.world.database.fetch("update kernel.outbox set dispatched_at = null where topic = 'refunds.ordered'")
    await office.world.outbox.drain()

    [order] = await desk.documents.search(Search(account=subscriber.account), None, 10)
    assert (order.kind, order.total) == (Kind.REFUND_ORDER, tenge(1500))
    assert refund.reference in str((await desk.documents.document(order.document_id))[0].content)
