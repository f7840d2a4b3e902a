"""An operator with numbers, cards and a published contract, and an office that accedes people."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import argon2
import pytest

from telco.catalog.catalogue import Catalogue
from telco.catalog.loader import load_directory
from telco.db.pool import Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.iin_bin import check_digit
from telco.kernel.money import tenge
from telco.kernel.msisdn import Msisdn
from telco.ledger.model import credit
from telco.ledger.service import Ledger
from telco.subscribers import rules
from telco.subscribers.model import (
    Accession,
    Channel,
    Origin,
    PartyData,
    PartyKind,
    RegistrationSheet,
    SimKind,
    by_subscriber,
)
from telco.subscribers.service import Subscribers

OPERATOR = Path(__file__).parents[2] / "telco" / "lab" / "operator" / "catalog"
CLERK = Origin("staff:aigul", Channel.OFFICE, "identity shown")
SELF = by_subscriber(Channel.USSD)
FAST = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def iin(serial: int) -> str:
    """A person born on 1 January 1990: 900101 3 + serial + check digit."""
    return next(
        f"{eleven}{digit}"
        for number in itertools.count(serial * 3)
        if (digit := check_digit(eleven := f"9001013{number:04d}")) is not None
    )


def bin_(serial: int) -> str:
    """A company registered in April 1999: 9904 4 0 + serial + check digit."""
    return next(
        f"{eleven}{digit}"
        for number in itertools.count(serial * 3)
        if (digit := check_digit(eleven := f"990440{number:05d}")) is not None
    )


def person(serial: int = 1, **changes: Any) -> PartyData:
    data = PartyData(
        PartyKind.PERSON,
        iin(serial),
        "Әлиев Асқар Серікұлы",
        "Алматы, Абай даңғылы 10, 5",
        "askar@example.kz",
        "+7 727 258 83 00",
    )
    return replace(data, **changes)


def company(serial: int = 1) -> PartyData:
    return PartyData(
        PartyKind.COMPANY,
        bin_(serial),
        "ТОО «Дала»",
        "Астана, Мәңгілік ел 1",
        "office@dala.kz",
        "87172555555",
    )


def iccid(serial: int) -> str:
    """A card of the operator: 89 997 01, a serial of 11 digits, a Luhn digit."""
    payload = f"8999701{serial:011d}"
    return payload + rules.luhn_digit(payload)


def number(serial: int) -> Msisdn:
    return Msisdn(f"7701{serial:07d}")


class Office:
    """Short ways for tests to do what an office does."""

    def __init__(self, subscribers: Subscribers, database: Database, ledger: Ledger) -> None:
        self.subscribers = subscribers
        self.database = database
        self.ledger = ledger
        self._serial = itertools.count(1)

    async def stock(self, count: int) -> None:
        """Put numbers and eSIMs into the pool."""
        await self.subscribers.numbers.add([number(n) for n in range(1, count + 1)], "ordinary", CLERK)
        cards = [(iccid(n), f"40102{n:010d}") for n in range(1, count + 1)]
        await self.subscribers.sims.receive(cards, SimKind.ESIM, CLERK)

    def sheet(self, party: PartyData | None = None, **changes: Any) -> RegistrationSheet:
        sheet = RegistrationSheet(
            request_id=f"RS-{next(self._serial)}",
            party=party or person(),
            plan_code="kcell-free",
            language=Language.KK,
            origin=CLERK,
            identity_document="ID 012345678",
        )
        return replace(sheet, **changes)

    async def accede(self, party: PartyData | None = None, **changes: Any) -> Accession:
        return await self.subscribers.accede(self.sheet(party, **changes))

    async def paid(self, amount: str = "10000", **changes: Any) -> Accession:
        """Accede with some tenge on the account."""
        return await self.accede(initial_payment=tenge(amount), **changes)

    async def top_up(self, account: AccountRef, amount: str) -> None:
        outcome = await self.ledger.submit(
            credit(account, f"top-up-{next(self._serial)}", tenge(amount), contra="cash.card")
        )
        assert outcome.status == 0

    async def main(self, account: AccountRef) -> int:
        """The main balance in tiyn."""
        return (await self.ledger.balances(account)).main

    async def buckets(self, account: AccountRef) -> dict[str, int]:
        """What is left of each allowance."""
        view = await self.ledger.balances(account)
        return {bucket.code: bucket.balance for bucket in view.buckets if bucket.code != "main" and bucket.balance}

    async def audit_rows(self, subscriber_id: SubscriberId) -> list[Any]:
        return await self.database.fetch(
            "select actor, action, ground, details from kernel.audit_trail where subject = $1 order by audit_id",
            f"subscriber:{subscriber_id}",
        )

    async def events(self, topic: str) -> list[dict[str, Any]]:
        rows = await self.database.fetch(
            "select payload from kernel.outbox where topic = $1 order by event_id", f"subscribers.{topic}"
        )
        return [row["payload"] for row in rows]


@pytest.fixture(scope="session")
def operator() -> Catalogue:
    return load_directory(OPERATOR)


@pytest.fixture
async def ledger(database: Database, clock: ManualClock) -> AsyncIterator[Ledger]:
    async with Ledger(database, clock) as ledger:
        yield ledger


@pytest.fixture
def subscribers(
    database: Database, clock: ManualClock, calendar: Calendar, operator: Catalogue, ledger: Ledger
) -> Subscribers:
    return Subscribers(database, clock, calendar, lambda: operator, ledger, hasher=FAST)


async def open_office(subscribers: Subscribers, database: Database, ledger: Ledger) -> Office:
    """Publish a contract and stock 30 numbers and eSIMs."""
    office = Office(subscribers, database, ledger)
    await office.subscribers.contracts.publish_edition(
        "2026-1", "https://www.example.kz/contract/2026-1", b"\1" * 32, CLERK
    )
    await office.stock(30)
    return office


@pytest.fixture
async def office(subscribers: Subscribers, database: Database, ledger: Ledger) -> Office:
    return await open_office(subscribers, database, ledger)
