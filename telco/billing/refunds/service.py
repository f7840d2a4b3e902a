"""Applications for money back: registered with their time, decided by a second person.

What is left after all obligations is returned on a written application: when the last number of a personal account has
ended, or of what a subscriber has overpaid.

Contract: PSC-6.4, PSC-7.7, PSC-3.1.7
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from telco.billing.errors import RequestReusedError
from telco.billing.invoicing.service import Invoicing
from telco.billing.payments.rules import normal_name, parse_named
from telco.billing.refunds import rules, store
from telco.billing.refunds.errors import (
    ApplicantMismatchError,
    NamedMalformedError,
    RefundNothingError,
    RefundNotWrittenError,
    RefundOpenError,
    RefundPayeeError,
    RefundSamePersonError,
    RefundStateError,
    RefundUnknownError,
)
from telco.billing.refunds.model import (
    FreeMoney,
    NewRefund,
    Payee,
    PayoutWay,
    Refund,
    RefundId,
    RefundKind,
    RefundState,
    RefundTerms,
)
from telco.billing.refunds.store import Q
from telco.catalog.model import Settlement
from telco.db import audit, outbox
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.iban import parse_iban
from telco.kernel.ids import AccountRef
from telco.kernel.money import Money, Tiyn, json_money
from telco.ledger.service import Ledger
from telco.subscribers.consents import Obligations
from telco.subscribers.holders import Holder, account_holder, accounts_by_number, contract_accounts
from telco.subscribers.model import WRITTEN

MOST_LISTED = 500


class Refunds:
    """Use cases of applications. `obligations` asks what a party's accounts still owe, in the caller's transaction."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        invoicing: Invoicing,
        obligations: Obligations,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._invoicing = invoicing
        self._obligations = obligations

    # The application

    async def register(self, new: NewRefund) -> Refund:
        """Register a written application; the same request again is answered with the first.

        Nothing is moved yet. A subscriber whose numbers are in use is told at once when nothing can be given back.

        Raises (the first that applies):
            RefundNotWrittenError: by a channel that keeps no writing.
            RefundPayeeError, IbanError: no account for a bank transfer, or one that cannot be.
            NamedMalformedError: neither a number nor an account.
            RequestReusedError: the request registered something else.
            ApplicantMismatchError: the account is not the applicant's, or there is none.
            RefundOpenError: an application for this account is not finished.
            RefundNothingError: nothing is overpaid.

        Contract: PSC-6.4, PSC-7.7, PSC-3.1.7, PSC-1.1.7
        """
        new = replace(new, named=normal_name(new.named), payee=_checked(new.payee))
        if new.channel not in WRITTEN:
            raise RefundNotWrittenError(channel=new.channel)
        if parse_named(new.named) is None:
            raise NamedMalformedError(named=new.named)

        async def body(connection: Connection) -> Refund:
            await store.lock_request(connection, new.request_id)
            row = await connection.fetchrow(Q.refund_by_request, new.request_id)
            if row is not None:
                return _same(store.refund_of(row), new)
            holder = await self._holder(connection, new)
            kind = RefundKind.OVERPAID if holder.numbers else RefundKind.ENDED
            await self._refuse_second(connection, holder.account)
            if kind is RefundKind.OVERPAID:
                _refuse_nothing(await self.free(connection, holder))
            refund = await self._insert(connection, new, holder, kind)
            await self.tell(connection, "registered", refund)
            return refund

        return await self._database.transact("refunds.register", body)

    async def _insert(self, connection: Connection, new: NewRefund, holder: Holder, kind: RefundKind) -> Refund:
        now = self._clock.now()
        not_before, pay_by = await self.dates(connection, holder, self._calendar.today(now))
        refund = await store.insert_refund(connection, new, holder, kind, now=now, not_before=not_before, pay_by=pay_by)
        if refund is None:  # somebody else's application came at the same moment
            await self._refuse_second(connection, holder.account)
            raise RefundOpenError(refund_id=0)
        return refund

    async def _refuse_second(self, connection: Connection, account: AccountRef) -> None:
        earlier = await connection.fetchval(Q.open_refund, account.shard, account.account_id)
        if earlier is not None:
            raise RefundOpenError(refund_id=earlier)

    async def _holder(self, connection: Connection, new: NewRefund) -> Holder:
        """Find the applicant's account: what is named has to be his, whoever uses the number today."""
        named = parse_named(new.named)
        assert named is not None
        if isinstance(named, AccountRef):
            accounts = [named]
        else:
            accounts = await accounts_by_number(connection, named, new.iin_bin)
        for account in accounts:
            holder = await account_holder(connection, account)
            if holder is not None and holder.iin_bin == new.iin_bin:
                return holder
        raise ApplicantMismatchError(named=new.named)

    async def dates(self, connection: Connection, holder: Holder, registered_on: date) -> tuple[date, date]:
        """Return the first and the last day for paying a refund of this account. Contract: PSC-6.4, PSC-7.7"""
        terms = await store.terms(connection, registered_on)
        earliest = rules.not_before(registered_on, await self.credit_period_end(connection, holder), terms)
        first_paid = self._calendar.add_working_days(earliest - timedelta(days=1), 1)
        return earliest, rules.pay_by(registered_on, first_paid, terms)

    async def credit_period_end(self, connection: Connection, holder: Holder) -> date | None:
        """Return the day after the accounting period in which a credit account ended; None where none is waited for."""
        if holder.joined_at is None:  # its numbers went to others: the account's end was noted when they went
            ended: date | None = await connection.fetchval(Q.ended_period, *holder.account)
            return ended
        if holder.settlement is not Settlement.CREDIT or holder.ended_at is None:
            return None
        accounting = await self._invoicing.accounting(connection, holder.account)
        anchor = self._calendar.today(holder.joined_at) if accounting is None else accounting[0]
        return rules.period_end(anchor, self._calendar.today(holder.ended_at))

    async def free(self, connection: Connection, holder: Holder) -> FreeMoney:
        """Tell what can be given back now: the main balance less what is held and what the contract owes.

        Open invoices and charges that no invoice has yet are in the balance; obligations tell of the rest.

        Contract: PSC-3.1.7, PSC-6.4, PSC-6.3.5
        """
        main = (await self._ledger.balances(holder.account, connection)).buckets[0]
        accounts = await contract_accounts(connection, holder.contract_id)
        owed = sum(obligation.amount for obligation in await self._obligations(connection, accounts))
        return FreeMoney(Tiyn(main.balance), Tiyn(main.held), Tiyn(owed))

    # The decision

    async def approve(self, refund_id: RefundId, *, actor: str, decision: str) -> Refund:
        """Let a refund be paid when its day has come.

        Raises:
            RefundUnknownError, RefundStateError
            RefundSamePersonError: who registered it decides nothing.
        """
        return await self._decide(refund_id, RefundState.APPROVED, actor, decision)

    async def refuse(self, refund_id: RefundId, *, actor: str, decision: str) -> Refund:
        """Refuse an application, with the reason; a new one may follow.

        Raises:
            RefundUnknownError, RefundStateError, RefundSamePersonError
        """
        return await self._decide(refund_id, RefundState.REFUSED, actor, decision)

    async def _decide(self, refund_id: RefundId, state: RefundState, actor: str, decision: str) -> Refund:
        async def body(connection: Connection) -> Refund:
            refund = await self.lock(connection, refund_id)
            if refund.registered_by == actor:
                raise RefundSamePersonError
            if refund.state is not RefundState.APPLIED:
                raise RefundStateError(refund_id=refund_id, state=refund.state)
            row = await connection.fetchrow(Q.decide, refund_id, state, self._clock.now(), actor, decision)
            assert row is not None
            decided = store.refund_of(row)
            await self.keep(connection, decided, state, actor=actor, ground=decision)
            if state is RefundState.REFUSED:
                await self.tell(connection, "refused", decided)
            return decided

        return await self._database.transact(f"refunds.{state}", body)

    # What the steps after it share

    async def lock(self, connection: Connection, refund_id: RefundId) -> Refund:
        """Lock a refund until the transaction ends.

        Raises:
            RefundUnknownError
        """
        row = await connection.fetchrow(Q.lock_refund, refund_id)
        if row is None:
            raise RefundUnknownError(refund_id=refund_id)
        return store.refund_of(row)

    async def keep(self, connection: Connection, refund: Refund, step: str, *, actor: str, ground: str) -> None:
        """Write a step to the audit trail."""
        await audit.record(
            connection,
            at=self._clock.now(),
            actor=actor,
            action=f"refunds.{step}",
            subject=f"refund:{refund.refund_id}",
            ground=ground,
            details={
                "account": str(refund.account),
                "amount": None if refund.amount is None else json_money(refund.amount),
            },
        )

    async def tell(self, connection: Connection, step: str, refund: Refund) -> None:
        """Let the rest of the service, and the applicant, hear of a step."""
        payload: dict[str, object] = {
            "refund_id": refund.refund_id,
            "reference": refund.reference,
            "shard": refund.account.shard,
            "account_id": refund.account.account_id,
            "amount": refund.amount,
            "way": refund.payee.way,
            "pay_by": refund.pay_by.isoformat(),
            "contact_phone": refund.contact_phone,
            "language": refund.language,
        }
        key = f"refund:{refund.refund_id}"
        await outbox.emit(connection, f"refunds.{step}", key, payload, at=self._clock.now())

    # Reads

    async def get(self, refund_id: RefundId) -> Refund:
        """Read a refund.

        Raises:
            RefundUnknownError
        """
        row = await self._database.fetchrow(Q.refund, refund_id)
        if row is None:
            raise RefundUnknownError(refund_id=refund_id)
        return store.refund_of(row)

    async def in_state(self, state: RefundState, after: int = 0, limit: int = MOST_LISTED) -> list[Refund]:
        """List refunds in a state, the oldest first, from beyond the id `after`."""
        rows = await self._database.fetch(Q.refunds_in_state, state, after, min(limit, MOST_LISTED))
        return [store.refund_of(row) for row in rows]

    async def due(self, by: date, limit: int = MOST_LISTED) -> list[Refund]:
        """List what has to be paid by a day, the most urgent first. Contract: PSC-6.4, PSC-7.7"""
        rows = await self._database.fetch(Q.refunds_due, by, min(limit, MOST_LISTED))
        return [store.refund_of(row) for row in rows]

    async def of_account(self, account: AccountRef, limit: int = 50) -> list[Refund]:
        """List the refunds of a personal account, the newest first."""
        rows = await self._database.fetch(Q.refunds_of_account, account.shard, account.account_id, limit)
        return [store.refund_of(row) for row in rows]

    async def terms(self) -> RefundTerms:
        """Read the figures in force today."""
        async with self._database.acquire() as connection:
            return await store.terms(connection, self._calendar.today(self._clock.now()))


def _checked(payee: Payee) -> Payee:
    if (payee.way is PayoutWay.BANK) != (payee.iban is not None):
        raise RefundPayeeError
    if payee.bic is not None and not rules.is_bic(payee.bic):
        raise RefundPayeeError
    if payee.kbe is not None and (payee.way is not PayoutWay.BANK or not rules.is_kbe(payee.kbe)):
        raise RefundPayeeError
    return payee if payee.iban is None else replace(payee, iban=parse_iban(payee.iban))


def _same(refund: Refund, new: NewRefund) -> Refund:
    if (refund.named, refund.iin_bin, refund.asked, refund.payee) != (new.named, new.iin_bin, new.amount, new.payee):
        raise RequestReusedError(request_id=new.request_id)
    return refund


def _refuse_nothing(free: FreeMoney) -> None:
    if free.amount == 0:
        raise RefundNothingError(balance=Money(free.balance), held=Money(free.held), owed=Money(free.owed))
