"""The programme's rules as pure functions: facts in, decision out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from fnmatch import fnmatchcase
from typing import NamedTuple

from telco.billing.bonus.model import MonthRule
from telco.catalog.bonus import BASIS_POINTS, OPERATOR_ACCOUNTS, BonusProgramme, EarnRule
from telco.catalog.catalogue import Timeline
from telco.kernel.calendar import add_months
from telco.kernel.money import Tiyn, div_half_up

CASH = "cash."
"""How the operator's accounts of money that comes in begin."""
FOREVER = 12_000
"""Months that nobody is with the operator."""


def tier_at(rule: EarnRule, tenure_from: date, day: date) -> int:
    """Return the basis points that a rule gives on a day; a tier begins on the day that its months are full.

    Contract: PSC-3.1.9
    """
    reached = [tier.basis_points for tier in rule.tiers if add_months(tenure_from, tier.months) <= day]
    return reached[-1] if reached else 0


def month_due(earned: Iterable[MonthRule], caps: Mapping[str, Tiyn | None], month_cap: Tiyn | None) -> Tiyn:
    """Return what a calendar month's earnings are worth, in tiyn.

    Each rule's sum is rounded once, half up, and cut at the rule's cap; all together are cut at the programme's. A rule
    that is no longer there had no cap of its own.

    Contract: PSC-3.1.9
    """
    due = 0
    for rule in earned:
        sum_tiyn = div_half_up(max(rule.earned_e4, 0), BASIS_POINTS)
        cap = caps.get(rule.rule)
        due += sum_tiyn if cap is None else min(sum_tiyn, cap)
    return Tiyn(due if month_cap is None else min(due, month_cap))


def to_move(due: Tiyn, credited: Tiyn, least: Tiyn) -> int:
    """Return what to credit, or (negative) to take back: less than the least waits, what was too much does not."""
    difference = due - credited
    return difference if difference >= least or difference < 0 else 0


def birthday_in(birthday: int, year: int) -> date:
    """Return the day of a birthday (month times 100 and day) in a year; who was born on 29 February has it on the 28th.

    Contract: PSC-3.1.9
    """
    month, day = divmod(birthday, 100)
    if (month, day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400)):
        day = 28
    return date(year, month, day)


def birthdays_on(day: date) -> list[int]:
    """Return the birthdays (month times 100 and day) that are kept on a day."""
    kept = [day.month * 100 + day.day]
    if kept == [228] and birthday_in(229, day.year) == day:
        kept.append(229)
    return kept


class RuleRow(NamedTuple):
    """One tier of one rule of one version, as the day's statement takes it."""

    rule: str
    account_pattern: str
    valid_from: date
    valid_until: date
    first_month: int
    end_month: int
    basis_points: int


def rule_rows(programmes: Timeline[BonusProgramme], day_of: Mapping[int, tuple[date, date]]) -> list[RuleRow]:
    """Flatten every version's rules; `day_of` has the first day of each version and the day after its last."""
    rows = []
    for programme in programmes:
        valid_from, valid_until = day_of[programme.version]
        for rule in programme.earn:
            ends = [tier.months for tier in rule.tiers[1:]] + [FOREVER]
            for tier, end in zip(rule.tiers, ends, strict=True):
                rows += [
                    RuleRow(
                        rule.code,
                        OPERATOR_ACCOUNTS[earning],
                        valid_from,
                        valid_until,
                        tier.months,
                        end,
                        tier.basis_points,
                    )
                    for earning in sorted(rule.on)
                ]
    return rows


def earning_sum(contra: str, paid: int) -> int:
    """Return what counts of a sum that the main balance paid: money that came in counts as what it is."""
    return -paid if contra.startswith(CASH) else paid


def rule_for(rows: Iterable[RuleRow], contra: str, tenure_from: date, day: date) -> RuleRow | None:
    """Return the rule and tier by which a sum paid to an operator's account earned on a day.

    Contract: PSC-3.1.9
    """
    for row in rows:
        if (
            row.valid_from <= day < row.valid_until
            and fnmatchcase(contra, row.account_pattern.replace("%", "*"))
            and add_months(tenure_from, row.first_month) <= day
            and (row.end_month == FOREVER or day < add_months(tenure_from, row.end_month))
        ):
            return row
    return None
