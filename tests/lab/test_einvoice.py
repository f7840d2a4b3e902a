"""What the lab's e-invoice system imitates of the state's, as far as that is public. Each test is one thing it does.

1. One speaks to it in a session, which is opened with the operator's BIN, user and password, and may be ended.
2. It takes a document of a known form with a signature of that very text, and declines at once what is none.
3. A number is taken once; after a refusal it may be used again.
4. It decides later: a document is in processing until it was asked about often enough.
5. What has the right form and adds up is registered under ``ESF-<BIN>-<day>-<number>`` (acts: ``AWP-``), else refused
   with every flaw: elements that are missing, unknown or out of order; formats, needless zeros, check digits; lines,
   VAT and totals that do not add up; days ahead; a seller who is not the sender; a buyer who is not known.
6. A corrected invoice names the registered one, which is cancelled by it.
7. It may be down, and an answer may be lost after the work was done.

It does not imitate: signatures of the National Certification Authority, the catalogue of goods and services,
warehouses, the recipient's confirmation, the system's own deadlines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from telco.billing.documents import esf
from telco.billing.documents.einvoice import (
    EInvoiceTroubleError,
    InProcess,
    Outgoing,
    Refused,
    Registered,
    Taken,
)
from telco.billing.documents.esf_soap import EsfSoap, HttpSigner, Signature
from telco.billing.documents.model import Document, Kind, Reference, Related
from telco.billing.documents.rules import esf_number
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.lab.einvoice import CERTIFICATE, EInvoiceLab
from tests.billing.documents.conftest import BIN, COMPANY_BIN
from tests.billing.documents.examples import COMPANY, ISSUED, document

LOGIN, PASSWORD = "operator", "secret"


@asynccontextmanager
async def connected(lab: EInvoiceLab, password: str = PASSWORD) -> AsyncIterator[EsfSoap]:
    """The service's own client, on a socket."""
    runner = web.AppRunner(lab.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as client:
        signer = HttpSigner(client, f"{url}/sign")
        yield EsfSoap(client, f"{url}/ws", tin=BIN, login=LOGIN, password=password, signer=signer)
    await runner.cleanup()


@pytest.fixture
def lab(clock: ManualClock, calendar: Calendar) -> EInvoiceLab:
    return EInvoiceLab(clock, calendar, tin=BIN, login=LOGIN, password=PASSWORD)


@pytest.fixture
async def system(lab: EInvoiceLab) -> AsyncIterator[EsfSoap]:
    async with connected(lab) as system:
        yield system


def outgoing(given: Document, related: Related | None = None) -> Outgoing:
    return Outgoing(esf.FORMS[given.kind], esf_number(given.number), esf.to_body(given, related))


async def decided(system: EsfSoap, sent: Outgoing) -> Registered | Refused:
    taken = await system.send(sent)
    if isinstance(taken, Refused):
        return taken
    answer = await system.ask(sent.form, taken.external_id)
    assert not isinstance(answer, InProcess)
    return answer


@pytest.mark.parametrize(
    ("kind", "number"), [(Kind.INVOICE, f"ESF-{BIN}-20260302-00100000"), (Kind.ACT, f"AWP-{BIN}-20260302-00100000")]
)
async def test_a_right_document_is_registered(system: EsfSoap, kind: Kind, number: str) -> None:
    assert await decided(system, outgoing(document(kind))) == Registered(number)


async def test_a_session_that_ended_is_opened_again(system: EsfSoap, lab: EInvoiceLab) -> None:
    assert isinstance(await system.send(outgoing(document(Kind.INVOICE))), Taken)
    lab.end_sessions()
    assert isinstance(await system.send(outgoing(document(Kind.ACT))), Taken)


async def test_a_wrong_password_opens_no_session(lab: EInvoiceLab) -> None:
    async with connected(lab, password="wrong") as system:
        with pytest.raises(EInvoiceTroubleError, match="ACCESS"):
            await system.send(outgoing(document(Kind.INVOICE)))


async def test_it_takes_its_time(system: EsfSoap, lab: EInvoiceLab) -> None:
    lab.polls = 3
    sent = outgoing(document(Kind.INVOICE))
    taken = await system.send(sent)
    assert isinstance(taken, Taken)
    answers = [await system.ask(sent.form, taken.external_id) for _ in range(4)]
    assert [type(answer) for answer in answers] == [InProcess, InProcess, Registered, Registered]


async def test_a_number_is_taken_once(system: EsfSoap) -> None:
    sent = outgoing(document(Kind.INVOICE))
    taken = await system.send(sent)
    assert await system.send(sent) == Refused((f"DUPLICATE_NUMBER: {sent.number} was sent before",))
    assert await system.find(sent.form, sent.number) == taken
    assert await system.find(sent.form, "1") is None
    assert await system.find("AwpV1", sent.number) is None


async def test_a_refused_number_may_be_used_again(system: EsfSoap, lab: EInvoiceLab) -> None:
    lab.unknown_buyers.add(COMPANY_BIN)
    sent = outgoing(document(Kind.INVOICE))
    assert await decided(system, sent) == Refused((f"CUSTOMER_NOT_FOUND: there is no taxpayer {COMPANY_BIN}",))
    lab.unknown_buyers.clear()
    assert isinstance(await decided(system, sent), Registered)


async def test_a_corrected_invoice_cancels_the_registered_one(system: EsfSoap, lab: EInvoiceLab) -> None:
    first = document(Kind.INVOICE)
    registered = await decided(system, outgoing(first))
    assert isinstance(registered, Registered)
    reference = Reference(1, Kind.INVOICE, first.number, ISSUED, "адрес")
    second = replace(first, number="ICR-2026-0000001", corrects=reference)
    related = Related(first.number, ISSUED, registered.registration_number)
    sent = outgoing(second, related)
    assert "<invoiceType>FIXED_INVOICE</invoiceType>" in sent.body
    assert isinstance(await decided(system, sent), Registered)
    assert [kept.status for kept in lab.documents.values()] == ["CANCELED", "DELIVERED"]
    third = replace(second, number="ICR-2026-0000002")
    for wrong, flaw in (
        (related, "RELATED_CANCELED"),
        (replace(related, registration="ESF-000000000000-20260302-00000000"), "RELATED_NOT_FOUND"),
    ):
        refused = await decided(system, outgoing(third, wrong))
        assert isinstance(refused, Refused)
        assert refused.errors[0].startswith(flaw)


async def test_it_knows_after_a_restart_what_it_took(tmp_path: Path, clock: ManualClock, calendar: Calendar) -> None:
    """Killed while it wrote of a document that nobody was told of; what was registered, refused or waits is known."""
    journal = tmp_path / "einvoices.jsonl"

    def started() -> EInvoiceLab:
        return EInvoiceLab(clock, calendar, tin=BIN, login=LOGIN, password=PASSWORD, journal=journal)

    first, act = outgoing(document(Kind.INVOICE)), outgoing(document(Kind.ACT))
    lab = started()
    async with connected(lab) as system:
        registered = await decided(system, first)
        assert isinstance(registered, Registered)
        lab.polls = 2
        waiting = await system.send(act)
        assert isinstance(waiting, Taken)
        assert isinstance(await system.ask(act.form, waiting.external_id), InProcess)
    with journal.open("a") as file:
        file.write('{"external_id": "100002", "fo')
    lab = started()
    async with connected(lab) as system:
        assert await system.send(first) == Refused((f"DUPLICATE_NUMBER: {first.number} was sent before",))
        assert await system.find(act.form, act.number) == waiting
        assert isinstance(await system.ask(act.form, waiting.external_id), Registered)
        reference = Reference(1, Kind.INVOICE, document(Kind.INVOICE).number, ISSUED, "адрес")
        second = replace(document(Kind.INVOICE), number="ICR-2026-0000001", corrects=reference)
        related = Related(document(Kind.INVOICE).number, ISSUED, registered.registration_number)
        assert isinstance(await decided(system, outgoing(second, related)), Registered)
    assert {kept.number: kept.status for kept in started().documents.values()} == {
        first.number: "CANCELED",
        act.number: "DELIVERED",
        esf_number(second.number): "DELIVERED",
    }


def spoilt() -> Iterator[tuple[str, str, str]]:
    """A spot of a right invoice, what stands there instead, and the flaw that is found."""
    yield "<num>201220260000001</num>", "", "XML_SCHEMA"
    yield "<num>201220260000001</num>", "<num>KC-1</num>", "INVALID_FORMAT"
    yield "<date>02.03.2026</date>", "<date>2026-03-02</date>", "INVALID_FORMAT"
    yield "<date>02.03.2026</date>", "<date>03.03.2026</date>", "DATE_AHEAD"
    yield "<date>02.03.2026</date>", "<date>28.02.2026</date>", "TURNOVER_AHEAD"
    yield "<date>02.03.2026</date>", "<date>31.02.2026</date>", "INVALID_DATE"
    yield "<currencyCode>KZT</currencyCode>", "<currencyCode>USD</currencyCode>", "INVALID_CURRENCY"
    yield "<hasContract>true</hasContract>", "<hasContract>true</hasContract><x>1</x>", "XML_SCHEMA"
    yield "<ndsRate>16</ndsRate>", "<ndsRate>13</ndsRate>", "INVALID_NDS_RATE"
    yield "<ndsRate>16</ndsRate>", "<ndsRate>12</ndsRate>", "NDS_AMOUNT"
    yield "<ndsAmount>1240</ndsAmount>", "<ndsAmount>1240.00</ndsAmount>", "INSIGNIFICANT_ZEROS"
    yield "<ndsAmount>1240</ndsAmount>", "<ndsAmount>1241</ndsAmount>", "LINE_SUM"
    yield "<totalNdsAmount>1410.28</totalNdsAmount>", "<totalNdsAmount>1410.29</totalNdsAmount>", "TOTAL_SUM"
    yield f"<tin>{COMPANY_BIN}</tin>", "<tin>000440000004</tin>", "INVALID_TIN"
    yield f"<tin>{COMPANY_BIN}</tin>", f"<tin>{BIN}</tin>", "SAME_PARTIES"
    yield f"<tin>{BIN}</tin>", f"<tin>{COMPANY_BIN}</tin>", "SENDER_TIN"
    yield "ORDINARY_INVOICE", "FIXED_INVOICE", "RELATED_INVOICE"
    yield "</v2:invoice>", "", "XML_SCHEMA"
    yield "<v2:invoice", '<!DOCTYPE x [<!ENTITY e "x">]><v2:invoice', "XML_SCHEMA"
    yield "v2.esf", "v1.esf", "XML_SCHEMA"


@pytest.mark.parametrize(("right", "wrong", "flaw"), list(spoilt()))
async def test_a_wrong_document_is_refused(system: EsfSoap, right: str, wrong: str, flaw: str) -> None:
    sent = outgoing(document(Kind.INVOICE))
    assert right in sent.body
    answer = await decided(system, replace(sent, body=sent.body.replace(right, wrong)))
    assert isinstance(answer, Refused)
    assert flaw in {error.partition(":")[0] for error in answer.errors}


async def test_a_signature_is_of_one_text(lab: EInvoiceLab) -> None:
    class Forger:
        async def sign(self, body: str) -> Signature:
            return Signature("AAAA", CERTIFICATE)

    async with connected(lab) as system:
        system._signer = Forger()
        answer = await system.send(outgoing(document(Kind.INVOICE)))
    assert answer == Refused(("INVALID_SIGNATURE: the signature is not of this text",))


async def test_it_may_be_down(system: EsfSoap, lab: EInvoiceLab) -> None:
    lab.down = True
    with pytest.raises(EInvoiceTroubleError):
        await system.send(outgoing(document(Kind.INVOICE)))
    lab.down = False
    assert isinstance(await system.send(outgoing(document(Kind.INVOICE))), Taken)


async def test_an_answer_may_be_lost_after_the_work_was_done(system: EsfSoap, lab: EInvoiceLab) -> None:
    sent = outgoing(document(Kind.INVOICE))
    assert await system.find(sent.form, sent.number) is None  # opens the session
    lab.lose_answers = 1
    with pytest.raises(EInvoiceTroubleError):
        await system.send(sent)
    assert isinstance(await system.find(sent.form, sent.number), Taken)


async def test_names_are_data_in_xml_too(system: EsfSoap) -> None:
    buyer = replace(COMPANY, name='ТОО <b>&amp; ]]> "Ұшқын"')
    assert isinstance(await decided(system, outgoing(replace(document(Kind.INVOICE), buyer=buyer))), Registered)
