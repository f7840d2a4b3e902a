"""When fees fall due and what a part of a period costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.catalog.catalogue import Catalogue
from telco.catalog.errors import NoFigureError
from telco.catalog.fees import next_fee_date, prorated, vat_within
from telco.catalog.measures import Interval, MeasureFormatError, Span, parse_quantity, parse_span
from telco.kernel.money import Tiyn
from telco.kernel.units import Unit

MARCH = (date(2026, 3, 1), date(2026, 4, 1))


@pytest.mark.clause("PSC-1.1.2", "PSC-1.1.26", "PSC-3.2.4")
@pytest.mark.parametrize(
    ("anchor", "interval", "n", "due"),
    [
        (date(2026, 1, 31), Interval.MONTH, 0, date(2026, 1, 31)),
        (date(2026, 1, 31), Interval.MONTH, 1, date(2026, 2, 28)),  # no 31 February
        (date(2026, 1, 31), Interval.MONTH, 2, date(2026, 3, 31)),  # returns to the 31st
        (date(2026, 1, 31), Interval.MONTH, 3, date(2026, 4, 30)),
        (date(2028, 1, 31), Interval.MONTH, 1, date(2028, 2, 29)),  # leap year
        (date(2026, 12, 15), Interval.MONTH, 1, date(2027, 1, 15)),
        (date(2026, 3, 2), Interval.DAY, 1, date(2026, 3, 3)),
        (date(2026, 3, 2), Interval.WEEK, 2, date(2026, 3, 16)),
        (date(2026, 3, 2), Interval.DAYS_28, 1, date(2026, 3, 30)),
        (date(2026, 3, 2), Interval.DAYS_30, 1, date(2026, 4, 1)),
        (date(2026, 2, 1), Interval.DAYS_30, 1, date(2026, 3, 3)),  # 28 days of February and 2 more
    ],
)
def test_the_fee_falls_due_by_its_interval(anchor: date, interval: Interval, n: int, due: date) -> None:
    assert next_fee_date(anchor, interval, n) == due


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.sampled_from(Interval), st.integers(0, 500))
def test_periods_follow_each_other_without_a_gap(anchor: date, interval: Interval, n: int) -> None:
    assert next_fee_date(anchor, interval, n) < next_fee_date(anchor, interval, n + 1)


@pytest.mark.clause("PSC-1.1.2", "PSC-3.2.4")
@pytest.mark.parametrize(
    ("fee", "first", "after", "part"),
    [
        (499_000, date(2026, 3, 1), date(2026, 4, 1), 499_000),  # the whole month
        (499_000, date(2026, 3, 17), date(2026, 4, 1), 241_452),  # 15 of 31 days: 4,990.00 * 15 / 31 = 2,414.516
        (499_000, date(2026, 3, 31), date(2026, 4, 1), 16_097),  # 1 of 31 days: 160.968 is 160.97
        (310, date(2026, 3, 1), date(2026, 3, 2), 10),
        (465, date(2026, 3, 1), date(2026, 3, 2), 15),
        (15, date(2026, 3, 1), date(2026, 3, 2), 0),  # 0.48 tiyn
        (31, date(2026, 3, 1), date(2026, 3, 1), 0),  # no day
        (499_000, date(2026, 2, 1), date(2026, 5, 1), 499_000),  # days outside the period cost nothing
        (499_000, date(2026, 4, 1), date(2026, 5, 1), 0),
    ],
)
def test_a_part_of_a_period_costs_its_part_of_the_fee(fee: int, first: date, after: date, part: int) -> None:
    assert prorated(Tiyn(fee), first, after, MARCH) == part


@given(st.integers(0, 10**9), st.integers(0, 31))
def test_two_parts_cost_the_whole_to_the_tiyn(fee: int, days: int) -> None:
    """Each part is rounded half up, so the two may be one tiyn apart from the whole, never more."""
    middle = MARCH[0] + timedelta(days=days)
    parts = prorated(Tiyn(fee), MARCH[0], middle, MARCH) + prorated(Tiyn(fee), middle, MARCH[1], MARCH)
    assert abs(parts - fee) <= 1


def test_a_period_has_at_least_one_day() -> None:
    with pytest.raises(ValueError, match="at least one day"):
        prorated(Tiyn(100), MARCH[0], MARCH[1], (MARCH[0], MARCH[0]))


@pytest.mark.parametrize(
    ("day", "rate", "vat"),
    [
        (date(2025, 12, 31), "0.12", 12_000),  # 1,120.00 at 12 % holds 120.00
        (date(2026, 1, 1), "0.16", 15_448),  # 1,120.00 * 0.16 / 1.16 = 154.4827...
    ],
)
def test_vat_is_the_one_of_the_day(operator: Catalogue, day: date, rate: str, vat: int) -> None:
    assert operator.vat(day) == Decimal(rate)
    assert vat_within(Tiyn(112_000), operator.vat(day)) == vat


@pytest.mark.parametrize(("year", "mci"), [(2024, 369_200), (2025, 393_200), (2026, 432_500)])
def test_the_mci_is_the_one_of_the_year(operator: Catalogue, year: int, mci: int) -> None:
    assert operator.mci(date(year, 1, 1)) == mci
    assert operator.mci(date(year, 12, 31)) == mci


def test_a_figure_before_the_first_is_unknown(operator: Catalogue) -> None:
    with pytest.raises(NoFigureError, match=r"regulation\.toml"):
        operator.mci(date(2023, 12, 31))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("24 hours", datetime(2026, 3, 2, 7, 0, tzinfo=UTC)),
        ("1 day", datetime(2026, 3, 2, 19, 0, tzinfo=UTC)),  # the end of 2 March in Kazakhstan (UTC+5)
        ("30 days", datetime(2026, 3, 31, 19, 0, tzinfo=UTC)),  # the end of 31 March
        ("1 month", datetime(2026, 4, 1, 19, 0, tzinfo=UTC)),  # the end of 1 April
    ],
)
def test_a_term_ends_with_its_last_day(text: str, end: datetime) -> None:
    noon = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)  # 1 March, 12:00 in Kazakhstan
    assert parse_span(text).end(noon) == end
    assert str(parse_span(text)) == text


def test_a_term_starts_on_the_day_that_kazakhstan_has() -> None:
    late = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)  # already 2 March there
    assert parse_span("1 day").end(late) == datetime(2026, 3, 3, 19, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "unit", "quantity"),
    [
        ("20 GB", Unit.BYTES, 20_000_000_000),
        ("1.5 GB", Unit.BYTES, 1_500_000_000),
        ("100 kB", Unit.BYTES, 100_000),
        ("300 min", Unit.SECONDS, 18_000),
        ("min", Unit.SECONDS, 60),
        ("1 h", Unit.SECONDS, 3_600),
        ("100 SMS", Unit.MESSAGES, 100),
        ("event", Unit.MESSAGES, 1),
    ],
)
def test_volumes_carry_their_unit(text: str, unit: Unit, quantity: int) -> None:
    assert parse_quantity(text) == (unit, quantity)


@pytest.mark.parametrize("text", ["", "20", "20GB", "20 gb", "-1 GB", "0 GB", "0.5 s", "1e3 MB", "20 GB ", "٣ GB"])
def test_other_volumes_are_refused(text: str) -> None:
    with pytest.raises(MeasureFormatError):
        parse_quantity(text)


@pytest.mark.parametrize("text", ["", "30", "0 days", "-1 days", "30days", "2 weeks", "1.5 days"])
def test_other_terms_are_refused(text: str) -> None:
    with pytest.raises(MeasureFormatError):
        parse_span(text)


@given(st.integers(1, 400), st.sampled_from(["hours", "days", "months"]))
def test_a_longer_term_ends_later(count: int, unit: str) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    one, longer = (parse_span(f"{n} {unit}") for n in (count, count + 1))
    assert isinstance(one, Span)
    assert now < one.end(now) < longer.end(now)
