"""The periods of a plan or service, for each of which a subscription fee is taken: pure functions of dates.

A period runs from the first moment of its first day to the first moment of the next period's first day, in Kazakhstan.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from telco.catalog.fees import next_fee_date, prorated
from telco.catalog.measures import SpanUnit, start_of_day
from telco.catalog.model import FeeAnchor, Interval, Plan, Renewal, ServiceOffer
from telco.kernel.calendar import ZONE, add_months
from telco.kernel.money import Tiyn


@dataclass(frozen=True, slots=True)
class Period:
    """One period: it is number `index` since `anchor`, lasts from `start` up to `end`, and costs `fee`."""

    anchor: date
    index: int
    start: date
    end: date
    fee: Tiyn


def repeats(plan: Plan) -> bool:
    """Whether a plan takes or gives something each period."""
    return plan.fee > 0 or any(allowance.renew is Renewal.INTERVAL for allowance in plan.allowances)


def first_period(plan: Plan, today: date) -> Period:
    """The period that begins today: on joining, and when a fee that waited is paid at last.

    Anchored to joining it is whole; anchored to the calendar it ends with the calendar's, and costs its part of the fee
    where the plan is pro-rated.

    Contract: PSC-1.1.2, PSC-1.1.26
    """
    anchor = _calendar_anchor(plan.fee_interval, today) if plan.fee_anchor is FeeAnchor.CALENDAR else today
    end = next_fee_date(anchor, plan.fee_interval, 1)
    fee = plan.fee
    if plan.proration and anchor != today:
        fee = prorated(plan.fee, today, end, (anchor, end))
    return Period(anchor, 0, today, end, fee)


def next_period(plan: Plan, anchor: date, index: int) -> Period:
    """The period after number `index`, whole."""
    start = next_fee_date(anchor, plan.fee_interval, index + 1)
    return Period(anchor, index + 1, start, next_fee_date(anchor, plan.fee_interval, index + 2), plan.fee)


def unused_fee(plan: Plan, anchor: date, index: int, today: date) -> Tiyn:
    """What the days of the running period from tomorrow on have cost, where the plan is pro-rated; otherwise nothing.

    Today counts as used: the new plan's own period begins today.

    Contract: PSC-1.1.2
    """
    if not plan.proration or plan.fee == 0:
        return Tiyn(0)
    start = next_fee_date(anchor, plan.fee_interval, index)
    end = next_fee_date(anchor, plan.fee_interval, index + 1)
    first_unused = today + timedelta(days=1)
    if first_unused >= end:
        return Tiyn(0)
    return prorated(plan.fee, max(first_unused, start), end, (start, end))


def plan_end(plan: Plan, joined_at: datetime) -> datetime | None:
    """When a promotional plan has lasted, or None: counted in its own periods, the day of joining being the first day.

    Three months from 15 March end with 14 June, where the third monthly period ends; nobody pays for a fourth.

    Contract: PSC-1.1.22
    """
    if plan.lasts is None or plan.successor is None:
        return None
    if plan.lasts.unit is SpanUnit.HOUR:
        return plan.lasts.end(joined_at)
    joined = joined_at.astimezone(ZONE).date()
    if plan.lasts.unit is SpanUnit.MONTH:
        return start_of_day(add_months(joined, plan.lasts.count))
    return start_of_day(joined + timedelta(days=plan.lasts.count))


def first_service_period(offer: ServiceOffer, today: date) -> Period:
    """The period of a service that begins today; a service paid once has one that never ends."""
    if offer.fee_interval is None:
        return Period(today, 0, today, date.max, offer.price)
    return Period(today, 0, today, next_fee_date(today, offer.fee_interval, 1), offer.price)


def next_service_period(offer: ServiceOffer, anchor: date, index: int) -> Period:
    """The period of a service after number `index`."""
    if offer.fee_interval is None:
        raise ValueError(f"{offer.code} is paid once")
    start = next_fee_date(anchor, offer.fee_interval, index + 1)
    return Period(anchor, index + 1, start, next_fee_date(anchor, offer.fee_interval, index + 2), offer.price)


def _calendar_anchor(interval: Interval, today: date) -> date:
    if interval is Interval.MONTH:
        return today.replace(day=1)
    if interval is Interval.WEEK:
        return today - timedelta(days=today.weekday())
    return today
