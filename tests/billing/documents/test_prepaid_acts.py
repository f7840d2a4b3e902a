"""Acts and e-invoices of companies in prepaid settlement: for each calendar month in which something was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.errors import DocumentUnchangedError
from telco.billing.documents.model import DutyState, EInvoiceState, Issued, Kind, Supply
from telco.billing.documents.service import Search
from telco.catalog.loader import SourceFile
from telco.kernel.i18n import Language, Translator
from telco.kernel.money import Tiyn
from telco.lab.einvoice import EInvoiceLab
from telco.subscribers.model import PartyData, PartyKind, RegistrationSheet, Subscriber
from tests.billing.documents.conftest import BIN, COMPANY_BIN, Office
from tests.billing.documents.test_issue import new_address
from tests.lab.test_einvoice import LOGIN, PASSWORD, connected
from tests.world import CLERK, iin

PLAN_FILE = """
[[plan]]
code = "kcell-business-ahead"
from = 2026-03-03
brand = "kcell"
audience = "company"
name = { kk = "Kcell Бизнес аванс", ru = "Kcell Бизнес аванс", en = "Kcell Business Ahead" }
number = "59"
keywords = ["AHEAD"]
settlement = "prepaid"
fee = "0.00"
price_lists = ["international", "roaming"]
rates = [
    { service = "voice", to = ["on_net", "mobile", "fixed"], price = "9.00", per = "min", step = "1 s" },
    { service = "sms", to = ["on_net", "mobile"], price = "7.00", per = "SMS" },
    { service = "data", price = "5.00", per = "MB", step = "1 kB" },
]
[plan.summary]
kk = "Алдын ала төлем"
ru = "Предоплата"
en = "Prepaid"
"""


async def of_kind(office: Office, kind: Kind) -> list[Issued]:
    return (await office.desk.documents.search(Search(kind=kind), None, 100))[::-1]


async def acts(office: Office) -> list[Issued]:
    return await of_kind(office, Kind.ACT)


async def supply(office: Office, issued: Issued) -> Supply:
    document, _ = await office.desk.documents.document(issued.document_id)
    assert isinstance(document.content, Supply)
    return document.content


async def prepaid_company(office: Office) -> Subscriber:
    """A company that pays ahead, since 3 March."""
    await office.world.catalog.publish([SourceFile("ahead.toml", PLAN_FILE.encode())], author="test")
    await office.to(date(2026, 3, 3))
    return await office.company("kcell-business-ahead")


@pytest.mark.clause("PSC-4.5", "PSC-4.3.1")
async def test_each_month_has_an_act_of_what_was_given(office: Office) -> None:
    """116.00 and 58.00 of calls and 23.20 of messages in March, 11.60 in the first moment of April.

    Of March 197.20 with a VAT of 27.20, by 20 April at the latest.
    """
    company = await prepaid_company(office)
    await office.use(company, "a", 116_00, "revenue.voice", label="voice.mobile")
    await office.to(date(2026, 3, 31))
    await office.use(company, "b", 58_00, "revenue.voice", label="voice.mobile")
    await office.use(company, "c", 23_20, "revenue.sms", label="sms.mobile")
    await office.use(company, "penalty", 99_00, "revenue.penalty")
    await office.to(date(2026, 4, 1))
    await office.use(company, "d", 11_60, "revenue.voice", label="voice.mobile")
    await asyncio.gather(office.desk.duties.run(), office.desk.duties.run())
    [act] = await acts(office)
    assert (act.number, act.total) == ("ACT-2026-0000001", 197_20)
    content = await supply(office, act)
    assert [(item.code, item.gross, item.vat) for item in content.items] == [
        ("revenue.sms", 23_20, 3_20),
        ("revenue.voice", 174_00, 24_00),
    ]
    assert (content.gross, content.vat, content.invoice_number) == (197_20, 27_20, None)
    duties = await office.desk.duties.list(DutyState.DONE, 0, 10)
    assert [(duty.kind, duty.due_on) for duty in duties] == [
        (Kind.ACT, date(2026, 4, 20)),
        (Kind.EINVOICE, date(2026, 4, 20)),
    ]
    await office.to(date(2026, 6, 3))  # nothing ran in May: April's act and no act of May, in which nothing was used
    await office.desk.duties.run()
    for kind in (Kind.ACT, Kind.EINVOICE):
        assert [document.total for document in await of_kind(office, kind)] == [197_20, Tiyn(11_60)]


@pytest.mark.clause("PSC-4.5", "PSC-4.4")
async def test_usage_reported_late_is_on_the_act_with_the_vat_of_when_it_was_used(office: Office) -> None:
    """Of December 2025 112.00 at 12 %: 12.00; of March 116.00 at 16 %: 16.00."""
    company = await prepaid_company(office)
    await office.use(company, "a", 116_00, "revenue.roaming", label="sms.roaming")
    await office.use(company, "b", 112_00, "revenue.roaming", label="sms.roaming", used_at="2025-12-31T18:59:59+00:00")
    await office.to(date(2026, 4, 1))
    await office.desk.duties.run()
    [act] = await acts(office)
    content = await supply(office, act)
    assert [(group.vat_percent, group.gross, group.vat) for group in content.groups] == [
        (Decimal(16), Tiyn(116_00), Tiyn(16_00)),
        (Decimal(12), Tiyn(112_00), Tiyn(12_00)),
    ]


@pytest.mark.clause("PSC-4.5")
async def test_what_is_on_an_invoice_is_on_no_other_act(office: Office) -> None:
    """On credit since 2 March: its act is of the invoice."""
    company = await office.company()
    await office.use(company, "a", 116_00, "revenue.voice", label="voice.mobile")
    await office.to(date(2026, 4, 1))
    await office.desk.duties.run()
    assert await acts(office) == []
    assert await of_kind(office, Kind.EINVOICE) == []
    await office.invoice(company, date(2026, 4, 2))
    await office.desk.duties.run()
    [act] = await acts(office)
    assert act.source.count(":") == 1
    assert await of_kind(office, Kind.EINVOICE) == []  # the invoice itself goes to the state's system


@pytest.mark.clause("PSC-4.5", "PSC-3.1.5.9")
async def test_a_number_that_passes_to_a_person_leaves_the_act_to_the_company(office: Office) -> None:
    """116.00 used by the company until 20 March; from then on the number, with 58.00, is a person's own."""
    company = await prepaid_company(office)
    await office.use(company, "a", 116_00, "revenue.voice", label="voice.mobile")
    await office.to(date(2026, 3, 20))
    taker = PartyData(PartyKind.PERSON, iin(77), "Әлиев Асқар", "Алматы, Абай 10", "a@example.kz", "77771112233")
    sheet = RegistrationSheet("passed", taker, "kcell-free", Language.RU, CLERK)
    passed = await office.world.subscribers.accession.re_register(company.subscriber_id, sheet)
    assert passed.account != company.account
    await office.use(await office.world.subscribers.get(company.msisdn), "b", 58_00, "revenue.voice")
    await office.to(date(2026, 4, 1))
    assert await office.desk.duties.run() == {"done": 2, "failed": 0, "open": 0, "late": 0}
    [act] = await acts(office)
    assert (act.account, act.total, act.iin_bin) == (company.account, 116_00, COMPANY_BIN)
    document, _ = await office.desk.documents.document(act.document_id)
    assert (document.buyer.name, document.basis.msisdn) == ("ТОО «Ұшқын»", None)
    await office.to(date(2026, 5, 1))
    assert (await office.desk.duties.run())["done"] == 0  # nothing of the company's in April


async def test_a_person_has_no_act(office: Office) -> None:
    person = await office.world.subscriber("kcell-free", money="1000")
    await office.use(person, "a", 116_00, "revenue.voice", label="voice.mobile")
    await office.to(date(2026, 4, 1))
    assert (await office.desk.duties.run())["done"] == 0


# E-invoices


async def march(office: Office) -> Subscriber:
    """A company that used 116.00 of calls and 23.20 of messages in March."""
    company = await prepaid_company(office)
    await office.use(company, "a", 116_00, "revenue.voice", label="voice.mobile")
    await office.use(company, "b", 23_20, "revenue.sms", label="sms.mobile")
    return company


@pytest.mark.clause("PSC-4.5", "PSC-4.3.1")
async def test_a_month_has_an_e_invoice_of_the_sums_of_its_act(office: Office) -> None:
    """116.00 of calls and 23.20 of messages. 11.60 of March that the act has not seen changes the e-invoice neither."""
    company = await march(office)
    act = await office.desk.documents.issue_of(f"act:{company.account}:2026-03-01")
    await office.use(company, "late", 11_60, "revenue.voice", label="voice.mobile")
    await office.to(date(2026, 4, 1))
    assert await office.desk.duties.run() == {"done": 2, "failed": 0, "open": 0, "late": 0}
    [einvoice] = await of_kind(office, Kind.EINVOICE)
    assert (einvoice.number, einvoice.total, einvoice.account) == ("ESF-2026-0000001", 139_20, company.account)
    assert await supply(office, einvoice) == await supply(office, act)
    assert [act.document_id] == [issued.document_id for issued in await acts(office)]
    for document in (act, einvoice):
        assert (await office.desk.einvoices.get(document.document_id)).state is EInvoiceState.QUEUED


async def test_an_e_invoice_is_issued_with_its_act_whichever_is_asked_for_first(office: Office) -> None:
    company = await march(office)
    sources = [f"{kind}:{company.account}:2026-03-01" for kind in (Kind.EINVOICE, Kind.ACT)]
    issued = await asyncio.gather(*(office.desk.documents.issue_of(source) for source in sources * 3))
    assert len({one.document_id for one in issued}) == 2
    assert {one.number for one in issued} == {"ESF-2026-0000001", "ACT-2026-0000001"}


@pytest.fixture
async def state(office: Office, translator: Translator) -> AsyncIterator[tuple[DocumentDesk, EInvoiceLab]]:
    """The documents' use cases with the state's system."""
    world = office.world
    lab = EInvoiceLab(world.clock, world.calendar, tin=BIN, login=LOGIN, password=PASSWORD)
    async with connected(lab) as system:
        yield (
            DocumentDesk(
                world.database, world.clock, world.calendar, translator, world.invoicing, world.catalog.current, system
            ),
            lab,
        )


async def carry(office: Office, desk: DocumentDesk) -> None:
    for _ in range(4):
        await desk.einvoices.run()
        office.world.clock.advance(timedelta(hours=1))


@pytest.mark.clause("PSC-4.5")
async def test_an_e_invoice_is_registered_and_corrected_with_its_act_in_the_states_system(
    office: Office, state: tuple[DocumentDesk, EInvoiceLab]
) -> None:
    company, (desk, lab) = await march(office), state
    queue, documents = desk.einvoices, desk.documents
    await office.to(date(2026, 4, 1))
    await desk.duties.run()
    await carry(office, desk)
    [act], [wrong] = await acts(office), await of_kind(office, Kind.EINVOICE)
    first = await queue.get(wrong.document_id)
    assert str(first.registration_number).startswith("ESF-")
    [sent] = [kept.tree for kept in lab.documents.values() if kept.form == "InvoiceV2"]
    said = [sent.findtext(path) for path in ("turnoverDate", "invoiceType", "productSet/totalPriceWithTax")]
    assert said == ["31.03.2026", "ORDINARY_INVOICE", "139.2"]

    await new_address(office, company, "г. Шымкент, ул. Қонаев, 1")
    with pytest.raises(DocumentUnchangedError):  # it says what its act says, which has the old address still
        await documents.correct(wrong.document_id, reason="адрес", actor="staff:s")
    await documents.correct(act.document_id, reason="адрес", actor="staff:s")
    [_, right] = await of_kind(office, Kind.EINVOICE)
    assert (right.number, right.total, right.corrects) == ("ESF-2026-0000002", wrong.total, wrong.document_id)
    await carry(office, desk)
    assert (await queue.get(right.document_id)).state is EInvoiceState.REGISTERED
    corrected = next(
        kept.tree for kept in lab.documents.values() if kept.tree.findtext("invoiceType") == "FIXED_INVOICE"
    )
    assert corrected.findtext("relatedInvoice/registrationNumber") == first.registration_number
    assert corrected.findtext("customers/customer/address") == "г. Шымкент, ул. Қонаев, 1"
    assert sorted(kept.status for kept in lab.documents.values()) == ["CANCELED"] + ["DELIVERED"] * 3


async def test_an_act_that_is_corrected_first_leaves_nothing_to_correct(office: Office) -> None:
    company = await march(office)
    act = await office.desk.documents.issue_of(f"act:{company.account}:2026-03-01")
    await new_address(office, company, "г. Шымкент, ул. Қонаев, 1")
    await office.desk.documents.correct(act.document_id, reason="адрес", actor="staff:s")
    einvoice = await office.desk.documents.issue_of(f"einvoice:{company.account}:2026-03-01")
    document, _ = await office.desk.documents.document(einvoice.document_id)
    assert (document.buyer.address, document.corrects) == ("г. Шымкент, ул. Қонаев, 1", None)


async def test_whatever_comes_first_the_e_invoice_says_what_the_corrected_act_says(office: Office) -> None:
    """Corrected by four while four ask for the e-invoice: one correction, and of the e-invoice at most one."""
    company = await march(office)
    documents = office.desk.documents
    act = await documents.issue_of(f"act:{company.account}:2026-03-01")
    await new_address(office, company, "г. Шымкент, ул. Қонаев, 1")
    done = await asyncio.gather(
        *(documents.correct(act.document_id, reason="адрес", actor="staff:s") for _ in range(4)),
        *(documents.issue_of(f"einvoice:{company.account}:2026-03-01") for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["DocumentCorrectedError"] * 3 + ["Issued"] * 5
    einvoices = await of_kind(office, Kind.EINVOICE)
    assert [one.corrects for one in einvoices] == [None, einvoices[0].document_id][: len(einvoices)]
    newest, _ = await documents.document(einvoices[-1].document_id)
    assert newest.buyer.address == "г. Шымкент, ул. Қонаев, 1"
