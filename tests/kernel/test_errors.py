"""Domain errors: a stable code, a sentence for the person, typed fields."""

from __future__ import annotations

import pickle

import pytest

from telco.kernel.errors import DomainError
from telco.kernel.money import MoneyFormatError, tenge


def test_the_docstring_is_the_message_with_its_fields() -> None:
    with pytest.raises(MoneyFormatError) as refusal:
        tenge("1.005")
    assert refusal.value.code == "money_format"
    assert str(refusal.value) == "`1.005` is not an amount in tenge with at most two decimals."
    assert refusal.value.fields == {"text": "1.005"}


def test_only_the_first_paragraph_is_said() -> None:
    class SampleError(DomainError):
        """The sum is
        too large.

        Raised by nobody.
        """

        code = "test_sample"

    try:
        assert str(SampleError()) == "The sum is too large."
        assert DomainError.registry["test_sample"] is SampleError
    finally:
        del DomainError.registry["test_sample"]


def test_two_errors_cannot_share_a_code() -> None:
    with pytest.raises(TypeError, match="money_format"):
        type("OtherError", (DomainError,), {"code": "money_format", "__doc__": "Another."})
    assert DomainError.registry["money_format"] is MoneyFormatError


def test_an_error_survives_a_process_boundary() -> None:
    copy = pickle.loads(pickle.dumps(MoneyFormatError(text="x")))
    assert isinstance(copy, MoneyFormatError)
    assert copy.fields == {"text": "x"}
    assert copy.text == "x"
