"""Paper: pages, type and tables, on fpdf2. It knows how things look, not what they mean.

Text is written with `FPDF.text` at places computed here: eight times faster than the library's cells, which measure,
clip and break each one, and a statement has tens of thousands. Lengths are millimetres, type sizes are points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import ttf_opensans
from fpdf import FPDF
from fpdf.fonts import TTFFont

FONTS: Final = Path(ttf_opensans.__file__).parent / "ttf"
FAMILY: Final = "OpenSans"
_FILES: Final = {"": "OpenSans-Regular.ttf", "B": "OpenSans-Bold.ttf"}

WIDTH, HEIGHT = 210.0, 297.0
LEFT, RIGHT, TOP, BOTTOM = 18.0, 14.0, 15.0, 18.0
INNER: Final = WIDTH - LEFT - RIGHT
GUTTER: Final = 8.0
"""Between two things that stand side by side."""
_MM_PER_POINT: Final = 25.4 / 72
_LEADING: Final = 1.34
_REPLACEMENT: Final = "?"


class Ink(Enum):
    """Colours, red, green and blue."""

    BLACK = (24, 26, 31)
    GREY = (104, 110, 120)
    RULE = (198, 203, 210)
    STRONG = (32, 56, 100)
    SHADE = (241, 243, 246)


class Align(Enum):
    LEFT = 0
    CENTER = 1
    RIGHT = 2


@dataclass(frozen=True, slots=True)
class Type:
    """How letters look."""

    size: float
    bold: bool = False
    ink: Ink = Ink.BLACK

    @property
    def style(self) -> str:
        return "B" if self.bold else ""

    def scaled(self, factor: float) -> Type:
        return replace(self, size=self.size * factor)

    @property
    def line(self) -> float:
        """The height of a line."""
        return self.size * _MM_PER_POINT * _LEADING


TITLE: Final = Type(15, bold=True, ink=Ink.STRONG)
SUBTITLE: Final = Type(9.5)
LABEL: Final = Type(7, ink=Ink.GREY)
BODY: Final = Type(8.5)
STRONG: Final = Type(8.5, bold=True)
TOTAL: Final = Type(10.5, bold=True, ink=Ink.STRONG)
CELL: Final = Type(7.6)
CELL_STRONG: Final = Type(7.6, bold=True)
HEAD: Final = Type(7, bold=True, ink=Ink.STRONG)
FOOT: Final = Type(6.8, ink=Ink.GREY)


class Column(NamedTuple):
    """A column of a table; `share` of the width that fixed columns leave, or `width` itself."""

    title: str
    width: float = 0.0
    share: float = 0.0
    align: Align = Align.LEFT
    wrap: bool = False


class Sheet:
    """A document being written, from top to bottom; `y` is where it goes on."""

    def __init__(self, *, title: str, language: str, author: str, created_at: datetime, identity: str) -> None:
        """`identity` is the document's hash in hexadecimal: it becomes the file's id, so that renderings are equal."""
        self._pdf = _Pdf(identity)
        pdf = self._pdf
        pdf.set_auto_page_break(auto=False)
        for style, file in _FILES.items():
            pdf.add_font(FAMILY, style, FONTS / file)
        pdf.set_title(title)
        pdf.set_lang(language)
        pdf.set_author(author)
        pdf.set_creator("telco")
        pdf.set_producer("telco")
        pdf.set_creation_date(created_at)
        self._type: Type | None = None
        self._running = ""
        self.y = TOP
        self.new_page()

    @property
    def page(self) -> int:
        return self._pdf.page

    def running_head(self, text: str) -> None:
        """Name the document at the top of every page after the first."""
        self._running = text

    def new_page(self) -> None:
        self._pdf.add_page()
        self._type = None
        self.y = TOP
        if self._pdf.page > 1 and self._running:
            self.put(LEFT, self.y, self._running, FOOT)
            self.y += FOOT.line + 1
            self.rule(self.y, Ink.RULE)
            self.y += 3

    def need(self, height: float) -> bool:
        """Begin a page when `height` does not fit on this one; tell whether it did."""
        if self.y + height <= HEIGHT - BOTTOM:
            return False
        self.new_page()
        return True

    def skip(self, height: float) -> None:
        self.y += height

    # Text

    def put(
        self,
        x: float,
        y: float,
        text: str,
        kind: Type,
        align: Align = Align.LEFT,
        width: float = 0.0,
        *,
        fit: bool = False,
    ) -> None:
        """Write a line whose top is at `y`; `align` is within `width` from `x`, `fit` makes it small enough."""
        if not text:
            return
        text = printable(text)
        if align is not Align.LEFT:
            free = width - text_width(text, kind)
            if fit and free < 0:
                kind, free = kind.scaled(width / (width - free)), 0.0
            x += free if align is Align.RIGHT else free / 2
        self._use(kind)
        self._pdf.text(x, y + kind.size * _MM_PER_POINT * 1.07, text)

    def lines(self, x: float, width: float, text: str, kind: Type, align: Align = Align.LEFT) -> float:
        """Write wrapped text at `y` without moving it, and return its height."""
        wrapped = wrap(text, width, kind)
        for number, line in enumerate(wrapped):
            self.put(x, self.y + number * kind.line, line, kind, align, width)
        return len(wrapped) * kind.line

    def paragraph(self, text: str, kind: Type, *, align: Align = Align.LEFT, after: float = 0.0) -> None:
        """Write wrapped text over the whole width."""
        self.need(len(wrap(text, INNER, kind)) * kind.line)
        self.y += self.lines(LEFT, INNER, text, kind, align) + after

    def rule(self, y: float, ink: Ink, *, x: float = LEFT, width: float = INNER, weight: float = 0.2) -> None:
        """Draw a horizontal line."""
        self._pdf.set_draw_color(*ink.value)
        self._pdf.set_line_width(weight)
        self._pdf.line(x, y, x + width, y)

    def facts(self, pairs: Sequence[tuple[str, str]], *, columns: int = 2, label_width: float = 34.0) -> None:
        """Write labelled values, row by row, in columns of equal width."""
        width = (INNER - (columns - 1) * GUTTER) / columns
        filled = [pair for pair in pairs if pair[1]]
        for start in range(0, len(filled), columns):
            row = filled[start : start + columns]
            height = max(
                lines
                for label, value in row
                for lines in (
                    len(wrap(value, width - label_width, BODY)) * BODY.line,
                    len(wrap(label, label_width - 2, LABEL)) * LABEL.line,
                )
            )
            self.need(height)
            for place, (label, value) in enumerate(row):
                x = LEFT + place * (width + GUTTER)
                self.y += 0.35
                self.lines(x, label_width - 2, label, LABEL)
                self.y -= 0.35
                self.lines(x + label_width, width - label_width, value, BODY)
            self.y += height + 0.8

    # Tables

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, strong_last: bool = False) -> None:
        """Write a table whose head is repeated on every page; a row stays whole, cells that wrap grow downwards."""
        widths = _widths(columns)
        edges = [LEFT + sum(widths[:number]) for number in range(len(columns))]
        self.need(24)
        self._table_head(columns, widths, edges)
        plain = CELL.line + 1.5
        wrapping = [number for number, column in enumerate(columns) if column.wrap]
        last: Sequence[str] | None = None
        for row in _with_last(rows, strong_last):
            kind = CELL_STRONG if row.strong else CELL
            cells = {number: wrap(row.cells[number], widths[number] - 2.4, kind) for number in wrapping}
            most = max((len(lines) for lines in cells.values()), default=1)
            height = plain + (most - 1) * kind.line
            if self.need(height):
                self._table_head(columns, widths, edges)
            self._row(columns, widths, edges, row.cells, cells, kind)
            self.y += height
            self.rule(self.y, Ink.RULE, weight=0.12)
            last = row.cells
        if last is not None:
            self.rule(self.y, Ink.STRONG, weight=0.35)

    def _row(
        self,
        columns: Sequence[Column],
        widths: Sequence[float],
        edges: Sequence[float],
        cells: Sequence[str],
        wrapped: dict[int, list[str]],
        kind: Type,
    ) -> None:
        top = self.y + 0.75
        for number, column in enumerate(columns):
            x, width = edges[number] + 1.2, widths[number] - 2.4
            if number in wrapped:
                for place, line in enumerate(wrapped[number]):
                    self.put(x, top + place * kind.line, line, kind, column.align, width)
            else:
                self.put(x, top, cells[number], kind, column.align, width, fit=True)

    def _table_head(self, columns: Sequence[Column], widths: Sequence[float], edges: Sequence[float]) -> None:
        titles = [wrap(column.title, width - 2.4, HEAD) for column, width in zip(columns, widths, strict=True)]
        height = max(len(lines) for lines in titles) * HEAD.line + 2.4
        self._pdf.set_fill_color(*Ink.SHADE.value)
        self._pdf.rect(LEFT, self.y, INNER, height, style="F")
        self.rule(self.y, Ink.STRONG, weight=0.35)
        for column, width, x, lines in zip(columns, widths, edges, titles, strict=True):
            for place, line in enumerate(lines):
                self.put(x + 1.2, self.y + 1.2 + place * HEAD.line, line, HEAD, column.align, width - 2.4)
        self.y += height
        self.rule(self.y, Ink.STRONG, weight=0.2)

    # The end

    def finish(self, left: str, page_of: str) -> bytes:
        """Write the foot of every page, now that their number is known; `page_of` has ``{page}`` and ``{pages}``."""
        pages = self._pdf.page
        for page in range(1, pages + 1):
            self._pdf.page = page
            self._type = None
            y = HEIGHT - BOTTOM + 5
            self.rule(y, Ink.RULE)
            self.put(LEFT, y + 1.2, left, FOOT)
            self.put(LEFT, y + 1.2, page_of.format(page=page, pages=pages), FOOT, Align.RIGHT, INNER)
        return bytes(self._pdf.output())

    def _use(self, kind: Type) -> None:
        """Choose the type. A page remembers none of another page's, so the library is made to say it anew."""
        if kind is self._type:
            return
        if self._type is None:
            self._pdf.font_family = ""
        self._pdf.set_font(FAMILY, kind.style, kind.size)
        self._pdf.set_text_color(*kind.ink.value)
        self._type = kind


class _Pdf(FPDF):
    """A PDF whose id is the document's hash."""

    def __init__(self, identity: str) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._identity = identity[:32].upper()

    def file_id(self) -> str:
        return f"<{self._identity}><{self._identity}>"


class _Row(NamedTuple):
    cells: Sequence[str]
    strong: bool


def _with_last(rows: Iterable[Sequence[str]], strong_last: bool) -> Iterable[_Row]:
    """Mark the last row where it is a sum, without keeping the others."""
    held: Sequence[str] | None = None
    for row in rows:
        if held is not None:
            yield _Row(held, strong=False)
        held = row
    if held is not None:
        yield _Row(held, strong=strong_last)


def _widths(columns: Sequence[Column]) -> list[float]:
    free = INNER - sum(column.width for column in columns)
    shares = sum(column.share for column in columns)
    return [column.width or free * column.share / shares for column in columns]


@cache
def _advances(style: str) -> dict[int, float]:
    """Read the widths of every letter of a font, in parts of its size."""
    pdf = FPDF()
    pdf.add_font(FAMILY, style, FONTS / _FILES[style])
    font = pdf.fonts[f"{FAMILY.lower()}{style}"]
    assert isinstance(font, TTFFont)
    font.close()
    return {int(letter): width / 1000 for letter, width in font.cw.items()}


def printable(text: str) -> str:
    """Replace what the font cannot write: an unknown letter shows as a question mark, never as nothing."""
    known = _advances("")
    if all(ord(letter) in known for letter in text):
        return text
    return "".join(letter if ord(letter) in known else _REPLACEMENT for letter in text)


def text_width(text: str, kind: Type) -> float:
    """Measure a line, in millimetres."""
    advances = _advances(kind.style)
    return sum(advances[ord(letter)] for letter in text) * kind.size * _MM_PER_POINT


def wrap(text: str, width: float, kind: Type) -> list[str]:
    """Break text into lines of at most `width`: at blanks, though not within a sum, and a word that is too long
    wherever it has to be."""
    text = printable(text)
    if text_width(text, kind) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for word in filter(None, text.split(" ")):
        candidate = f"{line} {word}" if line else word
        if text_width(candidate, kind) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        line = word
        while text_width(line, kind) > width:
            fits = _most_that_fits(line, width, kind)
            lines.append(line[:fits])
            line = line[fits:]
    if line:
        lines.append(line)
    return lines or [""]


def _most_that_fits(word: str, width: float, kind: Type) -> int:
    """Count the letters of a word that fit, at least one."""
    advances = _advances(kind.style)
    room = width / (kind.size * _MM_PER_POINT)
    for count, letter in enumerate(word):
        room -= advances[ord(letter)]
        if room < 0:
            return max(count, 1)
    return len(word)
