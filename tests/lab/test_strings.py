"""The page says everything in three languages, and asks for nothing that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from telco.kernel.i18n import Language
from telco.lab.web import PAGES

STRINGS = {language: json.loads((PAGES / "strings" / f"{language}.json").read_text("utf-8")) for language in Language}
SOURCES = [*PAGES.glob("*.js"), PAGES / "index.html"]
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("language", [Language.KK, Language.RU])
def test_a_language_says_what_english_says(language: Language) -> None:
    assert STRINGS[language].keys() == STRINGS[Language.EN].keys()
    for key, english in STRINGS[Language.EN].items():
        assert set(_PLACEHOLDER.findall(STRINGS[language][key])) == set(_PLACEHOLDER.findall(english)), key


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_text_that_the_page_asks_for_exists(path: Path) -> None:
    source = path.read_text("utf-8")
    asked = set(re.findall(r'data-t(?:-label|-placeholder)?="(\w+)"', source))
    asked |= set(re.findall(r'\bt\("([\w.]+)"', source))
    assert asked <= STRINGS[Language.EN].keys()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_reaches_the_page_as_markup(path: Path) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", path.read_text("utf-8"))


@pytest.mark.parametrize("path", [*SOURCES, *PAGES.glob("*.css")], ids=lambda path: path.name)
def test_the_page_asks_no_other_machine(path: Path) -> None:
    assert not re.search(r"https?://|//cdn|@import", path.read_text("utf-8"))
