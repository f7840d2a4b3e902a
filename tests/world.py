"""The features put together on a fresh database, as the service does it, for tests of their use cases."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import argon2
from prometheus_client import REGISTRY

from telco.billing.bonus.audit import audit as audit_bonuses
from telco.billing.bonus.service import Bonuses
from telco.billing.cards import PaymentCards
from telco.billing.collection.service import Collection
from telco.billing.fees import FeeRunner
from telco.billing.instalments.audit import audit as audit_instalments
from telco.billing.instalments.service import Instalments
from telco.billing.invoicing.audit import audit as audit_invoices
from telco.billing.invoicing.limits import CreditLimits
from telco.billing.invoicing.service import Invoicing
from telco.billing.model import TrustTerms
from telco.billing.obligations import OpenObligations
from telco.billing.trust import TrustPayments
from telco.catalog.service import CatalogService
from telco.charging.service import Charging
from telco.db.outbox import Dispatcher
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.iin_bin import check_digit
from telco.kernel.money import Tiyn, tenge
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.audit import audit
from telco.ledger.model import Outcome
from telco.ledger.service import Ledger
from telco.subscribers import rules
from telco.subscribers.model import (
    Channel,
    Obligation,
    Origin,
    PartyData,
    PartyKind,
    RegistrationSheet,
    SimKind,
    Subscriber,
)
from telco.subscribers.service import Subscribers

CATALOGUE = Path(__file__).parents[1] / "telco" / "lab" / "operator" / "catalog"
CLERK = Origin("staff:test", Channel.OFFICE, "test")
TERMS = TrustTerms(
    amount=tenge(500),
    price=tenge(75),
    usable_days=3,
    highest_balance=tenge(100),
    lowest_balance=tenge(0),
    least_tenure_days=30,
)
PEPPER = b"a pepper that only tests know, 32+"


def iin(serial: int) -> str:
    """Return a valid IIN of somebody born on 1 January 1990; `serial` tells people apart."""
    digits = itertools.count(serial * 7)
    while True:
        eleven = f"9001013{next(digits) % 10_000:04d}"
        twelfth = check_digit(eleven)
        if twelfth is not None:
            return f"{eleven}{twelfth}"


def retries(name: str) -> float:
    """How often transactions of a name were run again after a conflict, in all tests so far."""
    return REGISTRY.get_sample_value("telco_transaction_retries_total", {"name": name}) or 0.0


class World:
    """Every feature's service on one database and one clock."""

    def __init__(self, database: Database, clock: ManualClock, calendar: Calendar) -> None:
        self.database = database
        self.clock = clock
        self.calendar = calendar
        self.catalog = CatalogService(database, clock)
        self.ledger = Ledger(database, clock)
        quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.subscribers = Subscribers(
            database,
            clock,
            calendar,
            self.catalog.current,
            self.ledger,
            obligations=self._obligations,
            joined_credit=self._joined_credit,
            hasher=quick,
        )
        self.trust = TrustPayments(database, clock, self.ledger, self.subscribers, TERMS)
        self.invoicing = Invoicing(database, clock, calendar, self.ledger, self.subscribers, self.catalog.current)
        self.collection = Collection(database, clock, calendar, self.ledger, self.subscribers, self.invoicing)
        self.limits = CreditLimits(database, clock, self.ledger, self.catalog.current)
        self.cards = PaymentCards(database, clock, calendar, self.ledger, self.trust, self.invoicing, PEPPER)
        self.instalments = Instalments(database, clock, calendar, self.catalog.current, self.ledger, self.subscribers)
        self.obligations = OpenObligations(self.ledger, self.trust, self.instalments)
        self.fees = FeeRunner(database, clock, self.subscribers.fees)
        self.charging = Charging(database, clock, self.ledger, self.subscribers, self.catalog.current)
        self.outbox = Dispatcher(database, clock)
        self.outbox.subscribe("billing.credited", self.fees.on_credited)
        self.outbox.subscribe("subscribers.resumed", self.fees.on_resumed)
        self.bonuses = Bonuses(database, clock, calendar, self.catalog.current, self.ledger, self.subscribers)
        self.bonuses.membership.subscribe_to(self.outbox)
        self.instalments.subscribe_to(self.outbox)
        self.collection.subscribe_to(self.outbox)
        self._serials = itertools.count(1)

    async def _obligations(self, connection: Connection, accounts: Sequence[AccountRef]) -> list[Obligation]:
        return await self.obligations.of(connection, accounts)

    async def _joined_credit(
        self, connection: Connection, account: AccountRef, subscriber_id: SubscriberId, at: datetime
    ) -> None:
        await self.invoicing.join(connection, account, subscriber_id, at)

    async def open(self) -> None:
        """Publish the demo operator's catalogue and the contract."""
        await self.catalog.publish_directory(CATALOGUE, author="test")
        await self.subscribers.contracts.publish_edition("2026-01", "https://example.kz/psc", b"\0" * 32, CLERK)

    async def close(self) -> None:
        """Stop, and let the auditor look."""
        await self.ledger.stop()
        assert await audit(self.database) == []
        assert await audit_bonuses(self.database) == []
        assert await audit_instalments(self.database) == []
        assert await audit_invoices(self.database) == []

    async def subscriber(
        self,
        plan: str = "kcell-free",
        *,
        money: str = "0",
        number: str | None = None,
        language: Language = Language.RU,
        owner: int | None = None,
        days_ago: int = 0,
    ) -> Subscriber:
        """Accede a person with `money` tenge on the balance, by the staff's registration sheet."""
        serial = next(self._serials)
        msisdn = Msisdn(number or f"7701{serial:07d}")
        iccid = f"897010{serial:012d}"
        iccid += rules.luhn_digit(iccid)
        await self.subscribers.numbers.add([msisdn], "ordinary", CLERK)
        await self.subscribers.sims.add(iccid, f"40101{serial:010d}", SimKind.SIM, CLERK)
        accession = await self.subscribers.accede(
            RegistrationSheet(
                request_id=f"sheet-{serial}",
                party=PartyData(
                    PartyKind.PERSON,
                    iin(serial if owner is None else owner),
                    "Айгүл Серікқызы",
                    "Алматы, Абай 1",
                    "aigul@example.kz",
                    "77011112233",
                ),
                plan_code=plan,
                language=language,
                origin=CLERK,
                msisdn=msisdn,
                iccid=iccid,
                initial_payment=tenge(money),
            )
        )
        if days_ago:
            self.clock.advance(timedelta(days=days_ago))
        found = await self.subscribers.find(accession.msisdn)
        assert found is not None
        return found

    async def pass_on(self, former: Subscriber, plan: str = "activ-simple") -> Subscriber:
        """Let somebody else sign for the number, and return him."""
        serial = next(self._serials)
        sheet = RegistrationSheet(
            request_id=f"sheet-{serial}",
            party=PartyData(
                PartyKind.PERSON, iin(serial), "Бауыржан Омаров", "Алматы, Абай 2", "b@example.kz", "77011112244"
            ),
            plan_code=plan,
            language=former.language,
            origin=CLERK,
            initial_payment=tenge(10_000),
        )
        passed = await self.subscribers.accession.re_register(former.subscriber_id, sheet)
        return await self.subscribers.get(passed.msisdn)

    async def again(self, subscriber: Subscriber) -> Subscriber:
        """Read the subscriber as he is now."""
        return await self.subscribers.get(subscriber.msisdn)

    async def main(self, subscriber: Subscriber) -> Tiyn:
        """Read the main balance."""
        return Tiyn((await self.ledger.balances(subscriber.account)).main)

    async def left(self, subscriber: Subscriber, code: str) -> int:
        """Read what is left in the buckets of a code."""
        view = await self.ledger.balances(subscriber.account)
        return sum(bucket.balance for bucket in view.buckets if bucket.code == code)

    async def pay(self, account: AccountRef, amount: str, op_id: str) -> Outcome:
        """Credit money at the cash desk."""

        async def body(connection: Connection) -> Outcome:
            [outcome] = await self.ledger.apply(
                connection, [ledger_model.credit(account, op_id, tenge(amount), contra="cash.office")]
            )
            return outcome

        return await self.database.transact("test.pay", body)
