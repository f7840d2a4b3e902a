"""The purpose of a company's payment, as accountants write it in Russian and Kazakh, read without guessing.

It may name up to two invoices, numbers or personal accounts, each with its sum (PSC-3.2.4-1), or say that a register
or letter does. What is neither (dates, VAT, contracts, codes) is taken out first; then the names and sums that are left
must stand in one of the few orders that can mean one thing only. Everything else is for people.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from telco.billing.company.model import MOST_IN_PURPOSE, Named, Purpose, Unclear
from telco.billing.company.noise import CURRENCY, DIGITS, MONEY, NOISE, TIYN
from telco.billing.payments import rules
from telco.kernel.money import Tiyn

INVOICE: Final = re.compile(r"[A-Z]{2}-20\d{2}-\d{7}", re.ASCII)
"""An invoice's number."""

_LATIN: Final = str.maketrans("АВЕКМНОРСТХаеорсух", "ABEKMHOPCTXaeopcyx")
"""Cyrillic letters that look like Latin ones: on a Russian keyboard nobody sees the difference."""
_SPACES: Final = re.compile(r"[\s\u00a0\u2007\u202f]+")
_DASHES: Final = re.compile(r"[\u2010-\u2015\u2212]")

_INVOICE_TEXT: Final = re.compile(r"(?<![A-Za-zА-Яа-я0-9])([A-Za-zА-Яа-я]{2})\s?-\s?(20\d{2})\s?-\s?(\d{7})(?!\d)")
_ACCOUNT_TEXT: Final = re.compile(r"(?<![\w:.,])\d{1,4}:\d{1,18}(?![\w:])", re.ASCII)
_PHONE_TEXT: Final = re.compile(
    r"(?<![\w+.,:])(?:\+7|8|7)?[ (-]{0,2}7\d{2}[ )-]{0,2}\d{3}[ -]?\d{2}[ -]?\d{2}(?![\w])(?![.,]\d)", re.ASCII
)
_SUM_TEXT: Final = re.compile(rf"(?<![\w.,:/-])(?P<sum>{MONEY})\s*(?P<currency>{CURRENCY})?{TIYN}(?![\w])", re.I)

_SHEET: Final = re.compile(
    r"реестр\w*|т[іи]з[іи]л[іи]м\w*|т[іи]збе\w*|(?:сопроводительн\w+\s+)?письм\w+|[іи]леспе\s+хат\w*|хат(?:қа|ка|ына|ы)?\b|register|letter",
    re.I,
)
_SHEET_NUMBER: Final = re.compile(
    r"(?:реестр\w*|т[іи]з[іи]л[іи]м\w*|т[іи]збе\w*|письм\w+|хат\w*)\s*(?:№|n)?\s*[\w/-]{0,8}\d{1,8}(?![\d.,])", re.I
)
_TOTAL: Final = re.compile(
    rf"(?:итого|всего|общая\s+сумма|на\s+общую\s+сумму|жалпы(?:\s+сома(?:сы)?)?|барлы[ғг]ы)\s*(?:к\s+оплате)?\s*[-:=]?\s*"
    rf"(?P<sum>{MONEY})\s*(?:{CURRENCY})?{TIYN}",
    re.I,
)
_LINK: Final = re.compile(
    r"\s+|\s*(?:[-–—=:(]\s*|,?\s*(?:на\s+|в\s+)?(?:сумм[ауыеой]{1,2}|размере|сомас[ыа]|сомаға)\s*[-:=]?\s*){1,2}", re.I
)
_SUM_WORD: Final = re.compile(r"(?:сумм[ауыеой]{1,2}|размере|сомас[ыа]|сомаға)\s*[-:=]?\s*$", re.I)
_LONG: Final = 6
"""Digits from which a number that is neither name nor sum may be a mistyped name."""


class _Token(NamedTuple):
    start: int
    end: int
    name: str
    """Of an invoice, number or account; empty for a sum."""
    amount: Tiyn | None
    marked: bool
    """A sum that says so: by its currency, a word, or the sign after a name."""
    text: str


def parse_money(text: str) -> Tiyn | None:
    """Read a sum as accountants write it: ``1 250,50``, ``1250.5``, ``1250-50``, ``1'250``; None for anything else.

    A point or comma before three digits could part thousands or decimals, so it is refused.
    """
    plain = _SPACES.sub(" ", text).strip()
    match = re.fullmatch(rf"({DIGITS})(?:[.,=](\d{{1,2}})|-(\d{{2}}))?", plain)
    if match is None:
        return None
    whole = re.sub(r"\D", "", match[1])
    tiyn = (match[2] or "").ljust(2, "0") if match[2] else match[3] or "00"
    amount = int(whole) * 100 + int(tiyn)
    return Tiyn(amount) if amount else None


def normal_reference(text: str) -> str | None:
    """Return how an invoice, number or account is compared; None for what is none of these."""
    plain = _SPACES.sub("", _DASHES.sub("-", text)).upper().translate(_LATIN)
    if INVOICE.fullmatch(plain):
        return plain
    return rules.normal_name(text) if rules.parse_named(text) is not None else None


def parse_purpose(text: str, amount: Tiyn) -> Purpose:
    """Read a purpose: up to two names with sums that add up to `amount`, or one name alone for all of it.

    Contract: PSC-3.2.4-1, PSC-3.2.4-2, PSC-3.2.4-3, PSC-3.2.4-4
    """
    plain = _DASHES.sub("-", _SPACES.sub(" ", text)).strip()
    by_sheet = _SHEET.search(plain) is not None
    plain = _SHEET_NUMBER.sub(_blank, plain)
    names, plain = _names(plain)
    total = _TOTAL.search(plain)
    if total is not None:
        if _amount(total) != amount:
            return Purpose((), by_sheet, Unclear.SUMS_DIFFER, total[0].strip())
        plain = _TOTAL.sub(_blank, plain, count=1)
    for noise in NOISE:
        plain = noise.sub(_blank, plain)
    tokens = sorted([*names, *_sums(plain, names)])
    return _decide(tokens, amount, by_sheet=by_sheet)


def _blank(match: re.Match[str]) -> str:
    return " " * (match.end() - match.start())


def _names(plain: str) -> tuple[list[_Token], str]:
    """Find invoices, accounts and numbers, and return the text with blanks in their places."""
    found: list[_Token] = []

    def take(read: Callable[[re.Match[str]], str | None]) -> Callable[[re.Match[str]], str]:
        def one(match: re.Match[str]) -> str:
            name = read(match)
            if name is None:
                return match[0]
            lead = len(match[0]) - len(match[0].lstrip(" ("))
            found.append(_Token(match.start() + lead, match.end(), name, None, False, match[0].strip()))
            return " " * lead + "\0" * (len(match[0]) - lead)

        return one

    codes = re.compile(r"(?:бин|бсн|иин|жсн|bin|iin)\s*:?\s*\d{12}|(?<![A-Za-z0-9])KZ\d{2}[0-9A-Z]{16}", re.I)
    plain = codes.sub(_blank, plain)
    plain = _INVOICE_TEXT.sub(take(lambda m: normal_reference(f"{m[1]}-{m[2]}-{m[3]}")), plain)
    plain = _ACCOUNT_TEXT.sub(take(lambda m: normal_reference(m[0])), plain)
    plain = _PHONE_TEXT.sub(take(lambda m: normal_reference(m[0].strip(" ("))), plain)
    return found, plain


def _amount(match: re.Match[str]) -> Tiyn | None:
    amount = parse_money(match["sum"])
    if amount is None or match["tiyn"] is None:
        return amount
    return Tiyn(amount + int(match["tiyn"])) if amount % 100 == 0 else None


def _sums(plain: str, names: list[_Token]) -> list[_Token]:
    """Find what may be sums among the digits that are left."""
    sums: list[_Token] = []
    ends = {name.end for name in names}
    for match in _SUM_TEXT.finditer(plain):
        before = plain[: match.start()]
        name_end = max((end for end in ends if end <= match.start()), default=None)
        linked = name_end is not None and _LINK.fullmatch(before[name_end:]) is not None
        marked = bool(match["currency"]) or linked or _SUM_WORD.search(before) is not None
        sums.append(_Token(match.start(), match.end(), "", _amount(match), marked, match[0].strip()))
    rest = _SUM_TEXT.sub(_blank, plain)
    sums += [
        _Token(match.start(), match.end(), "", None, False, match[0]) for match in re.finditer(r"\d[\d.,/-]*", rest)
    ]
    return sums


def _decide(tokens: list[_Token], amount: Tiyn, *, by_sheet: bool) -> Purpose:
    names = [token for token in tokens if token.name]
    marked = [token for token in tokens if not token.name and token.marked]
    objection = _objection(tokens, names, marked)
    if objection is not None:
        return Purpose((), by_sheet, *objection)
    if not marked and len(names) == 1:
        return Purpose((Named(names[0].name, amount),), by_sheet)
    return _paired(names, marked, amount, by_sheet=by_sheet)


def _objection(tokens: list[_Token], names: list[_Token], marked: list[_Token]) -> tuple[Unclear, str] | None:
    """Say what stands against reading the purpose at all."""
    unreadable = [token.text for token in marked if token.amount is None]
    strange = [t.text for t in tokens if not t.name and not t.marked and sum(map(str.isdigit, t.text)) >= _LONG]
    shown = ", ".join(token.text for token in names)
    checks: list[tuple[bool, Unclear, str]] = [
        (bool(unreadable), Unclear.AMBIGUOUS, "".join(unreadable[:1])),
        (not names and not strange, Unclear.NOTHING_NAMED, ""),
        (len({token.name for token in names}) < len(names), Unclear.NAMED_TWICE, shown),
        (len(names) > MOST_IN_PURPOSE, Unclear.TOO_MANY_NAMED, shown),
        (bool(strange), Unclear.AMBIGUOUS, "".join(strange[:1])),
    ]
    return next(((reason, why) for applies, reason, why in checks if applies), None)


def _paired(names: list[_Token], marked: list[_Token], amount: Tiyn, *, by_sheet: bool) -> Purpose:
    """Give each name its sum: each stands before its sum, or each after it."""
    together = sorted([*names, *marked])
    shown = ", ".join(token.text for token in together)
    if len(marked) < len(names):
        return Purpose((), by_sheet, Unclear.SUM_MISSING, shown)
    order = [bool(token.name) for token in together]
    if order not in ([True, False] * len(names), [False, True] * len(names)):
        return Purpose((), by_sheet, Unclear.AMBIGUOUS, shown)
    named = tuple(Named(n.name, s.amount) for n, s in zip(names, marked, strict=True) if s.amount is not None)
    if sum(name.amount for name in named) != amount:
        return Purpose((), by_sheet, Unclear.SUMS_DIFFER, shown)
    return Purpose(named, by_sheet)
