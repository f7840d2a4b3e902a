"""Trust payments: services given against the next top-up.

The sum goes to a bucket of its own that is spent last and buys no e-money. What of it was consumed, and the price, are
taken from the main balance at the next top-up; what was not consumed disappears.

Contract: PSC-3.1.6
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from telco.billing import rules, store
from telco.billing.model import TRUST_BUCKET, TrustAnswer, TrustId, TrustPayment, TrustStatus, TrustTerms
from telco.catalog.model import Settlement
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.kernel.units import Unit
from telco.ledger import model as ledger_model
from telco.ledger.model import BucketSpec
from telco.ledger.service import Ledger
from telco.subscribers.model import Subscriber
from telco.subscribers.service import Subscribers

TRUST_PRIORITY = 900
"""After every other money bucket."""
ADVANCED_ACCOUNT = "trust.advanced"
REVENUE_ACCOUNT = "revenue.trust_payment"


class TrustPayments:
    """Use cases of the trust payment."""

    def __init__(
        self, database: Database, clock: Clock, ledger: Ledger, subscribers: Subscribers, terms: TrustTerms
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._subscribers = subscribers
        self.terms = terms

    async def give(self, subscriber: Subscriber, request_id: str) -> TrustAnswer:
        """Give services against the next top-up, with the consent that the request itself expresses.

        Contract: PSC-3.1.6
        """
        now, terms = self._clock.now(), self.terms
        acceded_at = await self._subscribers.acceded_at(subscriber.subscriber_id)
        usable_until = now + timedelta(days=terms.usable_days)

        async def body(connection: Connection) -> TrustAnswer:
            await store.lock_attempts(connection, subscriber.subscriber_id)
            earlier = await store.find_trust_request(connection, subscriber.subscriber_id, request_id)
            if earlier is not None:
                return TrustAnswer(TrustStatus.GIVEN, terms, earlier, replayed=True)
            open_trust = await store.lock_open_trust(connection, subscriber.account)
            view = await self._ledger.balances(subscriber.account, connection)
            status = self._decide(subscriber, view.main, acceded_at, open_trust)
            if status is not TrustStatus.GIVEN:
                return TrustAnswer(status, terms)
            trust_id = await store.insert_trust(
                connection,
                subscriber.account,
                subscriber.subscriber_id,
                request_id,
                terms.amount,
                terms.price,
                now,
                usable_until,
            )
            spec = BucketSpec(
                code=TRUST_BUCKET,
                unit=Unit.MONEY,
                amount=terms.amount,
                priority=TRUST_PRIORITY,
                valid_from=now,
                valid_until=None,  # `end_due` ends it, so that what was consumed is known
                origin=_origin(trust_id),
            )
            grant = ledger_model.grant(
                subscriber.account,
                f"trust:{trust_id}",
                (spec,),
                contra=ADVANCED_ACCOUNT,
                details={"label": "trust.given"},
            )
            await self._ledger.apply(connection, [grant])
            return TrustAnswer(TrustStatus.GIVEN, terms, usable_until)

        return await self._database.transact("billing.give_trust", body)

    async def check(self, subscriber: Subscriber) -> TrustStatus:
        """Say what `give` would answer now, without giving anything."""
        view = await self._ledger.balances(subscriber.account)
        acceded_at = await self._subscribers.acceded_at(subscriber.subscriber_id)
        async with self._database.acquire() as connection:
            open_trust = await store.lock_open_trust(connection, subscriber.account)
        return self._decide(subscriber, view.main, acceded_at, open_trust)

    def _decide(
        self, subscriber: Subscriber, balance: int, acceded_at: datetime, open_trust: TrustPayment | None
    ) -> TrustStatus:
        return rules.decide_trust(
            self.terms,
            prepaid=subscriber.settlement is Settlement.PREPAID,
            has_open=open_trust is not None,
            balance=Tiyn(balance),
            acceded_at=acceded_at,
            now=self._clock.now(),
        )

    async def owed(self, connection: Connection, account: AccountRef) -> Tiyn:
        """Return what the next top-up would repay now; 0 without an open trust payment."""
        trust = await store.lock_open_trust(connection, account)
        if trust is None:
            return Tiyn(0)
        if trust.consumed is not None:
            return Tiyn(trust.consumed + trust.price)
        view = await self._ledger.balances(account, connection)
        left = sum(bucket.balance for bucket in view.buckets if bucket.origin == _origin(trust.trust_id))
        return Tiyn(trust.amount - left + trust.price)

    async def open_of(self, connection: Connection, accounts: Collection[AccountRef]) -> set[AccountRef]:
        """Return those of the accounts that have an open trust payment."""
        return await store.open_trusts(connection, accounts)

    async def repay(self, connection: Connection, account: AccountRef, cause: str) -> Tiyn:
        """Take an open trust payment's consumed sum and price from the main balance, in the top-up's transaction.

        Returns what was taken; 0 without an open trust payment. `cause` names the top-up.

        Contract: PSC-3.1.6
        """
        trust = await store.lock_open_trust(connection, account)
        if trust is None:
            return Tiyn(0)
        consumed = await self._end(connection, account, trust)
        for part, amount, contra in (
            ("consumed", consumed, ADVANCED_ACCOUNT),
            ("price", trust.price, REVENUE_ACCOUNT),
        ):
            if amount:
                debit = ledger_model.debit(
                    account,
                    f"trust:{trust.trust_id}:{part}",
                    ledger_model.sum_charge(amount, money=("main",)),
                    contra=contra,
                    forced=True,
                    details={"label": f"trust.{part}", "cause": cause},
                )
                await self._ledger.apply(connection, [debit])
        await store.repay_trust(connection, trust.trust_id, self._clock.now())
        return Tiyn(consumed + trust.price)

    async def end_due(self, limit: int = 500) -> int:
        """End trust payments that are past their last moment; what was consumed stays owed."""
        now = self._clock.now()
        accounts = await store.due_trusts(self._database, now, limit)
        for account in accounts:

            async def body(connection: Connection, account: AccountRef = account) -> None:
                await self._ledger.lock(connection, [account])  # before the trust payment, as every top-up does
                trust = await store.lock_open_trust(connection, account)
                if trust is not None and trust.usable_until <= now:
                    await self._end(connection, account, trust)

            await self._database.transact("billing.end_trust", body)
        return len(accounts)

    async def _end(self, connection: Connection, account: AccountRef, trust: TrustPayment) -> Tiyn:
        """Take back what was not consumed and return what was."""
        if trust.consumed is not None:
            return trust.consumed
        origin = _origin(trust.trust_id)
        left = await self._ledger.drain(connection, account, f"{origin}:ended", origin=origin, contra=ADVANCED_ACCOUNT)
        consumed = Tiyn(trust.amount - left)
        await store.end_trust(connection, trust.trust_id, self._clock.now(), consumed)
        return consumed


def _origin(trust_id: TrustId) -> str:
    """Origin of the bucket that holds a trust payment."""
    return f"trust:{trust_id}"
