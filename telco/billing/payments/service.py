"""The registry of payments: every way in credits through here, and every payment is found again by any of its ids."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from telco.billing.invoicing.model import InvoiceId
from telco.billing.payments import rules, store
from telco.billing.payments.errors import (
    PayeeEndedError,
    PayeeMalformedError,
    PayeePortedError,
    PayeeUnknownError,
    PaymentUnknownError,
)
from telco.billing.payments.model import (
    Channel,
    NewPayment,
    Part,
    Payment,
    PaymentId,
    PaymentState,
    Share,
    Standing,
    Target,
)
from telco.billing.payments.payees import Payees
from telco.billing.payments.store import Q
from telco.billing.topups import TopUp, TopUps
from telco.db.coalesce import Coalescer
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError

MOST_FOUND = 100

CONTRA: Mapping[Channel, str] = {
    Channel.TERMINAL: "cash.terminal",
    Channel.BANK: "cash.bank",
    Channel.CASH_DESK: "cash.desk",
}
"""The operator's account on the other side of each channel's payments."""

_REFUSALS: Mapping[Standing, type[DomainError]] = {
    Standing.MALFORMED: PayeeMalformedError,
    Standing.UNKNOWN: PayeeUnknownError,
    Standing.ENDED: PayeeEndedError,
    Standing.PORTED_OUT: PayeePortedError,
}


class Payments:
    """Use cases that every channel shares."""

    def __init__(self, database: Database, clock: Clock, payees: Payees, topups: TopUps) -> None:
        self._database = database
        self._clock = clock
        self._payees = payees
        self._topups = topups
        self._resolved: Coalescer[str, Target | Standing] = Coalescer(payees.resolve)

    async def resolve(self, named: str) -> Target | Standing:
        """Find whose account a payer names, by number or personal account, or say why nobody's.

        It reads on a connection of its own, together with whatever else is asked for now, so it is called before a
        transaction, never in one.
        """
        resolved = await self._resolved.get(named)
        assert resolved is not None
        return resolved

    async def resolve_many(self, names: Collection[str]) -> dict[str, Target | Standing]:
        """Do the same for many at once."""
        return await self._payees.resolve(names)

    async def target(self, named: str) -> Target:
        """Find whose account is named.

        Raises:
            PayeeMalformedError, PayeeUnknownError, PayeeEndedError, PayeePortedError
        """
        resolved = await self.resolve(named)
        if isinstance(resolved, Standing):
            raise _REFUSALS[resolved](named=named[: rules.MAX_NAMED])
        return resolved

    async def credit(self, connection: Connection, new: NewPayment) -> Payment:
        """Record a payment and credit its shares, in the caller's transaction: all or nothing.

        The caller has looked for an earlier payment of this id under its lock. An open trust payment is repaid; what is
        more than is owed stays as an advance.

        Raises:
            TopUpRefusedError: the ledger has no such account.

        Contract: PSC-4.1, PSC-1.1.12, PSC-3.2.4-4
        """
        [payment_id] = await self.credit_all(connection, [new])
        payment = await store.payment(connection, payment_id)
        assert payment is not None
        return payment

    async def credit_all(self, connection: Connection, payments: Sequence[NewPayment]) -> list[PaymentId]:
        """Do the same for many payments in few statements, all or nothing, and return our ids in their order.

        Raises:
            TopUpRefusedError: the ledger has no such account.

        Contract: PSC-4.1, PSC-1.1.12
        """
        payment_ids = await store.insert_payments(connection, payments, self._clock.now())
        shares = [
            (new, share, payment_id, number)
            for new, payment_id in zip(payments, payment_ids, strict=True)
            for number, share in enumerate(new.shares, 1)
        ]
        top_ups = [_top_up(*share) for share in shares]
        credited = await self._topups.credit_all(connection, top_ups)
        parts = [
            Part(
                payment_id=payment_id,
                part_no=number,
                named=share.named,
                msisdn=share.target.msisdn,
                subscriber_id=share.target.subscriber_id,
                account=share.target.account,
                op_id=top_up.op_id,
                amount=share.amount,
                trust_repaid=became.trust_repaid,
                balance=became.balance,
                state=PaymentState.CREDITED,
            )
            for (_, share, payment_id, number), top_up, became in zip(shares, top_ups, credited, strict=True)
        ]
        await store.insert_parts(connection, parts)
        return payment_ids

    async def get(self, payment_id: PaymentId) -> Payment:
        """Read a payment by our id.

        Raises:
            PaymentUnknownError
        """
        row = await self._database.fetchrow(Q.payment, payment_id)
        if row is None:
            raise PaymentUnknownError(payment_id=payment_id)
        return store.payment_of(row)

    async def parts(self, payment_id: PaymentId, after: int = 0, limit: int = MOST_FOUND) -> list[Part]:
        """List a payment's parts from beyond the part `after`.

        Raises:
            PaymentUnknownError
        """
        rows = await self._database.fetch(Q.parts, payment_id, after, limit)
        if not rows:
            await self.get(payment_id)
        return [store.part_of(row) for row in rows]

    async def search(self, text: str) -> list[Payment]:
        """Find payments by any of their ids (ours, the provider's, the document's, the receipt's), number or account.

        The newest come first, at most `MOST_FOUND`.
        """
        ours = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
        rows = await self._database.fetch(Q.search_payments, ours, text, MOST_FOUND)
        found = {row["payment_id"]: store.payment_of(row) for row in rows}
        resolved = await self.resolve(text)
        if isinstance(resolved, Target):
            account = resolved.account
            rows = await self._database.fetch(Q.payments_of_account, account.shard, account.account_id, MOST_FOUND)
            found |= {row["payment_id"]: store.payment_of(row) for row in rows}
        return [found[payment_id] for payment_id in sorted(found, reverse=True)][:MOST_FOUND]


def _top_up(new: NewPayment, share: Share, payment_id: PaymentId, part_no: int) -> TopUp:
    return TopUp(
        account=share.target.account,
        subscriber_id=share.target.subscriber_id,
        msisdn=share.target.msisdn,
        amount=share.amount,
        op_id=f"payment:{payment_id}" if len(new.shares) == 1 else f"payment:{payment_id}:{part_no}",
        contra=CONTRA[new.channel],
        channel=new.channel,
        reference=str(payment_id),
        request_id=new.request_id,
        label=f"topup.{new.channel}",
        details={"payment": payment_id, "source": new.source},
        named=() if share.invoice_id is None else ((InvoiceId(share.invoice_id), share.amount),),
    )
