"""IIN and BIN: twelve digits of which the last one checks the others."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from telco.kernel.iin_bin import IinBinError, check_digit, parse_bin, parse_iin

FIRST_WEIGHTS = tuple(range(1, 12))
SECOND_WEIGHTS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
eleven_digits = st.text("0123456789", min_size=11, max_size=11)


@pytest.mark.parametrize(
    ("eleven", "digit"),
    [
        # 8*1+5*2+0*3+1*4+1*5+5*6+3*7+0*8+0*9+1*10+2*11 = 110; 110 mod 11 = 0
        ("85011530012", 0),
        # 0*1+1*2+0*3+1*4+0*5+1*6+5*7+0*8+0*9+0*10+1*11 = 58; 58 mod 11 = 3
        ("01010150001", 3),
        # 9*1+0*2+0*3+1*4+0*5+1*6+3*7+0*8+0*9+0*10+1*11 = 51; 51 mod 11 = 7
        ("90010130001", 7),
        # 9*1+0*2+0*3+1*4+0*5+1*6+3*7+0*8+0*9+7*10+0*11 = 110, mod 11 = 0
        ("90010130070", 0),
        # First weights: 9+4+6+21+3*10+3*11 = 103 mod 11 = 4
        ("90010130033", 4),
    ],
)
def test_the_check_digit_is_the_weighted_sum_modulo_eleven(eleven: str, digit: int) -> None:
    assert check_digit(eleven) == digit


def weighted(eleven: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(eleven, weights, strict=True)) % 11


@given(eleven_digits)
def test_a_ten_is_computed_again_and_a_second_ten_is_never_issued(eleven: str) -> None:
    first = weighted(eleven, FIRST_WEIGHTS)
    second = weighted(eleven, SECOND_WEIGHTS)
    expected = first if first < 10 else second if second < 10 else None
    assert check_digit(eleven) == expected


def test_the_rare_cases_exist() -> None:
    again = next(f"{n:011}" for n in range(10**6) if weighted(f"{n:011}", FIRST_WEIGHTS) == 10)
    assert check_digit(again) in range(10)
    never = next(f"{n:011}" for n in range(10**6) if check_digit(f"{n:011}") is None)
    assert weighted(never, FIRST_WEIGHTS) == weighted(never, SECOND_WEIGHTS) == 10


def number_beginning(start: str) -> str:
    """Return a number with a right check digit and the lowest serial that has one."""
    width = 11 - len(start)
    bodies = (f"{start}{serial:0{width}}" if width else start for serial in range(10**width))
    return next(f"{body}{check_digit(body)}" for body in bodies if check_digit(body) is not None)


UNCHECKED_PLACE = 10
"""The eleventh digit has weight 11, which is 0 modulo 11: the first sum does not see it."""


@given(eleven_digits, st.integers(0, 11).filter(lambda place: place != UNCHECKED_PLACE), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(eleven: str, place: int, step: int) -> None:
    assume(weighted(eleven, FIRST_WEIGHTS) < 10)
    good = number_beginning(eleven)
    wrong = good[:place] + str((int(good[place]) + step) % 10) + good[place + 1 :]
    assume(weighted(wrong[:11], FIRST_WEIGHTS) < 10)
    assert check_digit(wrong[:11]) != int(wrong[11])


@pytest.mark.parametrize(
    "first_seven",
    ["8501153", "0002295", "9912314", "0001015", "2402296"],
    # 15 Jan 1985; 29 Feb 2000; 31 Dec 1999; 1 Jan 2000; 29 Feb 2024
)
def test_a_person_has_a_birth_date_and_a_century(first_seven: str) -> None:
    iin = number_beginning(first_seven)
    assert parse_iin(iin) == iin


@pytest.mark.parametrize(
    "first_seven",
    [
        "8513013",  # month 13
        "8500013",  # month 0
        "8501323",  # 32 January
        "9902293",  # 1999 had no 29 February
        "0002293",  # nor had 1900
        "8501150",  # no century 0
        "8501157",  # nor 7
    ],
)
def test_a_person_cannot_be_born_on_no_day(first_seven: str) -> None:
    with pytest.raises(IinBinError, match="IIN"):
        parse_iin(number_beginning(first_seven))


@pytest.mark.parametrize("kind", "456")
def test_a_company_says_what_it_is_in_the_fifth_digit(kind: str) -> None:
    company = number_beginning(f"0804{kind}")
    assert parse_bin(company) == company
    with pytest.raises(IinBinError):  # a company is not a person: 08-04-4x is no date
        parse_iin(company)


@pytest.mark.parametrize(
    ("first_five", "why"), [("08043", "kind 3"), ("08047", "kind 7"), ("08004", "month 0"), ("08134", "month 13")]
)
def test_what_is_no_company_is_refused(first_five: str, why: str) -> None:
    with pytest.raises(IinBinError, match="BIN"):
        parse_bin(number_beginning(first_five))


@pytest.mark.parametrize("text", ["", "8501153001", "8501153001200", "85011530012a", "٨٥٠١١٥٣٠٠١٢٠", "850115300120\n"])
def test_only_twelve_ascii_digits_are_read(text: str) -> None:
    for parse in (parse_iin, parse_bin):
        with pytest.raises(IinBinError) as refusal:
            parse(text)
        assert len(refusal.value.text) <= 20
