"""Corrections of mistaken payments: asked for by one person, decided by another after a check.

Who typed a wrong number has his payment moved to the right one on application; what was credited by an unlawful or
mistaken payment is written off. The money is taken back by the exact opposite of the operation that gave it. When it
was spent meanwhile, only an approval that allows a debt takes it.

Contract: PSC-3.1.8, PSC-5.2.2
"""

from __future__ import annotations

from telco.billing.errors import RequestReusedError, TopUpRefusedError
from telco.billing.invoicing.service import Invoicing
from telco.billing.payments import store
from telco.billing.payments.errors import (
    CorrectionDecidedError,
    CorrectionOpenError,
    CorrectionTargetError,
    CorrectionUnknownError,
    PaymentSpentError,
    PaymentUnknownError,
    PaymentWrittenOffError,
    SamePersonError,
)
from telco.billing.payments.model import (
    Correction,
    CorrectionId,
    CorrectionKind,
    CorrectionState,
    Payment,
    PaymentId,
    PaymentState,
    Target,
)
from telco.billing.payments.service import CONTRA, Payments
from telco.billing.payments.store import Q
from telco.billing.topups import TopUp, TopUps
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Tiyn, json_money
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.model import Status
from telco.ledger.service import Ledger


class Corrections:
    """Use cases of corrections."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        payments: Payments,
        topups: TopUps,
        invoicing: Invoicing,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._payments = payments
        self._topups = topups
        self._invoicing = invoicing

    async def request(
        self,
        payment_id: PaymentId,
        kind: CorrectionKind,
        *,
        target: Msisdn | None,
        reason: str,
        actor: str,
        request_id: str,
    ) -> Correction:
        """Ask for a payment to be moved to `target` or written off; nothing happens until another person approves.

        Raises:
            PaymentUnknownError, PaymentWrittenOffError
            CorrectionOpenError: another one of this payment waits.
            CorrectionTargetError: a move without a target or to where the money is, a write-off with one.
            PayeeUnknownError, PayeeEndedError, PayeePortedError: the target cannot be credited.
            RequestReusedError

        Contract: PSC-3.1.8, PSC-5.2.2
        """
        if (kind is CorrectionKind.MOVE) != (target is not None):
            raise CorrectionTargetError
        credited = await self._payments.target(target) if target is not None else None

        async def body(connection: Connection) -> Correction:
            payment = await _lock_payment(connection, payment_id)
            row = await connection.fetchrow(Q.correction_by_request, request_id)
            if row is not None:
                return _same(store.correction_of(row), payment_id, kind, target)
            if payment.state is PaymentState.WRITTEN_OFF:
                raise PaymentWrittenOffError(payment_id=payment_id)
            if credited is not None and credited.account == payment.account:
                raise CorrectionTargetError
            others = [store.correction_of(row) for row in await connection.fetch(Q.corrections_of, payment_id)]
            if any(other.state is CorrectionState.REQUESTED for other in others):
                raise CorrectionOpenError(payment_id=payment_id)
            correction_id = await connection.fetchval(
                Q.insert_correction,
                payment_id,
                request_id,
                kind,
                target,
                payment.account.shard,
                payment.account.account_id,
                payment.op_id,
                reason,
                self._clock.now(),
                actor,
            )
            if correction_id is None:  # the request asked for a correction of another payment just now
                raise RequestReusedError(request_id=request_id)
            row = await connection.fetchrow(Q.correction, correction_id)
            assert row is not None
            return store.correction_of(row)

        return await self._database.transact("payments.request_correction", body)

    async def approve(
        self, correction_id: CorrectionId, *, actor: str, decision: str, allow_debt: bool = False
    ) -> Correction:
        """Carry a correction out; `allow_debt` takes the money even where it was spent, and the account owes it.

        Raises:
            CorrectionUnknownError, CorrectionDecidedError
            SamePersonError: who asked for it decides nothing.
            PaymentSpentError: not all of the money is there, and no debt is allowed; the correction still waits.
            PayeeUnknownError, PayeeEndedError, PayeePortedError: the target can no longer be credited.

        Contract: PSC-3.1.8, PSC-5.2.2
        """
        asked = await self.get(correction_id)
        _refuse_same_person(asked, actor)
        _refuse_decided(asked)
        target = await self._payments.target(asked.target_msisdn) if asked.target_msisdn is not None else None

        async def body(connection: Connection) -> Correction:
            correction = await self._lock(connection, correction_id)
            payment = await _lock_payment(connection, correction.payment_id)
            if target is not None and target.account == payment.account:
                raise CorrectionTargetError
            taken_by, forced = await self._take_back(connection, payment, correction, allow_debt=allow_debt)
            if target is None:
                await self._place(connection, payment, PaymentState.WRITTEN_OFF, payment.account, taken_by, None)
            else:
                op_id = f"correction:{correction_id}:credit"
                await self._topups.credit(connection, _moved(payment, target, op_id))
                await self._place(connection, payment, PaymentState.MOVED, target.account, op_id, target)
            return await self._decide(
                connection,
                correction,
                CorrectionState.APPROVED,
                actor=actor,
                decision=decision,
                debt_allowed=allow_debt,
                forced=forced,
                to=None if target is None else target.account,
            )

        return await self._database.transact("payments.approve_correction", body)

    async def refuse(self, correction_id: CorrectionId, *, actor: str, decision: str) -> Correction:
        """Leave the payment as it is, with the reason.

        Raises:
            CorrectionUnknownError, CorrectionDecidedError, SamePersonError
        """
        _refuse_same_person(await self.get(correction_id), actor)

        async def body(connection: Connection) -> Correction:
            correction = await self._lock(connection, correction_id)
            return await self._decide(connection, correction, CorrectionState.REFUSED, actor=actor, decision=decision)

        return await self._database.transact("payments.refuse_correction", body)

    async def get(self, correction_id: CorrectionId) -> Correction:
        """Read a correction.

        Raises:
            CorrectionUnknownError
        """
        row = await self._database.fetchrow(Q.correction, correction_id)
        if row is None:
            raise CorrectionUnknownError(correction_id=correction_id)
        return store.correction_of(row)

    async def in_state(self, state: CorrectionState, after: int, limit: int) -> list[Correction]:
        """List corrections in a state, the oldest first, from beyond the id `after`."""
        return [store.correction_of(row) for row in await self._database.fetch(Q.corrections, state, after, limit)]

    async def of_payment(self, payment_id: PaymentId) -> list[Correction]:
        """List every correction of a payment."""
        return [store.correction_of(row) for row in await self._database.fetch(Q.corrections_of, payment_id)]

    async def _lock(self, connection: Connection, correction_id: CorrectionId) -> Correction:
        row = await connection.fetchrow(Q.lock_correction, correction_id)
        assert row is not None
        correction = store.correction_of(row)
        _refuse_decided(correction)
        return correction

    async def _take_back(
        self, connection: Connection, payment: Payment, correction: Correction, *, allow_debt: bool
    ) -> tuple[str, Tiyn]:
        """Reverse what gave the money; return that operation and what of it was spent, which the account now owes."""
        op_id = f"correction:{correction.correction_id}:reverse"
        reverse = ledger_model.reverse(
            payment.account,
            op_id,
            target=payment.op_id,
            forced=allow_debt,
            details={"label": f"correction.{correction.kind}", "payment": payment.payment_id},
        )
        [outcome] = await self._ledger.apply(connection, [reverse])
        match outcome.status:
            case Status.OK:
                await self._invoicing.deallocate(connection, payment.account, payment.op_id, by=op_id)
                had = max(outcome.main_after + payment.amount, 0)
                return op_id, Tiyn(payment.amount - min(payment.amount, had))
            case Status.SPENT:
                raise PaymentSpentError(payment_id=payment.payment_id)
            case other:
                raise TopUpRefusedError(account=str(payment.account), why=other.name.lower())

    async def _place(
        self,
        connection: Connection,
        payment: Payment,
        state: PaymentState,
        account: AccountRef,
        op_id: str,
        target: Target | None,
    ) -> None:
        await connection.execute(
            Q.move_payment,
            payment.payment_id,
            state,
            account.shard,
            account.account_id,
            op_id,
            payment.msisdn if target is None else target.msisdn,
            payment.subscriber_id if target is None else target.subscriber_id,
        )

    async def _decide(
        self,
        connection: Connection,
        correction: Correction,
        state: CorrectionState,
        *,
        actor: str,
        decision: str,
        debt_allowed: bool = False,
        forced: Tiyn = Tiyn(0),
        to: AccountRef | None = None,
    ) -> Correction:
        now = self._clock.now()
        shard, account_id = (None, None) if to is None else to
        row = await connection.fetchrow(
            Q.decide_correction,
            correction.correction_id,
            state,
            now,
            actor,
            decision,
            debt_allowed,
            forced,
            shard,
            account_id,
        )
        assert row is not None
        await audit.record(
            connection,
            at=now,
            actor=actor,
            action=f"payments.correction_{state}",
            subject=f"payment:{correction.payment_id}",
            ground=decision,
            details={"correction_id": correction.correction_id, "kind": correction.kind, "debt": json_money(forced)},
        )
        return store.correction_of(row)


async def _lock_payment(connection: Connection, payment_id: PaymentId) -> Payment:
    payment = await store.lock_payment(connection, payment_id)
    if payment is None:
        raise PaymentUnknownError(payment_id=payment_id)
    return payment


def _moved(payment: Payment, target: Target, op_id: str) -> TopUp:
    return TopUp(
        account=target.account,
        subscriber_id=target.subscriber_id,
        msisdn=target.msisdn,
        amount=payment.amount,
        op_id=op_id,
        contra=CONTRA[payment.channel],
        channel=payment.channel,
        reference=str(payment.payment_id),
        request_id=op_id,
        label="topup.correction",
        details={"payment": payment.payment_id},
    )


def _same(correction: Correction, payment_id: PaymentId, kind: CorrectionKind, target: Msisdn | None) -> Correction:
    if (correction.payment_id, correction.kind, correction.target_msisdn) != (payment_id, kind, target):
        raise RequestReusedError(request_id=correction.request_id)
    return correction


def _refuse_same_person(correction: Correction, actor: str) -> None:
    if correction.requested_by == actor:
        raise SamePersonError


def _refuse_decided(correction: Correction) -> None:
    if correction.state is not CorrectionState.REQUESTED:
        raise CorrectionDecidedError(correction_id=correction.correction_id, state=correction.state)
