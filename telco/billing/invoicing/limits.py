"""Credit limits: asked for by subscribers, granted by the operator up to the plan's ceiling.

How far the main balance may go is the ledger's; what stops at the limit and what does not is charging's.

Contract: PSC-3.2.6, PSC-4.3.2
"""

from __future__ import annotations

from collections.abc import Callable

from telco.billing.errors import RequestReusedError, TopUpRefusedError
from telco.billing.invoicing import store
from telco.billing.invoicing.errors import (
    LimitCeilingError,
    LimitDecidedError,
    LimitOpenError,
    LimitSamePersonError,
    LimitUnknownError,
    NotCreditError,
)
from telco.billing.invoicing.model import CreditStanding, LimitRequest, LimitRequestId, LimitState
from telco.billing.invoicing.store import Q
from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Settlement
from telco.db import audit, outbox
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Money, Tiyn, json_money
from telco.ledger import model as ledger_model
from telco.ledger.model import Status
from telco.ledger.service import Ledger
from telco.subscribers.model import Origin, Subscriber

SYSTEM = "system:credit_limits"


class CreditLimits:
    """Use cases of credit limits."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger, catalogue: Callable[[], Catalogue]) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._catalogue = catalogue

    async def standing(self, subscriber: Subscriber) -> CreditStanding:
        """Say how far an account may go and how far it has gone.

        Raises:
            NotCreditError
        """
        ceiling = self._ceiling(subscriber)
        view = await self._ledger.balances(subscriber.account)
        row = await self._database.fetchrow(Q.waiting_limit_request, *subscriber.account)
        return CreditStanding(
            limit=Tiyn(view.credit_limit),
            ceiling=ceiling,
            owed=Tiyn(max(-view.main, 0)),
            available=Tiyn(view.buckets[0].available),
            waiting=None if row is None else store.limit_request_of(row),
        )

    async def ask(self, subscriber: Subscriber, limit: Tiyn, origin: Origin, request_id: str) -> LimitRequest:
        """Ask for a credit limit. A lower one than now is the subscriber's own to set and granted at once; a higher one
        waits for the operator's consent. The same request again is answered with what became of it.

        Raises:
            NotCreditError, LimitCeilingError
            LimitOpenError: another request of the account waits.
            RequestReusedError: the request asked for another limit before.

        Contract: PSC-3.2.6
        """
        ceiling = self._ceiling(subscriber)

        async def body(conn: Connection) -> LimitRequest:
            row = await conn.fetchrow(Q.limit_by_request, subscriber.subscriber_id, request_id)
            if row is not None:
                return _same(store.limit_request_of(row), limit)
            _check_ceiling(limit, ceiling)
            previous = (await self._ledger.balances(subscriber.account, conn)).credit_limit
            row = await conn.fetchrow(
                Q.insert_limit_request,
                request_id,
                *subscriber.account,
                subscriber.subscriber_id,
                limit,
                previous,
                ceiling,
                self._clock.now(),
                origin.author,
                origin.channel,
            )
            if row is None:
                raise LimitOpenError
            asked = store.limit_request_of(row)
            if limit > previous:
                return asked
            return await self._decide(conn, asked, LimitState.GRANTED, limit, SYSTEM, "not higher than before")

        return await self._database.transact("invoicing.ask_limit", body)

    async def grant(
        self, limit_request_id: LimitRequestId, *, actor: str, reason: str, limit: Tiyn | None = None
    ) -> LimitRequest:
        """Consent to a limit: the one that was asked for, or `limit` instead of it. It is in force at once.

        Raises:
            LimitUnknownError, LimitDecidedError, LimitCeilingError
            LimitSamePersonError: the employee who asked does not decide.

        Contract: PSC-3.2.6
        """

        async def body(conn: Connection) -> LimitRequest:
            asked = await self._lock(conn, limit_request_id, actor)
            granted = asked.limit if limit is None else limit
            _check_ceiling(granted, asked.ceiling)
            return await self._decide(conn, asked, LimitState.GRANTED, granted, actor, reason)

        return await self._database.transact("invoicing.grant_limit", body)

    async def refuse(self, limit_request_id: LimitRequestId, *, actor: str, reason: str) -> LimitRequest:
        """Leave the limit as it is, with the reason.

        Raises:
            LimitUnknownError, LimitDecidedError, LimitSamePersonError
        """

        async def body(conn: Connection) -> LimitRequest:
            asked = await self._lock(conn, limit_request_id, actor)
            return await self._decide(conn, asked, LimitState.REFUSED, asked.limit, actor, reason)

        return await self._database.transact("invoicing.refuse_limit", body)

    async def get(self, limit_request_id: LimitRequestId) -> LimitRequest:
        """Read a request.

        Raises:
            LimitUnknownError
        """
        row = await self._database.fetchrow(Q.limit_request, limit_request_id)
        if row is None:
            raise LimitUnknownError(limit_request_id=limit_request_id)
        return store.limit_request_of(row)

    async def in_state(self, state: LimitState, after: int, limit: int) -> list[LimitRequest]:
        """List requests in a state, the oldest first, from beyond the id `after`."""
        return [
            store.limit_request_of(row) for row in await self._database.fetch(Q.limit_requests, state, after, limit)
        ]

    def _ceiling(self, subscriber: Subscriber) -> Tiyn:
        if subscriber.settlement is not Settlement.CREDIT:
            raise NotCreditError(msisdn=subscriber.msisdn)
        return self._catalogue().plan_version(subscriber.plan_code, subscriber.plan_version).credit_limit_ceiling

    async def _lock(self, conn: Connection, limit_request_id: LimitRequestId, actor: str) -> LimitRequest:
        row = await conn.fetchrow(Q.lock_limit_request, limit_request_id)
        if row is None:
            raise LimitUnknownError(limit_request_id=limit_request_id)
        asked = store.limit_request_of(row)
        if asked.state is not LimitState.REQUESTED:
            raise LimitDecidedError(limit_request_id=limit_request_id, state=asked.state)
        if asked.asked_by == actor:
            raise LimitSamePersonError
        return asked

    async def _decide(
        self, conn: Connection, asked: LimitRequest, state: LimitState, limit: Tiyn, actor: str, reason: str
    ) -> LimitRequest:
        now = self._clock.now()
        if state is LimitState.GRANTED:
            await self._set(conn, asked.account, limit, f"limit:{asked.limit_request_id}")
        row = await conn.fetchrow(Q.decide_limit_request, asked.limit_request_id, state, limit, now, actor, reason)
        assert row is not None
        await audit.record(
            conn,
            at=now,
            actor=actor,
            action=f"invoicing.limit_{state}",
            subject=f"account:{asked.account}",
            ground=reason,
            details={"limit": json_money(limit), "asked": json_money(asked.limit), "by": asked.asked_by},
        )
        payload: dict[str, object] = {
            "subscriber_id": asked.subscriber_id,
            "shard": asked.account.shard,
            "account_id": asked.account.account_id,
            "limit": limit,
            "state": state,
        }
        await outbox.emit(conn, "billing.credit_limit_decided", f"account:{asked.account}", payload, at=now)
        return store.limit_request_of(row)

    async def _set(self, conn: Connection, account: AccountRef, limit: Tiyn, op_id: str) -> None:
        [outcome] = await self._ledger.apply(conn, [ledger_model.credit_limit(account, op_id, limit)])
        if outcome.status is not Status.OK:
            raise TopUpRefusedError(account=str(account), why=outcome.status.name.lower())


def _check_ceiling(limit: Tiyn, ceiling: Tiyn) -> None:
    if limit > ceiling:
        raise LimitCeilingError(limit=Money(limit), ceiling=Money(ceiling))


def _same(asked: LimitRequest, limit: Tiyn) -> LimitRequest:
    if asked.state is LimitState.REQUESTED and asked.limit != limit:
        raise RequestReusedError(request_id=str(asked.limit_request_id))
    return asked
