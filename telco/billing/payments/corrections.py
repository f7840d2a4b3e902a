"""Corrections of mistaken payments: asked for by one person, decided by another after a check.

Who typed a wrong number has his payment moved to the right one on application; what was credited by an unlawful or
mistaken payment is written off. The money is taken back by the exact opposite of the operation that gave it. When it
was spent meanwhile, only an approval that allows a debt takes it.

Contract: PSC-3.1.8, PSC-5.2.2
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from telco.billing.errors import RequestReusedError, TopUpRefusedError
from telco.billing.invoicing.service import Invoicing
from telco.billing.payments import store
from telco.billing.payments.errors import (
    CorrectionAmountError,
    CorrectionDecidedError,
    CorrectionOpenError,
    CorrectionTargetError,
    CorrectionUnknownError,
    PartUnknownError,
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
    Part,
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
from telco.kernel.money import Money, Tiyn, json_money
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.model import Status
from telco.ledger.service import Ledger


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking a part back did."""

    op_id: str
    rest_id: str
    """The operation that credited again what stays, where something does."""
    balance: Tiyn
    forced: Tiyn
    """What was spent already: the account now owes it."""


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
        part_no: int = 1,
        amount: Tiyn | None = None,
    ) -> Correction:
        """Ask for a payment to be moved to `target` or written off; nothing happens until another person approves.

        It is of one part of the payment, and of `amount` of that, all of it by default.

        Raises:
            PaymentUnknownError, PartUnknownError, PaymentWrittenOffError
            CorrectionAmountError: more than the part has.
            CorrectionOpenError: another one of this part waits.
            CorrectionTargetError: a move without a target or to where the money is, a write-off with one.
            PayeeUnknownError, PayeeEndedError, PayeePortedError: the target cannot be credited.
            RequestReusedError

        Contract: PSC-3.1.8, PSC-5.2.2
        """
        if (kind is CorrectionKind.MOVE) != (target is not None):
            raise CorrectionTargetError
        credited = await self._payments.target(target) if target is not None else None

        async def body(connection: Connection) -> Correction:
            part = await _lock_part(connection, payment_id, part_no)
            row = await connection.fetchrow(Q.correction_by_request, request_id)
            if row is not None:
                return _same(store.correction_of(row), payment_id, part_no, kind, target, amount)
            if part.state is PaymentState.WRITTEN_OFF:
                raise PaymentWrittenOffError(payment_id=payment_id)
            if credited is not None and credited.account == part.account:
                raise CorrectionTargetError
            taken = part.amount if amount is None else amount
            if not 0 < taken <= part.amount:
                raise CorrectionAmountError(most=Money(part.amount))
            others = [store.correction_of(row) for row in await connection.fetch(Q.corrections_of, payment_id)]
            if any(other.state is CorrectionState.REQUESTED and other.part_no == part_no for other in others):
                raise CorrectionOpenError(payment_id=payment_id)
            correction_id = await connection.fetchval(
                Q.insert_correction,
                payment_id,
                part_no,
                taken,
                request_id,
                kind,
                target,
                part.account.shard,
                part.account.account_id,
                part.op_id,
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
            part = await _lock_part(connection, correction.payment_id, correction.part_no)
            if target is not None and target.account == part.account:
                raise CorrectionTargetError
            payment = await store.payment(connection, part.payment_id)
            assert payment is not None
            taken = await self._take_back(connection, payment, part, correction, allow_debt=allow_debt)
            forced = taken.forced
            if target is None:
                gone = replace(part, state=PaymentState.WRITTEN_OFF, op_id=taken.op_id, balance=taken.balance)
                await _place(connection, part, correction, gone, taken)
            else:
                op_id = f"correction:{correction_id}:credit"
                became = await self._topups.credit(connection, _moved(payment, correction, target, op_id))
                there = replace(
                    part,
                    state=PaymentState.MOVED,
                    msisdn=target.msisdn,
                    subscriber_id=target.subscriber_id,
                    account=target.account,
                    op_id=op_id,
                    balance=became.balance,
                )
                await _place(connection, part, correction, there, taken)
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
        self, connection: Connection, payment: Payment, part: Part, correction: Correction, *, allow_debt: bool
    ) -> Taken:
        """Reverse what gave the part; what stays of it is credited anew first, so that only the rest must be there.

        Every part is then again exactly one operation of the ledger.
        """
        op_id, rest_id = f"correction:{correction.correction_id}:reverse", f"correction:{correction.correction_id}:rest"
        details = {"label": f"correction.{correction.kind}", "payment": part.payment_id}
        ops = [ledger_model.reverse(part.account, op_id, target=part.op_id, forced=allow_debt, details=details)]
        if correction.amount < part.amount:
            rest = part.amount - correction.amount
            contra = CONTRA[payment.channel]
            ops.insert(0, ledger_model.credit(part.account, rest_id, rest, contra=contra, details=details))
        outcomes = await self._ledger.apply(connection, ops)
        outcome = outcomes[-1]
        match outcome.status:
            case Status.OK:
                await self._settle(connection, part, op_id, rest_id, correction)
                had = max(outcome.main_after + correction.amount, 0)
                forced = Tiyn(correction.amount - min(correction.amount, had))
                return Taken(op_id, rest_id, Tiyn(outcome.main_after), forced)
            case Status.SPENT:
                raise PaymentSpentError(payment_id=part.payment_id)
            case other:
                raise TopUpRefusedError(account=str(part.account), why=other.name.lower())

    async def _settle(
        self, connection: Connection, part: Part, op_id: str, rest_id: str, correction: Correction
    ) -> None:
        """Open the invoices again that the part paid; what stays of it pays them first."""
        opened = await self._invoicing.deallocate(connection, part.account, part.op_id, by=op_id)
        rest = Tiyn(part.amount - correction.amount)
        if rest:
            named = [(allocation.invoice_id, Tiyn(-allocation.amount)) for allocation in opened]
            await self._invoicing.allocate(connection, part.account, rest_id, rest, self._clock.now(), named)

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


async def _lock_part(connection: Connection, payment_id: PaymentId, part_no: int) -> Part:
    if not await store.lock_payment(connection, payment_id):
        raise PaymentUnknownError(payment_id=payment_id)
    part = await store.part(connection, payment_id, part_no)
    if part is None:
        raise PartUnknownError(payment_id=payment_id, part_no=part_no)
    return part


async def _place(connection: Connection, part: Part, correction: Correction, now: Part, taken: Taken) -> None:
    """Record where the corrected money is: the part itself, or what was split off it."""
    place = (now.state, now.account.shard, now.account.account_id, now.op_id)
    whose = (now.msisdn, now.subscriber_id, now.balance)
    if correction.amount == part.amount:
        await connection.execute(Q.move_part, part.payment_id, part.part_no, *place, *whose)
        return
    await connection.execute(Q.split_part, part.payment_id, part.part_no, *place, correction.amount, *whose)
    rest = part.amount - correction.amount
    await connection.execute(Q.keep_rest, part.payment_id, part.part_no, taken.rest_id, rest, taken.balance)


def _moved(payment: Payment, correction: Correction, target: Target, op_id: str) -> TopUp:
    return TopUp(
        account=target.account,
        subscriber_id=target.subscriber_id,
        msisdn=target.msisdn,
        amount=correction.amount,
        op_id=op_id,
        contra=CONTRA[payment.channel],
        channel=payment.channel,
        reference=str(payment.payment_id),
        request_id=op_id,
        label="topup.correction",
        details={"payment": payment.payment_id},
    )


def _same(
    correction: Correction,
    payment_id: PaymentId,
    part_no: int,
    kind: CorrectionKind,
    target: Msisdn | None,
    amount: Tiyn | None,
) -> Correction:
    asked = (payment_id, part_no, kind, target, correction.amount if amount is None else amount)
    first = (correction.payment_id, correction.part_no, correction.kind, correction.target_msisdn, correction.amount)
    if first != asked:
        raise RequestReusedError(request_id=correction.request_id)
    return correction


def _refuse_same_person(correction: Correction, actor: str) -> None:
    if correction.requested_by == actor:
        raise SamePersonError


def _refuse_decided(correction: Correction) -> None:
    if correction.state is not CorrectionState.REQUESTED:
        raise CorrectionDecidedError(correction_id=correction.correction_id, state=correction.state)
