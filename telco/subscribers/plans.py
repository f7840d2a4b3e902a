"""Tariff plans: who may join which, what a change costs and when it happens, what follows a promotional plan."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from telco.catalog.catalogue import Catalogue
from telco.catalog.model import Audience, Plan, Settlement
from telco.db.pool import Connection
from telco.kernel.calendar import ZONE
from telco.kernel.i18n import Text
from telco.kernel.ids import PartyId, SubscriberId
from telco.kernel.money import Tiyn
from telco.ledger import model as ledger_model
from telco.subscribers import money, periods, store, store_services
from telco.subscribers.desk import Desk, Filing, Work
from telco.subscribers.errors import PlanSameError, PlanUnfitError, QuoteChangedError
from telco.subscribers.fees import Fees, plan_fee, tell_plan_changed
from telco.subscribers.model import (
    ChangeTime,
    DeviceKind,
    Origin,
    PartyKind,
    PlanChange,
    PlanQuote,
    PlanState,
    Subscription,
    by_system,
)
from telco.subscribers.numbers import refuse_when_suspended

CREDIT_IN_OFFICE = Text("credit is agreed in an office")
"""Why nobody joins a credit plan alone: it needs the operator's consent. Contract: PSC-3.2.6"""

_NOT_FOR = {
    Audience.PERSON: Text("it is for persons"),
    Audience.COMPANY: Text("it is for companies"),
    Audience.M2M: Text("it is for M2M devices"),
}


def unfit_reason(
    catalogue: Catalogue,
    plan: Plan,
    at: datetime,
    *,
    kind: PartyKind,
    device: DeviceKind,
    region: str | None,
    groups: frozenset[str],
) -> Text | None:
    """Say why a plan cannot be joined at `at` by such a subscriber, or None when it can.

    Contract: PSC-1.1.22, PSC-1.1.31
    """
    audience = Audience.M2M if device is DeviceKind.M2M else Audience(kind)
    if plan.audience is not audience:
        return _NOT_FOR[plan.audience]
    if at < plan.joinable_from:
        return Text("it can be joined from {day}", day=plan.joinable_from.astimezone(ZONE).date().isoformat())
    if not catalogue.is_offered(plan, at):
        return Text("it is no longer offered")
    if plan.group is not None and plan.group not in groups:
        return Text("it is for the group {group}", group=plan.group)
    if plan.territory and region not in plan.territory:
        return Text("it is for the regions {regions}", regions=", ".join(sorted(plan.territory)))
    return None


async def check_fit(
    catalogue: Catalogue,
    plan: Plan,
    work: Work,
    *,
    party_id: PartyId,
    kind: PartyKind,
    device: DeviceKind,
    region: str | None,
) -> None:
    """Make sure that a plan may be joined now.

    Raises:
        PlanUnfitError

    Contract: PSC-1.1.22, PSC-1.1.31
    """
    groups = await store.party_groups(work.conn, party_id)
    why = unfit_reason(catalogue, plan, work.now, kind=kind, device=device, region=region, groups=groups)
    if why is not None:
        raise PlanUnfitError(plan=plan.code, why=why)


class Plans:
    """Use cases of tariff plans."""

    def __init__(self, desk: Desk, fees: Fees) -> None:
        self._desk = desk
        self._fees = fees

    async def quote(self, subscriber_id: SubscriberId, plan_code: str, when: ChangeTime, origin: Origin) -> PlanQuote:
        """Say what a change to a plan costs and when it happens; changes nothing.

        Without a running paid period there is no next one, so the change is at once.

        Raises:
            SubscriberUnknownError, UnknownPlanError, PlanSameError, PlanUnfitError

        Contract: PSC-1.1.5, PSC-1.1.22
        """
        async with self._desk.db.acquire() as conn:
            work = self._desk.work(conn, origin)
            subscription = await store.subscription(conn, subscriber_id)
            return await self._quote(work, subscription, plan_code, when)

    async def _quote(self, work: Work, subscription: Subscription, plan_code: str, when: ChangeTime) -> PlanQuote:
        catalogue = self._desk.catalogue()
        plan = catalogue.plan(plan_code, work.now)
        if (plan.code, plan.version) == (subscription.plan_code, subscription.plan_version):
            raise PlanSameError(plan=plan.code)
        await check_fit(
            catalogue,
            plan,
            work,
            party_id=subscription.party_id,
            kind=subscription.party_kind,
            device=subscription.device_kind,
            region=subscription.region,
        )
        if not work.origin.manual and not work.origin.automatic:
            _check_alone(subscription, plan)
        active = subscription.plan_state is PlanState.ACTIVE
        fee = Tiyn(periods.first_period(plan, work.today).fee + plan.joining_price)
        refund, volumes_end = Tiyn(0), False
        if when is ChangeTime.NEXT_PERIOD and active and subscription.next_fee_at is not None:
            effective_at = subscription.next_fee_at
            begins = self._desk.calendar.today(effective_at)
            fee = Tiyn(periods.first_period(plan, begins).fee + plan.joining_price)
        else:
            when, effective_at = ChangeTime.NOW, work.now
            if active and subscription.next_fee_at is not None:
                volumes_end = True
                old = catalogue.plan_version(subscription.plan_code, subscription.plan_version)
                refund = await self._unused(work, subscription, old, work.today)
        unfit = await self._fees.unfit_services(work.conn, subscription.subscriber_id, plan, work.now)
        return PlanQuote(
            subscriber_id=subscription.subscriber_id,
            from_plan=subscription.plan_code,
            to_plan=plan.code,
            to_version=plan.version,
            when=when,
            effective_at=effective_at,
            fee=fee,
            refund=refund,
            services_ending=tuple(sorted({service.code for service in unfit})),
            volumes_end=volumes_end,
        )

    async def change(self, quote: PlanQuote, origin: Origin) -> PlanQuote:
        """Change the plan exactly as quoted and confirmed, and return what was done.

        At once: the unused part of the old fee is given back where the old plan is pro-rated, the new fee is taken, its
        allowances are granted and a new period begins. With the next period: the change waits, replaces an earlier one
        that waited, and its fee is taken then.

        Raises:
            QuoteChangedError: the conditions are no longer those of the quote.
            SuspendedError, NotEnoughMoneyError, and those of `quote`.

        Contract: PSC-1.1.5, PSC-1.1.22, PSC-3.1.11
        """

        async def body(work: Work) -> PlanQuote:
            subscription = await store.lock_subscription(work.conn, quote.subscriber_id)
            await refuse_when_suspended(work, subscription)
            current = await self._quote(work, subscription, quote.to_plan, quote.when)
            if _terms(current) != _terms(quote):
                raise QuoteChangedError()
            waiting = current.when is ChangeTime.NEXT_PERIOD
            await work.conn.fetch(store.Q.cancel_plan_change, subscription.subscriber_id)
            change_id = await store_services.add_plan_change(
                work.conn, subscription, current, now=work.now, author=origin.author, waiting=waiting
            )
            if not waiting:
                await self._change_now(work, subscription, current, change_id)
            work.outcome = f"{current.to_plan} from {current.effective_at.isoformat()}"
            work.details = {"from": current.from_plan, "to": current.to_plan, "when": current.when}
            return current

        body_text = f"{quote.to_plan} {quote.when}"
        filing = Filing("change_plan", "", body_text, origin, quote.subscriber_id)
        return await self._desk.carry_out("change_plan", filing, body)

    async def _change_now(self, work: Work, subscription: Subscription, quote: PlanQuote, change_id: int) -> None:
        await self._settle_old(work, subscription, quote, change_id)
        plan = self._desk.catalogue().plan_version(quote.to_plan, quote.to_version)
        due = plan_fee(subscription, plan, periods.first_period(plan, work.today), change_id)
        fee_op = self._fees.operation(due, work.now)
        outcome = None
        if fee_op is not None:
            outcome = await money.carry_out(self._desk.ledger, work, fee_op, due.amount)
        await self._fees.mark(work.conn, due, outcome, work.now)

    async def _unused(self, work: Work, subscription: Subscription, old: Plan, last_day: date) -> Tiyn:
        """What comes back of the running period's fee: of the days after `last_day`, what money paid.

        What bonuses paid of the fee is not paid out.

        Contract: PSC-1.1.2, PSC-3.1.9
        """
        unused = periods.unused_fee(old, subscription.period_anchor, subscription.period_index, last_day)
        if unused == 0:
            return unused
        stem = f"plan:{subscription.subscriber_id}:{old.code}.{old.version}:{subscription.period_start.isoformat()}"
        cost, main = await self._desk.ledger.taken(work.conn, subscription.account, stem)
        return Tiyn(unused * main // cost) if cost else unused

    async def _settle_old(self, work: Work, subscription: Subscription, quote: PlanQuote, change_id: int) -> None:
        """Give back what the unused days of the old plan have cost, and take back its volumes, as quoted."""
        if quote.refund:
            op = ledger_model.credit(
                subscription.account,
                f"plan-refund:{subscription.subscriber_id}:{change_id}",
                quote.refund,
                contra=money.REVENUE_PLAN,
                details={
                    "label": "fee.refund",
                    "code": subscription.plan_code,
                    "of_day": subscription.period_start.isoformat(),
                },
            )
            await money.carry_out(self._desk.ledger, work, op, quote.refund)
        if quote.volumes_end:
            old = self._desk.catalogue().plan_version(subscription.plan_code, subscription.plan_version)
            op_id = f"plan-end:{subscription.subscriber_id}:{change_id}"
            drain = ledger_model.drain(
                subscription.account, op_id, origin=old.origin, contra=money.BREAKAGE, details={"label": "plan.end"}
            )
            await money.apply(self._desk.ledger, work.conn, drain)

    async def cancel_change(self, subscriber_id: SubscriberId, origin: Origin) -> PlanChange:
        """Give up the plan change that waits for the next period.

        Raises:
            SubscriberUnknownError, NoPlanChangeError
        """

        async def body(work: Work) -> PlanChange:
            await store.lock_subscription(work.conn, subscriber_id)
            return await store_services.cancel_plan_change(work.conn, subscriber_id)

        filing = Filing("cancel_plan_change", "", "", origin, subscriber_id)
        return await self._desk.carry_out("cancel_plan_change", filing, body)

    async def waiting(self, subscriber_id: SubscriberId) -> PlanChange | None:
        """The plan change that waits for the next period."""
        async with self._desk.db.acquire() as conn:
            return await store_services.waiting_plan_change(conn, subscriber_id)

    async def history(self, subscriber_id: SubscriberId, limit: int = 50) -> list[PlanChange]:
        """The plan changes of a subscription, the newest first."""
        async with self._desk.db.acquire() as conn:
            return await store_services.plan_changes(conn, subscriber_id, limit)

    async def count_on(self, plan_code: str) -> int:
        """How many numbers are on a plan; one that is not offered and has none is closed. Contract: PSC-2.9"""
        count: int = await self._desk.db.fetchval(store.Q.count_on_plan, plan_code)
        return count

    async def lapse(self, limit: int = 200) -> int:
        """Let promotional plans that have lasted be followed by their successors; a job calls it.

        A change that the subscriber asked for goes before the successor. Without enough money the new plan waits for
        payment: the old one is over in any case. It was over at its end, also when nothing ran then: the new plan's
        period begins there. Where the end cuts a period of a pro-rated plan, its unused days are given back and its
        volumes end. Returns how many changed.

        Contract: PSC-1.1.22
        """

        async def body(conn: Connection) -> int:
            work = self._desk.work(conn, by_system("plans", "the promotional plan has lasted"))
            rows = await conn.fetch(store.Q.lock_lapsed_plans, work.now, limit)
            for row in rows:
                await self._follow(work, store.to_subscription(row), row["to_plan"], row["to_version"])
            return len(rows)

        return await self._desk.db.transact("subscribers.lapse_plans", body)

    async def _follow(
        self, work: Work, subscription: Subscription, to_plan: str | None, to_version: int | None
    ) -> None:
        catalogue, ended_at = self._desk.catalogue(), subscription.plan_until
        assert ended_at is not None  # only what has an end is read
        old = catalogue.plan_version(subscription.plan_code, subscription.plan_version)
        if to_plan is not None and to_version is not None:
            plan = catalogue.plan_version(to_plan, to_version)
        else:
            assert old.successor is not None  # a plan without one has no end (`set_plan`)
            plan = catalogue.plan(old.successor, ended_at)
        quote = await self._lapsed(work, subscription, old, plan, ended_at)
        await work.conn.fetch(store.Q.cancel_plan_change, subscription.subscriber_id)
        change_id = await store_services.add_plan_change(
            work.conn, subscription, quote, now=work.now, author=work.origin.author, waiting=False
        )
        await self._settle_old(work, subscription, quote, change_id)
        await self._fees.join(work, subscription, plan, at=ended_at)
        await self._fees.end_unfit_services(work.conn, subscription.subscriber_id, plan, work.now)
        await tell_plan_changed(
            work.conn,
            subscription.subscriber_id,
            subscription.msisdn,
            subscription.language,
            plan,
            work.now,
            asked=False,
        )

    async def _lapsed(
        self, work: Work, subscription: Subscription, old: Plan, plan: Plan, ended_at: datetime
    ) -> PlanQuote:
        """What the end of a promotional plan costs and gives back."""
        cut = subscription.plan_state is PlanState.ACTIVE and (subscription.next_fee_at or ended_at) > ended_at
        last_day = self._desk.calendar.today(ended_at - timedelta(microseconds=1))
        refund = Tiyn(0)
        if cut:
            refund = await self._unused(work, subscription, old, last_day)
        return PlanQuote(
            subscriber_id=subscription.subscriber_id,
            from_plan=old.code,
            to_plan=plan.code,
            to_version=plan.version,
            when=ChangeTime.NOW,
            effective_at=ended_at,
            fee=periods.first_period(plan, self._desk.calendar.today(ended_at)).fee,
            refund=refund,
            services_ending=(),
            volumes_end=refund > 0,
        )


def _check_alone(subscription: Subscription, plan: Plan) -> None:
    """What a subscriber cannot choose without an employee: another brand, and credit, which needs consent.

    Raises:
        PlanUnfitError

    Contract: PSC-3.2.6
    """
    if plan.brand != subscription.brand:
        raise PlanUnfitError(plan=plan.code, why=Text("it belongs to {brand}; ask in an office", brand=plan.brand))
    if plan.settlement is Settlement.CREDIT and subscription.settlement is not Settlement.CREDIT:
        raise PlanUnfitError(plan=plan.code, why=CREDIT_IN_OFFICE)


def _terms(quote: PlanQuote) -> tuple[object, ...]:
    """What the subscriber has confirmed; a change at once is confirmed for any moment of the day."""
    at = None if quote.when is ChangeTime.NOW else quote.effective_at
    return (
        quote.from_plan,
        quote.to_plan,
        quote.to_version,
        quote.when,
        at,
        quote.fee,
        quote.refund,
        quote.services_ending,
        quote.volumes_end,
    )
