"""Plans in use, plan changes and additional services, with the periods of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from telco.catalog.model import OfferKind, Plan, ServiceOffer
from telco.db.pool import Connection, Record
from telco.kernel.ids import SubscriberId
from telco.subscribers.errors import NoPlanChangeError, ServiceOnError, violations
from telco.subscribers.model import (
    ActiveService,
    FeeResult,
    PlanChange,
    PlanChangeState,
    PlanQuote,
    ServiceId,
    ServiceState,
    Subscription,
)
from telco.subscribers.periods import Period, plan_end
from telco.subscribers.store import Q, to_subscription

# Plans


async def set_plan(conn: Connection, subscriber_id: SubscriberId, plan: Plan, now: datetime) -> Subscription:
    """A subscription joins a plan; its first period is not yet paid. A promotional plan has an end."""
    row = await conn.fetchrow(
        Q.set_plan, subscriber_id, plan.code, plan.version, plan.brand, plan.settlement, now, plan_end(plan, now)
    )
    assert row is not None
    return to_subscription(row)


async def mark_periods(conn: Connection, results: Sequence[FeeResult]) -> None:
    """Begin the periods that plan fees paid for; where a fee was not taken, wait for its payment."""
    taken = [result for result in results if result.taken]
    if taken:
        await conn.execute(Q.begin_periods, [r.due.subscriber_id for r in taken], *_periods(taken))
    if refused := [result for result in results if not result.taken]:
        await conn.execute(Q.await_payments, [r.due.subscriber_id for r in refused], *_waits(refused))


def _periods(taken: Sequence[FeeResult]) -> tuple[list[object], ...]:
    return (
        [result.due.anchor for result in taken],
        [result.due.index for result in taken],
        [result.due.start for result in taken],
        [result.next_fee_at for result in taken],
    )


def _waits(refused: Sequence[FeeResult]) -> tuple[list[object], ...]:
    """When each is tried again, and how often it was refused: suspended time is no refusal."""
    return (
        [result.next_fee_at for result in refused],
        [result.due.attempt + (result.due.idle_until is None) for result in refused],
    )


async def add_plan_change(
    conn: Connection, subscription: Subscription, quote: PlanQuote, *, now: datetime, author: str, waiting: bool
) -> int:
    """Note a plan change; a waiting one takes the place of an earlier one that waited."""
    if waiting:
        await conn.fetch(Q.cancel_plan_change, subscription.subscriber_id)
    change_id: int = await conn.fetchval(
        Q.add_plan_change,
        subscription.subscriber_id,
        subscription.plan_code,
        subscription.plan_version,
        quote.to_plan,
        quote.to_version,
        now,
        quote.effective_at,
        quote.cost,
        PlanChangeState.WAITING if waiting else PlanChangeState.DONE,
        author,
    )
    return change_id


async def finish_plan_change(conn: Connection, change_id: int, now: datetime) -> None:
    await conn.execute(Q.finish_plan_change, change_id, now)


async def cancel_plan_change(conn: Connection, subscriber_id: SubscriberId) -> PlanChange:
    """Give up the waiting change.

    Raises:
        NoPlanChangeError
    """
    row = await conn.fetchrow(Q.cancel_plan_change, subscriber_id)
    if row is None:
        raise NoPlanChangeError()
    return to_plan_change(row)


async def waiting_plan_change(conn: Connection, subscriber_id: SubscriberId) -> PlanChange | None:
    row = await conn.fetchrow(Q.waiting_plan_change, subscriber_id)
    return None if row is None else to_plan_change(row)


async def plan_changes(conn: Connection, subscriber_id: SubscriberId, limit: int) -> list[PlanChange]:
    return [to_plan_change(row) for row in await conn.fetch(Q.plan_changes, subscriber_id, limit)]


def to_plan_change(row: Record) -> PlanChange:
    return PlanChange(
        change_id=row["change_id"],
        subscriber_id=row["subscription_id"],
        from_plan=row["from_plan"],
        to_plan=row["to_plan"],
        to_version=row["to_version"],
        requested_at=row["requested_at"],
        effective_at=row["effective_at"],
        cost=row["cost_tiyn"],
        state=PlanChangeState(row["state"]),
    )


# Services


def to_service(row: Record) -> ActiveService:
    return ActiveService(
        service_id=ServiceId(row["service_id"]),
        subscriber_id=row["subscription_id"],
        code=row["code"],
        version=row["version"],
        third_party=row["third_party"],
        paid=row["paid"],
        single=row["single"],
        state=ServiceState(row["state"]),
        switched_on_at=row["switched_on_at"],
        until_at=row["until_at"],
        switched_off_at=row["switched_off_at"],
        period_anchor=row["period_anchor"],
        period_index=row["period_index"],
        period_start=row["period_start"],
        next_fee_at=row["next_fee_at"],
        fee_attempt=row["fee_attempt"],
    )


async def add_service(
    conn: Connection,
    subscriber_id: SubscriberId,
    offer: ServiceOffer,
    period: Period,
    *,
    request_id: str,
    now: datetime,
    until: datetime | None,
    next_fee_at: datetime | None,
) -> ActiveService:
    """Switch a service on.

    Raises:
        ServiceOnError: it is on already; a pack can be bought again, a feature or subscription cannot.
    """
    await conn.execute(Q.end_lapsed_service, subscriber_id, offer.code, now)
    with violations({"service_on_key": ServiceOnError(service=offer.code)}):
        row = await conn.fetchrow(
            Q.add_service,
            subscriber_id,
            offer.code,
            offer.version,
            offer.provider is not None,
            bool(offer.price or offer.event_price),
            is_single(offer),
            request_id,
            now,
            until,
            period.anchor,
            next_fee_at,
        )
    assert row is not None
    return to_service(row)


def is_single(offer: ServiceOffer) -> bool:
    """Whether one can have a service only once at a time; packs that are paid once can be bought again."""
    return offer.kind is not OfferKind.PACK or offer.fee_interval is not None


async def service_by_request(conn: Connection, subscriber_id: SubscriberId, request_id: str) -> ActiveService | None:
    row = await conn.fetchrow(Q.service_by_request, subscriber_id, request_id)
    return None if row is None else to_service(row)


async def services_on(conn: Connection, subscriber_id: SubscriberId, now: datetime) -> list[ActiveService]:
    return [to_service(row) for row in await conn.fetch(Q.services_on, subscriber_id, now)]


async def lock_service_on(conn: Connection, subscriber_id: SubscriberId, code: str) -> ActiveService | None:
    row = await conn.fetchrow(Q.lock_service_on, subscriber_id, code)
    return None if row is None else to_service(row)


async def switch_off(conn: Connection, ids: Collection[ServiceId], now: datetime) -> list[ActiveService]:
    return [to_service(row) for row in await conn.fetch(Q.switch_services_off, list(ids), now)]


async def mark_service_periods(conn: Connection, results: Sequence[FeeResult]) -> None:
    """Begin the periods of services that fees paid for; where a fee was not taken, wait for its payment."""
    taken = [result for result in results if result.taken]
    if taken:
        await conn.execute(Q.begin_service_periods, [r.due.service_id for r in taken], *_periods(taken))
    if refused := [result for result in results if not result.taken]:
        await conn.execute(Q.await_service_payments, [r.due.service_id for r in refused], *_waits(refused))
