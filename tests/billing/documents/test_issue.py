"""Documents as they are issued: what they say, once, without gaps, for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date

import asyncpg
import pytest

from telco.billing.documents import canonical
from telco.billing.documents.drafts import RefundFacts
from telco.billing.documents.errors import (
    AccountOwnerUnknownError,
    ActForCompanyError,
    DocumentCorrectedError,
    DocumentDamagedError,
    DocumentNotCorrectableError,
    DocumentPeriodError,
    DocumentUnchangedError,
    DocumentUnknownError,
    FormatUnknownError,
    NothingSuppliedError,
    RequisitesDayError,
    RequisitesMissingError,
)
from telco.billing.documents.model import (
    DocumentId,
    Format,
    Issued,
    Kind,
    Period,
    Reconciliation,
    Refund,
    Statement,
    Supply,
)
from telco.billing.documents.service import Search
from telco.billing.documents.store import Q
from telco.db.pool import Connection
from telco.kernel.i18n import Language, Text
from telco.kernel.ids import AccountId, AccountRef
from telco.kernel.money import Tiyn, tenge
from telco.subscribers.model import PartyData, Subscriber
from tests.billing.documents.conftest import FEE, FEE_VAT, Office, seller
from tests.world import CLERK

MARCH = Period(date(2026, 3, 2), date(2026, 4, 2))


async def supply_of(office: Office, issued: Issued) -> Supply:
    document, _ = await office.desk.documents.document(issued.document_id)
    assert isinstance(document.content, Supply)
    return document.content


async def test_an_invoice_keeps_its_number_day_and_lines(office: Office) -> None:
    subscriber = await office.company()  # joins on 2 March
    await office.use(subscriber, "u1", 116_00, "revenue.voice", label="voice.mobile")
    invoice = await office.invoice(subscriber, date(2026, 4, 2))
    issued = await office.desk.documents.issue_invoice(invoice.invoice_id)
    assert (issued.number, issued.issued_on, issued.total) == ("KC-2026-0000001", date(2026, 4, 2), Tiyn(4945_03))
    document, _ = await office.desk.documents.document(issued.document_id)
    assert document.seller == seller()
    assert (document.buyer.name, document.buyer.iin_bin) == ("ТОО «Ұшқын»", "000440000003")
    assert document.period == MARCH
    supply = await supply_of(office, issued)
    # 116.00 * 16 / 116 = 16.00
    assert {(item.name.ru, item.gross, item.vat) for item in supply.items} == {
        ("Абонентская плата по тарифному плану: Kcell Бизнес", FEE, FEE_VAT),
        ("Звонок другому оператору", tenge(116), tenge(16)),
    }
    assert (supply.net, supply.vat, supply.gross) == (4262_96, 682_07, 4945_03)
    assert (supply.vat, supply.gross) == (invoice.vat, invoice.total)
    assert supply.due_on == invoice.due_on == date(2026, 5, 2)


async def test_an_invoice_says_what_the_advance_had_paid_when_it_was_issued(office: Office) -> None:
    subscriber = await office.company()
    await office.pay(subscriber, "1000", "before")
    invoice = await office.invoice(subscriber, date(2026, 4, 2))
    await office.pay(subscriber, "2000", "after")
    supply = await supply_of(office, await office.desk.documents.issue_invoice(invoice.invoice_id))
    assert (supply.gross, supply.advance) == (FEE, tenge(1000))


async def test_a_document_of_before_a_field_was_added_keeps_its_hash(office: Office) -> None:
    subscriber = await office.company()
    invoice = await office.invoice(subscriber, date(2026, 4, 2))
    issued = await office.desk.documents.issue_invoice(invoice.invoice_id)
    await office.world.database.fetch("alter table documents.document disable trigger user")
    await office.world.database.fetch(
        "update documents.document set data = d, sha256 = sha256(convert_to(d, 'UTF8'))"
        " from (select replace(data, '\"advance\":0,', '') as d from documents.document) old"
    )
    stored = await office.world.database.fetchval("select encode(sha256, 'hex') from documents.document")
    document, sha256 = await office.desk.documents.document(issued.document_id)
    assert stored != issued.sha256
    assert sha256 == stored
    assert isinstance(document.content, Supply)
    assert document.content.advance == 0


async def test_the_same_source_is_issued_once(office: Office) -> None:
    """By many at once: one document, and everybody is told of it."""
    subscriber = await office.company()
    invoice = await office.invoice(subscriber, date(2026, 4, 2))
    first = await asyncio.gather(*(office.desk.documents.issue_act(invoice.invoice_id) for _ in range(8)))
    assert len({issued.document_id for issued in first}) == 1
    assert {issued.number for issued in first} == {"ACT-2026-0000001"}
    assert len(await office.desk.documents.search(Search(kind=Kind.ACT), None, 10)) == 1


@pytest.mark.clause("PSC-4.5")
async def test_an_act_is_for_companies_and_of_services(office: Office) -> None:
    company, person = await office.company(), await office.world.subscriber("kcell-status")
    await office.use(company, "p1", 500_00, "revenue.penalty")
    of_company = await office.invoice(company, date(2026, 4, 2))
    [of_person] = await office.world.invoicing.of_account(person.account, 1)
    act = await supply_of(office, await office.desk.documents.issue_act(of_company.invoice_id))
    assert [(item.line_no, item.gross) for item in act.items] == [(1, FEE)]  # no penalty: it is no service
    assert (act.gross, act.due_on, act.invoice_number) == (FEE, None, of_company.number)
    with pytest.raises(ActForCompanyError):
        await office.desk.documents.issue_act(of_person.invoice_id)
    assert (await office.desk.documents.issue_invoice(of_person.invoice_id)).number == of_person.number


async def test_an_invoice_without_services_has_no_act(office: Office) -> None:
    company = await office.company()
    await office.invoice(company, date(2026, 4, 2))
    await office.use(company, "p1", 50_00, "revenue.penalty")
    invoice = await office.invoice(company, date(2026, 5, 2))
    assert invoice.total == tenge(50)
    with pytest.raises(NothingSuppliedError):
        await office.desk.documents.issue_act(invoice.invoice_id)


async def statement(office: Office, subscriber: Subscriber, period: Period = MARCH, key: str = "k") -> Issued:
    return await office.desk.documents.issue_statement(subscriber.account, period, actor="staff:a", request_id=key)


@pytest.mark.clause("PSC-1.1.12")
async def test_a_statement_has_every_movement_and_adds_up(office: Office) -> None:
    subscriber = await office.world.subscriber("kcell-free", money="1000")
    await office.to(date(2026, 3, 3))
    await office.use(subscriber, "u1", 12_50, "revenue.voice", label="voice.mobile", to="77017654321")
    await office.pay(subscriber, "200", "p1")
    await office.to(date(2026, 3, 5))
    await office.use(subscriber, "u2", 7_00, "revenue.sms", label="sms.on_net")
    await office.to(date(2026, 3, 6))
    issued = await statement(office, subscriber, Period(date(2026, 3, 3), date(2026, 3, 5)))
    document, _ = await office.desk.documents.document(issued.document_id)
    content = document.content
    assert isinstance(content, Statement)
    names = {named.code: named.name.ru for named in content.names}
    # 1000.00 - 12.50 + 200.00 = 1187.50; the message of the 5th is outside
    assert [(names[e.code], e.to, e.amount, e.balance) for e in content.entries] == [
        ("Звонок другому оператору", "77017654321", Tiyn(-12_50), Tiyn(987_50)),
        ("Платёж в кассе", None, Tiyn(200_00), Tiyn(1187_50)),
    ]
    assert (content.opening, content.money_in, content.money_out, content.closing) == (
        tenge(1000), tenge(200), Tiyn(12_50), Tiyn(1187_50),
    )  # fmt: skip
    assert (issued.number, issued.total) == ("STM-2026-0000001", Tiyn(1187_50))


async def test_a_statement_is_asked_for_once_per_request(office: Office) -> None:
    subscriber = await office.world.subscriber("kcell-free", money="1000")
    first, again = await statement(office, subscriber), await statement(office, subscriber)
    assert first == again
    assert (await statement(office, subscriber, key="other")).number == "STM-2026-0000002"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 3, 2), date(2026, 3, 2)),  # nothing
        (date(2026, 3, 2), date(2026, 3, 1)),
        (date(2025, 3, 1), date(2026, 3, 3)),  # 367 days
        (date(2026, 3, 3), date(2026, 3, 4)),  # ahead
    ],
)
async def test_an_impossible_period_is_refused(office: Office, start: date, end: date) -> None:
    subscriber = await office.world.subscriber("kcell-free")
    with pytest.raises(DocumentPeriodError):
        await statement(office, subscriber, Period(start, end))


async def test_nobodys_account_has_no_documents(office: Office) -> None:
    with pytest.raises(AccountOwnerUnknownError):
        await office.desk.documents.issue_statement(
            AccountRef(0, AccountId(999_999)), MARCH, actor="staff:a", request_id="k"
        )
    with pytest.raises(DocumentUnknownError):
        await office.desk.documents.get(DocumentId(99))


async def test_a_reconciliation_agrees_with_the_ledger(office: Office) -> None:
    """4829.03 in March and 7000.00 in April are invoiced, 5000.00 and 6000.00 are paid; a call of 116.00 is not yet."""
    company = await office.company()
    await office.to(date(2026, 3, 20))
    await office.pay(company, "5000", "p1")
    await office.invoice(company, date(2026, 4, 2))
    await office.to(date(2026, 4, 20))
    await office.pay(company, "6000", "p2")
    await office.use(company, "u0", 7000_00, "revenue.roaming", label="voice.roaming")
    await office.invoice(company, date(2026, 5, 2))
    await office.use(company, "u1", 116_00, "revenue.voice", label="voice.mobile")
    await office.to(date(2026, 5, 3))
    issued = await office.desk.documents.issue_reconciliation(
        company.account, Period(date(2026, 4, 3), date(2026, 5, 3)), actor="staff:a", request_id="k"
    )
    document, _ = await office.desk.documents.document(issued.document_id)
    content = document.content
    assert isinstance(content, Reconciliation)
    assert content.opening == Tiyn(-170_97)  # 4829.03 invoiced on 2 April, 5000.00 paid
    assert [(turn.on, turn.debit, turn.credit) for turn in content.turns] == [
        (date(2026, 4, 20), Tiyn(0), tenge(6000)),
        (date(2026, 5, 2), tenge(7000), Tiyn(0)),
    ]
    assert (content.closing, content.not_invoiced) == (829_03, 116_00)  # -170.97 + 7000.00 - 6000.00
    main = await office.world.main(company)
    assert content.closing + content.not_invoiced == -main  # what is owed in all: invoices and what is not on one yet


REFUND = RefundFacts(
    source="refund:1",
    account=AccountRef(0, AccountId(0)),
    amount=Tiyn(123_45),
    application="318",
    applied_on=date(2026, 3, 1),
    pay_by=date(2026, 3, 31),
    payee="Айгүл Серікқызы",
    payee_iin_bin="900101300017",
    iban=None,
    bik=None,
    ground=Text("Refund"),
)


async def refund(office: Office, facts: RefundFacts, *, fail: bool = False) -> Issued:
    async def body(connection: Connection) -> Issued:
        issued = await office.desk.documents.issue_refund_order(connection, facts, actor="staff:a")
        if fail:
            raise RuntimeError("the rest of the command failed")
        return issued

    return await office.world.database.transact("test.refund", body)


@pytest.mark.clause("PSC-6.4")
async def test_a_refund_order_is_one_with_its_decision(office: Office) -> None:
    subscriber = await office.world.subscriber("kcell-free", money="1000")
    facts = replace(REFUND, account=subscriber.account)
    with pytest.raises(RuntimeError):
        await refund(office, facts, fail=True)
    assert await office.desk.documents.search(Search(), None, 10) == []
    issued = await refund(office, facts)
    assert issued == await refund(office, facts)
    assert issued.number == "RFO-2026-0000001"  # the number of the failed try was given back with it
    document, _ = await office.desk.documents.document(issued.document_id)
    assert isinstance(document.content, Refund)
    assert (document.content.pay_by, document.content.ground.kk) == (date(2026, 3, 31), "Ақшаны қайтару")
    with pytest.raises(DocumentNotCorrectableError):
        await office.desk.documents.correct(issued.document_id, reason="r", actor="staff:a")


async def test_numbers_have_no_gaps(office: Office) -> None:
    """Twenty at once, every third fails after its number was taken."""
    subscriber = await office.world.subscriber("kcell-free", money="1000")

    async def one(number: int) -> None:
        facts = replace(REFUND, account=subscriber.account, source=f"refund:{number}")
        try:
            await refund(office, facts, fail=number % 3 == 0)
        except RuntimeError:
            assert number % 3 == 0

    await asyncio.gather(*(one(number) for number in range(20)))
    numbers = sorted(issued.number for issued in await office.desk.documents.search(Search(), None, 100))
    assert numbers == [f"RFO-2026-{number:07d}" for number in range(1, 14)]  # 20 less 7 that failed


async def test_a_killed_connection_leaves_no_gap(office: Office, database_url: str) -> None:
    """The server loses the client between taking a number and the commit."""
    killed = await asyncpg.connect(database_url)
    await killed.execute("begin")
    assert await killed.fetchval(Q.next_number, "RFO", 2026) == 1
    killed.terminate()
    subscriber = await office.world.subscriber("kcell-free")
    assert (await refund(office, replace(REFUND, account=subscriber.account))).number == "RFO-2026-0000001"


async def test_a_series_begins_anew_each_year(office: Office) -> None:
    subscriber = await office.world.subscriber("kcell-free")
    account = subscriber.account
    assert (await refund(office, replace(REFUND, account=account))).number == "RFO-2026-0000001"
    await office.to(date(2027, 1, 1))
    assert (await refund(office, replace(REFUND, account=account, source="refund:2"))).number == "RFO-2027-0000001"


@pytest.mark.parametrize(
    "statement",
    [
        "update documents.document set data = '{}', sha256 = sha256('{}')",
        "update documents.document set total_tiyn = 0",
        "delete from documents.document",
        "truncate documents.document cascade",
    ],
)
async def test_a_document_never_changes(office: Office, statement: str) -> None:
    subscriber = await office.world.subscriber("kcell-free")
    await refund(office, replace(REFUND, account=subscriber.account))
    async with office.world.database.acquire() as connection:
        with pytest.raises(asyncpg.RaiseError, match="never change"):
            await connection.execute(statement)


async def test_a_document_is_not_written_under_another_hash(office: Office) -> None:
    subscriber = await office.world.subscriber("kcell-free")
    issued = await refund(office, replace(REFUND, account=subscriber.account))
    async with office.world.database.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="document_sha256_check"):
            await connection.execute(
                """insert into documents.document (kind, number, source, shard, account_id, contract_id, party_id,
                       iin_bin, issued_on, issued_at, issued_by, total_tiyn, data, sha256)
                   select kind, 'X-1', 'x', shard, account_id, contract_id, party_id, iin_bin, issued_on, issued_at,
                       issued_by, total_tiyn, data || ' ', sha256 from documents.document"""
            )
        # Somebody with the right to drop triggers and constraints changes it all the same: whoever reads it is told.
        await connection.execute("alter table documents.document disable trigger all")
        await connection.execute("alter table documents.document drop constraint document_sha256_check")
        await connection.execute("update documents.document set data = replace(data, '12345', '99999')")
    with pytest.raises(DocumentDamagedError):
        await office.desk.documents.document(issued.document_id)


async def test_two_corrections_at_once_are_one_and_a_refusal(office: Office) -> None:
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    documents = office.desk.documents
    wrong = await documents.issue_invoice(invoice.invoice_id)
    await new_address(office, company, "г. Шымкент, ул. Қонаев, 1")
    made = await asyncio.gather(
        *(documents.correct(wrong.document_id, reason="адрес", actor="staff:s") for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in made) == ["DocumentCorrectedError"] * 3 + ["Issued"]


async def new_address(office: Office, company: Subscriber, address: str) -> None:
    card = await office.world.subscribers.people.card(company.msisdn, CLERK)
    data = card.party.data
    changed = PartyData(data.kind, data.iin_bin, data.full_name, address, None, None)
    await office.world.subscribers.people.report_change(
        company.subscriber_id, changed, CLERK, changed_on=office.world.calendar.today(office.world.clock.now())
    )


async def test_a_mistake_is_corrected_by_a_new_document(office: Office) -> None:
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    documents = office.desk.documents
    wrong = await documents.issue_invoice(invoice.invoice_id)
    with pytest.raises(DocumentUnchangedError):
        await documents.correct(wrong.document_id, reason="nothing changed", actor="staff:s")
    before, _ = await documents.document(wrong.document_id)
    await new_address(office, company, "г. Шымкент, ул. Қонаев, 1")
    right = await documents.correct(wrong.document_id, reason="неверный адрес", actor="staff:s")
    assert (right.number, right.corrects) == ("ICR-2026-0000001", wrong.document_id)
    after, _ = await documents.document(right.document_id)
    assert after.corrects is not None
    assert (after.corrects.number, after.corrects.reason) == (wrong.number, "неверный адрес")
    assert after.buyer.address == "г. Шымкент, ул. Қонаев, 1"
    assert after.content == before.content
    assert (await documents.document(wrong.document_id))[0] == before
    with pytest.raises(DocumentCorrectedError):
        await documents.correct(wrong.document_id, reason="again", actor="staff:s")
    # The correction itself may be corrected; it is made of the same invoice.
    await new_address(office, company, "г. Шымкент, ул. Қонаев, 2")
    third = await documents.correct(right.document_id, reason="дом 2", actor="staff:s")
    assert (third.number, third.corrects) == ("ICR-2026-0000002", right.document_id)
    async with office.world.database.acquire() as connection:
        audited = await connection.fetchval(
            "select count(*) from kernel.audit_trail where action = 'documents.correct'"
        )
    assert audited == 2


@pytest.mark.parametrize("kind", [Kind.ACT, Kind.STATEMENT, Kind.RECONCILIATION])
async def test_every_kind_is_corrected_in_its_series(office: Office, kind: Kind) -> None:
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    documents = office.desk.documents
    makers: dict[Kind, Callable[[], Awaitable[Issued]]] = {
        Kind.ACT: lambda: documents.issue_act(invoice.invoice_id),
        Kind.STATEMENT: lambda: statement(office, company),
        Kind.RECONCILIATION: lambda: documents.issue_reconciliation(
            company.account, MARCH, actor="staff:a", request_id="k"
        ),
    }
    wrong = await makers[kind]()
    await new_address(office, company, "г. Шымкент, ул. Қонаев, 1")
    right = await documents.correct(wrong.document_id, reason="адрес", actor="staff:s")
    assert right.number == wrong.number[:-1] + "2"
    assert (await documents.get(wrong.document_id)).corrected_by == right.document_id


async def test_requisites_are_those_of_the_day(office: Office) -> None:
    company = await office.company()
    first = await office.invoice(company, date(2026, 4, 2))
    await office.use(company, "u1", 1_00, "revenue.sms")
    later = replace(seller(), phone="+7 727 000 00 00")
    await office.desk.requisites.set(later, date(2026, 5, 1), actor="staff:admin")
    with pytest.raises(RequisitesDayError):
        await office.desk.requisites.set(later, date(2026, 4, 1), actor="staff:admin")
    second = await office.invoice(company, date(2026, 5, 2))
    documents = office.desk.documents
    phones = []
    for invoice in (first, second):  # both asked for in May
        issued = await documents.issue_invoice(invoice.invoice_id)
        phones.append((await documents.document(issued.document_id))[0].seller.phone)
    assert phones == ["+7 727 258 83 00", "+7 727 000 00 00"]
    assert [dated.valid_from for dated in await office.desk.requisites.all()] == [date(2026, 5, 1), date(2026, 1, 1)]


async def test_without_requisites_nothing_is_issued(office: Office) -> None:
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    async with office.world.database.acquire() as connection:
        await connection.execute("delete from documents.requisites")
    with pytest.raises(RequisitesMissingError):
        await office.desk.documents.issue_invoice(invoice.invoice_id)


async def test_a_document_is_found_by_whose_it_is(office: Office) -> None:
    company, person = await office.company(), await office.world.subscriber("kcell-status")
    await office.invoice(company, date(2026, 4, 2))
    documents = office.desk.documents
    for subscriber in (company, person):
        [invoice] = await office.world.invoicing.of_account(subscriber.account, 1)
        await documents.issue_invoice(invoice.invoice_id)
        await statement(office, subscriber, key=str(subscriber.msisdn))

    async def kinds(search: Search, before: DocumentId | None = None, limit: int = 10) -> list[Kind]:
        return [issued.kind for issued in await documents.search(search, before, limit)]

    both = [Kind.STATEMENT, Kind.INVOICE]
    assert await kinds(Search(account=company.account)) == both
    assert await kinds(Search(contract_id=person.contract_id)) == both
    assert await kinds(Search(iin_bin="000440000003")) == both
    assert await kinds(Search(kind=Kind.INVOICE)) == [Kind.INVOICE] * 2
    assert await kinds(Search(number="STM-2026-0000002")) == [Kind.STATEMENT]
    assert await kinds(Search(), None, 3) == [*both, Kind.STATEMENT]
    [*_, last] = await documents.search(Search(), None, 3)
    assert await kinds(Search(), last.document_id) == [Kind.INVOICE]


async def test_it_is_rendered_to_every_format_the_same_each_time(office: Office) -> None:
    company = await office.company()
    invoice = await office.invoice(company, date(2026, 4, 2))
    documents = office.desk.documents
    issued = await documents.issue_invoice(invoice.invoice_id)
    for language in Language:
        for form, begins in ((Format.PDF, b"%PDF-"), (Format.XML, b"<?xml"), (Format.JSON, b'{"basis"')):
            one = await documents.render(issued.document_id, language, form)
            assert one == await documents.render(issued.document_id, language, form)
            assert one.content.startswith(begins)
    data = (await documents.render(issued.document_id, Language.EN, Format.JSON)).content
    assert canonical.digest(data.decode()).hex() == issued.sha256
    assert json.loads(data)["number"] == invoice.number
    statement_ = await statement(office, company)
    with pytest.raises(FormatUnknownError):
        await documents.render(statement_.document_id, Language.EN, Format.XML)
