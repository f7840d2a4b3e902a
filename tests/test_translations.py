"""Every text that the service says is there in Kazakh and in Russian, with the same values in it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from babel.messages.pofile import read_po

import telco
from telco.kernel.errors import DomainError
from telco.kernel.i18n import LOCALE_DIRECTORY, Language, Translator
from telco.kernel.money import Tiyn

SOURCE = Path(telco.__file__).parent
MARKERS = {"Text", "_"}
TRANSLATED = (Language.KK, Language.RU)


def marked() -> dict[str, str]:
    """Every literal message id of the source, with a place where it stands."""
    found: dict[str, str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MARKERS and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.setdefault(first.value, f"{path.relative_to(SOURCE)}:{node.lineno}")
    return found


def errors() -> list[type[DomainError]]:
    """Every error that somebody may be told."""
    for module in pkgutil.walk_packages(telco.__path__, "telco."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return [kind for kind in DomainError.registry.values() if kind.__module__.startswith("telco.")]


def entries() -> Iterator[tuple[str, str, str]]:
    """Every translation: its catalogue, message id and text."""
    for path in sorted(LOCALE_DIRECTORY.glob("*/*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id:
                    yield f"{path.parent.name}/{path.name}", str(message.id), str(message.string)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language: Language, translator: Translator) -> None:
    missing = {text: place for text, place in marked().items() if not translator.knows(text, language)}
    assert missing == {}


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_error_is_translated(language: Language, translator: Translator) -> None:
    missing = {kind.__qualname__: kind.message for kind in errors() if not translator.knows(kind.message, language)}
    assert missing == {}


def test_no_error_tells_money_in_whole_tiyn() -> None:
    """A field of `Tiyn` would be said as a hundred times the sum; `Money` is written as its reader does."""
    fields = [(kind.__qualname__, *field) for kind in errors() for field in get_type_hints(kind).items()]
    assert [(kind, name) for kind, name, hint in fields if hint is Tiyn or Tiyn in get_args(hint)] == []


def test_translations_carry_the_same_values() -> None:
    wrong = [
        (catalogue, msgid, text) for catalogue, msgid, text in entries() if placeholders(msgid) != placeholders(text)
    ]
    assert wrong == []


def test_every_message_has_a_text() -> None:
    assert [(catalogue, msgid) for catalogue, msgid, text in entries() if not text.strip()] == []


def test_the_two_languages_have_the_same_catalogues() -> None:
    names = {language: {path.name for path in (LOCALE_DIRECTORY / language).glob("*.po")} for language in TRANSLATED}
    assert names[Language.KK] == names[Language.RU]


def test_one_message_has_one_translation() -> None:
    """Catalogues are loaded together, so two that translate the same id must agree."""
    seen: dict[tuple[str, str], set[str]] = {}
    for catalogue, msgid, text in entries():
        seen.setdefault((catalogue.partition("/")[0], msgid), set()).add(text)
    assert {key: texts for key, texts in seen.items() if len(texts) > 1} == {}


def test_kazakh_is_not_russian() -> None:
    """A sentence of several words that is the same in both was most likely not translated."""
    texts: dict[str, dict[str, str]] = {"kk": {}, "ru": {}}
    for catalogue, msgid, text in entries():
        texts[catalogue.partition("/")[0]][msgid] = text
    same = [
        msgid
        for msgid, text in texts["kk"].items()
        if text == texts["ru"].get(msgid) and sum(word.isalpha() and len(word) > 2 for word in text.split()) > 2
    ]
    assert same == []
