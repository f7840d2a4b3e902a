"""The subscribers feature as the rest of telco uses it.

`find` and `find_many` are the hot read. Use cases are grouped: `numbers`, `sims`, `plans`, `services`, `suspensions`,
`applications`, `consents`, `contracts`, `silence`, `identification`, `devices`, `people`, `fees`, and `accounts` for
what concerns every number of a personal account. What is needed most often has a short way here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

import argon2

from telco.catalog.catalogue import Catalogue
from telco.db.coalesce import Coalescer
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.msisdn import Msisdn
from telco.ledger.service import Ledger
from telco.subscribers import store
from telco.subscribers.accession import AccessionDesk
from telco.subscribers.accounts import Accounts
from telco.subscribers.applications import Applications
from telco.subscribers.consents import Consents, Obligations, no_obligations
from telco.subscribers.contracts import Contracts
from telco.subscribers.desk import Desk
from telco.subscribers.devices import Devices
from telco.subscribers.errors import SubscriberUnknownError
from telco.subscribers.fees import Fees, JoinedCredit, nobody_counts
from telco.subscribers.fees_ahead import FeesAhead
from telco.subscribers.identification import Identification
from telco.subscribers.model import (
    Accession,
    ApplicationId,
    ChangeTime,
    DueFee,
    FeeResult,
    Ground,
    Origin,
    PlanQuote,
    RegistrationSheet,
    Scope,
    SecretCheck,
    SecretKind,
    ServiceOrder,
    Sim,
    Subscriber,
    Suspension,
    SuspensionId,
)
from telco.subscribers.numbers import Numbers
from telco.subscribers.owners import LatestUse, PastUse, last_use, use_at
from telco.subscribers.people import People
from telco.subscribers.plans import Plans
from telco.subscribers.services import Services
from telco.subscribers.silence import Silence
from telco.subscribers.sims import Sims
from telco.subscribers.suspensions import Suspensions


class Subscribers:
    """Everything about subscribers. Every command is one transaction."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        calendar: Calendar,
        catalogue: Callable[[], Catalogue],
        ledger: Ledger,
        *,
        obligations: Obligations = no_obligations,
        joined_credit: JoinedCredit = nobody_counts,
        hasher: argon2.PasswordHasher | None = None,
    ) -> None:
        desk = Desk(db, clock, calendar, catalogue, ledger)
        self._desk = desk
        self._found = Coalescer(self.find_many)
        self.fees = Fees(calendar, catalogue, ledger, joined_credit)
        self.fees_ahead = FeesAhead(desk)
        self.accession = AccessionDesk(desk, self.fees)
        self.numbers = Numbers(desk)
        self.sims = Sims(desk)
        self.plans = Plans(desk, self.fees)
        self.services = Services(desk, self.fees)
        self.suspensions = Suspensions(desk)
        self.applications = Applications(desk)
        self.consents = Consents(desk, obligations)
        self.contracts = Contracts(desk)
        self.silence = Silence(desk)
        self.identification = Identification(desk, hasher)
        self.devices = Devices(desk)
        self.people = People(desk)
        self.accounts = Accounts(desk)

    # The hot read

    async def find(self, msisdn: Msisdn) -> Subscriber | None:
        """Read a subscriber by number, together with whoever is asked for now. None for numbers not in use."""
        return await self._found.get(msisdn)

    async def find_many(self, msisdns: Collection[Msisdn]) -> dict[Msisdn, Subscriber]:
        """Read many at once, still one statement; numbers not in use are left out."""
        async with self._desk.db.acquire() as conn:
            return await store.find_many(conn, msisdns, self._desk.clock.now())

    async def find_by_ids(self, ids: Collection[SubscriberId]) -> dict[SubscriberId, Subscriber]:
        """Read subscribers by id."""
        async with self._desk.db.acquire() as conn:
            return await store.find_by_ids(conn, ids, self._desk.clock.now())

    async def find_by_account(self, account: AccountRef) -> list[Subscriber]:
        """Read the numbers that spend from a personal account, the oldest first."""
        return (await self.find_by_accounts({account}))[account]

    async def find_by_accounts(self, accounts: Collection[AccountRef]) -> dict[AccountRef, list[Subscriber]]:
        """Read the numbers that spend from each of the accounts, the oldest first."""
        async with self._desk.db.acquire() as conn:
            return await store.find_by_accounts(conn, accounts, self._desk.clock.now())

    async def get(self, msisdn: Msisdn) -> Subscriber:
        """Read a subscriber by number.

        Raises:
            SubscriberUnknownError
        """
        subscriber = await self.find(msisdn)
        if subscriber is None:
            raise SubscriberUnknownError(subscriber=msisdn)
        return subscriber

    async def latest_use(self, msisdn: Msisdn) -> LatestUse:
        """Say who uses a number or, while nobody does, who used it last: a debt outlives the contract.

        Raises:
            SubscriberUnknownError: nobody ever did.

        Contract: PSC-6.3.5
        """
        subscriber = await self.find(msisdn)
        if subscriber is not None:
            return LatestUse(subscriber.subscriber_id, subscriber.account)
        use = await last_use(self._desk.db, msisdn)
        if use is None:
            raise SubscriberUnknownError(subscriber=msisdn)
        return use

    async def use_at(self, msisdn: Msisdn, at: datetime) -> PastUse | None:
        """Say who had a number at a moment, also when his contract has ended since; None where nobody had it.

        Contract: PSC-6.3.5
        """
        return await use_at(self._desk.db, msisdn, at)

    async def acceded_at(self, subscriber_id: SubscriberId) -> datetime:
        """When a subscriber acceded.

        Raises:
            SubscriberUnknownError
        """
        async with self._desk.db.acquire() as conn:
            return (await store.subscription(conn, subscriber_id)).acceded_at

    # Accession

    async def accede(self, sheet: RegistrationSheet) -> Accession:
        """See `AccessionDesk.accede`. Contract: PSC-2.3"""
        return await self.accession.accede(sheet)

    async def accede_by_message(self, sheet: RegistrationSheet) -> Accession:
        """See `AccessionDesk.accede_by_message`. Contract: PSC-2.3, PSC-1.1.30"""
        return await self.accession.accede_by_message(sheet)

    # What subscribers ask for most

    async def quote_plan(
        self, subscriber_id: SubscriberId, plan_code: str, when: ChangeTime, origin: Origin
    ) -> PlanQuote:
        """See `Plans.quote`."""
        return await self.plans.quote(subscriber_id, plan_code, when, origin)

    async def change_plan(self, quote: PlanQuote, origin: Origin) -> PlanQuote:
        """See `Plans.change`."""
        return await self.plans.change(quote, origin)

    async def switch_service_on(
        self, subscriber_id: SubscriberId, code: str, origin: Origin, request_id: str
    ) -> ServiceOrder:
        """See `Services.switch_on`."""
        return await self.services.switch_on(subscriber_id, code, origin, request_id)

    async def switch_service_off(self, subscriber_id: SubscriberId, code: str, origin: Origin) -> None:
        """See `Services.switch_off`."""
        await self.services.switch_off(subscriber_id, code, origin)

    async def stop_third_party(self, subscriber_id: SubscriberId, origin: Origin) -> list[str]:
        """See `Services.stop_third_party`. Contract: PSC-3.2.15"""
        return await self.services.stop_third_party(subscriber_id, origin)

    async def suspend(
        self,
        subscriber_id: SubscriberId,
        ground: Ground,
        origin: Origin,
        *,
        reason: str,
        scopes: Iterable[Scope] = (),
        reference: str = "",
        ends_at: datetime | None = None,
    ) -> Suspension:
        """See `Suspensions.suspend`."""
        return await self.suspensions.suspend(
            subscriber_id, ground, origin, reason=reason, scopes=scopes, reference=reference, ends_at=ends_at
        )

    async def resume(self, suspension_id: SuspensionId, origin: Origin, *, reason: str) -> frozenset[Scope]:
        """See `Suspensions.resume`."""
        return await self.suspensions.resume(suspension_id, origin, reason=reason)

    async def swap_sim(
        self, subscriber_id: SubscriberId, origin: Origin, *, iccid: str | None = None, reason: str
    ) -> Sim:
        """See `Sims.swap`."""
        return await self.sims.swap(subscriber_id, origin, iccid=iccid, reason=reason)

    async def change_number(
        self, subscriber_id: SubscriberId, origin: Origin, *, msisdn: Msisdn | None = None, category: str = "ordinary"
    ) -> Msisdn:
        """See `Numbers.change`."""
        return await self.numbers.change(subscriber_id, origin, msisdn=msisdn, category=category)

    async def set_language(self, subscriber_id: SubscriberId, language: Language, origin: Origin) -> None:
        """See `People.set_language`."""
        await self.people.set_language(subscriber_id, language, origin)

    async def set_pin(self, subscriber_id: SubscriberId, pin: str, origin: Origin) -> None:
        """See `Identification.set`."""
        await self.identification.set(subscriber_id, SecretKind.PIN, pin, origin)

    async def check_pin(self, subscriber_id: SubscriberId, pin: str) -> SecretCheck:
        """See `Identification.check`."""
        return await self.identification.check(subscriber_id, pin)

    async def register_application(self, applicant: Msisdn, kind: str, text: str, origin: Origin) -> ApplicationId:
        """See `Applications.register`."""
        return await self.applications.register(applicant, kind, text, origin)

    # What billing's fee run needs, in its transaction

    async def due_fees(self, conn: Connection, now: datetime, limit: int) -> list[DueFee]:
        """See `Fees.due`."""
        return await self.fees.due(conn, now, limit)

    async def take_fee(self, conn: Connection, due: DueFee, now: datetime) -> FeeResult:
        """See `Fees.take`: applies the ledger operation and marks the fee."""
        return await self.fees.take(conn, due, now)

    async def unpaid_fees(self, conn: Connection, account: AccountRef, now: datetime) -> list[DueFee]:
        """See `Fees.unpaid`: what to try again after a top-up of the account."""
        return await self.fees.unpaid(conn, account, now)
