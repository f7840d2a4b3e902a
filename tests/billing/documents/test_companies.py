"""What companies are given, in time, and its way through the state's e-invoice system: a queue against the lab's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from telco.billing.documents import store
from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.einvoice import LEASE, EInvoices, Outgoing, Refused, Taken
from telco.billing.documents.errors import DocumentCorrectedError, EInvoiceStateError, EInvoiceUnknownError
from telco.billing.documents.esf_soap import EsfSoap
from telco.billing.documents.model import DocumentId, DutyState, EInvoice, EInvoiceState, Format, Issued, Kind
from telco.billing.documents.service import Search
from telco.kernel.i18n import Language, Translator
from telco.lab.einvoice import EInvoiceLab
from telco.subscribers.model import Subscriber
from tests.billing.documents.conftest import BIN, COMPANY_BIN, Office
from tests.billing.documents.test_issue import new_address
from tests.lab.test_einvoice import LOGIN, PASSWORD, connected

STEP = timedelta(hours=1)


async def issued(office: Office) -> list[Issued]:
    return await office.desk.documents.search(Search(), None, 100)


@pytest.mark.clause("PSC-4.5")
async def test_a_company_is_given_its_invoice_and_act_and_a_person_neither(office: Office) -> None:
    company = await office.company()
    await office.world.subscriber("kcell-status")
    await office.invoice(company, date(2026, 4, 2))
    duties = await office.desk.duties.list(DutyState.OPEN, 0, 10)
    # services until 1 April: 20 calendar days after is 21 April
    assert [(duty.kind, duty.due_on) for duty in duties] == [("invoice", date(2026, 4, 21)), ("act", date(2026, 4, 21))]
    assert await office.desk.duties.run() == {"done": 2, "failed": 0, "open": 0, "late": 0}
    assert await office.desk.duties.run() == {"done": 0, "failed": 0, "open": 0, "late": 0}
    assert sorted(document.kind for document in await issued(office)) == [Kind.ACT, Kind.INVOICE]
    done = await office.desk.duties.list(DutyState.DONE, 0, 10)
    assert {duty.done_on for duty in done} == {date(2026, 4, 2)}


@pytest.mark.clause("PSC-4.5")
async def test_what_cannot_be_issued_is_tried_again_and_told_when_late(office: Office) -> None:
    company = await office.company()
    await office.invoice(company, date(2026, 4, 2))
    async with office.world.database.acquire() as connection:
        kept = await connection.fetchval("delete from documents.requisites returning requisites")
    assert await office.desk.duties.run() == {"done": 0, "failed": 2, "open": 2, "late": 0}
    [duty, _] = await office.desk.duties.list(DutyState.OPEN, 0, 10)
    assert duty.error is not None
    assert duty.error.startswith("requisites_missing")
    await office.to(date(2026, 4, 21))  # the last day
    assert (await office.desk.duties.run())["late"] == 0
    await office.to(date(2026, 4, 22))
    assert (await office.desk.duties.run())["late"] == 2
    assert len(await office.desk.duties.list(DutyState.LATE, 0, 10)) == 2
    async with office.world.database.acquire() as connection:
        await connection.execute("insert into documents.requisites values ('2026-01-01', $1, now(), 'test')", kept)
    office.world.clock.advance(STEP)
    assert await office.desk.duties.run() == {"done": 2, "failed": 0, "open": 0, "late": 0}


async def test_a_duty_that_nobody_understands_holds_no_other_up(office: Office) -> None:
    company = await office.company()
    async with office.world.database.acquire() as connection:
        await connection.execute(store.Q.open_duties, ["act:?"], date(2026, 3, 1), office.world.clock.now())
    await office.invoice(company, date(2026, 4, 2))
    assert await office.desk.duties.run() == {"done": 2, "failed": 1, "open": 1, "late": 1}
    [duty] = await office.desk.duties.list(DutyState.OPEN, 0, 10)
    assert "ValueError" in str(duty.error)


async def test_two_machines_share_the_duties(office: Office) -> None:
    companies = [await office.company(number=f"7701999000{n}") for n in range(3)]
    await office.invoice(companies[0], date(2026, 4, 2))
    runs = await asyncio.gather(office.desk.duties.run(), office.desk.duties.run())
    assert sum(int(str(run["done"])) for run in runs) == 6
    numbers = sorted(document.number for document in await issued(office) if document.kind is Kind.ACT)
    assert numbers == ["ACT-2026-0000001", "ACT-2026-0000002", "ACT-2026-0000003"]


async def test_pages_of_duties_leave_none_out(office: Office) -> None:
    """A credit note is noted before an invoice whose term ends earlier."""
    for n, due_on in enumerate((date(2026, 4, 14), date(2026, 4, 30), date(2026, 4, 12))):
        async with office.world.database.acquire() as connection:
            await connection.execute(store.Q.open_duties, [f"credit_note:{n}"], due_on, office.world.clock.now())
    pages, after = [], 0
    while page := await office.desk.duties.list(DutyState.OPEN, after, 1):
        pages += page
        after = page[-1].duty_id
    assert [duty.source for duty in pages] == ["credit_note:0", "credit_note:1", "credit_note:2"]


async def test_an_invoice_without_services_leaves_no_duty_of_an_act(office: Office) -> None:
    company = await office.company()
    await office.invoice(company, date(2026, 4, 2))
    await office.desk.duties.run()
    await office.use(company, "p1", 50_00, "revenue.penalty")
    await office.invoice(company, date(2026, 5, 2))
    assert await office.desk.duties.run() == {"done": 2, "failed": 0, "open": 0, "late": 0}
    assert len(await issued(office)) == 3


# The state's system


@pytest.fixture
def lab(office: Office) -> EInvoiceLab:
    return EInvoiceLab(office.world.clock, office.world.calendar, tin=BIN, login=LOGIN, password=PASSWORD)


@pytest.fixture
async def system(lab: EInvoiceLab) -> AsyncIterator[EsfSoap]:
    async with connected(lab) as system:
        yield system


@pytest.fixture
async def queue(office: Office, system: EsfSoap, translator: Translator) -> EInvoices:
    """With an invoice and an act of a company waiting."""
    world = office.world
    desk = DocumentDesk(
        world.database, world.clock, world.calendar, translator, world.invoicing, world.catalog.current, system
    )
    company = await office.company()
    await office.invoice(company, date(2026, 4, 2))
    await office.desk.duties.run()
    return desk.einvoices


async def run(office: Office, queue: EInvoices, times: int = 1) -> None:
    for _ in range(times):
        await queue.run()
        office.world.clock.advance(STEP)


async def of_invoice(office: Office, queue: EInvoices) -> EInvoice:
    [document] = await office.desk.documents.search(Search(kind=Kind.INVOICE), None, 1)
    return await queue.get(document.document_id)


@pytest.mark.clause("PSC-4.5")
async def test_documents_are_sent_and_registered(office: Office, queue: EInvoices, lab: EInvoiceLab) -> None:
    assert (await of_invoice(office, queue)).state is EInvoiceState.QUEUED
    await run(office, queue)
    assert (await of_invoice(office, queue)).state is EInvoiceState.SENT
    await run(office, queue)
    found = await queue.in_state(EInvoiceState.REGISTERED, 0, 10)
    assert sorted(str(einvoice.registration_number)[:3] for einvoice in found) == ["AWP", "ESF"]
    await run(office, queue, 3)
    assert len(lab.documents) == 2


async def test_without_a_system_documents_wait(office: Office) -> None:
    company = await office.company()
    await office.invoice(company, date(2026, 4, 2))
    await office.desk.duties.run()
    assert await office.desk.einvoices.run() == {"system": "none"}
    assert len(await office.desk.einvoices.in_state(EInvoiceState.QUEUED, 0, 10)) == 2


async def test_a_lost_answer_sends_nothing_twice(office: Office, queue: EInvoices, lab: EInvoiceLab) -> None:
    lab.lose_answers = 2
    await run(office, queue)
    assert lab.lose_answers == 0
    await run(office, queue, 4)
    assert len(await queue.in_state(EInvoiceState.REGISTERED, 0, 10)) == 2
    assert len(lab.documents) == 2


async def test_a_machine_that_dies_after_sending_leaves_it_to_the_next(
    office: Office, queue: EInvoices, system: EsfSoap, lab: EInvoiceLab
) -> None:
    class Dying(EsfSoap):
        def __init__(self) -> None:
            pass

        async def send(self, document: Outgoing) -> Taken | Refused:
            await system.send(document)
            raise KeyboardInterrupt

    mortal = EInvoices(office.world.database, office.world.clock, office.desk.documents, Dying())
    with pytest.raises(KeyboardInterrupt):
        await mortal.run()
    assert len(lab.documents) == 1
    assert (await queue.run())["sent"] == 0  # its lease is not over
    office.world.clock.advance(LEASE)
    await run(office, queue, 3)
    assert len(lab.documents) == 2
    assert len(await queue.in_state(EInvoiceState.REGISTERED, 0, 10)) == 2


async def test_a_system_that_is_down_is_tried_again(office: Office, queue: EInvoices, lab: EInvoiceLab) -> None:
    lab.down = True
    await run(office, queue, 5)
    waiting = await of_invoice(office, queue)
    assert (waiting.state, waiting.attempts) == (EInvoiceState.QUEUED, 5)
    assert waiting.trouble is not None
    lab.down = False
    await run(office, queue, 3)
    assert (await of_invoice(office, queue)).state is EInvoiceState.REGISTERED


async def test_a_damaged_document_holds_no_other_up(office: Office, queue: EInvoices) -> None:
    damaged = await of_invoice(office, queue)
    async with office.world.database.acquire() as connection:
        await connection.execute("alter table documents.document disable trigger all")
        await connection.execute("alter table documents.document drop constraint document_sha256_check")
        await connection.execute(
            "update documents.document set data = replace(data, '12345', '99999') where document_id = $1",
            damaged.document_id,
        )
    await run(office, queue, 3)
    assert len(await queue.in_state(EInvoiceState.REGISTERED, 0, 10)) == 1  # the act, which waited behind it
    waits = await queue.get(damaged.document_id)
    assert (waits.state, str(waits.trouble)[:16]) == (EInvoiceState.QUEUED, "document_damaged")


async def test_what_cannot_be_read_at_all_holds_no_other_up(office: Office, queue: EInvoices) -> None:
    """A defect of ours, such as of a document that this release cannot read."""
    broken = await of_invoice(office, queue)
    async with office.world.database.acquire() as connection:
        await connection.execute("alter table documents.document disable trigger all")
        await connection.execute(
            "update documents.document set data = '{}', sha256 = sha256('{}') where document_id = $1",
            broken.document_id,
        )
    await run(office, queue, 3)
    assert len(await queue.in_state(EInvoiceState.REGISTERED, 0, 10)) == 1
    waits = await queue.get(broken.document_id)
    assert (waits.state, "ValidationError" in str(waits.trouble)) == (EInvoiceState.QUEUED, True)


async def test_a_refusal_is_told_and_sent_again_by_hand(office: Office, queue: EInvoices, lab: EInvoiceLab) -> None:
    lab.unknown_buyers.add(COMPANY_BIN)
    await run(office, queue, 3)
    refused = await of_invoice(office, queue)
    assert (refused.state, refused.errors) == (
        EInvoiceState.REFUSED,
        (f"CUSTOMER_NOT_FOUND: there is no taxpayer {COMPANY_BIN}",),
    )
    lab.unknown_buyers.clear()
    await queue.send_again(refused.document_id, reason="the company registered", actor="staff:a")
    await run(office, queue, 3)
    registered = await of_invoice(office, queue)
    assert registered.state is EInvoiceState.REGISTERED
    with pytest.raises(EInvoiceStateError):
        await queue.send_again(registered.document_id, reason="again", actor="staff:a")
    with pytest.raises(EInvoiceUnknownError):
        await queue.get(DocumentId(999))


@pytest.fixture
async def company(office: Office, queue: EInvoices) -> Subscriber:
    """The company whose documents wait."""
    [document] = await office.desk.documents.search(Search(kind=Kind.INVOICE), None, 1)
    [subscriber] = await office.world.subscribers.find_by_account(document.account)
    return subscriber


async def move(office: Office, company: Subscriber, street: str) -> None:
    await new_address(office, company, f"г. Шымкент, ул. {street}")


async def correct(office: Office, document_id: DocumentId) -> DocumentId:
    return (await office.desk.documents.correct(document_id, reason="адрес", actor="staff:s")).document_id


async def of_kind(office: Office, kind: Kind) -> list[Issued]:
    return [document for document in reversed(await issued(office)) if document.kind is kind]


def tree(lab: EInvoiceLab, einvoice: EInvoice) -> Any:
    """What the state's system has of a document."""
    return next(kept.tree for kept in lab.documents.values() if kept.external_id == einvoice.external_id)


def about(lab: EInvoiceLab, einvoice: EInvoice) -> tuple[str, str | None]:
    """What kind of an invoice it is there, and which one it names."""
    sent = tree(lab, einvoice)
    return sent.findtext("invoiceType"), sent.findtext("relatedInvoice/registrationNumber")


async def test_a_correction_waits_for_what_it_corrects_and_names_it(
    office: Office, queue: EInvoices, company: Subscriber, lab: EInvoiceLab
) -> None:
    first = await of_invoice(office, queue)
    await move(office, company, "Қонаев, 1")
    right = await correct(office, first.document_id)
    await run(office, queue, 5)
    registered = await queue.get(right)
    assert registered.state is EInvoiceState.REGISTERED
    first = await queue.get(first.document_id)
    assert about(lab, registered) == ("FIXED_INVOICE", first.registration_number)
    xml = await office.desk.documents.render(right, Language.RU, Format.XML)
    assert str(first.registration_number) in xml.content.decode()  # who uploads it by hand names it as well


@pytest.mark.clause("PSC-4.5")
async def test_with_an_act_its_invoice_is_corrected(
    office: Office, queue: EInvoices, company: Subscriber, lab: EInvoiceLab
) -> None:
    [act], [invoice] = await of_kind(office, Kind.ACT), await of_kind(office, Kind.INVOICE)
    await move(office, company, "Қонаев, 1")
    await correct(office, act.document_id)
    [_, right] = await of_kind(office, Kind.INVOICE)
    assert (right.number, right.corrects) == ("ICR-2026-0000001", invoice.document_id)
    await run(office, queue, 5)
    assert about(lab, await queue.get(right.document_id))[0] == "FIXED_INVOICE"
    # corrected before its act, it says the same already
    await move(office, company, "Қонаев, 2")
    await correct(office, right.document_id)
    [_, act] = await of_kind(office, Kind.ACT)
    await correct(office, act.document_id)
    assert [len(await of_kind(office, kind)) for kind in (Kind.ACT, Kind.INVOICE)] == [3, 3]


async def test_a_corrected_act_follows_the_one_that_it_replaces(
    office: Office, queue: EInvoices, company: Subscriber, lab: EInvoiceLab
) -> None:
    [act] = await of_kind(office, Kind.ACT)
    lab.down = True
    await run(office, queue)  # the act is tried again later than its correction is tried first
    lab.down = False
    await move(office, company, "Қонаев, 1")
    right = await correct(office, act.document_id)
    await run(office, queue, 5)
    numbers = [kept.external_id for kept in lab.documents.values() if kept.form == "AwpV1"]
    both = [await queue.get(document_id) for document_id in (act.document_id, right)]
    assert [einvoice.external_id for einvoice in both] == numbers
    assert {einvoice.state for einvoice in both} == {EInvoiceState.REGISTERED}


async def test_after_a_refused_correction_the_next_names_what_is_registered(
    office: Office, queue: EInvoices, company: Subscriber, lab: EInvoiceLab
) -> None:
    """Else the state's system would have the turnover twice."""
    await run(office, queue, 3)
    first = await of_invoice(office, queue)
    await move(office, company, "Қонаев, 1")
    second = await correct(office, first.document_id)
    lab.unknown_buyers.add(COMPANY_BIN)
    await run(office, queue, 3)
    assert (await queue.get(second)).state is EInvoiceState.REFUSED
    lab.unknown_buyers.clear()
    await move(office, company, "Қонаев, 2")
    third = await correct(office, second)
    await run(office, queue, 3)
    assert about(lab, await queue.get(third)) == ("FIXED_INVOICE", first.registration_number)
    kept = [kept.status for kept in lab.documents.values() if kept.form == "InvoiceV2"]
    assert sorted(kept) == ["CANCELED", "DELIVERED", "FAILED"]


async def test_what_was_replaced_is_not_sent_again(
    office: Office, queue: EInvoices, company: Subscriber, lab: EInvoiceLab
) -> None:
    """Refused, then corrected: its correction is the first that the system registers, and stays the only one."""
    lab.unknown_buyers.add(COMPANY_BIN)
    await run(office, queue, 3)
    lab.unknown_buyers.clear()
    refused = await of_invoice(office, queue)
    await move(office, company, "Қонаев, 1")
    right = await correct(office, refused.document_id)
    with pytest.raises(DocumentCorrectedError):
        await queue.send_again(refused.document_id, reason="the company registered", actor="staff:a")
    await run(office, queue, 3)
    assert about(lab, await queue.get(right)) == ("ORDINARY_INVOICE", None)
