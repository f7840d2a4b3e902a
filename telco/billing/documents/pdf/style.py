"""How documents write sums, days and moments in each language: fixed here, so that no library's update changes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from telco.kernel.i18n import Language, write_number
from telco.kernel.money import to_decimal

_BLANK = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"

_MONTHS: Mapping[Language, tuple[str, ...]] = {
    Language.KK: (
        "қаңтар", "ақпан", "наурыз", "сәуір", "мамыр", "маусым",
        "шілде", "тамыз", "қыркүйек", "қазан", "қараша", "желтоқсан",
    ),
    Language.RU: (
        "января", "февраля", "марта", "апреля", "мая", "июня",
        "июля", "августа", "сентября", "октября", "ноября", "декабря",
    ),
    Language.EN: (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip


def money(amount: int, language: Language) -> str:
    """Write tiyn as tenge with two decimals, which stand below each other: "1 250,50", in English "1,250.50"."""
    return _print(write_number(to_decimal(amount), language, 2))


def blank_or_money(amount: int, language: Language) -> str:
    """Write a sum, or nothing for zero: the empty side of a two-sided table."""
    return money(amount, language) if amount else ""


def quantity(value: Decimal | int | None, language: Language) -> str:
    """Write a quantity without needless zeros; nothing where there is none."""
    return "" if value is None else _print(write_number(value, language))


def percent(value: Decimal, language: Language) -> str:
    """Write a rate of VAT: "16 %"."""
    return _print(f"{write_number(value, language)} %")


def _print(figure: str) -> str:
    """Set a figure as print does: on one line, with a minus as wide as a digit."""
    return figure.replace(" ", _BLANK).replace("-", _MINUS)


def day(value: date) -> str:
    """Write a day shortly, as tables have it: "02.03.2026"."""
    return f"{value:%d.%m.%Y}"


def long_day(value: date, language: Language) -> str:
    """Write a day with the month's name."""
    month = _MONTHS[language][value.month - 1]
    match language:
        case Language.KK:
            return f"{value.year} жылғы {value.day} {month}"
        case Language.RU:
            return f"{value.day} {month} {value.year} г."
        case Language.EN:
            return f"{value.day} {month} {value.year}"


def moment(value: datetime) -> str:
    """Write a moment, already in the zone of Kazakhstan, to the second: "02.03.2026 11:00:05"."""
    return f"{value:%d.%m.%Y %H:%M:%S}"


def iban(value: str) -> str:
    """Write an account at a bank in groups of four, as banks print it."""
    return _BLANK.join(value[start : start + 4] for start in range(0, len(value), 4))
