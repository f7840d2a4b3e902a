"""The way of the money: personal account -> `payable.refund` -> bank or cash desk, and back when it is returned.

An order takes the money from the personal account, so that neither calls nor a second refund can spend it. Who pays it
out is settled on a clearing account of the ledger, whose balance is always zero: the subscriber's statement shows what
left his account, once.

Contract: PSC-6.4, PSC-7.7
"""

from __future__ import annotations

from datetime import date

from telco.billing.payments.cash_desk import CashDesk
from telco.billing.refunds import store
from telco.billing.refunds.errors import (
    LedgerRefusedError,
    PaidOnError,
    RefundStateError,
    RefundTooEarlyError,
    RefundWayError,
)
from telco.billing.refunds.model import PayoutWay, Refund, RefundId, RefundState
from telco.billing.refunds.service import Refunds
from telco.billing.refunds.store import Q
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.ledger import model as ledger_model
from telco.ledger.model import Op, Status
from telco.ledger.service import Ledger
from telco.subscribers.holders import account_holder

PAYABLE = "payable.refund"
CASH = {PayoutWay.BANK: "cash.bank", PayoutWay.CASH: "cash.desk"}
"""The operator's account from which each way is paid."""
AUTOMATIC = "system:refunds"
ORDERS_AT_ONCE = 100


class Payouts:
    """Use cases of orders and what becomes of them."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, ledger: Ledger, refunds: Refunds, desk: CashDesk
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._refunds = refunds
        self._desk = desk

    # The order

    async def order(self, refund_id: RefundId, *, actor: str) -> Refund:
        """Take what is left from the personal account, at most what was asked for; nothing left ends the refund.

        Raises:
            RefundUnknownError, RefundStateError: not approved, or ordered before.
            RefundTooEarlyError: credit waits for the days after its accounting period.

        Contract: PSC-6.4, PSC-7.7, PSC-3.1.7
        """

        async def body(connection: Connection) -> Refund:
            return await self._order(connection, refund_id, actor)

        refund = await self._database.transact("refunds.order", body)
        if refund.state is RefundState.APPROVED:
            raise RefundTooEarlyError(refund_id, refund.not_before)
        return refund

    async def order_due(self) -> int:
        """Order every approved refund whose day has come and return how many; a job calls it.

        Each is a transaction of its own, so one that cannot be ordered holds no other up.
        """
        today, after, done = self._calendar.today(self._clock.now()), 0, 0
        while True:
            rows = await self._database.fetch(Q.orderable, today, after, ORDERS_AT_ONCE)
            for row in rows:
                after = row["refund_id"]
                done += await self._order_if_due(RefundId(after))
            if len(rows) < ORDERS_AT_ONCE:
                return done

    async def _order_if_due(self, refund_id: RefundId) -> bool:
        try:
            await self.order(refund_id, actor=AUTOMATIC)
        except (RefundStateError, RefundTooEarlyError):
            return False  # a clerk was quicker, or the contract ended and its period has to be over first
        return True

    async def _order(self, connection: Connection, refund_id: RefundId, actor: str) -> Refund:
        refund = await self._refunds.lock(connection, refund_id)
        if refund.state is not RefundState.APPROVED:
            raise RefundStateError(refund_id=refund_id, state=refund.state)
        holder = await account_holder(connection, refund.account)
        assert holder is not None
        registered_on = self._calendar.today(refund.registered_at)
        not_before, pay_by = await self._refunds.dates(connection, holder, registered_on)
        row = await connection.fetchrow(Q.set_dates, refund_id, not_before, pay_by)
        assert row is not None
        if self._calendar.today(self._clock.now()) < not_before:
            return store.refund_of(row)
        await self._ledger.lock(connection, [refund.account])
        free = await self._refunds.free(connection, holder)
        amount = free.amount if refund.asked is None else min(free.amount, refund.asked)
        if amount == 0:
            return await self._nothing_left(connection, refund, actor)
        charge = ledger_model.sum_charge(amount, money=(ledger_model.MAIN,))
        details: dict[str, object] = {"label": "refund.ordered", "refund": refund.reference}
        await self._apply(
            connection, ledger_model.debit(refund.account, _op(refund), charge, contra=PAYABLE, details=details)
        )
        row = await connection.fetchrow(Q.set_ordered, refund_id, amount, self._clock.now())
        assert row is not None
        ordered = store.refund_of(row)
        await self._refunds.keep(connection, ordered, "ordered", actor=actor, ground=refund.decision or "")
        await self._refunds.tell(connection, "ordered", ordered)
        return ordered

    async def _nothing_left(self, connection: Connection, refund: Refund, actor: str) -> Refund:
        row = await connection.fetchrow(Q.set_nothing_left, refund.refund_id)
        assert row is not None
        ended = store.refund_of(row)
        await self._refunds.keep(connection, ended, "nothing_left", actor=actor, ground="all is spent or owed")
        await self._refunds.tell(connection, "nothing_left", ended)
        return ended

    # Paid

    async def confirm(self, refund_id: RefundId, *, paid_on: date, document: str, actor: str) -> Refund:
        """Note that the bank has paid; said twice, it is noted once.

        Raises:
            RefundUnknownError, RefundWayError: paid at a cash desk.
            RefundStateError: no order is at the bank.
            PaidOnError: a day before the order or after today.
        """

        async def body(connection: Connection) -> Refund:
            refund = await self._refunds.lock(connection, refund_id)
            if refund.payee.way is not PayoutWay.BANK:
                raise RefundWayError(refund_id=refund_id, way=refund.payee.way)
            if refund.state is RefundState.PAID and (refund.paid_on, refund.payout_ref) == (paid_on, document):
                return refund
            if refund.state is not RefundState.ORDERED or refund.file_id is None:
                raise RefundStateError(refund_id=refund_id, state=refund.state)
            assert refund.ordered_at is not None
            now = self._clock.now()
            if not self._calendar.today(refund.ordered_at) <= paid_on <= self._calendar.today(now):
                raise PaidOnError
            return await self._paid(connection, refund, paid_on, document, None, actor)

        return await self._database.transact("refunds.confirm", body)

    async def pay_out(self, refund_id: RefundId, *, cashier: str) -> Refund:
        """Give the money out at a cash desk, in the cashier's open shift.

        Raises:
            RefundUnknownError, RefundWayError: paid by the bank.
            RefundStateError: not ordered, or given out before.
            ShiftNeededError: the cashier has no open shift.
        """

        async def body(connection: Connection) -> Refund:
            refund = await self._refunds.lock(connection, refund_id)
            if refund.payee.way is not PayoutWay.CASH:
                raise RefundWayError(refund_id=refund_id, way=refund.payee.way)
            if refund.state is not RefundState.ORDERED or refund.amount is None:
                raise RefundStateError(refund_id=refund_id, state=refund.state)
            payout = await self._desk.pay_out(connection, refund.amount, refund.reference, cashier=cashier)
            today = self._calendar.today(self._clock.now())
            return await self._paid(connection, refund, today, payout.voucher_no, payout.shift_id, cashier)

        return await self._database.transact("refunds.pay_out", body)

    async def _paid(
        self, connection: Connection, refund: Refund, paid_on: date, document: str, shift_id: int | None, actor: str
    ) -> Refund:
        await self._clear(connection, refund, "paid", source=PAYABLE, target=CASH[refund.payee.way])
        row = await connection.fetchrow(
            Q.set_paid, refund.refund_id, paid_on, self._clock.now(), actor, document, shift_id
        )
        assert row is not None
        paid = store.refund_of(row)
        await self._refunds.keep(connection, paid, "paid", actor=actor, ground=document)
        await self._refunds.tell(connection, "paid", paid)
        return paid

    # Returned

    async def give_back(self, refund_id: RefundId, *, reason: str, actor: str) -> Refund:
        """Put the money of an order that was not, or could not be, paid back on the personal account; once.

        A new application may name another payee.

        Raises:
            RefundUnknownError
            RefundStateError: nothing was ordered, it is back already, or it was given out in cash.
        """

        async def body(connection: Connection) -> Refund:
            refund = await self._refunds.lock(connection, refund_id)
            return await self.return_to_account(connection, refund, reason=reason, actor=actor)

        return await self._database.transact("refunds.give_back", body)

    async def return_to_account(self, connection: Connection, refund: Refund, *, reason: str, actor: str) -> Refund:
        """Do the same of a refund that is locked, in the caller's transaction.

        Raises:
            RefundStateError
        """
        if refund.state is RefundState.PAID and refund.payee.way is PayoutWay.BANK:
            await self._clear(connection, refund, "back", source=CASH[PayoutWay.BANK], target=PAYABLE)
        elif refund.state is not RefundState.ORDERED:
            raise RefundStateError(refund_id=refund.refund_id, state=refund.state)
        details: dict[str, object] = {"label": "refund.returned", "refund": refund.reference}
        reverse = ledger_model.reverse(refund.account, f"{_op(refund)}:returned", target=_op(refund), details=details)
        await self._apply(connection, reverse)
        row = await connection.fetchrow(Q.set_returned, refund.refund_id, self._clock.now(), actor, reason)
        assert row is not None
        returned = store.refund_of(row)
        await self._refunds.keep(connection, returned, "returned", actor=actor, ground=reason)
        await self._refunds.tell(connection, "returned", returned)
        return returned

    # The ledger

    async def _clear(self, connection: Connection, refund: Refund, step: str, *, source: str, target: str) -> None:
        """Move a refund's money between two of the operator's accounts, through the clearing account."""
        assert refund.amount is not None
        account = await self._clearing(connection)
        op_id = f"{_op(refund)}:{step}"
        details: dict[str, object] = {"refund": refund.reference}
        charge = ledger_model.sum_charge(refund.amount, money=(ledger_model.MAIN,))
        for op in (
            ledger_model.credit(account, f"{op_id}:from", refund.amount, contra=source, details=details),
            ledger_model.debit(account, f"{op_id}:to", charge, contra=target, details=details),
        ):
            await self._apply(connection, op)

    async def _clearing(self, connection: Connection) -> AccountRef:
        account = await store.clearing(connection)
        if account is None:
            await store.lock_clearing(connection)
            account = await store.clearing(connection)
        if account is None:
            account = await self._ledger.open_account(connection)
            await connection.execute(Q.insert_clearing, account.shard, account.account_id)
        return account

    async def _apply(self, connection: Connection, op: Op) -> None:
        [outcome] = await self._ledger.apply(connection, [op])
        if outcome.status is not Status.OK:
            raise LedgerRefusedError(account=str(op.account), why=outcome.status.name.lower())


def _op(refund: Refund) -> str:
    """The ledger's operation that took the money."""
    return f"refund:{refund.refund_id}"
