"""Cash desks: a cashier takes money in a shift, gives a numbered receipt, and counts the drawer at the end.

Contract: PSC-4.1
"""

from __future__ import annotations

from datetime import date, timedelta

from telco.billing.payments import rules, store
from telco.billing.payments.errors import (
    PaymentLimitError,
    PaymentReusedError,
    ShiftNeededError,
    ShiftOpenError,
    ShiftUnknownError,
)
from telco.billing.payments.model import CashPayout, Channel, DeskDay, NewPayment, Payment, Share, Shift, ShiftId
from telco.billing.payments.service import Payments
from telco.billing.payments.store import Q
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.money import Money, Tiyn


class CashDesk:
    """Use cases of cash desks. `cashier` is whoever calls, as the audit trail names them."""

    def __init__(self, database: Database, clock: Clock, calendar: Calendar, payments: Payments) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._payments = payments

    async def open_shift(self, desk: str, *, cashier: str) -> Shift:
        """Begin a shift; the same desk again is answered with the open one.

        Raises:
            ShiftOpenError: a shift of the cashier at another desk is open.
        """

        async def body(connection: Connection) -> ShiftId:
            shift_id = await connection.fetchval(Q.open_shift, desk, cashier, self._clock.now())
            if shift_id is not None:
                return ShiftId(shift_id)
            row = await connection.fetchrow(Q.open_shift_of, cashier)
            if row is None or row["desk"] != desk:
                raise ShiftOpenError(shift_id=row["shift_id"] if row else 0, desk=row["desk"] if row else desk)
            return ShiftId(row["shift_id"])

        return await self.shift(await self._database.transact("payments.open_shift", body))

    async def close_shift(self, shift_id: ShiftId, counted: Tiyn, *, cashier: str) -> Shift:
        """End a shift with what was counted in the drawer; a difference from what was taken stays on record.

        Raises:
            ShiftUnknownError: not open, or somebody else's.
        """

        async def body(connection: Connection) -> None:
            closed = await connection.fetchval(Q.close_shift, shift_id, cashier, self._clock.now(), counted)
            if closed is None:
                raise ShiftUnknownError(shift_id=shift_id)

        await self._database.transact("payments.close_shift", body)
        return await self.shift(shift_id)

    async def shift(self, shift_id: ShiftId) -> Shift:
        """Read a shift with its totals.

        Raises:
            ShiftUnknownError
        """
        row = await self._database.fetchrow(Q.shift, shift_id)
        if row is None:
            raise ShiftUnknownError(shift_id=shift_id)
        return store.shift_of(row)

    async def take(
        self, named: str, amount: Tiyn, *, cashier: str, request_id: str, payer_name: str | None = None
    ) -> Payment:
        """Take cash for a number or personal account; the same request again gets the same receipt.

        Raises:
            ShiftNeededError: the cashier has no open shift.
            PaymentLimitError: less or more than one payment may be.
            PayeeMalformedError, PayeeUnknownError, PayeeEndedError, PayeePortedError
            PaymentReusedError: the request took another sum, or for another number.

        Contract: PSC-4.1, PSC-3.1.6
        """
        name = rules.normal_name(named)
        earlier = await self._earlier(name, amount, request_id)
        if earlier is not None:
            return earlier
        async with self._database.acquire() as connection:
            least, most = await store.limits(connection, Channel.CASH_DESK, self._calendar.today(self._clock.now()))
        if not least <= amount <= most:
            raise PaymentLimitError(least=Money(least), most=Money(most))
        target = await self._payments.target(named)

        async def body(connection: Connection) -> Payment:
            await store.lock_external(connection, Channel.CASH_DESK, "", request_id)
            row = await connection.fetchrow(Q.cash_payment, request_id)
            if row is not None:
                return _same(store.payment_of(row), name, amount, request_id)
            shift = await connection.fetchrow(Q.open_shift_of, cashier)
            if shift is None:
                raise ShiftNeededError
            shift_id, desk = ShiftId(shift["shift_id"]), shift["desk"]
            number = await connection.fetchval(Q.next_receipt, shift_id)
            new = NewPayment(
                channel=Channel.CASH_DESK,
                source=desk,
                external_id=request_id,
                named=name,
                shares=(Share(target, amount, name),),
                paid_at=self._clock.now(),
                booked_by=cashier,
                request_id=request_id,
                payer_name=payer_name,
                receipt_no=f"{desk}-{shift_id:06d}-{number:05d}",
                shift_id=shift_id,
            )
            return await self._payments.credit(connection, new)

        return await self._database.transact("payments.take_cash", body)

    async def pay_out(self, connection: Connection, amount: Tiyn, reference: str, *, cashier: str) -> CashPayout:
        """Give money out of the drawer, in the transaction of whoever owes it; the shift counts it.

        Raises:
            ShiftNeededError: the cashier has no open shift.
        """
        shift = await connection.fetchrow(Q.open_shift_of, cashier)
        if shift is None:
            raise ShiftNeededError
        shift_id = ShiftId(shift["shift_id"])
        number = await connection.fetchval(Q.next_receipt, shift_id)
        voucher_no = f"{shift['desk']}-{shift_id:06d}-{number:05d}"
        await connection.execute(Q.insert_payout, shift_id, voucher_no, reference, amount, self._clock.now())
        return CashPayout(shift_id, voucher_no)

    async def _earlier(self, name: str, amount: Tiyn, request_id: str) -> Payment | None:
        row = await self._database.fetchrow(Q.cash_payment, request_id)
        return None if row is None else _same(store.payment_of(row), name, amount, request_id)

    async def day(self, day: date) -> list[DeskDay]:
        """Return what each desk and cashier took on a day in Kazakhstan."""
        start, end = self._calendar.start_of_day(day), self._calendar.start_of_day(day + timedelta(days=1))
        return [store.desk_day_of(row) for row in await self._database.fetch(Q.desk_day, start, end)]


def _same(payment: Payment, name: str, amount: Tiyn, request_id: str) -> Payment:
    if payment.amount != amount or payment.named != name:
        raise PaymentReusedError(external_id=request_id)
    return payment
