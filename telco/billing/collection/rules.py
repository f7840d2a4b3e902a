"""The contract's rules on late payment, as pure functions: facts in, decision out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from telco.billing.collection.model import Action, DayUnit, Debt, DebtState, Step, StepAhead, Terms
from telco.billing.invoicing.model import Change
from telco.kernel.calendar import Calendar, add_months
from telco.kernel.money import Tiyn, div_half_up

PPM = 1_000_000
LARGEST = Terms(
    penalty_ppm_per_day=PPM,
    penalty_cap_ppm=PPM,
    acknowledgment_wd=250,
    found_debt_wd=250,
    end_after_months=120,
    found_debt_watch_days=36_500,
    sms_from_minute=24 * 60,
    sms_until_minute=24 * 60,
    least_debt_tiyn=10**12,
)
"""The most that each figure can be: beyond it a run would count days for ever, or leave what a date can be."""
TOLD = frozenset({Action.REMIND, Action.NOTICE})
"""Steps that tell the debtor something."""

# Steps


def step_day(step: Step, due_on: date, calendar: Calendar) -> date:
    """The day of a step: so many calendar or working days after the due date, or before it where negative."""
    if step.unit is DayUnit.CALENDAR:
        return due_on + timedelta(days=step.offset_days)
    if step.offset_days >= 0:
        return calendar.add_working_days(due_on, step.offset_days)
    day, left = due_on, -step.offset_days
    while left > 0:
        day -= timedelta(days=1)
        left -= calendar.is_working_day(day)
    return day


def lead_days(steps: Iterable[Step]) -> int:
    """How many days before its due date an invoice's first step can be; working days with what holidays may add."""
    return max(
        (
            -step.offset_days * 2 + 14 if step.unit is DayUnit.WORKING else -step.offset_days
            for step in steps
            if step.offset_days < 0
        ),
        default=0,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a step that is due: it is done, or it lapsed because it would no longer say what is so."""

    step: Step
    due_on: date
    lapsed: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an unpaid debt when its steps are decided."""

    open: Tiyn
    taken: Collection[str]
    disputed: bool
    """An objection waits for its decision."""


def due_steps(
    debt: Debt, facts: Facts, steps: Iterable[Step], terms: Terms, today: date, calendar: Calendar
) -> list[Decision]:
    """Decide the steps of an unpaid debt that are due on `today`, in the order of their days.

    After a stop several may be due at once. Each is decided once: of reminders only the newest is sent, and none beside
    a notice; a reminder of a day that is past lapses. Nobody is suspended or handed over for a sum below
    the least; a debt is handed over only when the term to answer the notice is over and no objection waits.

    Contract: PSC-3.1.4, PSC-3.1.5.1
    """
    ladder = sorted((step_day(step, debt.due_on, calendar), step.code, step) for step in steps)
    due = [(day, step) for day, code, step in ladder if day <= today and code not in facts.taken]
    noticed = any(step.action is Action.NOTICE for _, step in due)
    newest = max((index for index, (_, step) in enumerate(due) if step.action is Action.REMIND), default=-1)
    decided: list[Decision] = []
    for index, (day, step) in enumerate(due):
        match step.action:
            case Action.REMIND:
                past = step.offset_days <= 0 and today > debt.due_on
                decided.append(Decision(step, day, lapsed=past or noticed or index != newest))
            case Action.NOTICE:
                decided.append(Decision(step, day))
            case Action.SUSPEND:
                if facts.open >= terms.least_debt_tiyn:
                    decided.append(Decision(step, day))
            case Action.HAND_OVER:
                answered = debt.answer_until is None or today > debt.answer_until
                if answered and not noticed and not facts.disputed and facts.open >= terms.least_debt_tiyn:
                    decided.append(Decision(step, day))
    return decided


def steps_ahead(
    debt: Debt, steps: Iterable[Step], taken: Collection[str], today: date, calendar: Calendar
) -> tuple[StepAhead, ...]:
    """The steps that an open debt has before it, in the order of their days; one that waits is ahead from `today`."""
    if debt.state is not DebtState.OPEN:
        return ()
    ladder = sorted((step_day(step, debt.due_on, calendar), step.code, step) for step in steps)
    return tuple(
        StepAhead(code, step.action, max(day, today), step.channel) for day, code, step in ladder if code not in taken
    )


def next_day(
    debt: Debt, steps: Iterable[Step], taken: Collection[str], today: date, calendar: Calendar, *, disputed: bool
) -> date | None:
    """When something is to be done about an unpaid debt after `today`; None when nothing is left but to wait.

    A step that is due and could not be taken yet is looked at again every day.
    """
    tomorrow = today + timedelta(days=1)
    days = [max(step_day(step, debt.due_on, calendar), tomorrow) for step in steps if step.code not in taken]
    if debt.case_id is None:
        days.append(max(debt.due_on + timedelta(days=1), tomorrow))
    if debt.answer_until is not None and debt.acknowledged_at is None and not disputed:
        days.append(max(debt.answer_until + timedelta(days=1), tomorrow))
    if debt.post_on is not None:
        days.append(max(debt.post_on, tomorrow))
    return min(days, default=None)


def is_window(terms: Terms) -> bool:
    """Whether the hours for SMS are minutes of one day, the first before the last."""
    return terms.sms_from_minute < terms.sms_until_minute <= 24 * 60


def sms_from(now: datetime, terms: Terms, calendar: Calendar) -> datetime:
    """The moment from which a debtor may be told by SMS: now within the hours of the day for it, else the next morning.

    From 09:00 to before 21:00: at 20:59 at once, at 21:00 tomorrow at 09:00, at 08:59 a minute later.
    """
    day = calendar.today(now)
    opens, closes = (
        calendar.start_of_day(day) + timedelta(minutes=minute)
        for minute in (terms.sms_from_minute, terms.sms_until_minute)
    )
    if now < opens:
        return opens
    return now if now < closes else opens + timedelta(days=1)


# Acknowledgment


def answer_until(noticed_on: date, terms: Terms, calendar: Calendar) -> date:
    """The last day to pay or to object: so many working days from the day of the notice, that day not counted.

    Notice on Friday 6 March 2026 with 5 wd: Sunday 8 March is a holiday and Monday the 9th is off in its place, so the
    days are 10, 11, 12, 13 and 16 March, and the debt counts as acknowledged from the 17th.

    Contract: PSC-3.1.4-1
    """
    return calendar.add_working_days(noticed_on, terms.acknowledgment_wd)


def is_acknowledged(debt: Debt, today: date, *, objected: bool) -> bool:
    """Whether an unpaid debt counts as acknowledged: noticed, the term over, and no objection made in it.

    Contract: PSC-3.1.4-1
    """
    return debt.answer_until is not None and today > debt.answer_until and not objected


# Penalty


def rate_ppm(days_late: int, terms: Terms) -> int:
    """The rate that a debt has gathered after so many days late, in millionths: 0.1 % a day, at most 10 %.

    Contract: PSC-5.4
    """
    return min(max(days_late, 0) * terms.penalty_ppm_per_day, terms.penalty_cap_ppm)


def capped_on(due_on: date, terms: Terms) -> date:
    """The first day on which the rate has reached its most; nothing accrues after it. Contract: PSC-5.4"""
    per_day = terms.penalty_ppm_per_day
    return date.max if per_day == 0 else due_on + timedelta(days=-(-terms.penalty_cap_ppm // per_day))


def penalty(debt: Debt, changes: Sequence[Change], through: date, terms: Terms) -> Tiyn:
    """The penalty of a debt for its days late up to and with `through`, in tiyn, rounded half up once, at most 10 %.

    Each day after the due date bears 0.1 % of what is unpaid when the day begins, so a payment changes the base from
    the day after it, and the day of payment still counts. Every tiyn bears at most 10 %, which 100 days reach. What
    of the debt is penalty for earlier debts bears none; payments count for the rest first.

    1,000.00 due on 31 March, 400.00 paid on 3 April, the rest on 6 April: 3 days of 1,000.00 and 3 of 600.00 are
    3.00 + 1.80 = 4.80.

    Contract: PSC-5.4
    """
    days = sorted({change.on for change in changes if debt.due_on < change.on < through})
    micro, begin = 0, debt.due_on
    for end in (*days, through):
        if end <= begin:
            continue
        rate = rate_ppm((end - debt.due_on).days, terms) - rate_ppm((begin - debt.due_on).days, terms)
        micro += base(debt, changes, begin) * rate
        begin = end
    most = (debt.total - debt.penalty_part) * terms.penalty_cap_ppm // PPM
    return Tiyn(min(div_half_up(micro, PPM), max(most, 0)))


def base(debt: Debt, changes: Iterable[Change], day: date) -> int:
    """What bears penalty on the day after `day`: the debt less what was paid up to and on it, less penalties in it."""
    unpaid = debt.total - sum(change.paid for change in changes if change.on <= day)
    return max(unpaid - debt.penalty_part, 0)


def first_posting(due_on: date) -> date:
    """When the penalty of a debt that stays unpaid is posted first: a month after the due date."""
    return add_months(due_on, 1)


def next_posting(debt: Debt, today: date, terms: Terms) -> date | None:
    """When the penalty is posted next after `today`: each month, until one posting has the most that there can be."""
    if today >= capped_on(debt.due_on, terms):
        return None
    months = 1
    while (day := add_months(debt.due_on, months)) <= today:
        months += 1
    return day


# The end


def ends_on(suspended_on: date, terms: Terms) -> date:
    """The day on which the contract ends if services stay suspended: the first after two full calendar months.

    Suspended on 31 December: two calendar months are over with 28 February, and the contract ends on 1 March.

    Contract: PSC-6.3.3
    """
    return add_months(suspended_on, terms.end_after_months) + timedelta(days=1)


def day_after(day: date) -> date:
    return day + timedelta(days=1)
