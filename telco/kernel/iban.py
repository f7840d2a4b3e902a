"""Accounts at banks of Kazakhstan: KZ, two check digits, the bank's three digits and its thirteen letters or digits."""

from __future__ import annotations

import re

from telco.kernel.errors import DomainError

_IBAN = re.compile(r"KZ\d{2}[0-9A-Z]{16}", re.ASCII)


class IbanError(DomainError):
    """`{text}` is not an account at a bank of Kazakhstan: KZ, two check digits and 16 letters or digits."""

    code = "iban_invalid"
    status = 422
    text: str


def parse_iban(text: str) -> str:
    """Read an account at a bank of Kazakhstan: 20 characters whose check digits are right (ISO 13616, modulo 97).

    Raises:
        IbanError
    """
    iban = "".join(text.split()).upper()
    if _IBAN.fullmatch(iban) is None or _remainder(iban) != 1:
        raise IbanError(text=text[:40])
    return iban


def same_bank(one: str, other: str) -> bool:
    """Whether two accounts are at one bank: the three digits after the check digits name it."""
    return one[4:7] == other[4:7]


def _remainder(iban: str) -> int:
    """The number that the IBAN stands for, its country and check digits at the end, A as 10 to Z as 35, modulo 97."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97
