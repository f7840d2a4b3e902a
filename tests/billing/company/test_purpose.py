"""Purposes as accountants write them, in Russian and Kazakh: what means one thing is read, the rest is not guessed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.company.model import Unclear
from telco.billing.company.purpose import normal_reference, parse_money, parse_purpose
from telco.kernel.money import Tiyn, tenge

A, B, C = "77011234567", "77021234567", "2:417"
I1, I2 = "KC-2026-0000001", "KC-2026-0000002"


@pytest.mark.clause("PSC-3.2.4-1")
@pytest.mark.parametrize(
    ("text", "amount", "named"),
    [
        # one name alone is for all of it
        ("Оплата по счету KC-2026-0000001 за услуги связи", "100", [(I1, "100")]),
        ("Оплата по счету КС-2026-0000001 от 01.03.2026г.", "100", [(I1, "100")]),  # Cyrillic letters
        ("kc - 2026 - 0000001 байланыс қызметтері үшін", "100", [(I1, "100")]),
        ("за сотовую связь +7 (701) 123-45-67 за март 2026 года, без НДС", "5000", [(A, "5000")]),
        ("8 701 123 45 67 байланыс үшін төлем 2026 жылғы наурыз", "5000", [(A, "5000")]),
        ("л/с 2:417 договор № 55/12 от 02.02.2025, КНП 859, БИН 990140000007", "70.5", [(C, "70.5")]),
        # sums after names
        (f"за {A} - 5000, {B} - 3000", "8000", [(A, "5000"), (B, "3000")]),
        (f"{A}=5000.50 тг; {B}=2999,50 тг", "8000", [(A, "5000.5"), (B, "2999.5")]),
        (f"Счет {I1} на сумму 1 250,50 тенге; л/с {C} сумма 749-50", "2000", [(I1, "1250.5"), (C, "749.5")]),
        (f"{A} нөміріне 5000 теңге, {B} нөміріне 3000 теңге 50 тиын. ҚҚС-сыз", "8000.5", [(A, "5000"), (B, "3000.5")]),
        (f"{I1} - 2 000 000,00 KZT, {I2} - 1'500'000 KZT", "3500000", [(I1, "2000000"), (I2, "1500000")]),
        (f"{A} (5000 тг), {B} (3000 тг)", "8000", [(A, "5000"), (B, "3000")]),
        # sums before names
        (f"5000 тг за {A}, 3000 тг за {B}", "8000", [(A, "5000"), (B, "3000")]),
        # VAT and totals are no sums of their own
        (f"счет {I1}, в т.ч. НДС 16% - 1 600,00 тенге", "11600", [(I1, "11600")]),
        (f"счет {I1} сумма 11600 тг, в том числе НДС 1600 тг", "11600", [(I1, "11600")]),
        (f"{A} - 5000 тг, {B} - 3000 тг, итого 8000 тг в т.ч. ҚҚС 16%", "8000", [(A, "5000"), (B, "3000")]),
        (f"Жалпы сомасы 8 000 тг: {A} - 5000 тг, {B} - 3000 тг", "8000", [(A, "5000"), (B, "3000")]),
    ],
)
def test_what_is_clear_is_read(text: str, amount: str, named: list[tuple[str, str]]) -> None:
    purpose = parse_purpose(text, tenge(amount))
    assert purpose.unclear is None, purpose
    assert [(name.name, name.amount) for name in purpose.named] == [(who, tenge(sum_)) for who, sum_ in named]


@pytest.mark.clause("PSC-3.2.4-4")
@pytest.mark.parametrize(
    ("text", "unclear"),
    [
        ("за услуги связи", Unclear.NOTHING_NAMED),
        ("", Unclear.NOTHING_NAMED),
        ("по договору № 55 от 01.02.2026 за 1 квартал 2026 года", Unclear.NOTHING_NAMED),
        (f"за {A} и {B}", Unclear.SUM_MISSING),
        (f"за {A} - 5000, остальное {B}", Unclear.SUM_MISSING),
        (f"за {A} - 5000, {B} - 2999.99", Unclear.SUMS_DIFFER),
        (f"за {A} - 5000", Unclear.SUMS_DIFFER),
        (f"за {A} - 5,000", Unclear.SUMS_DIFFER),  # five, or five thousand?
        (f"за {A} - 5000, {A} - 3000", Unclear.NAMED_TWICE),
        (f"за {A}, 8(701)1234567", Unclear.NAMED_TWICE),
        (f"{A} - 1000, {B} - 1000, {C} - 6000", Unclear.TOO_MANY_NAMED),
        (f"{A} {B} 5000 тг 3000 тг", Unclear.AMBIGUOUS),
        (f"{A} 5000 тг, 3000 тг {B}", Unclear.AMBIGUOUS),
        (f"{A} - 5000 тг, 3000 тг", Unclear.AMBIGUOUS),
        (f"за {A} и 770212345", Unclear.AMBIGUOUS),  # a number with a digit missing
        ("абонент 870112345678", Unclear.AMBIGUOUS),  # a digit too many
        (f"{A} - 5000 тг, {B} - 3000 тг, итого 9000 тг", Unclear.SUMS_DIFFER),
    ],
)
def test_what_can_be_read_otherwise_is_not_guessed(text: str, unclear: Unclear) -> None:
    purpose = parse_purpose(text, tenge(8000))
    assert (purpose.unclear, purpose.named) == (unclear, ())


@pytest.mark.clause("PSC-3.2.4-2", "PSC-3.2.4-3")
@pytest.mark.parametrize(
    "text",
    [
        "Оплата по реестру",
        "согласно реестра № 15 от 01.03.2026",
        "Тізілім бойынша төлем",
        "тизилим бойынша",
        "см. сопроводительное письмо",
        "илеспе хат",
    ],
)
def test_a_register_or_letter_is_noticed(text: str) -> None:
    purpose = parse_purpose(text, tenge(8000))
    assert (purpose.by_sheet, purpose.named) == (True, ())


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1250", 125_000),
        ("1 250,50", 125_050),
        ("1\u00a0250.5", 125_050),
        ("1250-50", 125_050),
        ("1250=50", 125_050),
        ("1'250", 125_000),
        ("0,01", 1),
        ("1,250", None),
        ("1.250", None),
        ("12 50", None),
        ("-5", None),
        ("0", None),
        ("1e3", None),
        ("", None),
        ("1250.505", None),
    ],
)
def test_sums_are_read_as_people_write_them(text: str, amount: int | None) -> None:
    assert parse_money(text) == (None if amount is None else Tiyn(amount))


def test_names_are_compared_however_they_are_written() -> None:
    assert normal_reference("кс-2026-0000001") == I1
    assert normal_reference("8 (701) 123-45-67") == A
    assert normal_reference("2:417") == C
    assert normal_reference("что-то") is None


@pytest.mark.clause("PSC-3.2.4-4")
@given(st.text(alphabet="0123456789 .,-:()тгKC№счетНДС%\n", max_size=200), st.integers(1, 10**9))
def test_whatever_is_written_sums_add_up_or_nothing_is_named(text: str, amount: int) -> None:
    purpose = parse_purpose(text, Tiyn(amount))
    assert (purpose.unclear is None) == bool(purpose.named)
    assert not purpose.named or sum(named.amount for named in purpose.named) == amount


@pytest.mark.parametrize(
    "text", ["1 " * 500, "1" * 1000, "(" * 1000, f"{A} " * 80, "НДС " * 250, "1-1-" * 250, "от 1." * 200]
)
def test_a_purpose_that_means_harm_is_read_in_no_time(text: str) -> None:
    started = time.process_time()
    parse_purpose(text[:1000], tenge(1))
    assert time.process_time() - started < 1
