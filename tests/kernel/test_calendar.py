"""Contract days: the zone and the holidays of Kazakhstan, months that return to their anchor."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.kernel.calendar import Calendar, add_months

days = st.dates(date(2024, 3, 2), date(2035, 12, 31))


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        ("2026-01-31", 0, "2026-01-31"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-01-31", 2, "2026-03-31"),  # back to the 31st, not to the 28th
        ("2026-01-31", 3, "2026-04-30"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2026-01-29", 1, "2026-02-28"),
        ("2026-01-28", 1, "2026-02-28"),
        ("2025-12-31", 2, "2026-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-03-31", -1, "2026-02-28"),
    ],
)
def test_a_period_returns_to_its_anchor(anchor: str, months: int, expected: str) -> None:
    assert add_months(date.fromisoformat(anchor), months) == date.fromisoformat(expected)


@given(days, st.integers(0, 240))
def test_months_are_counted_and_never_overrun(anchor: date, months: int) -> None:
    end = add_months(anchor, months)
    assert (end.year * 12 + end.month) - (anchor.year * 12 + anchor.month) == months
    assert end.day == anchor.day or (end.day < anchor.day and (end + timedelta(days=1)).day == 1)


@given(days, st.integers(0, 240))
def test_later_periods_end_later(anchor: date, months: int) -> None:
    assert add_months(anchor, months) < add_months(anchor, months + 1)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-01T18:59:59", "2026-03-01"),  # 23:59:59 in Almaty, UTC+5 since 1 March 2024
        ("2026-03-01T19:00:00", "2026-03-02"),
        ("2025-12-31T19:00:00", "2026-01-01"),
        ("2024-02-29T17:59:59", "2024-02-29"),  # UTC+6 until then
        ("2024-02-28T18:00:00", "2024-02-29"),
    ],
)
def test_a_day_begins_at_midnight_in_kazakhstan(calendar: Calendar, moment: str, day: str) -> None:
    assert calendar.today(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == date.fromisoformat(day)


@given(days)
def test_the_first_moment_of_a_day_is_in_it_and_the_one_before_is_not(day: date) -> None:
    calendar = Calendar()
    start = calendar.start_of_day(day)
    assert start.tzinfo is UTC
    assert calendar.today(start) == day
    assert calendar.today(start - timedelta(microseconds=1)) == day - timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        ("2026-03-02", True),  # a Monday
        ("2026-02-28", False),  # a Saturday
        ("2026-03-01", False),  # a Sunday
        ("2026-01-01", False),  # New Year, a Thursday
        ("2026-03-23", False),  # Nauryz, a Monday
        ("2026-03-26", True),
        ("2026-12-16", False),  # Independence Day, a Wednesday
    ],
)
def test_weekends_and_holidays_are_not_worked(calendar: Calendar, day: str, worked: bool) -> None:
    assert calendar.is_working_day(date.fromisoformat(day)) is worked


def test_an_override_decides_over_the_library() -> None:
    saturday, monday = date(2026, 2, 28), date(2026, 3, 2)
    calendar = Calendar({saturday: True, monday: False})
    assert calendar.is_working_day(saturday)
    assert not calendar.is_working_day(monday)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2026-02-27", 0, "2026-02-27"),
        ("2026-02-27", 1, "2026-03-02"),  # from a Friday the first working day is Monday
        ("2026-02-27", 5, "2026-03-06"),  # Mon 2 .. Fri 6 March
        ("2026-02-28", 1, "2026-03-02"),  # from a Saturday too
        ("2026-12-15", 1, "2026-12-17"),  # 16 December is a holiday
    ],
)
def test_a_term_in_working_days_starts_on_the_following_day(
    calendar: Calendar, start: str, count: int, end: str
) -> None:
    assert calendar.add_working_days(date.fromisoformat(start), count) == date.fromisoformat(end)


@given(days, st.integers(1, 30))
def test_a_term_ends_on_a_working_day_and_contains_exactly_its_count(start: date, count: int) -> None:
    calendar = Calendar()
    end = calendar.add_working_days(start, count)
    assert calendar.is_working_day(end)
    between = (start + timedelta(days=n) for n in range(1, (end - start).days + 1))
    assert sum(map(calendar.is_working_day, between)) == count
