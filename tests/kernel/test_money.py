"""Money: exact in, rounded once, half up; the same value however it is written."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import (
    MAX_TIYN,
    Money,
    MoneyFormatError,
    div_half_up,
    format_money,
    json_money,
    round_half_up,
    tenge,
    to_decimal,
)
from telco.sms.text import Coding, coding_of

amounts = st.integers(-MAX_TIYN, MAX_TIYN)


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        ("0.4999999", 0),
        ("0.5", 1),
        ("1.5", 2),  # half to even would agree here
        ("2.5", 3),  # and here it would not
        ("-0.4999999", 0),
        ("-0.5", -1),
        ("-2.5", -3),
        ("1e15", 10**15),
    ],
)
def test_halves_are_rounded_away_from_zero(value: str, rounded: int) -> None:
    assert round_half_up(Decimal(value)) == rounded


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [
        (0, 7, 0),
        (1, 3, 0),
        (1, 2, 1),
        (5, 2, 3),
        (499_999, 1_000_000, 0),
        (500_000, 1_000_000, 1),
        (10**27, 10**9, 10**18),
    ],
)
def test_integer_division_rounds_half_up(numerator: int, denominator: int, rounded: int) -> None:
    assert div_half_up(numerator, denominator) == rounded


@given(st.integers(0, 10**24), st.integers(1, 10**9))
def test_both_roundings_are_one(numerator: int, denominator: int) -> None:
    """An independent statement of half up: the result is the whole number r with r - 1/2 <= x < r + 1/2."""
    rounded = div_half_up(numerator, denominator)
    assert (2 * rounded - 1) * denominator <= 2 * numerator < (2 * rounded + 1) * denominator


@pytest.mark.parametrize(
    ("text", "tiyn"),
    [
        ("0", 0),
        ("1", 100),
        ("0.01", 1),
        ("-0.01", -1),
        ("1250.50", 125_050),
        (1_490, 149_000),
        (Decimal("2.680"), 268),  # a third decimal that is zero loses nothing
        ("10000000000000.00", 10**15),
        ("-10000000000000.00", -(10**15)),
    ],
)
def test_tenge_become_whole_tiyn(text: str | int | Decimal, tiyn: int) -> None:
    assert tenge(text) == tiyn


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "1,50",
        "0.001",
        "-0.005",
        "NaN",
        "sNaN",
        "Infinity",
        "-Infinity",
        "10000000000000.01",
        "1e999999999",
    ],
)
def test_what_is_not_an_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyFormatError) as refusal:
        tenge(text)
    assert refusal.value.status == 422
    assert text in str(refusal.value)


def test_a_refusal_quotes_a_bounded_part_of_the_input() -> None:
    with pytest.raises(MoneyFormatError) as refusal:
        tenge("9" * 1_000 + ".999")
    assert len(refusal.value.text) == 40


@given(amounts)
def test_every_amount_survives_json_and_decimal(tiyn: int) -> None:
    assert tenge(json_money(tiyn)) == tenge(to_decimal(tiyn)) == tiyn


@pytest.mark.parametrize(
    ("tiyn", "json", "read", "english"),
    [
        (0, "0.00", "0 ₸", "0 KZT"),
        (1, "0.01", "0,01 ₸", "0.01 KZT"),
        (-1, "-0.01", "-0,01 ₸", "-0.01 KZT"),
        (10, "0.10", "0,10 ₸", "0.10 KZT"),
        (100, "1.00", "1 ₸", "1 KZT"),
        (99_999, "999.99", "999,99 ₸", "999.99 KZT"),
        (100_000, "1000.00", "1 000 ₸", "1,000 KZT"),
        (125_050, "1250.50", "1 250,50 ₸", "1,250.50 KZT"),
        (-123_456_789, "-1234567.89", "-1 234 567,89 ₸", "-1,234,567.89 KZT"),
        (10**15, "10000000000000.00", "10 000 000 000 000 ₸", "10,000,000,000,000 KZT"),
    ],
)
def test_money_is_written_for_machines_and_people(tiyn: int, json: str, read: str, english: str) -> None:
    assert json_money(tiyn) == json
    assert {language: format_money(tiyn, language) for language in Language} == {
        Language.KK: read,
        Language.RU: read,
        Language.EN: english,
    }


@pytest.mark.parametrize(
    ("language", "said"),
    [(Language.RU, "осталось 1 250,50 ₸"), (Language.KK, "1 250,50 ₸ қалды"), (Language.EN, "1,250.50 KZT left")],
)
def test_a_text_writes_money_as_its_reader_does(language: Language, said: str) -> None:
    translator = Translator(
        {Language.RU: {"{sum} left": "осталось {sum}"}, Language.KK: {"{sum} left": "{sum} қалды"}, Language.EN: {}}
    )
    text = Text("{sum} left", sum=Money(125_050))
    assert translator.render(text, language) == said
    assert str(text) == "1,250.50 KZT left"


@given(amounts)
def test_english_money_needs_no_more_than_the_gsm_alphabet(tiyn: int) -> None:
    assert coding_of(format_money(tiyn, Language.EN)) is Coding.GSM7
    assert "\N{NO-BREAK SPACE}" not in format_money(tiyn, Language.RU)


@given(amounts, st.sampled_from(Language))
def test_the_reader_sees_the_exact_amount(tiyn: int, language: Language) -> None:
    point, blank = (".", ",") if language is Language.EN else (",", " ")
    figure, _, _currency = format_money(tiyn, language).rpartition(" ")
    assert tenge(figure.replace(blank, "").replace(point, ".")) == tiyn
