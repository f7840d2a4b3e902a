"""Which fees come next for a number: of its plan, or the one that follows, and of its services."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Plan
from telco.db.pool import Connection
from telco.kernel.ids import SubscriberId
from telco.kernel.money import Tiyn
from telco.subscribers import periods, store, store_services
from telco.subscribers.desk import Desk
from telco.subscribers.model import ActiveService, FeeKind, PlanState, ServiceState, Subscription


@dataclass(frozen=True, slots=True)
class FeeAhead:
    """A fee to come; `due_at` is None for one that is due and waits for money."""

    kind: FeeKind
    code: str
    version: int
    amount: Tiyn
    due_at: datetime | None


class FeesAhead:
    """Says what will be taken next. Changes nothing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def of(self, subscriber_id: SubscriberId) -> list[FeeAhead]:
        """The next fee of the plan and of each service: those that wait for money first, then by day.

        Raises:
            SubscriberUnknownError

        Contract: PSC-1.1.2, PSC-2.10, PSC-3.2.4
        """
        now = self._desk.clock.now()
        async with self._desk.db.acquire() as conn:
            subscription = await store.subscription(conn, subscriber_id)
            found = [
                await self._of_plan(conn, subscription, now),
                *(self._of_service(service) for service in await store_services.services_on(conn, subscriber_id, now)),
            ]
        ahead = [fee for fee in found if fee is not None and fee.amount > 0]
        return sorted(ahead, key=lambda fee: (fee.due_at is not None, fee.due_at or now, fee.kind))

    async def _of_plan(self, conn: Connection, subscription: Subscription, now: datetime) -> FeeAhead | None:
        catalogue, change = self._desk.catalogue(), None
        plan = catalogue.plan_version(subscription.plan_code, subscription.plan_version)
        waiting = await store_services.waiting_plan_change(conn, subscription.subscriber_id)
        if waiting is not None:
            change = catalogue.plan_version(waiting.to_plan, waiting.to_version)
        if subscription.plan_state is PlanState.AWAITING_PAYMENT:
            return self._first(change or plan, now, None, changes=change is not None)
        due_at, until = subscription.next_fee_at, subscription.plan_until
        if until is not None and (due_at is None or until <= due_at):
            return self._first(change or _successor(catalogue, plan, until), until, until, changes=False)
        if due_at is None:
            return None
        if change is not None:
            return self._first(change, due_at, due_at, changes=True)
        return FeeAhead(FeeKind.PLAN, plan.code, plan.version, plan.fee, due_at)

    def _first(self, plan: Plan, begins: datetime, due_at: datetime | None, *, changes: bool) -> FeeAhead:
        fee = periods.first_period(plan, self._desk.calendar.today(begins)).fee
        amount = fee + plan.joining_price if changes else fee
        return FeeAhead(FeeKind.PLAN, plan.code, plan.version, Tiyn(amount), due_at)

    def _of_service(self, service: ActiveService) -> FeeAhead | None:
        offer = self._desk.catalogue().service_version(service.code, service.version)
        if service.state is ServiceState.AWAITING_PAYMENT:
            return FeeAhead(FeeKind.SERVICE, offer.code, offer.version, offer.price, None)
        if service.next_fee_at is None:
            return None
        return FeeAhead(FeeKind.SERVICE, offer.code, offer.version, offer.price, service.next_fee_at)


def _successor(catalogue: Catalogue, plan: Plan, at: datetime) -> Plan:
    assert plan.successor is not None  # a plan without one has no end (`set_plan`)
    return catalogue.plan(plan.successor, at)
