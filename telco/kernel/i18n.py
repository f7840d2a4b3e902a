"""Texts in Kazakh, Russian and English.

The English sentence is the message's id. Each feature keeps a gettext catalogue per language under
``telco/locale/<language>/<feature>.po``; they are read as they are at start, so no compiled file can be stale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

LOCALE_DIRECTORY = Path(__file__).parent.parent / "locale"


class Language(StrEnum):
    """A subscriber's language (ISO 639-1)."""

    KK = "kk"
    RU = "ru"
    EN = "en"


_COMMA = str.maketrans(",.", " ,")


def write_number(value: Decimal | int, language: Language, places: int | None = None) -> str:
    """Write a number: "1 250,5", in English "1,250.5"; with `places` decimals, or else without needless zeros.

    The blank is a plain one, which every alphabet has; a page on which lines break makes it another.
    """
    if places is None:
        text = f"{Decimal(value):,f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{Decimal(value):,.{places}f}"
    return text if language is Language.EN else text.translate(_COMMA)


class Written(ABC):
    """A value of a text that each language writes in its own way."""

    __slots__ = ()

    @abstractmethod
    def in_(self, language: Language) -> str:
        """Write it as `language` does."""

    def __str__(self) -> str:
        """Write it in English: for logs and for programs."""
        return self.in_(Language.EN)


@dataclass(frozen=True, slots=True)
class Number(Written):
    """A number that may have decimals."""

    value: Decimal

    def in_(self, language: Language) -> str:
        return write_number(self.value, language)


class Text:
    """A sentence to be said in the reader's language: an English template and its values.

    A value that is itself a `Text` is translated with it, one that is `Written` is written in the language.
    """

    __slots__ = ("msgid", "params")

    def __init__(self, msgid: str, **params: object) -> None:
        self.msgid = msgid
        self.params = params

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and (self.msgid, self.params) == (other.msgid, other.params)

    def __hash__(self) -> int:
        return hash((self.msgid, tuple(sorted(self.params))))

    def __str__(self) -> str:
        """Say it in English: for logs and for programs."""
        return self.msgid.format_map(self.params)

    def __repr__(self) -> str:
        return f"Text({self.msgid!r}, {self.params!r})"


class Translator:
    """Renders texts in a language; an untranslated one appears in English."""

    def __init__(self, catalogues: dict[Language, dict[str, str]]) -> None:
        self._catalogues = catalogues

    @classmethod
    def load(cls, directory: Path = LOCALE_DIRECTORY) -> Translator:
        """Read every catalogue of every feature."""
        return cls({language: dict(_messages(directory / language)) for language in Language})

    def knows(self, msgid: str, language: Language) -> bool:
        return language is Language.EN or msgid in self._catalogues[language]

    def render(self, text: Text, language: Language) -> str:
        """Say `text` in `language`."""
        template = self._catalogues[language].get(text.msgid, text.msgid)
        return template.format_map({name: self._value(value, language) for name, value in text.params.items()})

    def _value(self, value: object, language: Language) -> Any:
        if isinstance(value, Text):
            return self.render(value, language)
        return value.in_(language) if isinstance(value, Written) else value


def _messages(directory: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(directory.glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id and message.string:
                    yield str(message.id), str(message.string)
