""".xls of Excel 97 to 2003.

The library keeps only what formulas gave last, so the file's records are walked for them first.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Final

import xlrd
from xlrd.compdoc import CompDoc

from telco.billing.company.sheet_file import MAX_COLUMNS, MAX_ROWS, Place, Row, Value, check_texts, letter
from telco.kernel.i18n import Text

_BOF, _EOF, _FILEPASS = 0x0809, 0x000A, 0x002F
_FORMULAS: Final = frozenset({0x0006, 0x0206, 0x0406, 0x0221, 0x04BC})
"""FORMULA of every age, ARRAY, SHRFMLA."""
_VALUES: Final = frozenset({0x0203, 0x027E, 0x00BD, 0x00FD, 0x0204, 0x00D6, 0x0205})
"""NUMBER, RK, MULRK, LABELSST, LABEL, RSTRING, BOOLERR."""
_SUBSTREAM_SHEET: Final = 0x0010
MAX_SHEETS: Final = 20


def read_xls(raw: bytes, place: Place) -> list[Row]:
    """Read the one sheet with something in it. What a library may raise, the caller turns into a refusal."""
    _walk(raw, place)
    book = xlrd.open_workbook(
        file_contents=raw, formatting_info=True, logfile=io.StringIO(), ragged_rows=True, on_demand=False
    )
    filled = [sheet for sheet in book.sheets() if sheet.nrows]
    if len(filled) != 1:
        raise place.error(Text("one sheet with something in it is expected, there are {count}.", count=len(filled)))
    sheet = filled[0]
    place.sheet = sheet.name[:40]
    _check_layout(sheet, place)
    return list(_rows(sheet, place))


def _walk(raw: bytes, place: Place) -> None:
    """Go through the records before anything is kept: no formulas, no password, no more rows than can be read."""
    memory, start, length = CompDoc(raw, logfile=io.StringIO()).locate_named_stream("Workbook")
    if memory is None:
        raise place.error(Text("this is neither .xlsx, .xls nor .csv."))
    position, end = start, min(start + length, len(memory))
    sheets = 0
    while position + 4 <= end:
        code, size = struct.unpack_from("<HH", memory, position)
        position += 4
        if code == _FILEPASS:
            raise place.error(Text("the file is encrypted; send it without a password."))
        if code == _BOF:
            sheets += 1
            if sheets > MAX_SHEETS:
                raise place.error(Text("there are more than {limit} sheets.", limit=MAX_SHEETS))
        if (code in _FORMULAS or code in _VALUES) and size >= 4:
            row, column = struct.unpack_from("<HH", memory, position)
            if code in _FORMULAS:
                raise place.error(Text("there is a formula; write the value."), row + 1, letter(column + 1))
            if row >= MAX_ROWS:
                raise place.error(Text("there are more than {limit} rows.", limit=MAX_ROWS), row + 1)
            if column >= MAX_COLUMNS:
                why = Text("there are more than {limit} columns.", limit=MAX_COLUMNS)
                raise place.error(why, row + 1, letter(column + 1))
        position += size


def _check_layout(sheet: xlrd.sheet.Sheet, place: Place) -> None:
    for first_row, _, first_column, _ in sheet.merged_cells:
        raise place.error(Text("cells are merged."), first_row + 1, letter(first_column + 1))
    for row, info in sheet.rowinfo_map.items():
        if info.hidden and any(_filled(cell) for cell in sheet.row(row) if row < sheet.nrows):
            raise place.error(Text("the row is hidden."), row + 1)
    for column, info in sheet.colinfo_map.items():
        if info.hidden and column < MAX_COLUMNS:
            raise place.error(Text("a column is hidden."), 0, letter(column + 1))


def _filled(cell: xlrd.sheet.Cell) -> bool:
    return cell.ctype not in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK)


def _rows(sheet: xlrd.sheet.Sheet, place: Place) -> Iterator[Row]:
    for index in range(sheet.nrows):
        values = tuple(_value(cell, index + 1, column, place) for column, cell in enumerate(sheet.row(index), 1))
        if any(value is not None for value in values):
            check_texts(values, index + 1, place)
            yield Row(index + 1, values)


def _value(cell: xlrd.sheet.Cell, row: int, column: int, place: Place) -> Value:
    match cell.ctype:
        case xlrd.XL_CELL_EMPTY | xlrd.XL_CELL_BLANK:
            return None
        case xlrd.XL_CELL_TEXT:
            return str(cell.value).strip() or None
        case xlrd.XL_CELL_NUMBER:
            return float(cell.value)
        case xlrd.XL_CELL_DATE:
            raise place.error(Text("there is a date or time; format the column as text."), row, letter(column))
        case xlrd.XL_CELL_ERROR:
            raise place.error(Text("the cell has an error."), row, letter(column))
        case _:
            raise place.error(Text("there is neither a number nor a text."), row, letter(column))
