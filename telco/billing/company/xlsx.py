""".xlsx: a zip archive of XML. First what it unpacks to, then what its sheets are made of, only then the values."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any, Final
from xml.etree.ElementTree import Element  # the type only: defusedxml parses

import openpyxl
from defusedxml import ElementTree

from telco.billing.company.sheet_file import MAX_COLUMNS, MAX_ROWS, Place, Row, Value, check_texts, letter
from telco.kernel.i18n import Text

MAX_ENTRIES: Final = 200
MAX_UNPACKED: Final = 48 * 1024 * 1024
MAX_RATIO: Final = 100
"""Unpacked over packed bytes of an entry that unpacks to more than a mebibyte."""
_MEBIBYTE: Final = 1024 * 1024
_SPACE: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_CELL: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})", re.ASCII)


def read_xlsx(raw: bytes, place: Place) -> list[Row]:
    """Read the one sheet with something in it. What a library may raise, the caller turns into a refusal."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        _check_sizes(archive, place)
        _refuse_entities(archive)
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=False, keep_links=False)
        try:
            filled = [sheet for sheet in book.worksheets if _survey(archive, sheet, place)]
            if len(filled) != 1:
                place.sheet = ""
                raise place.error(
                    Text("one sheet with something in it is expected, there are {count}.", count=len(filled))
                )
            place.sheet = filled[0].title[:40]
            return list(_rows(filled[0], place))
        finally:
            book.close()


def _check_sizes(archive: zipfile.ZipFile, place: Place) -> None:
    """Refuse a bomb by what the archive says of itself; the unpacking never reads beyond that."""
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise place.error(Text("the archive has more than {limit} entries.", limit=MAX_ENTRIES))
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
        raise place.error(Text("the archive unpacks to more than {limit} bytes.", limit=MAX_UNPACKED))
    for entry in entries:
        if entry.file_size > _MEBIBYTE and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
            raise place.error(Text("the archive is packed more than {limit} times.", limit=MAX_RATIO))
        if entry.flag_bits & 1:
            raise place.error(Text("the file is encrypted; send it without a password."))
        if entry.filename.lower().endswith("vbaproject.bin"):
            raise place.error(Text("the file has macros; save it as .xlsx."))


def _refuse_entities(archive: zipfile.ZipFile) -> None:
    """Refuse declarations of entities anywhere: the library that reads the values would expand them."""
    for entry in archive.infolist():
        if entry.filename.lower().endswith((".xml", ".rels")):
            with archive.open(entry) as source:
                for _, element in ElementTree.iterparse(source, forbid_dtd=True):
                    element.clear()


def _survey(archive: zipfile.ZipFile, sheet: Any, place: Place) -> bool:
    """Stream through a sheet, refuse what cannot be read as it looks, and tell whether there is anything in it."""
    place.sheet = sheet.title[:40]
    with archive.open(_path_of(sheet)) as source:
        return _surveyed(source, place)


def _path_of(sheet: Any) -> str:
    path: str = sheet._worksheet_path  # the library has no public name for it
    return path


def _surveyed(source: IO[bytes], place: Place) -> bool:
    filled, row, data = False, 0, None
    for event, element in ElementTree.iterparse(source, events=("start", "end"), forbid_dtd=True):
        tag = element.tag.removeprefix(_SPACE)
        if event == "start":
            if tag == "sheetData":
                data = element
            elif tag == "row":
                row = int(element.get("r") or row + 1)
                _check_row(element.get("hidden"), row, place)
        elif tag == "c":
            filled |= _surveyed_cell(element, row, place)
        elif tag == "row" and data is not None:
            data.clear()
        elif tag == "col" and element.get("hidden") in ("1", "true"):
            raise place.error(Text("a column is hidden."), 0, letter(int(element.get("min") or 1)))
        elif tag == "mergeCell":
            found = _CELL.match(element.get("ref") or "")
            raise place.error(Text("cells are merged."), int(found[2]) if found else 0, found[1] if found else "")
    return filled


def _check_row(hidden: str | None, row: int, place: Place) -> None:
    if hidden in ("1", "true"):
        raise place.error(Text("the row is hidden."), row)
    if row > MAX_ROWS:
        raise place.error(Text("there are more than {limit} rows.", limit=MAX_ROWS), row)


def _surveyed_cell(element: Element, row: int, place: Place) -> bool:
    found = _CELL.fullmatch(element.get("r") or "")
    column = found[1] if found else ""
    if found is not None and (len(column) > 1 or int(found[2]) != row):
        raise place.error(Text("there are more than {limit} columns.", limit=MAX_COLUMNS), row, column)
    if element.find(f"{_SPACE}f") is not None:
        raise place.error(Text("there is a formula; write the value."), row, column)
    return element.find(f"{_SPACE}v") is not None or element.find(f"{_SPACE}is") is not None


def _rows(sheet: Any, place: Place) -> Iterator[Row]:
    sheet.reset_dimensions()  # what the file says of its size is not to be believed
    for number, cells in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), 1):
        values: list[Value] = []
        for position, cell in enumerate(cells, 1):
            value = cell.value
            if value is None or (isinstance(value, str) and not value.strip()):
                values.append(None)
            elif cell.data_type == "f":
                raise place.error(Text("there is a formula; write the value."), number, letter(position))
            elif cell.data_type == "d" or cell.is_date:
                why = Text("there is a date or time; format the column as text.")
                raise place.error(why, number, letter(position))
            elif isinstance(value, bool) or not isinstance(value, str | int | float):
                raise place.error(Text("there is neither a number nor a text."), number, letter(position))
            elif cell.data_type == "e":
                raise place.error(Text("the cell has an error."), number, letter(position))
            else:
                values.append(value.strip() if isinstance(value, str) else value)
        if any(value is not None for value in values):
            check_texts(tuple(values), number, place)
            yield Row(number, tuple(values))
