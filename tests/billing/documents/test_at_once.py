"""Documents that are made while money moves, and many of them at the same time."""

from __future__ import annotations

import asyncio
from datetime import date

from telco.billing.documents.model import Issued, Period, Reconciliation
from telco.kernel.money import tenge
from tests.billing.documents.conftest import FEE, Office


async def test_a_reconciliation_agrees_while_money_comes(office: Office) -> None:
    """Whatever payment comes between two of its reads, it is in the turns and in the closing debt, or in neither."""
    company = await office.company()
    await office.invoice(company, date(2026, 4, 2))
    period = Period(date(2026, 4, 2), date(2026, 5, 2))
    documents = office.desk.documents

    async def pay() -> None:
        for number in range(60):
            await office.pay(company, "1", f"p{number}")

    async def reconcile(key: int) -> Issued:
        return await documents.issue_reconciliation(company.account, period, actor="staff:a", request_id=str(key))

    issued = [await reconcile(0)]
    await office.pay(company, "1", "before")
    paying = asyncio.create_task(pay())
    issued.append(await documents.correct(issued[0].document_id, reason="a payment came", actor="staff:s"))
    while not paying.done():
        issued.append(await reconcile(len(issued)))
    await paying
    for one in issued:
        content = (await documents.document(one.document_id))[0].content
        assert isinstance(content, Reconciliation)
        assert content.closing == FEE - tenge(len(content.turns) - 1)  # an invoice, and payments of 1.00


async def test_as_many_invoices_as_there_are_connections_are_issued_at_once(office: Office) -> None:
    """None waits with its connection for a second one: 12 at once, of a pool of 10."""
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    async with asyncio.timeout(30):
        issued = await asyncio.gather(
            *(office.desk.documents.issue_invoice(invoice.invoice_id) for _ in range(6)),
            *(office.desk.documents.issue_act(invoice.invoice_id) for _ in range(6)),
        )
    assert len({one.document_id for one in issued}) == 2
