"""Texts in the reader's language, nested ones too."""

from __future__ import annotations

import re
import string
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from telco.kernel.i18n import LOCALE_DIRECTORY, Language, Number, Text, Translator, write_number

CATALOGUES = sorted(LOCALE_DIRECTORY.glob("*/*.po"))
INNER, OUTER = "tariff plan", "Your {thing} costs {sum}."

_PO = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "{}"\nmsgstr "{}"\n'


@pytest.fixture
def small(tmp_path: Path) -> Translator:
    for language, feature, msgid, msgstr in [
        ("ru", "one", INNER, "тарифный план"),
        ("ru", "two", OUTER, "{sum} стоит ваш {thing}."),
        ("kk", "one", INNER, "тарифтік жоспар"),
        ("kk", "two", OUTER, ""),  # not translated yet
    ]:
        path = tmp_path / language / f"{feature}.po"
        path.parent.mkdir(exist_ok=True)
        path.write_text(_PO.format(msgid, msgstr), "utf-8")
    return Translator.load(tmp_path)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (Language.RU, "5 стоит ваш тарифный план."),
        (Language.KK, "Your тарифтік жоспар costs 5."),  # the sentence has no Kazakh, so its English stands
        (Language.EN, "Your tariff plan costs 5."),
    ],
)
def test_a_text_and_the_texts_in_it_are_said_in_the_readers_language(
    small: Translator, language: Language, said: str
) -> None:
    assert small.render(Text(OUTER, thing=Text(INNER), sum=5), language) == said


@pytest.mark.parametrize(
    ("value", "places", "written", "english"),
    [
        ("0", None, "0", "0"),
        ("2.4", None, "2,4", "2.4"),
        ("2.40", None, "2,4", "2.4"),
        ("12.00", None, "12", "12"),
        ("100", None, "100", "100"),  # the zeros of a whole number stay
        ("-1234567.5", None, "-1 234 567,5", "-1,234,567.5"),
        ("1234.5", 2, "1 234,50", "1,234.50"),
        ("12", 2, "12,00", "12.00"),
    ],
)
def test_a_number_is_written_as_the_language_does(value: str, places: int | None, written: str, english: str) -> None:
    assert [write_number(Decimal(value), language, places) for language in Language] == [written, written, english]


def test_a_number_in_a_text_is_written_as_its_reader_does(small: Translator) -> None:
    text = Text(OUTER, thing=Text(INNER), sum=Number(Decimal("2.5")))
    assert small.render(text, Language.RU) == "2,5 стоит ваш тарифный план."
    assert small.render(text, Language.EN) == str(text) == "Your tariff plan costs 2.5."


def test_a_value_is_never_read_as_a_template(small: Translator) -> None:
    text = Text(OUTER, thing="{sum.__class__}", sum="{0}")
    assert small.render(text, Language.EN) == "Your {sum.__class__} costs {0}."


def test_what_is_translated_is_known(small: Translator) -> None:
    assert small.knows(OUTER, Language.RU)
    assert not small.knows(OUTER, Language.KK)
    assert small.knows("anything", Language.EN)


def test_texts_are_values() -> None:
    assert Text(OUTER, sum=5) == Text(OUTER, sum=5)
    assert Text(OUTER, sum=5) != Text(OUTER, sum=6)
    assert len({Text(OUTER, sum=5), Text(OUTER, sum=5)}) == 1


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_translation_has_the_fields_of_its_sentence_and_nothing_is_said_twice(path: Path) -> None:
    names = string.Formatter().parse
    with path.open("rb") as file:
        catalogue = read_po(file)
    for message in catalogue:
        if message.id and message.string:
            fields = {name for _, name, _, _ in names(str(message.id)) if name}
            assert {name for _, name, _, _ in names(str(message.string)) if name} == fields, message.id
    assert not [message.id for message in catalogue if message.fuzzy and message.id]


def test_features_do_not_translate_one_sentence_in_two_ways() -> None:
    said: dict[tuple[str, str], set[str]] = {}
    for path in CATALOGUES:
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id and message.string:
                    said.setdefault((path.parent.name, str(message.id)), set()).add(str(message.string))
    assert {key: ways for key, ways in said.items() if len(ways) > 1} == {}


def test_kazakh_and_russian_are_written_in_cyrillic() -> None:
    """A translation left in English would be sent to subscribers as it is."""
    for path in CATALOGUES:
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id and message.string and re.search(r"[a-z]{3}", re.sub(r"\{\w+\}", "", str(message.id))):
                    assert re.search("[а-яёәғқңөұүһі№]", str(message.string), re.IGNORECASE), (path, message.id)
