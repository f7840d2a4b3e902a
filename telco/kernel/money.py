"""Money: whole tiyn in the ledger, `Decimal` tenge in prices, strings in JSON.

1 tenge (KZT) = 100 tiyn = 100,000,000 micro-tiyn. Prices per rating unit are micro-tiyn, so that a price of
0.00015 KZT per kilobyte stays exact; a rated event is rounded to tiyn once, half up.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from typing import NewType

from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language, Written, write_number

Tiyn = NewType("Tiyn", int)
"""An amount of money in tiyn; negative for a debt."""

TIYN_PER_TENGE = 100
MICRO = 1_000_000
"""Micro-tiyn in a tiyn."""

MAX_TIYN = Tiyn(10**15)
"""No single amount may exceed ten trillion tenge; sums of such amounts still fit in 64 bits."""


class MoneyFormatError(DomainError):
    """`{text}` is not an amount in tenge with at most two decimals."""

    code = "money_format"
    status = 422
    text: str


def round_half_up(value: Decimal) -> int:
    """Round to a whole number, halves away from zero: the only rounding of money in telco."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def div_half_up(numerator: int, denominator: int) -> int:
    """Return `numerator / denominator` rounded half up, for a non-negative numerator."""
    return (2 * numerator + denominator) // (2 * denominator)


def tenge(amount: Decimal | str | int) -> Tiyn:
    """Turn an amount in tenge into tiyn, exactly.

    Raises:
        MoneyFormatError: more than two decimals, not a finite number, or beyond `MAX_TIYN`.
    """
    try:
        value = Decimal(amount)
        tiyn = value * TIYN_PER_TENGE
        exact = value.is_finite() and tiyn == tiyn.to_integral_value() and abs(tiyn) <= MAX_TIYN
    except DecimalException:  # not a number, or an exponent beyond what Decimal can hold
        exact = False
    if not exact:
        raise MoneyFormatError(text=str(amount)[:40])
    return Tiyn(int(tiyn))


def to_decimal(amount: int) -> Decimal:
    """Turn tiyn into tenge with two decimals."""
    return Decimal(amount).scaleb(-2)


def json_money(amount: int) -> str:
    """Write tiyn as JSON carries money: a string in tenge with two decimals, such as ``"1250.00"``."""
    return f"{to_decimal(amount):.2f}"


def format_money(amount: int, language: Language = Language.EN) -> str:
    """Write tiyn as a person reads money: "1 250,50 ₸", in English "1,250.50 KZT"; no decimals when they are zero.

    English names the currency by its letters: the sign is not in the GSM alphabet and would more than halve the room
    of an English message.
    """
    places = 2 if amount % TIYN_PER_TENGE else 0
    currency = "KZT" if language is Language.EN else "₸"
    return f"{write_number(to_decimal(amount), language, places)} {currency}"


@dataclass(frozen=True, slots=True)
class Money(Written):
    """An amount in a text or an error, written in its reader's language."""

    tiyn: int

    def in_(self, language: Language) -> str:
        return format_money(self.tiyn, language)
