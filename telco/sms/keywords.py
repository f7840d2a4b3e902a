"""Reads what people type by SMS: any case, any script, any spacing.

A word is compared by its *fold*: lower case, Kazakh and Russian letters written in Latin, doubled letters once. So
``Баланс``, ``BALANS`` and ``balans!`` are one word, and ``ИӘ`` is understood from a phone without Kazakh letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

MAX_TYPED = 320
"""No command is longer; what follows is not looked at."""

_LETTERS = {
    **dict(zip("абвгдзклмнопрстуфыэ", "abvgdzklmnoprstufie", strict=True)),
    **dict(zip("әғқңөұүһі", "agknouuhi", strict=True)),
    **{"е": "e", "ё": "e", "ж": "zh", "и": "i", "й": "i", "х": "h", "ц": "c", "ч": "ch", "ш": "sh", "щ": "sh"},
    **{"ъ": "", "ь": "", "ю": "iu", "я": "ia", "y": "i"},
}
_FOLDING = {ord(letter): latin for letter, latin in _LETTERS.items()}
_DOUBLED = re.compile(r"(.)\1+")
_WORD = re.compile(r"[^\W_]+")


class Word(NamedTuple):
    """A word as folded, and where it ends in what was typed."""

    fold: str
    end: int


@lru_cache(maxsize=4096)
def fold(word: str) -> str:
    """Return what a word is compared by."""
    plain = word.casefold().translate(_FOLDING)
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold().translate(_FOLDING)
    return plain if plain.isdigit() else _DOUBLED.sub(r"\1", plain)


def words(text: str) -> list[Word]:
    """Split what was typed into folded words; punctuation and emoji separate."""
    return [Word(fold(match[0]), match.end()) for match in _WORD.finditer(text[:MAX_TYPED])]


def phrase(text: str) -> tuple[str, ...]:
    """Return the folded words of a keyword."""
    return tuple(word.fold for word in words(text))


YES = frozenset(fold(word) for word in ("yes", "ok", "ок", "иә", "иа", "ия", "да", "растаймын"))
NO = frozenset(fold(word) for word in ("no", "cancel", "жоқ", "нет", "отмена", "болдырмау"))


class KeywordClashError(ValueError):
    """Two commands want the same keyword."""


class Keywords:
    """A table of keywords: the longest phrase that the typed words begin with wins."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, ...], object] = {}
        self._longest = 1

    def add(self, keywords: Iterable[str], entry: object) -> None:
        """Enter an entry under its keywords.

        Raises:
            KeywordClashError: a keyword is empty, or another entry's.
        """
        for keyword in keywords:
            key = phrase(keyword)
            if not key or self._entries.setdefault(key, entry) is not entry:
                raise KeywordClashError(f"the keyword {keyword!r} is empty or already taken")
            self._longest = max(self._longest, len(key))

    def find(self, typed: list[Word]) -> tuple[object, int] | None:
        """Return the entry that `typed` begins with and how many words name it."""
        for length in range(min(self._longest, len(typed)), 0, -1):
            entry = self._entries.get(tuple(word.fold for word in typed[:length]))
            if entry is not None:
                return entry, length
        return None
