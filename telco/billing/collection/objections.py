"""Objections: what a debtor says against a debt, registered and decided by people.

Contract: PSC-3.1.4-1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from telco.billing.collection import rules, store
from telco.billing.collection.dunning import Dunning, Letter, Message
from telco.billing.collection.errors import (
    DebtClosedError,
    DebtUnknownError,
    ObjectionDecidedError,
    ObjectionOpenError,
    ObjectionUnknownError,
)
from telco.billing.collection.model import Action, Channel, DayUnit, Debt, DebtState, Objection, Step
from telco.billing.collection.store import Q
from telco.billing.errors import RequestReusedError
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn
from telco.subscribers.service import Subscribers

NOTICE_AGAIN = Step("notice", Action.NOTICE, 1, DayUnit.CALENDAR, Channel.SMS)
"""Where the steps have no notice any more."""


class Objections:
    """Use cases of objections."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, subscribers: Subscribers, dunning: Dunning
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._subscribers = subscribers
        self._dunning = dunning

    async def register(self, debt_id: int, text: str, *, channel: str, author: str, request_id: str) -> Objection:
        """Register an objection to a debt; the same request again registers nothing.

        Made in the term after the notice, its last day included, or before there was one, it keeps the debt from
        counting as acknowledged. Later it is registered all the same, and keeps the debt from a collector until it is
        decided.

        Raises:
            DebtUnknownError, DebtClosedError, ObjectionOpenError
            RequestReusedError: the request objected to another debt.

        Contract: PSC-3.1.4-1
        """

        async def body(connection: Connection) -> Objection:
            debt = await store.lock_debt(connection, debt_id)
            if debt is None:
                raise DebtUnknownError(debt_id=debt_id)
            return await self._register(connection, debt, text, channel, author, request_id)

        return await self._database.transact("collection.object", body)

    async def register_all(
        self, account: AccountRef, text: str, *, channel: str, author: str, request_id: str
    ) -> Sequence[Debt]:
        """Object to every open debt of an account, as a short message does; returns which have an objection now."""

        async def body(connection: Connection) -> list[Debt]:
            debts = await store.lock_of_account(connection, account)
            waiting = await store.disputed(connection, [debt.debt_id for debt in debts])
            for debt in debts:
                if debt.debt_id not in waiting:
                    await self._register(connection, debt, text, channel, author, f"{request_id}:{debt.debt_id}")
            return debts

        return await self._database.transact("collection.object", body)

    async def open_to(self, account: AccountRef) -> Sequence[Debt]:
        """The open debts of an account."""
        rows = await self._database.fetch(Q.open_of_account, *account)
        return [store.debt_of(row) for row in rows]

    async def _register(
        self, connection: Connection, debt: Debt, text: str, channel: str, author: str, request_id: str
    ) -> Objection:
        now, today = self._clock.now(), self._dunning.today()
        row = await connection.fetchrow(Q.objection_by_request, request_id)
        if row is not None:
            earlier = store.objection_of(row)
            if earlier.debt_id != debt.debt_id:
                raise RequestReusedError(request_id=request_id)
            return earlier
        if debt.state is not DebtState.OPEN:
            raise DebtClosedError(number=debt.number, state=debt.state)
        if await connection.fetchrow(Q.open_objection, debt.debt_id) is not None:
            raise ObjectionOpenError(number=debt.number)
        in_time = not rules.is_acknowledged(debt, today, objected=False)
        row = await connection.fetchrow(Q.add_objection, request_id, debt.debt_id, now, channel, author, text, in_time)
        assert row is not None
        await audit.record(
            connection,
            at=now,
            actor=author,
            action="collection.object",
            subject=f"debt:{debt.debt_id}",
            ground=text,
            details={"number": debt.number, "in_time": in_time, "channel": channel},
        )
        return store.objection_of(row)

    async def decide(self, objection_id: int, *, upheld: bool, actor: str, decision: str) -> Objection:
        """Decide an objection.

        Upheld, the debt is withdrawn: services come back, collectors give it back, its penalty is given back; what the
        invoice says is corrected by a document of its own. Refused, the debtor gets the notice again, and the term
        begins anew.

        Raises:
            ObjectionUnknownError, ObjectionDecidedError

        Contract: PSC-3.1.4-1
        """
        known = await self.get(objection_id)

        async def body(connection: Connection) -> Objection:
            debt = await store.lock_debt(connection, known.debt_id)
            assert debt is not None
            row = await connection.fetchrow(Q.lock_objection, objection_id)
            assert row is not None
            if row["decided_at"] is not None:
                raise ObjectionDecidedError(objection_id=objection_id)
            now = self._clock.now()
            decided = await connection.fetchrow(Q.decide_objection, objection_id, now, actor, upheld, decision)
            assert decided is not None
            if debt.state is DebtState.OPEN:
                await self._follow(connection, debt, upheld=upheld)
            await audit.record(
                connection,
                at=now,
                actor=actor,
                action="collection.objection_upheld" if upheld else "collection.objection_refused",
                subject=f"debt:{debt.debt_id}",
                ground=decision,
                details={"objection_id": objection_id, "number": debt.number},
            )
            return store.objection_of(decided)

        return await self._database.transact("collection.decide_objection", body)

    async def _follow(self, connection: Connection, debt: Debt, *, upheld: bool) -> None:
        known = await self._dunning.know(connection, [debt])
        if upheld:
            await self._dunning.close(connection, [debt], known, DebtState.WITHDRAWN, "withdrawn")
        elif debt.answer_until is not None and debt.acknowledged_at is None:
            await self._notice_again(connection, debt, known.standings[debt.debt_id].open)

    async def _notice_again(self, connection: Connection, debt: Debt, open_tiyn: Tiyn) -> None:
        """Give the notice again after a refused objection; its term runs from today, by letter there is none."""
        versions = await store.step_versions(connection)
        ladder = store.steps_for(versions, debt.due_on)
        step = next((step for step in ladder if step.action is Action.NOTICE), NOTICE_AGAIN)
        holder = (await self._subscribers.accounts.holders(connection, [debt.account]))[debt.account]
        channel, today = self._dunning.channel(step, holder), self._dunning.today()
        if channel is Channel.LETTER:
            debt = replace(debt, noticed_on=None, answer_until=None, next_on=today)
            await self._dunning.write(connection, [Letter(debt, holder, open_tiyn, step)])
        else:
            terms = (await store.terms(connection, [debt.due_on]))[debt.due_on]
            until = rules.answer_until(today, terms, self._calendar)
            debt = replace(debt, noticed_on=today, answer_until=until, next_on=today)
            await self._dunning.tell(connection, [Message(debt, holder, open_tiyn, step, channel)])
        await store.save_debts(connection, [debt])

    async def get(self, objection_id: int) -> Objection:
        """Read an objection.

        Raises:
            ObjectionUnknownError
        """
        row = await self._database.fetchrow(Q.objection, objection_id)
        if row is None:
            raise ObjectionUnknownError(objection_id=objection_id)
        return store.objection_of(row)

    async def waiting(self, after: int, limit: int) -> list[Objection]:
        """List objections that wait for a decision, the oldest first, from beyond an id."""
        return [store.objection_of(row) for row in await self._database.fetch(Q.waiting_objections, after, limit)]
