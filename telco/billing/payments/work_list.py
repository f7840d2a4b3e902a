"""The work list: money and differences that need somebody to decide. Nothing is unallocated and unseen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import date

from telco.billing.payments import store
from telco.billing.payments.bank_transfers import BankTransfers
from telco.billing.payments.errors import (
    PaymentReusedError,
    WorkItemDecidedError,
    WorkItemNoMoneyError,
    WorkItemNotCompanyError,
    WorkItemSharesError,
    WorkItemUnknownError,
)
from telco.billing.payments.model import (
    BANK_ITEM,
    Channel,
    DifferenceKind,
    DocumentReason,
    ItemState,
    NewPayment,
    Payment,
    PaymentId,
    Share,
    WorkItem,
    WorkItemId,
)
from telco.billing.payments.service import Payments
from telco.billing.payments.store import Q
from telco.db import audit
from telco.db.pool import Connection, Database
from telco.kernel.clock import Clock

NO_MONEY = frozenset({DocumentReason.NOT_RECEIVED, DocumentReason.NOT_OUR_ACCOUNT, DocumentReason.REVERSED})
"""Bank documents that are on the list although no money came."""


class WorkList:
    """Use cases of the work list."""

    def __init__(self, database: Database, clock: Clock, payments: Payments, transfers: BankTransfers) -> None:
        self._database = database
        self._clock = clock
        self._payments = payments
        self._transfers = transfers

    async def items(self, state: ItemState, kind: str | None, after: int, limit: int) -> list[WorkItem]:
        """List items in a state, the oldest first, from beyond the id `after`."""
        rows = await self._database.fetch(Q.work_items, state, kind, after, limit)
        return [store.item_of(row) for row in rows]

    async def search(self, external_id: str) -> list[WorkItem]:
        """Find items by the id of what came in."""
        return [store.item_of(row) for row in await self._database.fetch(Q.search_items, external_id, 100)]

    async def allocate(self, item_id: WorkItemId, named: str, *, actor: str, reason: str) -> WorkItem:
        """Credit an item's money to the number or account named.

        Raises:
            WorkItemUnknownError, WorkItemDecidedError
            WorkItemNoMoneyError: it brought none.
            PayeeMalformedError, PayeeUnknownError, PayeeEndedError, PayeePortedError
            PaymentReusedError: the payment came in by itself meanwhile.

        Contract: PSC-3.2.4-4
        """
        target = await self._payments.target(named)

        async def body(connection: Connection) -> WorkItem:
            item = await self._lock(connection, item_id)
            shares = (Share(target, item.amount, named),)
            new = await self._payment(connection, item, named, shares, actor)
            return await self._credit(connection, item, new, actor=actor, reason=reason)

        return await self._database.transact("payments.allocate_item", body)

    async def allocate_shares(
        self,
        item_id: WorkItemId,
        shares: tuple[Share, ...],
        named: str,
        *,
        actor: str,
        reason: str,
        within: Callable[[Connection, Payment], Awaitable[None]],
    ) -> WorkItem:
        """Credit an item's money in shares, all of it or nothing; `within` is done in the same transaction.

        Raises:
            WorkItemUnknownError, WorkItemDecidedError, WorkItemNoMoneyError
            WorkItemSharesError: the shares are not the item's money.
            PaymentReusedError: the payment came in by itself meanwhile.

        Contract: PSC-3.2.4-4
        """

        async def body(connection: Connection) -> WorkItem:
            item = await self._lock(connection, item_id)
            if sum(share.amount for share in shares) != item.amount:
                raise WorkItemSharesError(item_id=item_id)
            new = await self._payment(connection, item, named, shares, actor)
            return await self._credit(connection, item, new, actor=actor, reason=reason, within=within)

        return await self._database.transact("payments.allocate_shares", body)

    async def _credit(
        self,
        connection: Connection,
        item: WorkItem,
        new: NewPayment,
        *,
        actor: str,
        reason: str,
        within: Callable[[Connection, Payment], Awaitable[None]] | None = None,
    ) -> WorkItem:
        await store.lock_external(connection, new.channel, new.source, new.external_id)
        earlier = await store.payment_by_external(connection, new.channel, new.source, new.external_id)
        if earlier is not None:
            raise PaymentReusedError(external_id=item.external_id)
        payment = await self._payments.credit(connection, new)
        if item.document_id is not None:
            await connection.execute(Q.set_document, item.document_id, "credited", payment.payment_id)
        if within is not None:
            await within(connection, payment)
        return await self._decide(
            connection, item, ItemState.ALLOCATED, actor=actor, reason=reason, payment_id=payment.payment_id
        )

    # Companies: what they pay for is found out by the feature of that name

    async def with_reason(self, reason: str, limit: int) -> list[WorkItem]:
        """List open items of bank documents with a reason, the oldest first."""
        return [store.item_of(row) for row in await self._database.fetch(Q.items_with_reason, BANK_ITEM, reason, limit)]

    async def of_orders(self, orders: Collection[tuple[str, str, date]], reasons: Collection[str]) -> list[WorkItem]:
        """List open items of payment orders (payer, number, day), with any of the reasons."""
        rows = await self._database.fetch(Q.items_of_orders, *map(list, zip(*orders, strict=True)), list(reasons))
        return [store.item_of(row) for row in rows]

    async def company_item(self, item_id: WorkItemId, reasons: Collection[str]) -> WorkItem:
        """Read an open item of a company's payment.

        Raises:
            WorkItemUnknownError, WorkItemDecidedError
            WorkItemNotCompanyError: it has none of the reasons.
        """
        row = await self._database.fetchrow(Q.item, item_id)
        if row is None:
            raise WorkItemUnknownError(item_id=item_id)
        item = store.item_of(row)
        if item.state is not ItemState.OPEN:
            raise WorkItemDecidedError(item_id=item_id, state=item.state)
        if item.kind != BANK_ITEM or item.reason not in reasons:
            raise WorkItemNotCompanyError(item_id=item_id)
        return item

    async def note(self, item_id: WorkItemId, reason: str, proposal: str, facts: dict[str, object]) -> None:
        """Say more exactly why an open item waits, and what is proposed."""
        await self._database.transact(
            "payments.note_item", lambda connection: connection.execute(Q.note_item, item_id, reason, proposal, facts)
        )

    async def close(self, item_id: WorkItemId, *, actor: str, reason: str) -> WorkItem:
        """Close an item with what was found out: paid back, explained, corrected by the provider.

        Raises:
            WorkItemUnknownError, WorkItemDecidedError
        """

        async def body(connection: Connection) -> WorkItem:
            item = await self._lock(connection, item_id)
            return await self._decide(connection, item, ItemState.CLOSED, actor=actor, reason=reason)

        return await self._database.transact("payments.close_item", body)

    async def _lock(self, connection: Connection, item_id: WorkItemId) -> WorkItem:
        row = await connection.fetchrow(Q.lock_item, item_id)
        if row is None:
            raise WorkItemUnknownError(item_id=item_id)
        item = store.item_of(row)
        if item.state is not ItemState.OPEN:
            raise WorkItemDecidedError(item_id=item_id, state=item.state)
        return item

    async def _payment(
        self, connection: Connection, item: WorkItem, named: str, shares: tuple[Share, ...], actor: str
    ) -> NewPayment:
        if item.kind == BANK_ITEM and item.reason not in NO_MONEY:
            if item.document_id is None:
                return self._plain(item, Channel.BANK, f"item:{item.item_id}", named, shares, actor)
            row = await connection.fetchrow(Q.document, item.document_id)
            assert row is not None
            return self._transfers.payment(row["document_key"], store.document_of(row), named, shares, actor)
        if item.kind == DifferenceKind.MISSING_HERE:
            return self._plain(item, Channel.TERMINAL, item.external_id, named, shares, actor)
        raise WorkItemNoMoneyError(item_id=item.item_id)

    def _plain(
        self, item: WorkItem, channel: Channel, external_id: str, named: str, shares: tuple[Share, ...], actor: str
    ) -> NewPayment:
        return NewPayment(
            channel=channel,
            source=item.source,
            external_id=external_id,
            named=item.named or named,
            shares=shares,
            paid_at=item.paid_at,
            booked_by=actor,
            request_id=f"work_item:{item.item_id}",
            document_number=item.external_id if channel is Channel.BANK else None,
        )

    async def _decide(
        self,
        connection: Connection,
        item: WorkItem,
        state: ItemState,
        *,
        actor: str,
        reason: str,
        payment_id: PaymentId | None = None,
    ) -> WorkItem:
        now = self._clock.now()
        row = await connection.fetchrow(Q.decide_item, item.item_id, state, now, actor, reason, payment_id)
        assert row is not None
        await audit.record(
            connection,
            at=now,
            actor=actor,
            action=f"payments.item_{state}",
            subject=f"work_item:{item.item_id}",
            ground=reason,
            details={"kind": item.kind, "payment_id": payment_id},
        )
        return store.item_of(row)
