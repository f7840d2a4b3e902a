"""Accounts at banks: what is one and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.kernel.iban import IbanError, parse_iban, same_bank


@pytest.mark.parametrize(
    ("text", "iban"),
    [
        ("KZ86125KZT5004100100", "KZ86125KZT5004100100"),  # the example of the registry of IBAN
        ("kz86 125k zt50 0410 0100", "KZ86125KZT5004100100"),
        ("KZ87125KZT5004100100", None),  # another check digit
        ("KZ86125KZT5004100101", None),
        ("KZ86125KTZ5004100100", None),  # two letters exchanged
        ("KZ86125KZT500410010", None),
        ("KZ86125KZT50041001000", None),
        ("DE89370400440532013000", None),  # right, and not of this country
        ("KZ86125KZT500410010О", None),  # the last letter is Cyrillic
        ("", None),
    ],
)
def test_an_iban_checks_by_97(text: str, iban: str | None) -> None:
    if iban is None:
        with pytest.raises(IbanError):
            parse_iban(text)
    else:
        assert parse_iban(text) == iban


@given(st.integers(4, 19), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_a_wrong_digit_or_letter_is_always_found(place: int, character: str) -> None:
    """A letter for a digit makes a longer number, which one in 97 times fits: only like for like is promised."""
    right = "KZ86125KZT5004100100"
    wrong = right[:place] + character + right[place + 1 :]
    if wrong != right and character.isdigit() == right[place].isdigit():
        with pytest.raises(IbanError):
            parse_iban(wrong)


def test_an_account_names_its_bank() -> None:
    assert same_bank("KZ86125KZT5004100100", "KZ59125KZT5004100101")
    assert not same_bank("KZ86125KZT5004100100", "KZ73722C000022222222")
