"""Text about people: any language, any punctuation, no control characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.kernel.names import TextRefusedError, clean_text


@pytest.mark.parametrize(
    "text", ["Әлия Нұрғазықызы", "O'Brien; drop table party;--", '<b>"Ромашка"</b> ЖШС', "%s {0} $1 \\", "李", "👩‍👩‍👧"]
)
def test_text_is_kept_as_it_is(text: str) -> None:
    assert clean_text(text, field="name", max_length=100) == text


def test_text_is_trimmed_and_composed() -> None:
    assert clean_text("  Й\u0020", field="name", max_length=1) == "Й"
    assert clean_text("И\u0306", field="name", max_length=1) == "Й"


@pytest.mark.parametrize(
    "text",
    ["", "   ", "a\x00b", "a\nb", "a\x1b[2Jb", "a\x7fb", "a\u0085b", "a\ud800b", "a\u202e321", "a\u2028b", "x" * 11],
)
def test_empty_long_and_control_characters_are_refused(text: str) -> None:
    with pytest.raises(TextRefusedError) as refusal:
        clean_text(text, field="name", max_length=10)
    assert refusal.value.fields == {"field": "name", "max_length": 10}


def test_the_longest_text_that_fits_is_taken() -> None:
    assert clean_text("x" * 10, field="name", max_length=10) == "x" * 10


@given(st.text(max_size=50))
def test_cleaning_is_idempotent(text: str) -> None:
    try:
        cleaned = clean_text(text, field="name", max_length=50)
    except TextRefusedError:
        return
    assert clean_text(cleaned, field="name", max_length=50) == cleaned
