"""What the demo operator's documents say of it, and the e-invoice system that its documents go to."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import aiohttp

from telco.billing.documents.desk import DocumentDesk
from telco.billing.documents.esf_soap import EsfSoap, HttpSigner
from telco.billing.documents.model import EInvoiceState
from telco.kernel.i18n import Translator
from telco.kernel.iin_bin import check_digit
from telco.lab import people
from telco.lab import world as demo
from telco.lab.home import Home
from tests.billing.documents.conftest import Office
from tests.world import World


def test_the_operators_requisites_have_right_check_digits() -> None:
    seller = people.requisites()
    assert check_digit(seller.bin[:11]) == int(seller.bin[11])
    moved = seller.bank.iban[4:] + seller.bank.iban[:4]
    assert int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1  # ISO 13616


async def test_the_demos_invoice_and_act_are_accepted(world: World, translator: Translator, tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        home = Home(tmp_path)
        home.recall()
        url = await demo._einvoice_system(stack, home)
        settings = demo.settings_for(home, world.database.url, "redis://127.0.0.1:1", 2775, url).einvoice
        assert settings.url is not None
        assert settings.signer_url is not None
        assert settings.tin is not None
        assert settings.login is not None
        assert settings.password is not None
        client = await stack.enter_async_context(aiohttp.ClientSession())
        system = EsfSoap(
            client,
            settings.url,
            tin=settings.tin,
            login=settings.login,
            password=settings.password.get_secret_value(),
            signer=HttpSigner(client, settings.signer_url),
        )
        desk = DocumentDesk(
            world.database, world.clock, world.calendar, translator, world.invoicing, world.catalog.current, system
        )
        today = world.calendar.today(world.clock.now())
        await desk.requisites.set(people.requisites(), today, actor="demo")
        company = await Office(world, desk).company()
        invoice = await Office(world, desk).invoice(company, today + timedelta(days=31))
        issued = [
            await desk.documents.issue_invoice(invoice.invoice_id),
            await desk.documents.issue_act(invoice.invoice_id),
        ]
        for _ in range(2):  # sent, then asked about; the lab's clock is the wall's, later than the documents' days
            await desk.einvoices.run()
            world.clock.advance(timedelta(hours=1))
        found = [await desk.einvoices.get(document.document_id) for document in issued]
        assert [einvoice.errors for einvoice in found] == [(), ()]
        assert {einvoice.state for einvoice in found} == {EInvoiceState.REGISTERED}
