"""Money that came in goes to a personal account: the same way whatever it came by.

Contract: PSC-4.1, PSC-3.1.6, PSC-3.1.7
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from telco.billing.errors import TopUpRefusedError
from telco.billing.invoicing.model import Allocation, InvoiceId
from telco.billing.invoicing.service import Invoicing
from telco.billing.trust import TrustPayments
from telco.db import outbox
from telco.db.pool import Connection
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.model import Status
from telco.ledger.service import Ledger


@dataclass(frozen=True, slots=True)
class TopUp:
    """Money for an account."""

    account: AccountRef
    subscriber_id: SubscriberId
    msisdn: Msisdn
    amount: Tiyn
    op_id: str
    """Names the operation in the ledger: the same again credits nothing."""
    contra: str
    """The operator's account on the other side, such as ``cash.card``."""
    channel: str
    reference: str
    """What the payer knows it by: the card's serial, the payment's id."""
    request_id: str
    """The message or request that brought it."""
    label: str
    details: Mapping[str, object] = field(default_factory=dict)
    named: Sequence[tuple[InvoiceId, Tiyn]] = ()
    """Invoices that the payer named, each with its sum; the rest goes to the oldest debt."""


@dataclass(frozen=True, slots=True)
class Credited:
    """What became of a top-up."""

    balance: Tiyn
    """Main balance after it."""
    trust_repaid: Tiyn
    allocations: Sequence[Allocation] = ()
    """Which invoices it paid, in credit settlement."""


class TopUps:
    """The one way of money into personal accounts."""

    def __init__(self, clock: Clock, ledger: Ledger, trust: TrustPayments, invoicing: Invoicing) -> None:
        self._clock = clock
        self._ledger = ledger
        self._trust = trust
        self._invoicing = invoicing

    async def credit(self, connection: Connection, top_up: TopUp) -> Credited:
        """Credit the account, repay its trust payment, pay its invoices and tell the rest of telco: one transaction.

        What is more than is owed stays on the main balance: an advance for services.

        Raises:
            TopUpRefusedError: the ledger has no such account.

        Contract: PSC-4.1, PSC-3.1.6, PSC-3.1.7, PSC-4.3.2
        """
        credit = ledger_model.credit(
            top_up.account,
            top_up.op_id,
            top_up.amount,
            contra=top_up.contra,
            details={"label": top_up.label, **top_up.details},
        )
        [outcome] = await self._ledger.apply(connection, [credit])
        if outcome.status is not Status.OK:
            raise TopUpRefusedError(account=str(top_up.account), why=outcome.status.name.lower())
        repaid = await self._trust.repay(connection, top_up.account, top_up.op_id)
        allocations = await self._invoicing.allocate(
            connection, top_up.account, top_up.op_id, top_up.amount, self._clock.now(), top_up.named
        )
        balance = Tiyn(outcome.main_after - repaid)
        payload: dict[str, object] = {
            "subscriber_id": top_up.subscriber_id,
            "msisdn": top_up.msisdn,
            "shard": top_up.account.shard,
            "account_id": top_up.account.account_id,
            "amount": top_up.amount,
            "balance": balance,
            "channel": top_up.channel,
            "reference": top_up.reference,
            "request_id": top_up.request_id,
        }
        await outbox.emit(connection, "billing.credited", f"account:{top_up.account}", payload, at=self._clock.now())
        return Credited(balance, repaid, allocations)
