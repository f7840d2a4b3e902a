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
from telco.ledger.model import Op, Status
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
        [credited] = await self.credit_all(connection, [top_up])
        return credited

    async def credit_all(self, connection: Connection, top_ups: Sequence[TopUp]) -> list[Credited]:
        """Do the same for many accounts: all of it or nothing, in few statements however many they are.

        Raises:
            TopUpRefusedError: the ledger has no such account.

        Contract: PSC-4.1, PSC-3.1.6, PSC-3.1.7, PSC-3.2.4-4
        """
        outcomes = await self._ledger.apply(connection, [_operation(top_up) for top_up in top_ups])
        for top_up, outcome in zip(top_ups, outcomes, strict=True):
            if outcome.status is not Status.OK:
                raise TopUpRefusedError(account=str(top_up.account), why=outcome.status.name.lower())
        repaid = await self._repay(connection, top_ups)
        allocated = await self._allocate(connection, top_ups)
        owed = dict.fromkeys((top_up.account for top_up in top_ups), Tiyn(0))
        credited: list[Credited] = []
        for top_up, outcome, paid, allocations in zip(top_ups, outcomes, repaid, allocated, strict=True):
            owed[top_up.account] = Tiyn(owed[top_up.account] + paid)
            credited.append(Credited(Tiyn(outcome.main_after - owed[top_up.account]), paid, allocations))
        events = [_event(top_up, became) for top_up, became in zip(top_ups, credited, strict=True)]
        await outbox.emit_many(connection, events, at=self._clock.now())
        return credited

    async def _repay(self, connection: Connection, top_ups: Sequence[TopUp]) -> list[Tiyn]:
        """Repay open trust payments, each from the first top-up of its account."""
        waiting = {top_up.account for top_up in top_ups}
        if len(waiting) > 1:  # for one account the repayment itself looks
            waiting = await self._trust.open_of(connection, waiting)
        repaid: list[Tiyn] = []
        for top_up in top_ups:
            first = top_up.account in waiting
            waiting.discard(top_up.account)
            repaid.append(await self._trust.repay(connection, top_up.account, top_up.op_id) if first else Tiyn(0))
        return repaid

    async def _allocate(self, connection: Connection, top_ups: Sequence[TopUp]) -> list[Sequence[Allocation]]:
        """Pay the invoices of those accounts that have any."""
        billed = {top_up.account for top_up in top_ups}
        if len(billed) > 1:  # for one account the allocation itself looks
            billed = await self._invoicing.billed(connection, billed)
        at = self._clock.now()
        return [
            await self._invoicing.allocate(connection, top_up.account, top_up.op_id, top_up.amount, at, top_up.named)
            if top_up.account in billed
            else ()
            for top_up in top_ups
        ]


def _operation(top_up: TopUp) -> Op:
    return ledger_model.credit(
        top_up.account,
        top_up.op_id,
        top_up.amount,
        contra=top_up.contra,
        details={"label": top_up.label, **top_up.details},
    )


def _event(top_up: TopUp, credited: Credited) -> tuple[str, str, dict[str, object]]:
    payload: dict[str, object] = {
        "subscriber_id": top_up.subscriber_id,
        "msisdn": top_up.msisdn,
        "shard": top_up.account.shard,
        "account_id": top_up.account.account_id,
        "amount": top_up.amount,
        "balance": credited.balance,
        "channel": top_up.channel,
        "reference": top_up.reference,
        "request_id": top_up.request_id,
    }
    return "billing.credited", f"account:{top_up.account}", payload
