"""Periods of plans and services: whole, contiguous, and never dearer than their fee."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.catalog.catalogue import Catalogue
from telco.catalog.loader import load_directory
from telco.catalog.measures import Span, SpanUnit
from telco.catalog.model import FeeAnchor, Interval, Plan
from telco.kernel.calendar import Calendar
from telco.kernel.money import Tiyn, tenge
from telco.subscribers import periods
from tests.subscribers.conftest import OPERATOR

CATALOGUE = load_directory(OPERATOR)
AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
WEEK = CATALOGUE.plan("activ-week", AT)

DAYS = st.dates(date(2024, 1, 1), date(2030, 12, 31))
PLANS = st.builds(
    lambda fee, interval, anchor, proration: replace(
        WEEK, fee=Tiyn(fee), fee_interval=interval, fee_anchor=anchor, proration=proration
    ),
    st.integers(0, 10_000_000),
    st.sampled_from(Interval),
    st.sampled_from(FeeAnchor),
    st.booleans(),
)


@pytest.mark.clause("PSC-1.1.2")
@given(PLANS, DAYS)
def test_the_first_period_holds_its_first_day_and_costs_at_most_the_fee(plan: Plan, today: date) -> None:
    period = periods.first_period(plan, today)
    assert period.anchor <= period.start == today < period.end
    assert 0 <= period.fee <= plan.fee
    if plan.fee_anchor is FeeAnchor.JOINING or not plan.proration:
        assert period.fee == plan.fee


@pytest.mark.clause("PSC-1.1.2", "PSC-1.1.26")
@given(PLANS, DAYS, st.integers(1, 40))
def test_periods_follow_each_other_without_a_gap(plan: Plan, today: date, count: int) -> None:
    period = periods.first_period(plan, today)
    for index in range(1, count):
        following = periods.next_period(plan, period.anchor, period.index)
        assert (following.index, following.start, following.fee) == (index, period.end, plan.fee)
        period = following


@pytest.mark.clause("PSC-1.1.2")
@given(PLANS, DAYS, st.integers(0, 62))
def test_what_is_given_back_shrinks_day_by_day_to_nothing(plan: Plan, joined: date, days: int) -> None:
    first = periods.first_period(plan, joined)
    today = joined + timedelta(days=days)
    back = periods.unused_fee(plan, first.anchor, first.index, today)
    assert 0 <= back <= plan.fee
    assert periods.unused_fee(plan, first.anchor, first.index, today + timedelta(days=1)) <= back
    assert back <= first.fee or plan.fee == 0  # nobody gets back more than he paid
    if not plan.proration or today >= first.end - timedelta(days=1):
        assert back == 0


@pytest.mark.clause("PSC-1.1.2")
@pytest.mark.parametrize(
    ("joined", "start", "end", "fee"),
    [
        # 890.00 a week from Monday: on Monday whole, on Thursday 4 of 7 days = 508.571, on Sunday 1 of 7 = 127.143
        (date(2026, 3, 2), date(2026, 3, 2), date(2026, 3, 9), "890.00"),
        (date(2026, 3, 5), date(2026, 3, 5), date(2026, 3, 9), "508.57"),
        (date(2026, 3, 8), date(2026, 3, 8), date(2026, 3, 9), "127.14"),
    ],
)
def test_a_calendar_week_costs_its_part(joined: date, start: date, end: date, fee: str) -> None:
    plan = replace(WEEK, fee_anchor=FeeAnchor.CALENDAR, proration=True)
    period = periods.first_period(plan, joined)
    assert (period.start, period.end, period.fee) == (start, end, tenge(fee))


@pytest.mark.clause("PSC-1.1.2")
def test_a_calendar_month_costs_its_part() -> None:
    plan = replace(WEEK, fee=tenge("3100"), fee_interval=Interval.MONTH, fee_anchor=FeeAnchor.CALENDAR, proration=True)
    # 20 of 31 days of March from the 12th on: 3100.00 * 20 / 31 = 2000.00
    period = periods.first_period(plan, date(2026, 3, 12))
    assert (period.anchor, period.end, period.fee) == (date(2026, 3, 1), date(2026, 4, 1), tenge("2000"))


@pytest.mark.clause("PSC-1.1.22")
@pytest.mark.parametrize(
    ("lasts", "joined", "last_day"),
    [
        # the day of joining is the first day
        (Span(3, SpanUnit.MONTH), datetime(2026, 3, 15, 6, 0, tzinfo=UTC), date(2026, 6, 14)),
        (Span(3, SpanUnit.MONTH), datetime(2026, 11, 30, 6, 0, tzinfo=UTC), date(2027, 2, 27)),
        (Span(30, SpanUnit.DAY), datetime(2026, 3, 1, 18, 59, tzinfo=UTC), date(2026, 3, 30)),
        (Span(30, SpanUnit.DAY), datetime(2026, 3, 1, 19, 0, tzinfo=UTC), date(2026, 3, 31)),  # 2 March there
        (Span(24, SpanUnit.HOUR), datetime(2026, 3, 1, 6, 0, tzinfo=UTC), date(2026, 3, 2)),
    ],
)
def test_a_promotion_lasts_its_own_periods(calendar: Calendar, lasts: Span, joined: datetime, last_day: date) -> None:
    plan = replace(WEEK, lasts=lasts, successor="activ-simple")
    end = periods.plan_end(plan, joined)
    assert end is not None
    assert calendar.today(end - timedelta(microseconds=1)) == last_day
    assert periods.plan_end(replace(plan, successor=None), joined) is None


def test_services_paid_once_have_no_next_period(operator: Catalogue) -> None:
    pack, feature = operator.service("data-1gb", AT), operator.service("russia-calls", AT)
    today = date(2026, 3, 2)
    assert periods.first_service_period(pack, today).end == date.max
    with pytest.raises(ValueError, match="paid once"):
        periods.next_service_period(pack, today, 0)
    following = periods.next_service_period(feature, today, 0)
    assert (following.start, following.end) == (date(2026, 4, 1), date(2026, 5, 1))
