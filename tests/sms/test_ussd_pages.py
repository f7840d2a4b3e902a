"""Pages hold 160 octets and lose nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.sms.pages import Footer, fits, paginate
from telco.sms.text import Coding, coding_of, units

RU = Footer("0 Назад", "9 Ещё")


def octets(page: str) -> int:
    coding = coding_of(page)
    return -(-units(page, coding) * 7 // 8) if coding is Coding.GSM7 else 2 * units(page, coding)


def test_eighty_characters_of_russian_are_one_page() -> None:
    assert paginate(["я" * 80], RU, up=False) == ["я" * 80]
    assert len(paginate(["я" * 81], RU, up=False)) == 2


def test_the_gsm_alphabet_has_182_characters() -> None:
    assert len(paginate(["a" * 182], Footer("0 Back", "9 More"), up=False)) == 1
    assert len(paginate(["a" * 183], Footer("0 Back", "9 More"), up=False)) == 2
    assert len(paginate(["€" * 92], Footer("0 Back", "9 More"), up=False)) == 2  # 2 septets each: 184


def test_a_page_ends_between_lines() -> None:
    # 4 lines of 29 characters and their line ends: 30 + 29 + 1 + 15 of the footer is 75, a third line is too much.
    lines = [f"{n} {'х' * 27}" for n in range(1, 5)]
    first, second = paginate(lines, RU, up=True)
    assert first == f"{lines[0]}\n{lines[1]}\n0 Назад 9 Ещё"
    assert second == f"{lines[2]}\n{lines[3]}\n0 Назад"


def test_the_first_page_of_the_root_offers_no_way_back() -> None:
    first, *_, last = paginate(["слово " * 40], RU, up=False)
    assert first.endswith("\n9 Ещё")
    assert last.endswith("\n0 Назад")


def test_a_long_line_is_cut_between_words() -> None:
    pages = paginate(["слово " * 30], RU, up=True)
    bodies = [page.rsplit("\n", 1)[0] for page in pages]
    assert all(body.replace("слово", "").strip() == "" for body in bodies)


@pytest.mark.parametrize("line", ["😀" * 200, "\u202e" + "א" * 300, "{" * 500, "я" * 5000])
def test_no_text_breaks_a_page(line: str) -> None:
    assert all(octets(page) <= 160 for page in paginate([line], RU, up=True))


@given(st.lists(st.text(max_size=300), max_size=12), st.booleans())
def test_pages_always_fit_and_keep_every_character(lines: list[str], up: bool) -> None:
    pages = paginate(lines, RU, up=up)
    assert all(fits(page) and octets(page) <= 160 for page in pages)
    shown = "".join(page.removesuffix(foot) for page, foot in zip(pages, footers(len(pages), up), strict=True))
    assert "".join(shown.split()) == "".join("".join(lines).split())


def footers(count: int, up: bool) -> list[str]:
    """The last line of each page."""
    if count == 1:
        return [f"\n{RU.back}" if up else ""]
    first = f"\n{RU.back} {RU.more}" if up else f"\n{RU.more}"
    return [first, *[f"\n{RU.back} {RU.more}"] * (count - 2), f"\n{RU.back}"]
