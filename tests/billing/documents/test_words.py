"""Amounts in words: every word, every form of a Russian noun, and that no two numbers read alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.documents.words import amount_in_words, number_in_words, russian_form
from telco.kernel.i18n import Language
from telco.kernel.money import Tiyn

KK, RU, EN = Language.KK, Language.RU, Language.EN


@pytest.mark.parametrize(
    ("number", "kk", "ru", "en"),
    [
        (0, "нөл", "ноль", "zero"),
        (1, "бір", "один", "one"),
        (2, "екі", "два", "two"),
        (9, "тоғыз", "девять", "nine"),
        (10, "он", "десять", "ten"),
        (11, "он бір", "одиннадцать", "eleven"),
        (19, "он тоғыз", "девятнадцать", "nineteen"),
        (20, "жиырма", "двадцать", "twenty"),
        (38, "отыз сегіз", "тридцать восемь", "thirty-eight"),
        (99, "тоқсан тоғыз", "девяносто девять", "ninety-nine"),
        (100, "жүз", "сто", "one hundred"),
        (101, "жүз бір", "сто один", "one hundred one"),
        (999, "тоғыз жүз тоқсан тоғыз", "девятьсот девяносто девять", "nine hundred ninety-nine"),
        (1_000, "бір мың", "одна тысяча", "one thousand"),
        (2_002, "екі мың екі", "две тысячи два", "two thousand two"),
        (5_000, "бес мың", "пять тысяч", "five thousand"),
        (11_000, "он бір мың", "одиннадцать тысяч", "eleven thousand"),
        (21_000, "жиырма бір мың", "двадцать одна тысяча", "twenty-one thousand"),
        (112_314, "жүз он екі мың үш жүз он төрт", "сто двенадцать тысяч триста четырнадцать",
         "one hundred twelve thousand three hundred fourteen"),
        (1_000_000, "бір миллион", "один миллион", "one million"),
        (2_000_001, "екі миллион бір", "два миллиона один", "two million one"),
        (1_000_000_000, "бір миллиард", "один миллиард", "one billion"),
        (5_000_000_000_000, "бес триллион", "пять триллионов", "five trillion"),
        (-7, "минус жеті", "минус семь", "minus seven"),
    ],
)  # fmt: skip
def test_numbers(number: int, kk: str, ru: str, en: str) -> None:
    assert [number_in_words(number, language) for language in (KK, RU, EN)] == [kk, ru, en]


@pytest.mark.parametrize(
    ("tiyn", "kk", "ru", "en"),
    [
        (0, "Нөл теңге 00 тиын", "Ноль тенге 00 тиын", "Zero tenge 00 tiyn"),
        (5, "Нөл теңге 05 тиын", "Ноль тенге 05 тиын", "Zero tenge 05 tiyn"),
        (125_050, "Бір мың екі жүз елу теңге 50 тиын", "Одна тысяча двести пятьдесят тенге 50 тиын",
         "One thousand two hundred fifty tenge 50 tiyn"),
        (899_000, "Сегіз мың тоғыз жүз тоқсан теңге 00 тиын", "Восемь тысяч девятьсот девяносто тенге 00 тиын",
         "Eight thousand nine hundred ninety tenge 00 tiyn"),
        (-5, "Минус нөл теңге 05 тиын", "Минус ноль тенге 05 тиын", "Minus zero tenge 05 tiyn"),
    ],
)  # fmt: skip
def test_amounts(tiyn: int, kk: str, ru: str, en: str) -> None:
    assert [amount_in_words(Tiyn(tiyn), language) for language in (KK, RU, EN)] == [kk, ru, en]


@pytest.mark.parametrize(
    ("number", "form"),
    [(1, "a"), (2, "b"), (4, "b"), (5, "c"), (10, "c"), (11, "c"), (12, "c"), (14, "c"), (15, "c"), (20, "c"),
     (21, "a"), (22, "b"), (25, "c"), (101, "a"), (111, "c"), (112, "c"), (121, "a"), (1_011, "c"), (0, "c")],
)  # fmt: skip
def test_a_russian_noun_after_a_number(number: int, form: str) -> None:
    assert russian_form(number, "a", "b", "c") == form


@given(st.integers(0, 10**15 - 1), st.integers(0, 10**15 - 1), st.sampled_from(list(Language)))
def test_different_numbers_read_differently(one: int, other: int, language: Language) -> None:
    assert (number_in_words(one, language) == number_in_words(other, language)) == (one == other)


@given(st.integers(1, 999), st.integers(0, 999), st.sampled_from(list(Language)))
def test_thousands_are_read_before_the_rest(thousands: int, rest: int, language: Language) -> None:
    whole = number_in_words(thousands * 1000 + rest, language)
    assert whole.startswith(number_in_words(thousands * 1000, language))
    assert rest == 0 or whole.endswith(number_in_words(rest, language))


def test_what_has_no_word_is_refused() -> None:
    with pytest.raises(ValueError, match="below"):
        number_in_words(10**15, RU)
