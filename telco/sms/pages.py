"""Cuts a text into pages of a USSD dialogue: 160 octets, which is 80 UCS-2 characters or 182 of GSM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from telco.sms import text as coding

_OCTETS = coding.USSD_OCTETS
ROOM = {coding.Coding.GSM7: _OCTETS * 8 // 7, coding.Coding.UCS2: _OCTETS // 2}
"""What a page holds, in septets and in UTF-16 units."""


def fits(text: str) -> bool:
    """Whether a text is at most one page."""
    if len(text) * 2 <= ROOM[coding.Coding.UCS2]:  # a character takes at most two units
        return True
    kind = coding.coding_of(text)
    return coding.units(text, kind) <= ROOM[kind]


class Footer(NamedTuple):
    """The last line of a page in the reader's language, such as ``0 Back`` and ``9 More``."""

    back: str
    more: str


def paginate(lines: Sequence[str], footer: Footer, *, up: bool, hint: str = "", at: int = 0) -> list[str]:
    """Return the pages that show `lines`, each with its footer; there is at least one page.

    A page ends between lines where it can, between words where it must. `up` says whether the first page leads back
    somewhere; the later ones always lead back to it. A `hint` is put above what page `at` shows.
    """
    whole = _page("\n".join([hint, *lines] if hint else lines), footer.back if up else "")
    if fits(whole):
        return [whole]
    longest = f"{footer.back} {footer.more}"
    bodies = _bodies(lines, longest)
    if hint:
        at = min(at, len(bodies) - 1)
        bodies[at:] = _bodies([hint, *"\n".join(bodies[at:]).split("\n")], longest)
    joined = "\n".join(bodies[-2:])
    if fits(_page(joined, footer.back)):  # the last page needs no way on, so it may hold a line more
        bodies[-2:] = [joined]
    last = len(bodies) - 1
    pages: list[str] = []
    for index, body in enumerate(bodies):
        back = footer.back if up or index > 0 else ""
        pages.append(_page(body, f"{back} {footer.more if index < last else ''}".strip()))
    return pages


def _bodies(lines: Sequence[str], footer: str) -> list[str]:
    """Fill pages greedily; every one leaves room for the longest footer."""
    bodies: list[str] = []
    current: list[str] = []
    for line in lines:
        if fits(_page("\n".join([*current, line]), footer)):
            current.append(line)
            continue
        if fits(_page(line, footer)):
            bodies.append("\n".join(current))
            current = [line]
            continue
        *full, rest = _wrap(current, line, footer)
        bodies += full
        current = [rest]
    return [*bodies, "\n".join(current)]


def _wrap(before: list[str], line: str, footer: str) -> list[str]:
    """Cut a line longer than a page, at spaces where there are any, beginning below the lines `before` it."""
    pieces: list[str] = []
    start = "".join(f"{text}\n" for text in before)
    while not fits(_page(start + line, footer)):
        end = _longest_beginning(start, line, footer)
        space = line.rfind(" ", 1, end + 1)
        cut = space if space > 0 else end
        pieces.append((start + line[:cut]).removesuffix("\n"))
        start, line = "", line[cut:].lstrip(" ")
    return [*pieces, start + line]


def _longest_beginning(start: str, line: str, footer: str) -> int:
    """Find by halving how many characters of `line` fit after `start`; at least one on a page of its own."""
    low, high = 0 if start else 1, min(len(line), 200)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(_page(start + line[:middle], footer)):
            low = middle
        else:
            high = middle - 1
    return low


def _page(body: str, footer: str) -> str:
    return f"{body}\n{footer}" if footer else body
