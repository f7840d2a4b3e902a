"""The registry of payments: every way in credits through here, and every payment is found again by any of its ids."""

from __future__ import annotations

from collections.abc import Mapping

from telco.billing.payments import rules, store
from telco.billing.payments.errors import (
    PayeeEndedError,
    PayeeMalformedError,
    PayeePortedError,
    PayeeUnknownError,
    PaymentUnknownError,
)
from telco.billing.payments.model import Channel, NewPayment, Payment, PaymentId, Standing, Target
from telco.billing.payments.store import Q
from telco.billing.topups import TopUp, TopUps
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.ids import AccountRef
from telco.kernel.msisdn import Msisdn
from telco.subscribers.service import Subscribers
from telco.subscribers.standing import NumberStanding, number_standing

MOST_FOUND = 100
OP = "payment:{payment_id}"

CONTRA: Mapping[Channel, str] = {
    Channel.TERMINAL: "cash.terminal",
    Channel.BANK: "cash.bank",
    Channel.CASH_DESK: "cash.desk",
}
"""The operator's account on the other side of each channel's payments."""

_STANDINGS: Mapping[NumberStanding, Standing] = {
    NumberStanding.IN_USE: Standing.UNKNOWN,  # it came into use between the two reads: the next try finds it
    NumberStanding.UNKNOWN: Standing.UNKNOWN,
    NumberStanding.ENDED: Standing.ENDED,
    NumberStanding.PORTED_OUT: Standing.PORTED_OUT,
}

_REFUSALS: Mapping[Standing, type[DomainError]] = {
    Standing.MALFORMED: PayeeMalformedError,
    Standing.UNKNOWN: PayeeUnknownError,
    Standing.ENDED: PayeeEndedError,
    Standing.PORTED_OUT: PayeePortedError,
}


class Payments:
    """Use cases that every channel shares."""

    def __init__(self, database: Database, clock: Clock, subscribers: Subscribers, topups: TopUps) -> None:
        self._database = database
        self._clock = clock
        self._subscribers = subscribers
        self._topups = topups

    async def resolve(self, named: str) -> Target | Standing:
        """Find whose account a payer names, by number or personal account, or say why nobody's.

        It reads on a connection of its own, so it is called before a transaction, never in one.
        """
        parsed = rules.parse_named(named)
        match parsed:
            case None:
                return Standing.MALFORMED
            case AccountRef():
                using = await self._subscribers.find_by_account(parsed)
                return Target(using[0].subscriber_id, using[0].msisdn, parsed) if using else Standing.UNKNOWN
            case _:
                return await self._resolve_number(parsed)

    async def _resolve_number(self, msisdn: Msisdn) -> Target | Standing:
        subscriber = await self._subscribers.find(msisdn)
        if subscriber is not None:
            return Target(subscriber.subscriber_id, subscriber.msisdn, subscriber.account)
        return _STANDINGS[await number_standing(self._database, msisdn, self._clock.now())]

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
        """Record a payment and credit it, in the caller's transaction: both or neither.

        The caller has looked for an earlier payment of this id under its lock. An open trust payment is repaid; what is
        more than is owed stays as an advance.

        Raises:
            TopUpRefusedError: the ledger has no such account.

        Contract: PSC-4.1, PSC-1.1.12
        """
        payment_id = await store.insert_payment(connection, new, self._clock.now())
        op_id = OP.format(payment_id=payment_id)
        credited = await self._topups.credit(
            connection,
            TopUp(
                account=new.target.account,
                subscriber_id=new.target.subscriber_id,
                msisdn=new.target.msisdn,
                amount=new.amount,
                op_id=op_id,
                contra=CONTRA[new.channel],
                channel=new.channel,
                reference=str(payment_id),
                request_id=new.request_id,
                label=f"topup.{new.channel}",
                details={"payment": payment_id, "source": new.source},
            ),
        )
        return await store.set_credited(connection, payment_id, op_id, credited.trust_repaid, credited.balance)

    async def get(self, payment_id: PaymentId) -> Payment:
        """Read a payment by our id.

        Raises:
            PaymentUnknownError
        """
        row = await self._database.fetchrow(Q.payment, payment_id)
        if row is None:
            raise PaymentUnknownError(payment_id=payment_id)
        return store.payment_of(row)

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
