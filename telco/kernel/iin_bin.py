"""The state's identification numbers: IIN of a person, BIN of a company. Twelve digits, the last one checks."""

from __future__ import annotations

import re
from datetime import date
from typing import NewType

from telco.kernel.errors import DomainError

Iin = NewType("Iin", str)
Bin = NewType("Bin", str)

_TWELVE_DIGITS = re.compile(r"[0-9]{12}")
_FIRST_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_WEIGHTS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_COMPANY_KINDS = "456"
_CENTURY = {"1": 1800, "2": 1800, "3": 1900, "4": 1900, "5": 2000, "6": 2000}


class IinBinError(DomainError):
    """`{text}` is not a valid {kind}: check its twelve digits."""

    code = "iin_bin_invalid"
    status = 422
    text: str
    kind: str


def check_digit(eleven: str) -> int | None:
    """Compute the twelfth digit of the first eleven, or None where no valid number begins so.

    The sum of digits by weights 1..11, modulo 11; a result of 10 is computed again with weights 3..11, 1, 2; a second
    10 means that the number is never issued.
    """
    for weights in (_FIRST_WEIGHTS, _SECOND_WEIGHTS):
        remainder = sum(int(digit) * weight for digit, weight in zip(eleven, weights, strict=True)) % 11
        if remainder < 10:
            return remainder
    return None


def _has_check_digit(text: str) -> bool:
    return _TWELVE_DIGITS.fullmatch(text) is not None and check_digit(text[:11]) == int(text[11])


def parse_iin(text: str) -> Iin:
    """Read a person's number: birth date YYMMDD, century and sex, a serial and the check digit.

    Raises:
        IinBinError: the digits, the birth date or the check digit are wrong.
    """
    if _has_check_digit(text) and text[6] in _CENTURY:
        try:
            date(_CENTURY[text[6]] + int(text[:2]), int(text[2:4]), int(text[4:6]))
        except ValueError:
            pass
        else:
            return Iin(text)
    raise IinBinError(text=text[:20], kind="IIN")


def parse_bin(text: str) -> Bin:
    """Read a company's number: registration year and month, kind 4, 5 or 6, a serial and the check digit.

    Raises:
        IinBinError: the digits, the month, the kind or the check digit are wrong.
    """
    if _has_check_digit(text) and text[4] in _COMPANY_KINDS and 1 <= int(text[2:4]) <= 12:
        return Bin(text)
    raise IinBinError(text=text[:20], kind="BIN")
