"""Consents: each with its version, time and channel, and its withdrawal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import reduce

from telco.db.pool import Connection
from telco.kernel.i18n import Text
from telco.kernel.ids import AccountRef, PartyId, SubscriberId
from telco.kernel.money import Money
from telco.subscribers import rules, store, store_records
from telco.subscribers.contracts import end_subscription
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import (
    ChannelRefusedError,
    ConsentAbsentError,
    ConsentGivenError,
    ObligationsOpenError,
)
from telco.subscribers.model import (
    CONSENTS_BY_NUMBER,
    Consent,
    ConsentHolder,
    ConsentKind,
    EndGround,
    Obligation,
    ObligationKind,
    Origin,
    Party,
)

Obligations = Callable[[Connection, Sequence[AccountRef]], Awaitable[Sequence[Obligation]]]
"""Asks who knows (billing) what is still owed on a party's personal accounts, in the command's transaction."""


async def no_obligations(_conn: Connection, _accounts: Sequence[AccountRef]) -> Sequence[Obligation]:
    """Nobody keeps obligations."""
    return ()


class Consents:
    """Use cases of consents."""

    def __init__(self, desk: Desk, obligations: Obligations = no_obligations) -> None:
        self._desk = desk
        self._obligations = obligations

    async def give(self, subscriber_id: SubscriberId, kind: ConsentKind, origin: Origin, *, version: str) -> None:
        """Give a consent: of the party, or (promotional SMS, bonus programme) of this number.

        Raises:
            SubscriberUnknownError, ConsentGivenError

        Contract: PSC-3.1.9, PSC-3.1.13, PSC-3.2.10
        """

        async def body(work: Work) -> None:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            given = await store_records.give_consents(
                work.conn,
                subscription.party_id,
                subscriber_id,
                [kind],
                version=version,
                channel=origin.channel,
                now=work.now,
            )
            if not given:
                raise ConsentGivenError(kind=kind)
            await work.emit("consent_given", subscriber_id, {"kind": kind, "msisdn": subscription.msisdn})

        filing = Filing("give_consent", "", f"{kind} {version}", origin, subscriber_id)
        await self._desk.carry_out("give_consent", filing, body)

    async def give_again(self, subscriber_id: SubscriberId, kind: ConsentKind, origin: Origin) -> None:
        """Give a consent as the contract's edition in force words it; errors as `give`.

        Contract: PSC-3.1.9
        """
        async with self._desk.db.acquire() as conn:
            edition = await store_records.current_edition(conn, self._desk.clock.now())
        await self.give(subscriber_id, kind, origin, version=edition.edition)

    async def withdraw(self, subscriber_id: SubscriberId, kind: ConsentKind, origin: Origin) -> list[str]:
        """Withdraw a consent and return the numbers whose service ended with it.

        Promotional SMS and the bonus programme can be left at any time by any channel. The consent to data processing
        is withdrawn in writing and while nothing is owed; no service can be given without it, so all the party's
        numbers end.

        Raises (the first that applies):
            ChannelRefusedError: not in writing.
            SubscriberUnknownError, ConsentAbsentError
            ObligationsOpenError: something is still owed.

        Contract: PSC-3.1.9, PSC-3.2.11, PSC-6.7
        """
        if kind not in CONSENTS_BY_NUMBER and not (rules.is_written(origin) or origin.automatic):
            raise ChannelRefusedError(channel=origin.channel)

        async def body(work: Work) -> list[str]:
            subscription = await store.lock_subscription(work.conn, subscriber_id)
            withdrawn = await store_records.withdraw_consent(
                work.conn, subscription.party_id, subscriber_id, kind, now=work.now, channel=origin.channel
            )
            if not withdrawn:
                raise ConsentAbsentError(kind=kind)
            if kind not in CONSENTS_BY_NUMBER:
                await self._refuse_debtors(work, subscription.party_id)
            await work.emit("consent_withdrawn", subscriber_id, {"kind": kind, "msisdn": subscription.msisdn})
            if kind is not ConsentKind.PERSONAL_DATA:
                return []
            ended = await self._end_all(work, subscription.party_id)
            work.outcome = f"ended: {', '.join(ended)}"
            return ended

        filing = Filing("withdraw_consent", "", kind, origin, subscriber_id)
        return await self._desk.carry_out("withdraw_consent", filing, body)

    async def _refuse_debtors(self, work: Work, party_id: PartyId) -> None:
        accounts = await store.accounts_of_party(work.conn, party_id)
        owed = await self._obligations(work.conn, [account.account for account in accounts])
        if owed:
            raise ObligationsOpenError(obligations=reduce(_and, map(_owed, owed)))

    async def _end_all(self, work: Work, party_id: PartyId) -> list[str]:
        await store.party(work.conn, party_id, lock=True)
        ended: list[str] = []
        for row in await work.conn.fetch(store.Q.numbers_of_party, party_id):
            subscription = await store.lock_subscription(work.conn, row["subscription_id"])
            await end_subscription(work, subscription, EndGround.CONSENT_WITHDRAWN)
            ended.append(subscription.msisdn)
        return ended

    async def of(self, subscriber_id: SubscriberId) -> list[Consent]:
        """The consents of a number and its party, withdrawn ones included, the oldest first."""
        async with self._desk.db.acquire() as conn:
            subscription = await store.subscription(conn, subscriber_id)
            return await store_records.consents(conn, subscription.party_id, subscriber_id)

    async def holders(self, conn: Connection, account: AccountRef, kind: ConsentKind) -> list[ConsentHolder]:
        """The numbers in use that spend from an account and whose consent is in force, in the caller's transaction."""
        return await store_records.consent_holders(conn, account, kind)

    async def reachable(self, kind: ConsentKind, ids: Collection[SubscriberId]) -> set[SubscriberId]:
        """Those of many numbers in use whose consent is in force now, in one statement.

        A campaign asks this of every batch when it is sent, so that whoever has left meanwhile is not reached.

        Contract: PSC-3.1.9
        """
        async with self._desk.db.acquire() as conn:
            return await store_records.holding(conn, kind, ids)

    async def record(
        self, conn: Connection, subscriber_id: SubscriberId, kind: ConsentKind, origin: Origin, *, version: str
    ) -> None:
        """Give a consent in another feature's transaction; one that is in force already stays as it was.

        Raises:
            SubscriberUnknownError

        Contract: PSC-3.1.13, PSC-3.2.12
        """
        work = self._desk.work(conn, origin)
        subscription = await store.lock_subscription(conn, subscriber_id)
        given = await store_records.give_consents(
            conn,
            subscription.party_id,
            subscriber_id,
            [kind],
            version=version,
            channel=origin.channel,
            now=work.now,
        )
        if given:
            await work.emit("consent_given", subscriber_id, {"kind": kind, "msisdn": subscription.msisdn})

    async def consenting(
        self, conn: Connection, party_ids: Collection[PartyId], kind: ConsentKind
    ) -> dict[PartyId, Party]:
        """Read those of some parties whose own consent is in force, whatever numbers they have."""
        return await store_records.consenting_parties(conn, party_ids, kind)

    async def has(self, subscriber_id: SubscriberId, kind: ConsentKind) -> bool:
        """Whether a consent is in force: promotional messages ask before they are sent."""
        async with self._desk.db.acquire() as conn:
            subscription = await store.subscription(conn, subscriber_id)
            return await store_records.has_consent(conn, subscription.party_id, subscriber_id, kind)


def _owed(obligation: Obligation) -> Text:
    said = {"reference": obligation.reference, "money": Money(obligation.amount)}
    match obligation.kind:
        case ObligationKind.DEBT:
            return Text("debt of the personal account {reference}: {money}", **said)
        case ObligationKind.TRUST_PAYMENT:
            return Text("trust payment of the personal account {reference}: {money}", **said)
        case ObligationKind.DEVICE_INSTALMENTS:
            return Text("device agreement {reference}: {money}", **said)


def _and(those: Text, this: Text) -> Text:
    return Text("{those}; {this}", those=those, this=this)
