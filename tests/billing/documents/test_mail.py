"""Companies get what is issued to them by e-mail, from the mail server's side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from email.message import EmailMessage

import pytest

from telco.billing.documents.mail import DocumentMail
from telco.billing.documents.model import Issued, Kind
from telco.billing.documents.service import Search
from telco.email.model import Sent
from telco.email.service import Email
from telco.email.settings import EmailSettings
from telco.kernel.i18n import Language, Translator
from telco.subscribers.model import Subscriber
from tests.billing.documents.conftest import Office
from tests.email.conftest import Post, settings
from tests.world import CLERK

ISSUED_ON = date(2026, 4, 2)


@pytest.fixture
def post() -> Iterator[Post]:
    post = Post()
    post.open()
    yield post
    post.close()


@pytest.fixture
def email(office: Office, translator: Translator, post: Post) -> Email:
    """The office with e-mail."""
    return with_mail(office, translator, settings(post.port))


def with_mail(office: Office, translator: Translator, given: EmailSettings) -> Email:
    email = Email(office.world.database, office.world.clock, given)
    DocumentMail(office.world.database, translator, office.desk.documents, email).subscribe_to(office.world.outbox)
    return email


async def given(office: Office, company: Subscriber) -> None:
    """Issue the first invoice and act, and let everybody hear of it."""
    await office.invoice(company, ISSUED_ON)
    await office.desk.duties.run()
    await office.world.outbox.drain()


async def move(office: Office, company: Subscriber, address: str, email: str) -> None:
    card = await office.world.subscribers.people.card(company.msisdn, CLERK)
    changed = replace(card.party.data, postal_address=address, email=email)
    await office.world.subscribers.people.report_change(company.subscriber_id, changed, CLERK, changed_on=ISSUED_ON)


async def the(office: Office, kind: Kind) -> Issued:
    [newest, *_] = await office.desk.documents.search(Search(kind=kind), None, 10)
    return newest


def about(post: Post, number: str) -> EmailMessage:
    [message] = [message for message in post.box.taken if number in message["Subject"]]
    return message


def text(message: EmailMessage) -> str:
    body = message.get_body()
    assert body is not None
    return str(body.get_content())


@pytest.mark.clause("PSC-4.5")
async def test_a_company_gets_its_invoice_and_act_once(office: Office, email: Email, post: Post) -> None:
    await given(office, await office.company())
    assert await email.send_due() == Sent(sent=2)
    for kind, title in ((Kind.INVOICE, "Счёт-фактура"), (Kind.ACT, "Акт оказанных услуг")):
        issued = await the(office, kind)
        message = about(post, issued.number)
        assert (message["To"], message["Subject"]) == ("office@example.kz", f"{title} № {issued.number}")
        assert text(message).splitlines() == [
            f"Во вложении: {title} № {issued.number} от 02.04.2026.",
            "Ответы на этот адрес не читаются.",
        ]
        paper = await office.desk.documents.render(issued.document_id, Language.RU)
        [attached] = message.iter_attachments()
        assert (attached.get_filename(), attached.get_content_type()) == (paper.file_name, "application/pdf")
        assert attached.get_payload(decode=True) == paper.content
    again = "update kernel.outbox set dispatched_at = null where topic = 'documents.issued'"
    await office.world.database.fetch(again)  # an event may come twice
    assert await office.world.outbox.drain() == 2
    assert await email.send_due() == Sent()


async def test_its_language_is_the_companys(office: Office, email: Email, post: Post) -> None:
    company = await office.company()
    await office.world.subscribers.set_language(company.subscriber_id, Language.KK, CLERK)
    await given(office, company)
    await email.send_due()
    invoice = await the(office, Kind.INVOICE)
    message = about(post, invoice.number)
    assert message["Subject"] == f"№ {invoice.number} шот-фактура"
    [attached] = message.iter_attachments()
    assert attached.get_filename() == f"{invoice.number}.kk.pdf"


async def test_a_correction_says_what_it_replaces(office: Office, email: Email, post: Post) -> None:
    company = await office.company()
    await given(office, company)
    wrong = await the(office, Kind.ACT)
    await move(office, company, "г. Шымкент, ул. Қонаев, 1", "new@example.kz")
    right = await office.desk.documents.correct(wrong.document_id, reason="неверный адрес", actor="staff:s")
    await office.world.outbox.drain()
    await email.send_due()
    message = about(post, right.number)
    assert message["To"] == "new@example.kz"
    assert f"Исправляет и заменяет № {wrong.number} от 02.04.2026 Причина: неверный адрес" in text(message)


@pytest.mark.parametrize("address", [None, "кеңсе@example.kz"])
async def test_without_an_address_nothing_goes_and_nothing_waits(
    office: Office, email: Email, address: str | None
) -> None:
    company = await office.company()
    await office.world.database.fetch("update subscribers.party set email = $1", address)
    await given(office, company)
    assert await email.send_due() == Sent()
    assert await waiting(office) == 0


async def test_persons_and_what_is_for_the_state_go_to_nobody(office: Office, email: Email) -> None:
    person = await office.world.subscriber("kcell-status")
    invoice = await office.invoice(person, ISSUED_ON)
    await office.desk.documents.issue_invoice(invoice.invoice_id)
    await office.world.outbox.drain()
    assert await email.send_due() == Sent()


async def test_where_email_is_not_set_up_nothing_is_stored(office: Office, translator: Translator) -> None:
    with_mail(office, translator, EmailSettings())
    await given(office, await office.company())
    assert await office.world.database.fetchval("select count(*) from email.message") == 0
    assert await waiting(office) == 0


async def waiting(office: Office) -> int:
    query = "select count(*)::int from kernel.outbox where topic = 'documents.issued' and dispatched_at is null"
    count: int = await office.world.database.fetchval(query)
    return count
