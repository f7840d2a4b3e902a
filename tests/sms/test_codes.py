"""The page of codes is the router's, and every code on it works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telco.commands import COMMANDS, codes_page, menu
from telco.kernel.i18n import Language, Translator
from telco.sms.command import Codes
from telco.sms.keywords import words
from telco.sms.pages import Footer, fits, paginate


def test_the_page_is_the_routers(root: Path) -> None:
    written = (root / "docs" / "codes.md").read_text("utf-8")
    assert written == codes_page(), "write it again: python -m telco.commands > docs/codes.md"


def test_every_command_is_on_the_page() -> None:
    page = codes_page()
    for command in COMMANDS:
        assert command.title.msgid in page
        assert f"*{command.path}" in page


def test_every_alias_leads_somewhere() -> None:
    codes = Codes()
    for path in codes.aliases.values():
        assert menu().node(tuple(path.split("*"))) is not None


@pytest.mark.parametrize("language", list(Language))
def test_menus_fit_few_pages(language: Language, translator: Translator) -> None:
    """No menu takes more than two pages, no title more than a line of one."""
    for node in menu().walk():
        lines = [f"{digit} {translator.render(child.title, language)}" for digit, child in node.children.items()]
        assert all(len(line) <= 32 for line in lines)
        pages = paginate([translator.render(node.title, language), *lines], Footer("0 Артқа", "9 Тағы"), up=True)
        assert all(fits(page) for page in pages)
        assert len(pages) <= 3


def test_examples_are_understood() -> None:
    """What the page tells people to write names the command that it stands beside."""
    table = menu()

    for command in COMMANDS:
        found = table.keywords.find(words(command.example))
        assert found is not None
        assert found[0] is command
        assert re.fullmatch(r"[A-Z0-9 ]+", command.example)
