"""Subscriber numbers in E.164 digits, as Kazakhstan writes and dials them."""

from __future__ import annotations

import re
from typing import NewType

import phonenumbers

from telco.kernel.errors import DomainError

Msisdn = NewType("Msisdn", str)
"""E.164 digits without a plus sign, such as ``77011234567`` (ITU-T E.164)."""

_SEPARATORS = re.compile(r"[\s().\-]")
_HOME = re.compile(r"(?:\+?7|8)?(7\d{9})")
_E164 = re.compile(r"\+?([1-9]\d{6,14})")


class MsisdnFormatError(DomainError):
    """`{text}` is not a phone number. Write it like +7 701 123 45 67."""

    code = "msisdn_format"
    status = 422
    text: str


def parse_msisdn(text: str) -> Msisdn:
    """Read a number as people type it: ``8701...``, ``+7 701 ...``, ``701...`` or another country's in E.164.

    Raises:
        MsisdnFormatError: not a possible number of its country.
    """
    digits = _SEPARATORS.sub("", text)
    if len(text) <= 32 and digits.isascii():
        if home := _HOME.fullmatch(digits):
            return Msisdn("7" + home[1])
        foreign = _E164.fullmatch(digits)
        if foreign and _is_possible("+" + foreign[1]):
            return Msisdn(foreign[1])
    raise MsisdnFormatError(text=text[:32])


def _is_possible(e164: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(e164))
    except phonenumbers.NumberParseException:  # a country code that nobody has, such as 999
        return False


def mask(msisdn: str) -> str:
    """Hide the middle of a number for logs: ``77011234567`` becomes ``7701***4567``."""
    return f"{msisdn[:4]}***{msisdn[-4:]}" if len(msisdn) > 8 else "***"
