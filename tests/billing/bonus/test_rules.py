"""The programme's arithmetic: tiers, caps, rounding, birthdays. Contract: PSC-3.1.9"""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.bonus.model import MonthRule
from telco.billing.bonus.rules import birthday_in, birthdays_on, month_due, rule_for, rule_rows, tier_at, to_move
from telco.catalog.bonus import Earning, EarnRule, Tier
from telco.catalog.loader import load_directory
from telco.kernel.money import Tiyn
from tests.world import CATALOGUE

pytestmark = pytest.mark.clause("PSC-3.1.9")
USAGE = EarnRule("usage", frozenset({Earning.VOICE}), (Tier(1, 300), Tier(12, 500), Tier(36, 750)), None)


@pytest.mark.parametrize(
    ("joined", "day", "points"),
    [
        (date(2026, 1, 31), date(2026, 2, 27), 0),  # a month is full on 28 February, the last day
        (date(2026, 1, 31), date(2026, 2, 28), 300),
        (date(2026, 1, 31), date(2027, 1, 30), 300),
        (date(2026, 1, 31), date(2027, 1, 31), 500),
        (date(2024, 2, 29), date(2025, 2, 27), 300),
        (date(2024, 2, 29), date(2025, 2, 28), 500),  # a year after 29 February
        (date(2024, 2, 29), date(2027, 2, 28), 750),
    ],
)
def test_a_tier_begins_on_the_day_that_its_months_are_full(joined: date, day: date, points: int) -> None:
    assert tier_at(USAGE, joined, day) == points


@pytest.mark.parametrize(
    ("earned", "caps", "cap", "due"),
    [
        ([("a", 49_999)], {}, None, 5),  # 4.9999 tiyn
        ([("a", 44_999)], {}, None, 4),
        ([("a", 45_000)], {}, None, 5),  # half up
        ([("a", 45_000), ("b", 45_000)], {}, None, 10),  # each rule once
        ([("a", 1_000_000), ("b", 50_000)], {"a": 60}, None, 65),  # 100 cut at 60, and 5
        ([("a", 1_000_000), ("b", 50_000)], {"a": 60}, 64, 64),
        ([("a", 1_000_000), ("b", 50_000)], {"a": 60}, 65, 65),
        ([("gone", 70_000)], {"a": 1}, None, 7),  # a rule that is no longer there
        ([("a", -5_000)], {}, None, 0),
        ([], {}, 10, 0),
    ],
)
def test_a_month_is_rounded_once_a_rule_and_cut_at_the_caps(
    earned: list[tuple[str, int]], caps: dict[str, int], cap: int | None, due: int
) -> None:
    limits = {code: Tiyn(most) for code, most in caps.items()}
    assert month_due([MonthRule(*one) for one in earned], limits, None if cap is None else Tiyn(cap)) == due


@given(
    st.lists(st.integers(0, 10**9), max_size=6), st.none() | st.integers(0, 10**6), st.none() | st.integers(0, 10**6)
)
def test_caps_hold_and_nothing_else_is_lost(sums: list[int], each: int | None, most: int | None) -> None:
    caps = {str(n): None if each is None else Tiyn(each) for n in range(len(sums))}
    due = month_due([MonthRule(str(n), e4) for n, e4 in enumerate(sums)], caps, None if most is None else Tiyn(most))
    assert most is None or due <= most
    assert each is None or due <= each * len(sums)
    if most is None and each is None:
        assert abs(due * 10_000 - sum(sums)) <= 5_000 * len(sums)  # half a tiyn a rule


@pytest.mark.parametrize(
    ("due", "credited", "moved"),
    [(99, 0, 0), (100, 0, 100), (250, 151, 0), (250, 150, 100), (149, 150, -1), (0, 0, 0)],
)
def test_less_than_the_least_waits_and_what_was_too_much_does_not(due: int, credited: int, moved: int) -> None:
    assert to_move(Tiyn(due), Tiyn(credited), Tiyn(100)) == moved


def test_who_was_born_on_29_february_has_it_on_the_28th_of_other_years() -> None:
    assert [birthday_in(229, year).day for year in (2024, 2026, 2000, 2100)] == [29, 28, 29, 28]
    assert birthdays_on(date(2026, 2, 28)) == [228, 229]
    assert birthdays_on(date(2028, 2, 28)) == [228]
    assert birthdays_on(date(2028, 2, 29)) == [229]


@given(st.integers(1, 12), st.integers(1, 28), st.integers(1990, 2100))
def test_everybody_has_one_birthday_a_year(month: int, day: int, year: int) -> None:
    kept = birthday_in(month * 100 + day, year)
    assert month * 100 + day in birthdays_on(kept)


@pytest.mark.parametrize(
    ("contra", "rule", "points"),
    [
        ("revenue.voice", "usage", 300),
        ("revenue.plan", "fees", 100),
        ("cash.terminal", "top-ups", 50),
        ("cash.office", "top-ups", 50),
        ("revenue.roaming", None, 0),
        ("revenue.content", None, 0),
        ("receivable.device", None, 0),
        ("trust.advanced", None, 0),
    ],
)
def test_the_demo_operators_rules_say_what_earns(contra: str, rule: str | None, points: int) -> None:
    rows = rule_rows(load_directory(CATALOGUE).bonus, {1: (date(2026, 1, 1), date.max)})
    found = rule_for(rows, contra, date(2026, 3, 2), date(2026, 3, 10))
    assert (rule, points) == (None, 0) if found is None else (found.rule, found.basis_points) == (rule, points)
    assert rule_for(rows, contra, date(2026, 3, 2), date(2025, 12, 31)) is None  # before the programme
