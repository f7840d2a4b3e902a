"""Objections: what a debtor says against a debt, registered and decided by people.

Contract: PSC-3.1.4-1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from telco.billing.collection import rules, store
from telco.billing.collection.dunning import Dunning
from telco.billing.collection.errors import (
    DebtClosedError,
    DebtUnknownError,
    ObjectionAmountError,
    ObjectionDecidedError,
    ObjectionOpenError,
    ObjectionUnknownError,
)
from telco.billing.collection.model import Debt, DebtKind, DebtState, Objection
from telco.billing.collection.store import Q
from telco.billing.errors import RequestReusedError
from telco.billing.invoicing.arrears import Arrears
from telco.billing.invoicing.credit_notes import CreditNotes
from telco.billing.invoicing.model import Bill, InvoiceId
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Money, Tiyn
from telco.subscribers.service import Subscribers


class Objections:
    """Use cases of objections."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        subscribers: Subscribers,
        arrears: Arrears,
        dunning: Dunning,
        credit_notes: CreditNotes,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._subscribers = subscribers
        self._arrears = arrears
        self._dunning = dunning
        self._credit_notes = credit_notes

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

    async def register_for_invoice(
        self, invoice_id: InvoiceId, text: str, *, channel: str, author: str, request_id: str
    ) -> Objection:
        """Register an objection to an invoice, due or not; the same request again registers nothing.

        Raises:
            InvoiceUnknownError, ObjectionOpenError
            DebtClosedError: nothing of it is unpaid.
            RequestReusedError: the request objected to another debt.

        Contract: PSC-3.1.4-1
        """

        async def body(connection: Connection) -> Objection:
            number = await self._arrears.number(connection, invoice_id)
            await self._enrol(connection, await self._arrears.bills(connection, [invoice_id]))
            debt = await store.lock_of_invoice(connection, invoice_id)
            if debt is None:
                raise DebtClosedError(number=number, state=DebtState.PAID)
            return await self._register(connection, debt, text, channel, author, request_id)

        return await self._database.transact("collection.object", body)

    async def register_all(
        self, account: AccountRef, text: str, *, channel: str, author: str, request_id: str
    ) -> Sequence[Debt]:
        """Object to every open debt of an account, as a short message does; returns which have an objection now.

        An invoice that is unpaid and not due yet is a debt from then on: who sees a mistake does not wait for the term.

        Contract: PSC-3.1.4-1
        """

        async def body(connection: Connection) -> list[Debt]:
            await self._enrol(connection, await self._arrears.bills_of(connection, account))
            debts = await store.lock_of_account(connection, account)
            waiting = await store.disputed(connection, [debt.debt_id for debt in debts])
            for debt in debts:
                if debt.debt_id not in waiting:
                    await self._register(connection, debt, text, channel, author, f"{request_id}:{debt.debt_id}")
            return debts

        return await self._database.transact("collection.object", body)

    async def open_to(self, account: AccountRef) -> Sequence[str]:
        """The numbers of what an account can object to: open debts, and unpaid invoices that are not due yet."""
        async with self._database.acquire() as connection:
            debts = await connection.fetch(Q.open_of_account, *account)
            bills = await self._arrears.bills_of(connection, account)
        return sorted({*(row["number"] for row in debts), *(bill.number for bill in bills)})

    async def _enrol(self, connection: Connection, bills: Sequence[Bill]) -> None:
        """Begin the debts of unpaid invoices, those that are not due yet included."""
        posts = [rules.first_posting(bill.due_on) for bill in bills]
        await store.enrol(connection, bills, posts, now=self._clock.now())

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

    async def decide(
        self, objection_id: int, *, upheld: bool, actor: str, decision: str, amount: Tiyn | None = None
    ) -> Objection:
        """Decide an objection.

        Upheld, a credit note lowers the invoice by `amount`, or by all that is open of it. When nothing is left of it,
        the debt is withdrawn: services come back, collectors give it back, its penalty is given back. Otherwise the
        rest stays owed, with the penalty that the rest has gathered. Refused, the debtor who objected in time gets the
        notice again, and the term begins anew.

        Raises:
            ObjectionUnknownError, ObjectionDecidedError
            ObjectionAmountError: a sum for an objection that is refused, or of more than there is.
            CreditTooHighError: more than is left of the invoice.

        Contract: PSC-3.1.4-1
        """
        if amount is not None and not upheld:
            raise ObjectionAmountError(amount=Money(amount))
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
            objection = store.objection_of(decided)
            if upheld:
                await self._uphold(connection, debt, objection, amount)
            elif debt.state is DebtState.OPEN and debt.answer_until is not None and objection.in_time:
                standings = (await self._dunning.know(connection, [debt])).standings
                await self._notice_again(connection, debt, standings[debt.debt_id].open)
            await audit.record(
                connection,
                at=now,
                actor=actor,
                action="collection.objection_upheld" if upheld else "collection.objection_refused",
                subject=f"debt:{debt.debt_id}",
                ground=decision,
                details={"objection_id": objection_id, "number": debt.number},
            )
            return objection

        return await self._database.transact("collection.decide_objection", body)

    async def _uphold(self, connection: Connection, debt: Debt, objection: Objection, amount: Tiyn | None) -> None:
        """Take back what was claimed wrongly, on paper and in money, and then what follows from it.

        A debt that was paid while the objection waited is lowered by `amount` only where somebody names it.
        """
        if debt.state is DebtState.OPEN or amount is not None:
            await self._lower(connection, debt, objection, amount)
        if debt.state is not DebtState.OPEN:
            return
        known = await self._dunning.know(connection, [debt])
        if known.standings[debt.debt_id].open <= 0 or debt.kind is DebtKind.FOUND:
            await self._dunning.close(connection, [debt], known, DebtState.WITHDRAWN, "withdrawn")
        else:
            lowered = await self._dunning.lower_penalty(connection, debt, known, objection.objection_id)
            await store.save_debts(connection, [replace(lowered, next_at=self._clock.now())])

    async def _lower(self, connection: Connection, debt: Debt, objection: Objection, amount: Tiyn | None) -> None:
        assert objection.decided_by is not None
        source = f"objection:{objection.objection_id}"
        if debt.invoice_id is not None:
            await self._credit_notes.issue(
                connection,
                InvoiceId(debt.invoice_id),
                amount,
                source=source,
                reason=objection.decision or "",
                actor=objection.decided_by,
            )
            return
        open_tiyn = (await self._dunning.know(connection, [debt])).standings[debt.debt_id].open
        if amount is not None and amount != open_tiyn:
            raise ObjectionAmountError(amount=Money(amount))
        await self._credit_notes.give_back(
            connection, debt.account, open_tiyn, f"found_debt:{source}", details={"payment": debt.number}
        )

    async def _notice_again(self, connection: Connection, debt: Debt, open_tiyn: Tiyn) -> None:
        """Give the notice again after a refused objection, when it may be told."""
        steps = store.steps_for(await store.step_versions(connection), debt.due_on)
        terms = (await store.terms(connection, [debt.due_on]))[debt.due_on]
        holder = (await self._subscribers.accounts.holders(connection, [debt.account]))[debt.account]
        renewed = await self._dunning.renew_notice(connection, debt, holder, open_tiyn, steps, terms)
        await store.save_debts(connection, [renewed])

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
