"""What the operator and the state change in the year: catalogue files, each published on the day that names it."""

from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path
from typing import Final

from telco.app import App
from telco.billing.documents.model import Bank, Seller, Words
from telco.billing.payments.errors import ProviderExistsError
from telco.catalog.loader import SourceFile
from telco.kernel.money import tenge
from telco.lab.people import CATALOGUE
from telco.simulation.actions import OFFICE, PROVIDER
from telco.simulation.bank import OUR_ACCOUNT
from telco.simulation.model import START
from telco.subscribers.errors import EditionError

DIRECTORY: Final = Path(__file__).parent / "news"
_FIRST_EDITION: Final = "2026-01"
_NAME: Final = Words("«Көктем» АҚ", "АО «Коктем»", "Koktem JSC")
_PERSON: Final = Words("А. Өтегенов", "А. Утегенов", "A. Utegenov")
_SELLER: Final = Seller(
    name=_NAME,
    bin="990140000007",
    address=Words("Алматы, Абай 1", "Алматы, Абая 1", "1 Abay St, Almaty"),
    phone="+7 727 258 83 00",
    bank=Bank(Words("Банк", "Банк", "Bank"), OUR_ACCOUNT, "HSBKKZKX", "17"),
    vat_certificate=None,
    head=_PERSON,
    accountant=_PERSON,
    esf_operator=_PERSON.ru,
)


async def begin(app: App) -> None:
    """Set the operator up: catalogue, contract, a provider of terminals, its bank account and requisites.

    Again changes nothing.
    """
    await app.catalog.publish_directory(CATALOGUE, author="simulation")
    contracts = app.subscribers.contracts
    with contextlib.suppress(EditionError):  # published before the run was stopped
        await contracts.publish_edition(_FIRST_EDITION, "https://example.kz/contract", b"\0" * 32, OFFICE)
    with contextlib.suppress(ProviderExistsError):
        await app.ways_in.providers.add(PROVIDER, "Kiosk", least=tenge(100), most=tenge(500_000), actor=OFFICE.author)
    await app.ways_in.transfers.add_account(OUR_ACCOUNT, "main")
    await app.documents.requisites.set(_SELLER, START, actor=OFFICE.author)


async def publish(app: App, day: date) -> bool:
    """Publish the news of a day, if there are any."""
    path = DIRECTORY / f"{day}.toml"
    if not path.exists():
        return False
    await app.catalog.publish([SourceFile(path.name, path.read_bytes())], author="simulation")
    return True
