"""Credit notes on paper and in the state's system: what lowers an invoice, which stays as it was issued."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.errors import DocumentNotCorrectableError
from telco.billing.documents.model import DutyState, EInvoiceState, Format, Issued, Kind, Period, Reconciliation, Supply
from telco.billing.documents.service import Search
from telco.billing.invoicing.model import CreditNote, Invoice
from telco.db.pool import Connection
from telco.kernel.i18n import Language, Translator
from telco.kernel.money import Tiyn
from telco.lab.einvoice import EInvoiceLab
from tests.billing.documents.conftest import BIN, FEE, FEE_VAT, Office
from tests.billing.documents.test_issue import new_address
from tests.lab.test_einvoice import LOGIN, PASSWORD, connected

HALF = Tiyn(2414_51)
"""Of the fee of 4829.03; 2414.52 remain, with a VAT of 333.04: 2414.52 * 16 / 116 = 333.037."""
HALF_VAT = Tiyn(333_03)
"""666.07 - 333.04."""


async def lower(office: Office, invoice: Invoice, amount: Tiyn | None, source: str = "objection:1") -> CreditNote:
    async def body(connection: Connection) -> CreditNote:
        return await office.world.collection.credit_notes.issue(
            connection, invoice.invoice_id, amount, source=source, reason="вызовы не его", actor="staff:boss"
        )

    return await office.world.database.transact("test.lower", body)


async def told(office: Office) -> Issued:
    """Let everybody hear of it and issue what is to be issued; return the newest credit note."""
    await office.world.outbox.drain()
    await office.desk.duties.run()
    [issued, *_] = await office.desk.documents.search(Search(kind=Kind.CREDIT_NOTE), None, 10)
    return issued


@pytest.fixture(autouse=True)
def heard(office: Office) -> None:
    office.world.outbox.subscribe("billing.invoice_lowered", office.desk.duties.on_invoice_lowered)


@pytest.mark.clause("PSC-3.1.4-1")
async def test_a_credit_note_has_its_number_and_names_the_invoice(office: Office) -> None:
    subscriber = await office.world.subscriber("kcell-status")
    invoice = await office.invoice(subscriber, date(2026, 4, 2))
    note = await lower(office, invoice, Tiyn(1160_00))
    assert await lower(office, invoice, Tiyn(1160_00)) == note  # once
    issued = await told(office)
    assert (issued.number, issued.total) == ("CRN-2026-0000001", -1160_00)
    document, _ = await office.desk.documents.document(issued.document_id)
    assert document.corrects is not None
    assert (document.corrects.number, document.corrects.reason) == (invoice.number, "вызовы не его")
    assert isinstance(document.content, Supply)
    assert [(item.gross, item.vat) for item in document.content.items] == [(-1160_00, -160_00)]
    pdf = await office.desk.documents.render(issued.document_id, Language.RU)
    assert pdf.file_name == "CRN-2026-0000001.ru.pdf"
    [paper] = await office.desk.documents.search(Search(kind=Kind.INVOICE), None, 10)
    assert paper.corrected_by is None  # the invoice holds, and can still be corrected itself
    with pytest.raises(DocumentNotCorrectableError):
        await office.desk.documents.correct(issued.document_id, reason="x", actor="staff:s")
    await told(office)
    assert len(await office.desk.duties.list(DutyState.DONE, 0, 10)) == 1


async def test_notes_at_once_take_no_more_than_there_is(office: Office) -> None:
    """Ten times a third of the fee: three fit, whatever comes first; numbers have no gaps."""
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    third = Tiyn(FEE // 3)
    done = await asyncio.gather(
        *(lower(office, invoice, third, f"objection:{n}") for n in range(10)), return_exceptions=True
    )
    notes = [note for note in done if isinstance(note, CreditNote)]
    assert sorted(note.number for note in notes) == [f"CRN-2026-000000{n}" for n in (1, 2, 3)]
    await lower(office, invoice, Tiyn(FEE - 3 * third), "objection:rest")
    every = await office.world.collection.credit_notes.of_invoice(invoice.invoice_id)
    assert (sum(note.total for note in every), sum(note.vat for note in every)) == (FEE, FEE_VAT)
    assert await office.world.main(company) == 0


@pytest.mark.clause("PSC-3.1.4-1", "PSC-4.5")
async def test_a_reconciliation_and_a_statement_show_it(office: Office) -> None:
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    await office.to(date(2026, 4, 10))
    await lower(office, invoice, HALF)
    await office.to(date(2026, 4, 11))
    april = Period(date(2026, 4, 2), date(2026, 4, 11))
    issued = await office.desk.documents.issue_reconciliation(company.account, april, actor="a", request_id="k")
    document, _ = await office.desk.documents.document(issued.document_id)
    content = document.content
    assert isinstance(content, Reconciliation)
    assert [(turn.name.ru, turn.number, turn.debit, turn.credit) for turn in content.turns] == [
        ("Счёт-фактура", invoice.number, FEE, 0),
        ("Кредит-нота", "CRN-2026-0000001", 0, HALF),
    ]
    assert (content.closing, content.not_invoiced) == (FEE - HALF, 0)
    statement = await office.desk.documents.issue_statement(company.account, april, actor="a", request_id="s")
    rendered = await office.desk.documents.render(statement.document_id, Language.RU, Format.JSON)
    assert "Кредит-нота" in rendered.content.decode()


@pytest.fixture
async def system(office: Office, translator: Translator) -> AsyncIterator[tuple[DocumentDesk, EInvoiceLab]]:
    world = office.world
    lab = EInvoiceLab(world.clock, world.calendar, tin=BIN, login=LOGIN, password=PASSWORD)
    async with connected(lab) as esf:
        yield (
            DocumentDesk(
                world.database, world.clock, world.calendar, translator, world.invoicing, world.catalog.current, esf
            ),
            lab,
        )


@pytest.mark.clause("PSC-4.5")
async def test_the_state_gets_an_additional_invoice_with_negative_sums(
    office: Office, system: tuple[DocumentDesk, EInvoiceLab]
) -> None:
    desk, lab = system
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    await lower(office, invoice, HALF)
    issued = await told(office)
    for _ in range(6):
        await desk.einvoices.run()
        office.world.clock.advance(timedelta(hours=1))
    registered = await desk.einvoices.get(issued.document_id)
    assert (registered.state, registered.errors) == (EInvoiceState.REGISTERED, ())
    [body] = [kept.body for kept in lab.documents.values() if "ADDITIONAL_INVOICE" in kept.body]
    assert "<totalPriceWithTax>-2414.51</totalPriceWithTax>" in body
    assert f"<totalNdsAmount>-{HALF_VAT / 100:.2f}</totalNdsAmount>" in body
    # the invoice and act of the fee stay as they are
    assert sorted(kept.status for kept in lab.documents.values()) == ["DELIVERED"] * 3


async def test_what_the_state_refused_is_not_lowered(office: Office, system: tuple[DocumentDesk, EInvoiceLab]) -> None:
    desk, lab = system
    company = await office.company()
    lab.unknown_buyers.add("000440000003")
    invoice = await office.invoice(company, date(2026, 4, 2))
    await lower(office, invoice, HALF)
    issued = await told(office)
    for _ in range(4):
        await desk.einvoices.run()
        office.world.clock.advance(timedelta(hours=1))
    waiting = await desk.einvoices.get(issued.document_id)
    assert (waiting.state, waiting.trouble) == (EInvoiceState.QUEUED, "waits for the document that it corrects")


async def test_a_note_lowers_what_corrects_its_invoice_by_then(
    office: Office, system: tuple[DocumentDesk, EInvoiceLab]
) -> None:
    """The note was written before the correction, which the state's system gets first."""
    desk, lab = system
    company = await office.company()
    lab.down = True
    invoice = await office.invoice(company, date(2026, 4, 2))
    await lower(office, invoice, HALF)
    note = await told(office)
    await new_address(office, company, "г. Шымкент, ул. Қонаев, 1")
    [paper] = await desk.documents.search(Search(kind=Kind.INVOICE), None, 10)
    right = await desk.documents.correct(paper.document_id, reason="адрес", actor="staff:s")
    lab.down = False
    for _ in range(8):
        await desk.einvoices.run()
        office.world.clock.advance(timedelta(hours=1))
    [sent] = [kept.tree for kept in lab.documents.values() if kept.tree.findtext("invoiceType") == "ADDITIONAL_INVOICE"]
    named = sent.findtext("relatedInvoice/registrationNumber")
    assert named == (await desk.einvoices.get(right.document_id)).registration_number
    assert (await desk.einvoices.get(note.document_id)).state is EInvoiceState.REGISTERED
