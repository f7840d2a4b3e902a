"""Compensations: money for loss by the operator's fault, proven, direct, and limited.

Contract: PSC-5.3
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from telco.billing.errors import RequestReusedError
from telco.billing.refunds import rules, store
from telco.billing.refunds.errors import (
    ApplicantMismatchError,
    CompensationLimitError,
    IncidentDayError,
    LedgerRefusedError,
)
from telco.billing.refunds.model import Compensation
from telco.billing.refunds.store import Q
from telco.catalog.catalogue import Catalogue
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.i18n import Text
from telco.kernel.ids import AccountRef
from telco.kernel.money import Money, Tiyn, json_money
from telco.ledger import model as ledger_model
from telco.ledger.model import Status
from telco.ledger.service import Ledger
from telco.subscribers.holders import account_holder

COST = "cost.compensation"


class Compensations:
    """Use cases of compensations."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, ledger: Ledger, catalogue: Callable[[], Catalogue]
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._catalogue = catalogue

    async def grant(
        self,
        account: AccountRef,
        *,
        incident: str,
        happened_on: date,
        loss: Tiyn,
        amount: Tiyn,
        ground: str,
        evidence: str,
        actor: str,
        request_id: str,
    ) -> Compensation:
        """Credit a personal account with a compensation; the same request again is answered with the first.

        `loss` is the direct loss proven for the incident in all. What a party is granted for one incident, on all its
        accounts together, exceeds neither that nor the limit: so many MCI as were in force on the incident's day.

        Raises (the first that applies):
            RequestReusedError: the request granted something else.
            ApplicantMismatchError: there is no such personal account.
            IncidentDayError: it lies ahead, or is known with another day.
            NoFigureError: no MCI is known for the day.
            CompensationLimitError: more than may still be granted.

        Contract: PSC-5.3
        """
        limit = await self.limit(happened_on)

        async def body(connection: Connection) -> Compensation:
            await store.lock_request(connection, request_id)
            row = await connection.fetchrow(Q.compensation_by_request, request_id)
            if row is not None:
                return _same(store.compensation_of(row), account, incident, amount)
            holder = await account_holder(connection, account)
            if holder is None:
                raise ApplicantMismatchError(named=str(account))
            await self._know(connection, incident, happened_on, actor)
            await store.lock_request(connection, f"compensation:{incident}:{holder.party_id}")
            granted = Tiyn(await connection.fetchval(Q.compensated, incident, holder.party_id))
            left = rules.compensation_left(limit, granted, loss)
            if amount > left:
                raise CompensationLimitError(
                    left=Money(left), loss=Money(loss), limit=Money(limit), granted=Money(granted)
                )
            compensation_id = await connection.fetchval(
                Q.insert_compensation,
                request_id,
                incident,
                holder.party_id,
                account.shard,
                account.account_id,
                loss,
                amount,
                limit,
                ground,
                evidence,
                self._clock.now(),
                actor,
            )
            await self._credit(connection, account, amount, compensation_id, incident)
            row = await connection.fetchrow(Q.compensation_by_request, request_id)
            assert row is not None
            compensation = store.compensation_of(row)
            await _audit(connection, compensation)
            return compensation

        return await self._database.transact("refunds.compensate", body)

    async def _know(self, connection: Connection, incident: str, happened_on: date, actor: str) -> None:
        now = self._clock.now()
        if happened_on > self._calendar.today(now):
            raise IncidentDayError(incident=incident, why=Text("lies ahead"))
        await connection.execute(Q.insert_incident, incident, happened_on, now, actor)
        if await connection.fetchval(Q.incident_day, incident) != happened_on:
            raise IncidentDayError(incident=incident, why=Text("is known with another day"))

    async def _credit(
        self, connection: Connection, account: AccountRef, amount: Tiyn, compensation_id: int, incident: str
    ) -> None:
        credit = ledger_model.credit(
            account,
            f"compensation:{compensation_id}",
            amount,
            contra=COST,
            details={"label": "compensation", "incident": incident},
        )
        [outcome] = await self._ledger.apply(connection, [credit])
        if outcome.status is not Status.OK:
            raise LedgerRefusedError(account=str(account), why=outcome.status.name.lower())

    async def limit(self, happened_on: date) -> Tiyn:
        """Return the most for an incident of a day, by the figures in force on it. Contract: PSC-5.3

        Raises:
            NoFigureError
        """
        async with self._database.acquire() as connection:
            terms = await store.terms(connection, happened_on)
        return Tiyn(terms.compensation_mci * self._catalogue().mci(happened_on))

    async def listed(self, incident: str | None = None, limit: int = 100) -> list[Compensation]:
        """List compensations, the newest first; of an incident, or all."""
        rows = await self._database.fetch(Q.compensations, incident, limit)
        return [store.compensation_of(row) for row in rows]


def _same(known: Compensation, account: AccountRef, incident: str, amount: Tiyn) -> Compensation:
    if (known.account, known.incident, known.amount) != (account, incident, amount):
        raise RequestReusedError(request_id=known.request_id)
    return known


async def _audit(connection: Connection, granted: Compensation) -> None:
    await audit.record(
        connection,
        at=granted.granted_at,
        actor=granted.granted_by,
        action="refunds.compensation",
        subject=f"party:{granted.party_id}",
        ground=granted.ground,
        details={
            "incident": granted.incident,
            "amount": json_money(granted.amount),
            "evidence": granted.evidence,
        },
    )
