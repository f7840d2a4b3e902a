"""Deadlines, numbers and the way back after a failure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.company.purpose import INVOICE
from telco.billing.documents import rules
from telco.billing.documents.model import Kind, Period
from telco.billing.documents.pdf import style
from telco.kernel.i18n import Language

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (style.money(-1_250_50, Language.RU), "−1 250,50"),
        (style.money(1_250_00, Language.KK), "1 250,00"),
        (style.money(-1_250_50, Language.EN), "−1,250.50"),
        (style.quantity(Decimal("1250.500"), Language.RU), "1 250,5"),
        (style.quantity(None, Language.RU), ""),
        (style.percent(Decimal("16.00"), Language.RU), "16 %"),
        (style.percent(Decimal("12.5"), Language.KK), "12,5 %"),
        (style.percent(Decimal("12.5"), Language.EN), "12.5 %"),
    ],
)
def test_a_document_writes_figures_as_its_language_does_and_on_one_line(written: str, expected: str) -> None:
    assert written.replace("\N{NO-BREAK SPACE}", " ") == expected
    assert " " not in written


@pytest.mark.clause("PSC-4.5")
@pytest.mark.parametrize(
    ("period_end", "due_on"),
    [
        (date(2026, 4, 2), date(2026, 4, 21)),  # services until 1 April, and 20 calendar days
        (date(2026, 3, 1), date(2026, 3, 20)),  # until 28 February
        (date(2028, 3, 1), date(2028, 3, 20)),  # until 29 February
        (date(2027, 1, 1), date(2027, 1, 20)),  # until 31 December
    ],
)
def test_an_act_is_due_twenty_days_after_the_services(period_end: date, due_on: date) -> None:
    assert rules.duty_due_on(period_end) == due_on
    assert due_on - (period_end - timedelta(days=1)) == timedelta(days=20)


def test_the_turnover_is_on_the_last_day_of_the_period() -> None:
    assert rules.turnover_on(Period(date(2026, 3, 2), date(2026, 4, 2)), date(2026, 4, 5)) == date(2026, 4, 1)
    assert rules.turnover_on(None, date(2026, 4, 5)) == date(2026, 4, 5)


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (40, 60), (10_000, 60)]
)
def test_what_failed_is_tried_later_and_later(attempts: int, minutes: int) -> None:
    assert rules.next_try(attempts, NOW) == NOW + timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("number", "digits"),
    [("KC-2026-0000001", "201220260000001"), ("ACT-2026-0000001", "10122920260000001"), ("ICR-2027-1", "18122720271")],
)
def test_a_number_for_the_state_has_digits_only(number: str, digits: str) -> None:
    assert rules.esf_number(number) == digits


@pytest.mark.parametrize("number", ["", "КС-2026-1", "AC 2026", "A" * 16])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="cannot be a number"):
        rules.esf_number(number)


@given(
    st.tuples(
        st.sampled_from([*rules.SERIES.values(), "KC", "AK"]), st.integers(2020, 2099), st.integers(1, 9_999_999)
    ),
    st.tuples(
        st.sampled_from([*rules.SERIES.values(), "KC", "AK"]), st.integers(2020, 2099), st.integers(1, 9_999_999)
    ),
)
def test_different_numbers_stay_different(one: tuple[str, int, int], other: tuple[str, int, int]) -> None:
    equal = rules.esf_number(rules.number_of(*one)) == rules.esf_number(rules.number_of(*other))
    assert equal == (one == other)


def test_every_kind_has_a_series_of_its_own() -> None:
    """An act of 2026 is never numbered like an invoice, whatever the brand: AC is activ's."""
    assert set(rules.SERIES) == set(Kind) - {Kind.CREDIT_NOTE}  # which has a number of its own
    assert len(set(rules.SERIES.values())) == len(rules.SERIES)
    assert not [series for series in rules.SERIES.values() if INVOICE.fullmatch(rules.number_of(series, 2026, 1))]
