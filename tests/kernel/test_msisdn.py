"""Numbers: one form inside, whatever people type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.kernel.msisdn import MsisdnFormatError, mask, parse_msisdn

national = st.integers(7_000_000_000, 7_999_999_999).map(str)


@pytest.mark.parametrize(
    "typed",
    [
        "77011234567",
        "+77011234567",
        "87011234567",
        "7011234567",
        "+7 701 123 45 67",
        "8 (701) 123-45-67",
        "+7.701.123.45.67",
    ],
)
def test_every_way_to_write_a_number_is_one_number(typed: str) -> None:
    assert parse_msisdn(typed) == "77011234567"


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+77272588300", "77272588300"),  # fixed, Almaty
        ("+79161234567", "79161234567"),  # Russia shares the country code
        ("+998901234567", "998901234567"),
        ("+4915112345678", "4915112345678"),
    ],
)
def test_other_networks_and_countries_are_written_in_e164(typed: str, number: str) -> None:
    assert parse_msisdn(typed) == number


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "+",
        "112",
        "701123456",  # nine digits
        "770112345678",  # twelve
        "+7701123456",
        "+0123456789",
        "+99991231",  # a country code that nobody has
        "7701123456a",
        "٧٧٠١١٢٣٤٥٦٧",  # digits, but not ASCII
        "77011234567; drop table",
        "7701123\x004567",
        " " * 40 + "77011234567",  # longer than anybody types
    ],
)
def test_what_is_not_a_number_is_refused(typed: str) -> None:
    with pytest.raises(MsisdnFormatError) as refusal:
        parse_msisdn(typed)
    assert len(refusal.value.text) <= 32


@given(national, st.sampled_from(["", "7", "8", "+7"]))
def test_parsing_is_idempotent(number: str, prefix: str) -> None:
    assert parse_msisdn(parse_msisdn(prefix + number)) == "7" + number


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        number = parse_msisdn(text)
    except MsisdnFormatError:
        return
    assert number.isascii()
    assert number.isdigit()
    assert 7 <= len(number) <= 15


@pytest.mark.parametrize(
    ("number", "masked"),
    [("77011234567", "7701***4567"), ("123456789", "1234***6789"), ("12345678", "***"), ("9090", "***"), ("", "***")],
)
def test_a_masked_number_does_not_tell_whose_it_is(number: str, masked: str) -> None:
    assert mask(number) == masked
