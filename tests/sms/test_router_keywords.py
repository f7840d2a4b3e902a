"""What people type is understood in any case, script and spacing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.sms.keywords import MAX_TYPED, NO, YES, KeywordClashError, Keywords, fold, phrase, words


@pytest.mark.parametrize(
    ("typed", "keyword"),
    [
        ("БАЛАНС", "баланс"),
        ("BaLaNs", "баланс"),
        ("balans!", "баланс"),
        ("  баланс  ", "баланс"),
        ("Ballans", "баланс"),
        ("ия", "иә"),  # no Kazakh letter on the keyboard
        ("iia", "ия"),
        ("көмек", "комек"),
        ("қызмет", "kyzmet"),
        ("ｂａｌａｎｃｅ", "balance"),  # full-width letters
        ("стоп-все", "стоп все"),
        ("стоп   все", "стоп все"),
        ("ещё", "еще"),
    ],
)
def test_spellings_of_one_keyword(typed: str, keyword: str) -> None:
    assert phrase(typed) == phrase(keyword)


def test_digits_are_never_folded_together() -> None:
    assert fold("1100") == "1100"
    assert phrase("11") != phrase("1")


@pytest.mark.parametrize("word", ["YES", "Да", "ИӘ", "иа", "ия", "ok", "Ок"])
def test_yes_in_three_languages(word: str) -> None:
    assert fold(word) in YES


@pytest.mark.parametrize("word", ["no", "НЕТ", "жоқ", "жок", "Cancel"])
def test_no_in_three_languages(word: str) -> None:
    assert fold(word) in NO


def test_the_longest_keyword_wins() -> None:
    table = Keywords()
    table.add(("стоп", "stop"), "one")
    table.add(("стоп все", "stop all"), "all")
    assert table.find(words("СТОП: все!")) == ("all", 2)
    assert table.find(words("stop 12")) == ("one", 1)
    assert table.find(words("12 stop")) is None
    assert table.find([]) is None


def test_a_keyword_belongs_to_one_command() -> None:
    table = Keywords()
    table.add(("баланс",), "one")
    table.add(("Balans",), "one")
    with pytest.raises(KeywordClashError):
        table.add(("balans",), "two")
    with pytest.raises(KeywordClashError):
        table.add(("!!!",), "two")


@given(st.text(max_size=12_000))
def test_any_text_is_read(text: str) -> None:
    typed = words(text)
    assert all(0 < word.end <= MAX_TYPED for word in typed)
    assert [word.end for word in typed] == sorted(word.end for word in typed)


LETTERS = "aәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюяabcdefghijklmnopqrstuvwxyz0123456789"


@given(st.text(LETTERS, max_size=20))
def test_folding_ignores_case_and_is_stable(word: str) -> None:
    assert fold(word.upper()) == fold(word)
    assert fold(fold(word)) == fold(word)
