"""The rules on late payment: worked arithmetic, with both sides of every boundary."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.collection import rules
from telco.billing.collection.model import (
    Action,
    CaseId,
    Channel,
    DayUnit,
    Debt,
    DebtId,
    DebtKind,
    DebtState,
    Step,
    Terms,
)
from telco.billing.collection.rules import Facts
from telco.billing.invoicing.model import Change
from telco.kernel.calendar import ZONE, Calendar
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn, tenge, to_decimal

CALENDAR = Calendar()
TERMS = Terms(
    penalty_ppm_per_day=1000,
    penalty_cap_ppm=100_000,
    acknowledgment_wd=5,
    found_debt_wd=10,
    end_after_months=2,
    found_debt_watch_days=1095,
    sms_from_minute=540,
    sms_until_minute=1260,
    least_debt_tiyn=10_000,
)
DUE = date(2026, 3, 31)
STEPS = (
    Step("remind_before", Action.REMIND, -3, DayUnit.CALENDAR, Channel.SMS),
    Step("remind_after", Action.REMIND, 1, DayUnit.CALENDAR, Channel.SMS),
    Step("notice", Action.NOTICE, 3, DayUnit.WORKING, Channel.SMS),
    Step("suspend", Action.SUSPEND, 5, DayUnit.WORKING, Channel.NONE),
    Step("hand_over", Action.HAND_OVER, 60, DayUnit.CALENDAR, Channel.NONE),
)


def debt(
    total: str = "1000",
    *,
    due_on: date = DUE,
    penalty_part: str = "0",
    answer_until: date | None = None,
    acknowledged_at: datetime | None = None,
    case: bool = True,
    post_on: date | None = None,
) -> Debt:
    return Debt(
        debt_id=DebtId(1),
        case_id=CaseId(1) if case else None,
        account=AccountRef(0, AccountId(1)),
        kind=DebtKind.INVOICE,
        invoice_id=1,
        number="KC-2026-0000001",
        subscriber_id=SubscriberId(1),
        due_on=due_on,
        total=tenge(total),
        penalty_part=tenge(penalty_part),
        opened_at=datetime(2026, 3, 1, tzinfo=UTC),
        round=1,
        state=DebtState.OPEN,
        closed_at=None,
        next_at=None,
        noticed_on=None if answer_until is None else answer_until - timedelta(days=7),
        answer_until=answer_until,
        acknowledged_at=acknowledged_at,
        suspended_at=None,
        post_on=post_on,
        penalty=Tiyn(0),
    )


def paid(*payments: tuple[date, str]) -> tuple[Change, ...]:
    return tuple(Change(on, tenge(amount)) for on, amount in payments)


# Penalty


@pytest.mark.clause("PSC-5.4")
@pytest.mark.parametrize(
    ("through", "expected"),
    [
        (date(2026, 3, 31), "0"),  # the due date itself is in time
        (date(2026, 4, 1), "1"),  # 1 day late: 1000 * 0.1 %
        (date(2026, 4, 10), "10"),  # 10 days
        (date(2026, 7, 8), "99"),  # 99 days
        (date(2026, 7, 9), "100"),  # 100 days: 10 %, the most
        (date(2026, 7, 10), "100"),  # and never more
        (date(2027, 7, 10), "100"),
    ],
)
def test_a_debt_bears_a_tenth_of_a_percent_a_day_up_to_a_tenth(through: date, expected: str) -> None:
    assert rules.penalty(debt("1000"), (), through, TERMS) == tenge(expected)


@pytest.mark.clause("PSC-5.4")
@pytest.mark.parametrize(
    ("payments", "through", "expected"),
    [
        # 3 days of 1000 (1, 2 and 3 April; the day of payment counts), 3 of 600: 3.00 + 1.80
        (paid((date(2026, 4, 3), "400")), date(2026, 4, 6), "4.80"),
        # the day of payment still bears the whole: 2 days of 1000
        (paid((date(2026, 4, 2), "1000")), date(2026, 4, 30), "2.00"),
        # two payments on a day are one change
        (paid((date(2026, 4, 3), "150"), (date(2026, 4, 3), "250")), date(2026, 4, 6), "4.80"),
        # paid on the due date: in time
        (paid((DUE, "1000")), date(2026, 4, 30), "0"),
        (paid((DUE, "400")), date(2026, 4, 5), "3.00"),  # 5 days of 600
        # a payment that is taken back raises the base from the day after: 2 * 1.00 + 3 * 0.00 + 4 * 1.00
        (paid((date(2026, 4, 2), "1000"), (date(2026, 4, 5), "-1000")), date(2026, 4, 9), "6.00"),
        # 100 days late is the most for what is left, too: 50 days of 1000 and 50 of 500 are 50.00 + 25.00
        (paid((date(2026, 5, 20), "500")), date(2026, 12, 31), "75.00"),
    ],
)
def test_a_payment_changes_the_base_from_the_day_after(
    payments: tuple[Change, ...], through: date, expected: str
) -> None:
    assert rules.penalty(debt("1000"), payments, through, TERMS) == tenge(expected)


@pytest.mark.clause("PSC-5.4")
@pytest.mark.parametrize(
    ("total", "days", "expected"),
    [
        ("0.01", 49, 0),  # 1 tiyn * 4.9 % = 0.049 tiyn
        ("5.00", 1, 1),  # 500 * 0.1 % = 0.5 tiyn: half up
        ("4.99", 1, 0),  # 0.499
        ("14.99", 1, 1),  # 1.499
        ("15.00", 1, 2),  # 1.5
        ("33.33", 10, 33),  # 33.33 tiyn: rounded once, not 10 times 3
        ("116.79", 100, 1167),  # 1167.9, but 1168 would be more than a tenth
    ],
)
def test_it_is_rounded_half_up_once(total: str, days: int, expected: int) -> None:
    assert rules.penalty(debt(total), (), DUE + timedelta(days=days), TERMS) == expected


@pytest.mark.clause("PSC-5.4")
def test_a_penalty_in_an_invoice_bears_none() -> None:
    """1000 with 100 of penalty: 900 bear it; payments count for the 900 first."""
    late = debt("1000", penalty_part="100")
    assert rules.penalty(late, (), date(2026, 4, 10), TERMS) == tenge("9")  # 10 * 0.90
    payments = paid((date(2026, 4, 1), "600"))  # 1 * 0.90, then 9 * 0.30
    assert rules.penalty(late, payments, date(2026, 4, 10), TERMS) == tenge("3.60")
    payments = paid((date(2026, 4, 1), "950"))  # what is left is penalty only
    assert rules.penalty(late, payments, date(2026, 4, 10), TERMS) == tenge("0.90")


@pytest.mark.clause("PSC-5.4")
def test_the_page_of_worked_examples_is_right(root: Path) -> None:
    """docs/collection.md shows a debt day by day; each of its rows is what the rule computes."""
    page = (root / "docs" / "collection.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d\d\.\d\d\.\d{4}) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", page, re.M)
    assert len(rows) >= 8
    payments: list[Change] = []
    for day_text, begins_with, paid_text, sum_text in rows:
        day = datetime.strptime(day_text, "%d.%m.%Y").replace(tzinfo=UTC).date()
        late = debt("1000")
        assert to_decimal(rules.base(late, payments, day - timedelta(days=1))) == Decimal(begins_with)
        if Decimal(paid_text):
            payments.append(Change(day, tenge(paid_text)))
        assert to_decimal(rules.penalty(late, payments, day, TERMS)) == Decimal(sum_text)


@pytest.mark.clause("PSC-5.4")
@given(
    total=st.integers(1, 10**9),
    payments=st.lists(st.tuples(st.integers(-10, 150), st.integers(1, 10**7)), max_size=6),
    days=st.integers(0, 400),
)
def test_it_is_the_sum_of_its_days(total: int, payments: list[tuple[int, int]], days: int) -> None:
    """Against the rule read literally: each day's rate of what was unpaid when it began, with 100 days at most."""
    late = debt(str(to_decimal(total)))
    left, changes = total, []
    for day, amount in sorted(payments):
        part = min(amount, left)
        left -= part
        changes.append(Change(DUE + timedelta(days=day), Tiyn(part)))
    exact = Decimal(0)
    for day in range(1, min(days, 100) + 1):
        on = DUE + timedelta(days=day)
        exact += (total - sum(change.paid for change in changes if change.on < on)) * Decimal("0.001")
    through = DUE + timedelta(days=days)
    computed = rules.penalty(late, changes, through, TERMS)
    assert computed == min(int(exact.quantize(Decimal(1), ROUND_HALF_UP)), total // 10)
    assert computed <= rules.penalty(late, (), through, TERMS) <= total // 10
    assert computed >= rules.penalty(late, changes, through - timedelta(days=1), TERMS)  # it never shrinks


def test_no_penalty_where_the_figure_is_nothing() -> None:
    free = TERMS._replace(penalty_ppm_per_day=0)
    assert rules.penalty(debt(), (), date(2027, 1, 1), free) == 0
    assert rules.capped_on(DUE, free) == date.max


def test_it_is_posted_each_month_until_it_has_its_most() -> None:
    late = debt()
    assert rules.first_posting(DUE) == date(2026, 4, 30)  # a month after the 31st
    assert rules.next_posting(late, date(2026, 4, 30), TERMS) == date(2026, 5, 31)
    assert rules.next_posting(late, date(2026, 6, 30), TERMS) == date(2026, 7, 31)  # the 100th day is 9 July
    assert rules.next_posting(late, date(2026, 7, 8), TERMS) == date(2026, 7, 31)
    assert rules.next_posting(late, date(2026, 7, 9), TERMS) is None


# Terms


@pytest.mark.clause("PSC-3.1.4-1")
@pytest.mark.parametrize(
    ("noticed", "until"),
    [
        (date(2026, 3, 2), date(2026, 3, 10)),  # Monday: 3, 4, 5, 6 and 10 March; the 9th is off for 8 March
        (date(2026, 3, 6), date(2026, 3, 16)),  # Friday before the holiday: 10, 11, 12, 13 and 16
        (date(2026, 4, 6), date(2026, 4, 13)),  # Monday of a plain week: to the next Monday
        (date(2026, 4, 11), date(2026, 4, 17)),  # Saturday: Monday to Friday
        (date(2026, 3, 19), date(2026, 3, 31)),  # before Nauryz: 20, 26, 27, 30 and 31; 21 to 25 are off
    ],
)
def test_a_notice_may_be_answered_for_five_working_days(noticed: date, until: date) -> None:
    assert rules.answer_until(noticed, TERMS, CALENDAR) == until
    noticed_debt = debt(answer_until=until)
    assert not rules.is_acknowledged(noticed_debt, until, objected=False)  # the last day is whole
    assert rules.is_acknowledged(noticed_debt, until + timedelta(days=1), objected=False)
    assert not rules.is_acknowledged(noticed_debt, until + timedelta(days=1), objected=True)


@pytest.mark.clause("PSC-3.1.4-1")
def test_without_a_notice_nothing_is_acknowledged() -> None:
    assert not rules.is_acknowledged(debt(), date(2030, 1, 1), objected=False)


@pytest.mark.clause("PSC-6.3.3")
@pytest.mark.parametrize(
    ("suspended", "ends"),
    [
        (date(2026, 1, 10), date(2026, 3, 11)),  # 10 March is two months, not more
        (date(2025, 12, 31), date(2026, 3, 1)),  # February has no 31st
        (date(2026, 6, 30), date(2026, 8, 31)),
        (date(2027, 12, 29), date(2028, 3, 1)),  # 29 February 2028 exists
    ],
)
def test_a_contract_ends_after_more_than_two_calendar_months(suspended: date, ends: date) -> None:
    assert rules.ends_on(suspended, TERMS) == ends


@pytest.mark.clause("PSC-3.1.4")
@pytest.mark.parametrize(
    ("offset", "unit", "due_on", "day"),
    [
        (-3, "cd", date(2026, 3, 9), date(2026, 3, 6)),
        (1, "cd", date(2026, 3, 6), date(2026, 3, 7)),  # a Saturday: a message needs no working day
        (1, "wd", date(2026, 3, 6), date(2026, 3, 10)),  # 8 March is a Sunday, the 9th is off for it
        (5, "wd", date(2026, 3, 6), date(2026, 3, 16)),
        (0, "wd", date(2026, 3, 8), date(2026, 3, 8)),
        (-2, "wd", date(2026, 3, 9), date(2026, 3, 5)),  # the working days before a holiday: 6 and 5 March
    ],
)
def test_a_step_has_its_day(offset: int, unit: str, due_on: date, day: date) -> None:
    step = Step("step", Action.REMIND, offset, DayUnit(unit), Channel.SMS)
    assert rules.step_day(step, due_on, CALENDAR) == day
    assert day >= due_on - timedelta(days=rules.lead_days([step]))


# What is due


def decided(
    today: date, *taken: str, late: Debt | None = None, open_: str = "1000", disputed: bool = False
) -> list[str]:
    facts = Facts(tenge(open_), taken, disputed)
    decisions = rules.due_steps(late or debt(), facts, STEPS, TERMS, today, CALENDAR)
    return [("-" if decision.lapsed else "") + decision.step.code for decision in decisions]


@pytest.mark.clause("PSC-3.1.4", "PSC-3.1.5.1")
def test_each_step_is_due_on_its_day() -> None:
    """Due on Tuesday, 31 March 2026; 3 wd later is Friday the 3rd, 5 wd later Tuesday the 7th."""
    assert decided(date(2026, 3, 27)) == []
    assert decided(date(2026, 3, 28)) == ["remind_before"]
    assert decided(date(2026, 3, 31), "remind_before") == []
    assert decided(date(2026, 4, 1), "remind_before") == ["remind_after"]
    assert decided(date(2026, 4, 2), "remind_before", "remind_after") == []
    assert decided(date(2026, 4, 3), "remind_before", "remind_after") == ["notice"]
    assert decided(date(2026, 4, 6), "remind_before", "remind_after", "notice") == []
    assert decided(date(2026, 4, 7), "remind_before", "remind_after", "notice") == ["suspend"]


@pytest.mark.clause("PSC-3.1.4")
def test_after_a_stop_all_are_decided_in_order_and_only_what_is_true_is_said() -> None:
    """Months later: reminders lapse, the notice is given, services are suspended; a collector waits for the term."""
    assert decided(date(2026, 8, 1)) == ["-remind_before", "-remind_after", "notice", "suspend"]
    assert decided(date(2026, 4, 1)) == ["-remind_before", "remind_after"]
    assert decided(date(2026, 3, 31)) == ["remind_before"]  # still true on the due date itself


@pytest.mark.clause("PSC-3.1.4", "PSC-3.1.4-1")
def test_a_debt_is_handed_over_when_the_notice_was_not_answered() -> None:
    before = ("remind_before", "remind_after", "notice", "suspend")
    noticed = debt(answer_until=date(2026, 5, 30))
    assert decided(date(2026, 5, 29), *before, late=debt(answer_until=date(2026, 4, 10))) == []  # 59 days
    assert decided(date(2026, 5, 30), *before, late=debt(answer_until=date(2026, 4, 10))) == ["hand_over"]
    assert decided(date(2026, 5, 30), *before, late=noticed) == []  # the last day to answer
    assert decided(date(2026, 5, 31), *before, late=noticed) == ["hand_over"]
    assert decided(date(2026, 5, 31), *before, late=noticed, disputed=True) == []


@pytest.mark.clause("PSC-3.1.5.1")
def test_nobody_is_suspended_for_next_to_nothing() -> None:
    before = ("remind_before", "remind_after", "notice")
    assert decided(date(2026, 4, 7), *before, open_="99.99") == []
    assert decided(date(2026, 4, 7), *before, open_="100.00") == ["suspend"]


def test_what_comes_next() -> None:
    def following(today: date, *taken: str, late: Debt | None = None, disputed: bool = False) -> date | None:
        return rules.next_day(late or debt(), STEPS, taken, today, CALENDAR, disputed=disputed)

    before = ("remind_before", "remind_after", "notice", "suspend")
    assert following(date(2026, 3, 20)) == date(2026, 3, 28)
    assert following(date(2026, 3, 28), "remind_before", late=debt(case=False)) == date(2026, 4, 1)
    assert following(date(2026, 4, 7), *before) == date(2026, 5, 30)
    noticed = debt(answer_until=date(2026, 4, 10))
    assert following(date(2026, 4, 7), *before, late=noticed) == date(2026, 4, 11)
    assert following(date(2026, 4, 7), *before, late=noticed, disputed=True) == date(2026, 5, 30)
    assert following(date(2026, 6, 30), *before) == date(2026, 7, 1)  # waits: looked at every day
    assert following(date(2026, 6, 30), *before, "hand_over", late=debt(post_on=date(2026, 7, 31))) == date(2026, 7, 31)
    assert following(date(2026, 8, 30), *before, "hand_over") is None


@pytest.mark.parametrize(
    ("at", "goes"),
    [
        ("2026-05-05 00:00", "2026-05-05 09:00"),
        ("2026-05-05 08:59", "2026-05-05 09:00"),
        ("2026-05-05 09:00", "2026-05-05 09:00"),
        ("2026-05-05 20:59", "2026-05-05 20:59"),
        ("2026-05-05 21:00", "2026-05-06 09:00"),
        ("2026-12-31 23:59", "2027-01-01 09:00"),
    ],
)
@pytest.mark.clause("PSC-3.1.4")
def test_sms_wait_for_the_morning(at: str, goes: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=ZONE)
    assert rules.sms_from(moment, TERMS, CALENDAR) == datetime.fromisoformat(goes).replace(tzinfo=ZONE)
