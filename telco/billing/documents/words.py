"""Amounts in words, in Kazakh, Russian and English, as invoices and acts of this country have them.

Tenge are written in words, tiyn in two digits, so that nobody adds a figure: "Бір мың екі жүз елу теңге 50 тиын".
"""

from __future__ import annotations

from telco.kernel.i18n import Language
from telco.kernel.money import TIYN_PER_TENGE, Tiyn

_RU_UNITS = ("", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")
_RU_TEENS = (
    "десять", "одиннадцать", "двенадцать", "тринадцать", "четырнадцать",
    "пятнадцать", "шестнадцать", "семнадцать", "восемнадцать", "девятнадцать",
)  # fmt: skip
_RU_TENS = (
    "", "", "двадцать", "тридцать", "сорок", "пятьдесят", "шестьдесят", "семьдесят", "восемьдесят", "девяносто",
)  # fmt: skip
_RU_HUNDREDS = (
    "", "сто", "двести", "триста", "четыреста", "пятьсот", "шестьсот", "семьсот", "восемьсот", "девятьсот",
)  # fmt: skip
_RU_SCALES = (
    ("", "", ""),
    ("тысяча", "тысячи", "тысяч"),
    ("миллион", "миллиона", "миллионов"),
    ("миллиард", "миллиарда", "миллиардов"),
    ("триллион", "триллиона", "триллионов"),
)

_KK_UNITS = ("", "бір", "екі", "үш", "төрт", "бес", "алты", "жеті", "сегіз", "тоғыз")
_KK_TENS = ("", "он", "жиырма", "отыз", "қырық", "елу", "алпыс", "жетпіс", "сексен", "тоқсан")
_KK_SCALES = ("", "мың", "миллион", "миллиард", "триллион")

_EN_UNITS = (
    "", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_EN_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_EN_SCALES = ("", "thousand", "million", "billion", "trillion")

_ZERO = {Language.KK: "нөл", Language.RU: "ноль", Language.EN: "zero"}
_MINUS = {Language.KK: "минус", Language.RU: "минус", Language.EN: "minus"}
_TENGE = {Language.KK: "теңге", Language.RU: "тенге", Language.EN: "tenge"}
_TIYN = {Language.KK: "тиын", Language.RU: "тиын", Language.EN: "tiyn"}


def number_in_words(number: int, language: Language) -> str:
    """Write a whole number below a thousand billion in words.

    Raises:
        ValueError: the number is too large to have a word for its scale.
    """
    if abs(number) >= 10**15:
        raise ValueError("a number in words is below 10^15")
    if number == 0:
        return _ZERO[language]
    words = [_MINUS[language]] if number < 0 else []
    for scale, three in reversed(list(enumerate(_threes(abs(number))))):
        if three:
            words += _WRITERS[language](three, scale)
    return " ".join(words)


def amount_in_words(amount: Tiyn, language: Language) -> str:
    """Write a sum as documents have it: tenge in words, tiyn in two digits, the first letter large."""
    tenge, tiyn = divmod(abs(amount), TIYN_PER_TENGE)
    words = number_in_words(tenge, language)
    if amount < 0:
        words = f"{_MINUS[language]} {words}"
    text = f"{words} {_TENGE[language]} {tiyn:02d} {_TIYN[language]}"
    return text[0].upper() + text[1:]


def russian_form(number: int, one: str, few: str, many: str) -> str:
    """Choose the form of a Russian noun after a number: 1 тысяча, 2 тысячи, 5 тысяч, 11 тысяч, 21 тысяча."""
    if number % 100 in (11, 12, 13, 14):
        return many
    return one if number % 10 == 1 else few if number % 10 in (2, 3, 4) else many


def _threes(number: int) -> list[int]:
    """Split into groups of three digits, the lowest first."""
    groups = []
    while number:
        number, three = divmod(number, 1000)
        groups.append(three)
    return groups


def _russian(three: int, scale: int) -> list[str]:
    hundreds, rest = divmod(three, 100)
    words = [_RU_HUNDREDS[hundreds]]
    if 10 <= rest <= 19:
        words.append(_RU_TEENS[rest - 10])
    else:
        tens, units = divmod(rest, 10)
        feminine = {1: "одна", 2: "две"} if scale == 1 else {}  # тысяча is feminine, tenge and millions are not
        words += [_RU_TENS[tens], feminine.get(units, _RU_UNITS[units])]
    words.append(russian_form(three, *_RU_SCALES[scale]))
    return [word for word in words if word]


def _kazakh(three: int, scale: int) -> list[str]:
    hundreds, rest = divmod(three, 100)
    tens, units = divmod(rest, 10)
    words = [_KK_UNITS[hundreds] if hundreds > 1 else "", "жүз" if hundreds else ""]
    words += [_KK_TENS[tens], _KK_UNITS[units], _KK_SCALES[scale]]
    return [word for word in words if word]


def _english(three: int, scale: int) -> list[str]:
    hundreds, rest = divmod(three, 100)
    words = [_EN_UNITS[hundreds], "hundred"] if hundreds else []
    if rest < 20:
        words.append(_EN_UNITS[rest])
    else:
        tens, units = divmod(rest, 10)
        words.append(_EN_TENS[tens] + (f"-{_EN_UNITS[units]}" if units else ""))
    words.append(_EN_SCALES[scale])
    return [word for word in words if word]


_WRITERS = {Language.KK: _kazakh, Language.RU: _russian, Language.EN: _english}
