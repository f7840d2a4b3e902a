"""A sheet out of a file that anybody may have sent: .xlsx, the old .xls or .csv, by what it is, not by its name.

Nothing in it is computed, followed or guessed. Sizes are checked before anything is unpacked, rows and columns before
anything is kept; what is hidden, merged, computed or a date refuses the file with the place, because a person who
looked at it saw something else than what would be read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from telco.billing.company.errors import SheetFileError, sheet_file_error
from telco.kernel.i18n import Text

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ROWS: Final = 20_100
"""Twenty thousand lines, a header and what stands above it."""
MAX_COLUMNS: Final = 26
MAX_TEXT: Final = 300
"""Characters of a cell."""

ZIP: Final = b"PK\x03\x04"
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_SIGNED: Final = re.compile(r"[+-][\d\s().,-]*")
"""What begins with a sign and is a number all the same."""

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row with something in it; cells from column A on."""

    number: int
    cells: tuple[Value, ...]


class Place:
    """Where in a file the reader is, to say so when something is wrong."""

    def __init__(self, file: str) -> None:
        self.file = file[:100]
        self.sheet = ""

    def error(self, why: Text, row: int = 0, column: str = "") -> SheetFileError:
        return sheet_file_error(self.file, why, sheet=self.sheet, row=row, column=column)


def letter(column: int) -> str:
    """Return a column's letter; the first is 1."""
    return chr(ord("A") + column - 1) if 1 <= column <= 26 else f"#{column}"


def read_sheet(raw: bytes, file_name: str) -> tuple[Place, list[Row]]:
    """Read the one sheet of a file that has something in it.

    Raises:
        SheetFileError: with the sheet, row and column, and why.
    """
    place = Place(file_name)
    if len(raw) > MAX_BYTES:
        raise place.error(Text("the file is larger than {limit} bytes.", limit=MAX_BYTES))
    from telco.billing.company.xls import read_xls  # noqa: PLC0415  (the readers use what stands above)
    from telco.billing.company.xlsx import read_xlsx  # noqa: PLC0415

    if raw.startswith(ZIP):
        return place, _guarded(lambda: read_xlsx(raw, place), place)
    if raw.startswith(OLE):
        return place, _guarded(lambda: read_xls(raw, place), place)
    return place, list(_read_csv(raw, place))


def _guarded(read: Callable[[], list[Row]], place: Place) -> list[Row]:
    """Turn whatever a damaged or hostile file makes a library raise into a refusal."""
    try:
        return read()
    except SheetFileError:
        raise
    except (Exception, RecursionError) as error:
        why = Text("the file is damaged or not what it says it is ({kind}).", kind=type(error).__name__)
        raise place.error(why) from None


def _read_csv(raw: bytes, place: Place) -> Iterator[Row]:
    text = _decode(raw, place)
    if "\0" in text:
        raise place.error(Text("this is neither .xlsx, .xls nor .csv."))
    first = text.partition("\n")[0]
    separator = max(";,\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        for number, cells in enumerate(reader, 1):
            if number > MAX_ROWS:
                raise place.error(Text("there are more than {limit} rows.", limit=MAX_ROWS), number)
            if len(cells) > MAX_COLUMNS:
                raise place.error(Text("there are more than {limit} columns.", limit=MAX_COLUMNS), number)
            values = tuple(cell.strip() or None for cell in cells)
            check_texts(values, number, place)
            if any(value is not None for value in values):
                yield Row(number, values)
    except csv.Error:
        raise place.error(Text("a quoted cell has no end."), reader.line_num) from None


def _decode(raw: bytes, place: Place) -> str:
    for codec in ("utf-8-sig", "cp1251"):
        try:
            return raw.decode(codec)
        except UnicodeDecodeError:
            continue
    raise place.error(Text("the file is neither UTF-8 nor Windows-1251."))


def check_texts(cells: tuple[Value, ...], row: int, place: Place) -> None:
    """Refuse formulas that stand as text, control characters, and cells that are too long."""
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, str):
            continue
        if len(cell) > MAX_TEXT:
            why = Text("the cell is longer than {limit} characters.", limit=MAX_TEXT)
            raise place.error(why, row, letter(number))
        if cell[0] in "=@" or (cell[0] in "+-" and _SIGNED.fullmatch(cell) is None):
            raise place.error(Text("there is a formula; write the value."), row, letter(number))
        if any(ord(character) < 32 and character not in "\n\r\t" for character in cell):
            raise place.error(Text("there is a control character."), row, letter(number))
