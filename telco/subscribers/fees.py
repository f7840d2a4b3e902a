"""Subscription fees of plans and services: which are due, what each takes and grants, what follows.

The run itself is billing's. It reads a batch of due fees, has the ledger take them and marks them, in one transaction:

    dues = await fees.due_plans(conn, now, 400)
    await fees.take_all(conn, dues, now)

Each step is a few statements for the whole batch, however large.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import structlog

from telco.catalog.bonus import WITHOUT_BONUS, Payable, paying_money
from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Allowance, Plan, Renewal, ServiceOffer, Settlement, SuspendedTime
from telco.db import outbox
from telco.db.pool import Connection, Record
from telco.kernel.calendar import Calendar
from telco.kernel.i18n import Language
from telco.kernel.ids import AccountRef, SubscriberId
from telco.kernel.money import Tiyn, json_money
from telco.kernel.msisdn import Msisdn
from telco.ledger import model as ledger_model
from telco.ledger.model import BucketSpec, Op, Outcome, Status
from telco.ledger.service import Ledger
from telco.subscribers import money, periods, store, store_services
from telco.subscribers.desk import Work
from telco.subscribers.model import (
    ActiveService,
    DueFee,
    FeeKind,
    FeeResult,
    Ground,
    PlanState,
    ServiceState,
    Subscription,
)
from telco.subscribers.periods import Period

log = structlog.get_logger(__name__)

BLAMELESS = frozenset({Ground.LOST_DEVICE, Ground.UNAUTHORISED_USE, Ground.AUTHORITY})
"""Grounds on which everything is suspended through no fault of the subscriber's. Contract: PSC-3.1.5.2, PSC-3.1.5.5,
PSC-3.1.5.11"""
LONGEST_WAIT_DAYS = 30
"""How long an unpaid fee waits for another try when nobody tops up; it would not be found paid much sooner."""


JoinedCredit = Callable[[Connection, AccountRef, SubscriberId, datetime], Awaitable[None]]
"""Told, in the same transaction, that a number joined credit settlement: its accounting periods begin."""


async def nobody_counts(_conn: Connection, _account: AccountRef, _subscriber: SubscriberId, _at: datetime) -> None:
    """Nobody counts accounting periods."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A plan that a subscription has joined."""

    subscription: Subscription
    fee: Tiyn
    """What was taken; zero while the plan waits for payment."""


class Fees:
    """Reads, takes and marks subscription fees in the caller's transaction."""

    def __init__(
        self,
        calendar: Calendar,
        catalogue: Callable[[], Catalogue],
        ledger: Ledger,
        joined_credit: JoinedCredit = nobody_counts,
    ) -> None:
        self._calendar = calendar
        self._catalogue = catalogue
        self._ledger = ledger
        self._joined_credit = joined_credit

    # What is due

    async def due_plans(self, conn: Connection, now: datetime, limit: int) -> list[DueFee]:
        """Read and lock plan fees that are due, oldest first, at most `limit`.

        Rows that another run holds are skipped. What was due while the service was down is due for its own period.

        Contract: PSC-1.1.2, PSC-3.2.4
        """
        dues = self._plans_due(await conn.fetch(store.Q.due_plan_fees, now, limit, list(BLAMELESS)), now)
        return [replace(due, asked=False) for due in dues]

    async def due_services(self, conn: Connection, now: datetime, limit: int) -> list[DueFee]:
        """The same of services; those of a number whose plan's fee is due wait for it.

        Contract: PSC-1.1.2, PSC-3.2.4
        """
        dues = self._services_due(await conn.fetch(store.Q.due_service_fees, now, limit, list(BLAMELESS)), now)
        return [replace(due, asked=False) for due in dues]

    async def due(self, conn: Connection, now: datetime, limit: int) -> list[DueFee]:
        """Both, at most `limit` of plans and of services each."""
        return await self.due_plans(conn, now, limit) + await self.due_services(conn, now, limit)

    async def awaits_payment(self, conn: Connection, account: AccountRef) -> bool:
        """Whether a fee of a plan or service waits for money on an account; mostly none does."""
        waits: bool = await conn.fetchval(store.Q.awaits_payment, *account)
        return waits

    async def unpaid_plans(self, conn: Connection, account: AccountRef, now: datetime) -> list[DueFee]:
        """Read and lock the plan fees that wait for money on an account, to try them after a top-up."""
        rows = await conn.fetch(store.Q.unpaid_plan_fees, *account, now, list(BLAMELESS))
        return [due for due in self._plans_due(rows, now) if due.idle_until is None]

    async def unpaid_services(self, conn: Connection, account: AccountRef, now: datetime) -> list[DueFee]:
        """The same of services: read them once the plans are marked, for a plan that begins may end some."""
        rows = await conn.fetch(store.Q.unpaid_service_fees, *account, now, list(BLAMELESS))
        return [due for due in self._services_due(rows, now) if due.idle_until is None]

    async def unpaid(self, conn: Connection, account: AccountRef, now: datetime) -> list[DueFee]:
        """Both, plans first."""
        return await self.unpaid_plans(conn, account, now) + await self.unpaid_services(conn, account, now)

    async def account(self, conn: Connection, subscriber_id: SubscriberId) -> AccountRef | None:
        """The personal account of a subscription in use."""
        row = await conn.fetchrow(store.Q.subscription, subscriber_id)
        return None if row is None else store.to_account(row)

    def _plans_due(self, rows: Sequence[Record], now: datetime) -> list[DueFee]:
        return [self._idle(self._due_plan(store.to_subscription(row), row, now), row, now) for row in rows]

    def _services_due(self, rows: Sequence[Record], now: datetime) -> list[DueFee]:
        return [
            self._idle(self._due_service(store_services.to_service(row), store.to_payer(row), now), row, now)
            for row in rows
        ]

    def _idle(self, due: DueFee, row: Record, now: datetime) -> DueFee:
        """Let a fee wait while its number is suspended, where the plan says that such time is free.

        It is looked at again each day and at the suspension's planned end; `on_resumed` does not wait for that.

        Contract: PSC-1.1.2, PSC-3.1.5
        """
        until: datetime | None = row["suspended_until"]
        if until is None:
            return due
        plan = self._catalogue().plan_version(row["plan_code"], row["plan_version"])
        if plan.suspended is SuspendedTime.CHARGED:
            return due
        tomorrow = self._calendar.start_of_day(self._calendar.today(now) + timedelta(days=1))
        return replace(due, idle_until=min(until, tomorrow))

    def _due_plan(self, subscription: Subscription, row: Record, now: datetime) -> DueFee:
        catalogue, today = self._catalogue(), self._calendar.today(now)
        unpaid = subscription.plan_state is PlanState.AWAITING_PAYMENT
        if row["change_id"] is not None:
            plan = catalogue.plan_version(row["to_plan"], row["to_version"])
            period = periods.first_period(plan, today if unpaid else self._due_day(subscription))
            return plan_fee(subscription, plan, period, change_id=row["change_id"])
        plan = catalogue.plan_version(subscription.plan_code, subscription.plan_version)
        if unpaid:
            return plan_fee(subscription, plan, periods.first_period(plan, today))
        period = periods.next_period(plan, subscription.period_anchor, subscription.period_index)
        return plan_fee(subscription, plan, period)

    def _due_day(self, subscription: Subscription) -> date:
        assert subscription.next_fee_at is not None  # only what is due is read
        return self._calendar.today(subscription.next_fee_at)

    def _due_service(self, service: ActiveService, payer: store.Payer, now: datetime) -> DueFee:
        offer = self._catalogue().service_version(service.code, service.version)
        if service.state is ServiceState.AWAITING_PAYMENT:
            period = periods.first_service_period(offer, self._calendar.today(now))
        else:
            period = periods.next_service_period(offer, service.period_anchor, service.period_index)
        return service_fee(service, payer, offer, period, first=False)

    # Taking a fee

    def operation(self, due: DueFee, now: datetime, *, forced: bool | None = None) -> Op | None:
        """The ledger operation that takes a fee and grants what it pays for; None where there is neither.

        In credit settlement a fee that is due is owed whatever the limit says (`forced` overrides this, for what the
        subscriber only asks for); in prepaid it is taken once there is money.

        Contract: PSC-1.1.2, PSC-4.3.1, PSC-4.3.2
        """
        catalogue = self._catalogue()
        details: dict[str, object] = {"label": f"fee.{due.kind}", "code": due.code}
        if due.kind is FeeKind.PLAN:
            plan = catalogue.plan_version(due.code, due.version)
            given = self._plan_grants(due, plan, now)
            contra, paying = money.REVENUE_PLAN, paying_money(catalogue.bonus_at(now), Payable.PLAN)
        else:
            offer = catalogue.service_version(due.code, due.version)
            given = self._service_grants(due, offer, now)
            if offer.provider is None:
                contra, paying = money.REVENUE_SERVICE, paying_money(catalogue.bonus_at(now), Payable.SERVICE)
            else:
                contra, paying = money.REVENUE_CONTENT, WITHOUT_BONUS
        if due.amount == 0 and not given:
            return None
        return ledger_model.purchase(
            due.account,
            due.op_id,
            ledger_model.sum_charge(due.amount, money=paying),
            grants=given,
            contra=contra,
            details=details,
            forced=due.settlement is Settlement.CREDIT if forced is None else forced,
        )

    async def take(self, conn: Connection, due: DueFee, now: datetime) -> FeeResult:
        """Take one fee and mark it, in the caller's transaction."""
        [result] = await self.take_all(conn, [due], now)
        return result

    async def take_all(self, conn: Connection, dues: Sequence[DueFee], now: datetime) -> list[FeeResult]:
        """Have the ledger take fees, in their order, and mark them, in the caller's transaction."""
        ops = [op for due in dues if due.idle_until is None and (op := self.operation(due, now)) is not None]
        outcomes = {outcome.op_id: outcome for outcome in await self._ledger.apply(conn, ops)} if ops else {}
        return await self.mark_all(conn, [(due, outcomes.get(due.op_id)) for due in dues], now)

    async def mark(self, conn: Connection, due: DueFee, outcome: Outcome | None, now: datetime) -> FeeResult:
        """Mark one fee: see `mark_all`."""
        [result] = await self.mark_all(conn, [(due, outcome)], now)
        return result

    async def mark_all(
        self, conn: Connection, taken: Iterable[tuple[DueFee, Outcome | None]], now: datetime
    ) -> list[FeeResult]:
        """Note that fees were taken, and begin their periods, or that they were not, and when they are tried again.

        Each comes with the outcome of `operation(due)`, applied in this transaction; None means that there was nothing
        to take. A refused fee is tried again after 1, 2, 4 ... days, and at once after a top-up (`unpaid_plans`). One
        that the ledger refuses for another reason than money is a defect: it is logged, and holds nobody else up.

        Contract: PSC-3.2.5
        """
        results, told = [], []
        for due, outcome in taken:
            result = self._result(due, outcome, now)
            results.append(result)
            if result.taken or (due.attempt == 0 and _lacks_money(outcome)):
                told.append(_told(result))
        for result in results:
            if result.taken and result.due.change_id is not None:
                await self._begin_changed_plan(conn, result.due, result.due.change_id, now)
        await store_services.mark_periods(conn, [r for r in results if r.due.kind is FeeKind.PLAN])
        await store_services.mark_service_periods(conn, [r for r in results if r.due.kind is FeeKind.SERVICE])
        await outbox.emit_many(conn, told, at=now)
        return results

    def _result(self, due: DueFee, outcome: Outcome | None, now: datetime) -> FeeResult:
        if due.idle_until is not None:
            return FeeResult(due, False, due.idle_until)
        taken = outcome is None or outcome.status is Status.OK
        if not taken and outcome is not None and not _lacks_money(outcome):
            log.error(
                "fee_refused_by_ledger", op_id=due.op_id, status=outcome.status.name, field=outcome.conflict_field
            )
        return FeeResult(due, taken, self._next_fee_at(due) if taken else self._retry_at(due, now))

    async def _begin_changed_plan(self, conn: Connection, due: DueFee, change_id: int, now: datetime) -> None:
        plan = self._catalogue().plan_version(due.code, due.version)
        await store_services.set_plan(conn, due.subscriber_id, plan, now)
        await store_services.finish_plan_change(conn, change_id, now)
        await self._set_credit_limit(conn, due, plan, now)
        await self.end_unfit_services(conn, due.subscriber_id, plan, now)
        await tell_plan_changed(conn, due.subscriber_id, due.msisdn, due.language, plan, now, asked=due.asked)

    async def _set_credit_limit(
        self, conn: Connection, due: DueFee, plan: Plan, now: datetime, *, joined_at: datetime | None = None
    ) -> None:
        """An account has the limit of the plan joined last; prepaid plans have none, and a mark for "low" notices.

        Contract: PSC-3.2.6, PSC-1.1.26
        """
        account = due.account
        low_mark = None
        if plan.settlement is Settlement.PREPAID:
            low_mark = (await store.terms(conn, self._calendar.today(now)))["low_balance_tiyn"]
        await self._ledger.set_low_mark(conn, account, low_mark)
        op = ledger_model.credit_limit(account, f"credit-limit:{due.op_id}", plan.credit_limit_default)
        await money.apply(self._ledger, conn, op)
        if plan.settlement is Settlement.CREDIT:
            await self._joined_credit(conn, account, due.subscriber_id, joined_at or now)

    def _next_fee_at(self, due: DueFee) -> datetime | None:
        if due.kind is FeeKind.PLAN:
            if not periods.repeats(self._catalogue().plan_version(due.code, due.version)):
                return None
        elif self._catalogue().service_version(due.code, due.version).fee_interval is None:
            return None
        return self._calendar.start_of_day(due.end)

    def _retry_at(self, due: DueFee, now: datetime) -> datetime:
        wait = timedelta(days=min(2**due.attempt, LONGEST_WAIT_DAYS))
        return self._calendar.start_of_day(self._calendar.today(now) + wait)

    async def end_unfit_services(
        self, conn: Connection, subscriber_id: SubscriberId, plan: Plan, now: datetime
    ) -> list[str]:
        """Switch off the services that do not fit a new plan and return their codes."""
        unfit = await self.unfit_services(conn, subscriber_id, plan, now)
        await store_services.switch_off(conn, [service.service_id for service in unfit], now)
        return sorted({service.code for service in unfit})

    async def unfit_services(
        self, conn: Connection, subscriber_id: SubscriberId, plan: Plan, now: datetime
    ) -> list[ActiveService]:
        """The services of a subscription that do not fit a plan; packs that are paid for stay until used up."""
        catalogue = self._catalogue()
        return [
            service
            for service in await store_services.services_on(conn, subscriber_id, now)
            if service.single and not catalogue.service_version(service.code, service.version).fits(plan)
        ]

    # What a fee grants

    def _plan_grants(self, due: DueFee, plan: Plan, now: datetime) -> tuple[BucketSpec, ...]:
        following = periods.next_period(plan, due.anchor, due.index)
        ends = {
            (Renewal.ONCE, False): periods.plan_end(plan, now),
            (Renewal.ONCE, True): periods.plan_end(plan, now),
            (Renewal.INTERVAL, False): self._end(due.end),
            (Renewal.INTERVAL, True): self._end(following.end),
        }
        given = [a for a in plan.allowances if due.first or a.renew is Renewal.INTERVAL]
        return grants([(a, ends[a.renew, a.carry_over]) for a in given], plan.origin, now)

    def _service_grants(self, due: DueFee, offer: ServiceOffer, now: datetime) -> tuple[BucketSpec, ...]:
        if offer.fee_interval is not None:
            until: datetime | None = self._end(due.end)
        else:
            until = offer.lasts.end(now) if offer.lasts is not None else None
        given = [a for a in offer.allowances if due.first or a.renew is Renewal.INTERVAL]
        return grants([(a, until) for a in given], offer.origin, now)

    def _end(self, day: date) -> datetime:
        return self._calendar.start_of_day(day)

    # Joining a plan

    async def join(self, work: Work, subscription: Subscription, plan: Plan, *, at: datetime | None = None) -> Joined:
        """Begin a plan with its first fee and allowances; without enough money it waits for payment.

        It begins now, or `at` a moment that has passed while nothing ran.

        Contract: PSC-1.1.2, PSC-3.2.4, PSC-3.2.5
        """
        begins = at or work.now
        subscription = await store_services.set_plan(work.conn, subscription.subscriber_id, plan, begins)
        due = plan_fee(subscription, plan, periods.first_period(plan, self._calendar.today(begins)))
        due = replace(due, asked=not work.origin.automatic)
        await self._set_credit_limit(work.conn, due, plan, work.now, joined_at=begins)
        row = await work.conn.fetchrow(store.Q.suspended_until, due.subscriber_id, work.now, list(BLAMELESS))
        assert row is not None  # it has been locked
        result = await self.take(work.conn, self._idle(due, row, work.now), work.now)
        joined = await store.lock_subscription(work.conn, subscription.subscriber_id)
        return Joined(joined, due.amount if result.taken else Tiyn(0))


def _lacks_money(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.status is Status.INSUFFICIENT_FUNDS


def _told(result: FeeResult) -> tuple[str, str, dict[str, object]]:
    """The event that tells of a fee: its topic, key and payload."""
    due, next_fee_at = result.due, result.next_fee_at
    payload: dict[str, object] = {
        "subscriber_id": due.subscriber_id,
        "msisdn": due.msisdn,
        "language": due.language,
        "kind": due.kind,
        "code": due.code,
        "version": due.version,
        "amount": json_money(due.amount),
        "first": due.first,
        "next_fee_at": next_fee_at and next_fee_at.isoformat(),
        "op_id": due.op_id,
        "asked": due.asked,
    }
    topic = "subscribers.fee_taken" if result.taken else "subscribers.fee_not_taken"
    return topic, f"subscriber:{due.subscriber_id}", payload


async def tell_plan_changed(
    conn: Connection,
    subscriber_id: SubscriberId,
    msisdn: Msisdn,
    language: Language,
    plan: Plan,
    now: datetime,
    *,
    asked: bool,
) -> None:
    payload: dict[str, object] = {
        "subscriber_id": subscriber_id,
        "msisdn": msisdn,
        "language": language,
        "plan": plan.code,
        "version": plan.version,
        "asked": asked,
    }
    await outbox.emit(conn, "subscribers.plan_changed", f"subscriber:{subscriber_id}", payload, at=now)


def plan_fee(subscription: Subscription, plan: Plan, period: Period, change_id: int | None = None) -> DueFee:
    """The fee of a plan's period; a change to another plan costs its joining price besides."""
    changes = change_id is not None
    amount = period.fee + plan.joining_price if changes else period.fee
    return DueFee(
        kind=FeeKind.PLAN,
        subscriber_id=subscription.subscriber_id,
        service_id=None,
        msisdn=subscription.msisdn,
        language=subscription.language,
        account=subscription.account,
        settlement=plan.settlement,
        code=plan.code,
        version=plan.version,
        anchor=period.anchor,
        index=period.index,
        start=period.start,
        end=period.end,
        amount=Tiyn(amount),
        attempt=subscription.fee_attempt,
        first=changes or subscription.period_index < 0,
        change_id=change_id,
    )


def service_fee(
    service: ActiveService, payer: store.Payer, offer: ServiceOffer, period: Period, *, first: bool
) -> DueFee:
    """The fee of a service's period."""
    return DueFee(
        kind=FeeKind.SERVICE,
        subscriber_id=service.subscriber_id,
        service_id=service.service_id,
        msisdn=payer.msisdn,
        language=payer.language,
        account=payer.account,
        settlement=payer.settlement,
        code=offer.code,
        version=offer.version,
        anchor=period.anchor,
        index=period.index,
        start=period.start,
        end=period.end,
        amount=period.fee,
        attempt=service.fee_attempt,
        first=first,
    )


def grants(given: Iterable[tuple[Allowance, datetime | None]], origin: str, now: datetime) -> tuple[BucketSpec, ...]:
    """The buckets that allowances fill, each until its end.

    A period that was missed altogether and is over costs its fee; its volumes are over with it.
    """
    return tuple(
        BucketSpec(
            code=allowance.code,
            unit=allowance.unit,
            amount=allowance.quantity,
            priority=allowance.priority,
            valid_from=now,
            valid_until=until,
            origin=origin,
        )
        for allowance, until in given
        if until is None or until > now
    )
