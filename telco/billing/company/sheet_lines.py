"""The lines of a register or covering letter: whom, and how much; every cell read strictly.

A register begins with its header. A letter may have text above the header and, after an empty row, below its lines.

Contract: PSC-3.2.4-2, PSC-3.2.4-3
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from telco.billing.company.model import SheetKind, SheetLine
from telco.billing.company.purpose import INVOICE, normal_reference, parse_money
from telco.billing.company.sheet_file import Place, Row, Value, letter, read_sheet
from telco.kernel.i18n import Text
from telco.kernel.money import Tiyn
from telco.ledger.model import MAX_MONEY

MAX_LINES: Final = 20_000
MAX_PREAMBLE: Final = 20
"""Rows of text that a letter may have above its header."""

_WHOM: Final = re.compile(
    r"(?:№\s*)?(?:номер|счет|счёт|лицевой|л/с|абонент|телефон|инвойс|нөмір|шот|жеке\s+шот|number|account|invoice|phone)"
    r".{0,60}",
    re.I | re.S,
)
_SUM: Final = re.compile(r"(?:сумма|сома|сомасы|төлем\s+сомасы|к\s+оплате|amount|sum)\b.{0,30}", re.I | re.S)
_TOTAL: Final = re.compile(r"\s*(?:итог|всего|барлығы|жиыны|жалпы|total)", re.I)


class _Columns(NamedTuple):
    whom: int
    amount: int


def read_lines(raw: bytes, file_name: str, kind: SheetKind) -> tuple[str, list[SheetLine]]:
    """Read a register or letter; return the sheet's name and the lines, in the file's order.

    Raises:
        SheetFileError: with the sheet, row and column, and why; nothing of the file is then taken.

    Contract: PSC-3.2.4-2, PSC-3.2.4-3
    """
    place, rows = read_sheet(raw, file_name)
    start, columns = _header(rows, kind, place)
    lines: list[SheetLine] = []
    seen: dict[str, int] = {}
    for row in _table(rows[start:], kind, columns, place):
        line = _line(row, columns, kind, place)
        if line.named in seen:
            why = Text("{named} is there twice, first in row {row}.", named=line.named, row=seen[line.named])
            raise place.error(why, row.number, letter(columns.whom + 1))
        if len(lines) == MAX_LINES:
            raise place.error(Text("there are more than {limit} lines.", limit=MAX_LINES), row.number)
        seen[line.named] = row.number
        lines.append(line)
    if not lines:
        raise place.error(Text("there is no line under the header."))
    if sum(line.amount for line in lines) > MAX_MONEY:
        raise place.error(Text("the sums add up to more than a payment can be."))
    return place.sheet, lines


def _header(rows: Sequence[Row], kind: SheetKind, place: Place) -> tuple[int, _Columns]:
    """Find the header and return where the table begins and its two columns."""
    above = MAX_PREAMBLE if kind is SheetKind.LETTER else 0
    for position, row in enumerate(rows[: above + 1]):
        texts = [cell if isinstance(cell, str) else "" for cell in row.cells]
        whom = [column for column, text in enumerate(texts) if _WHOM.fullmatch(text) and not _SUM.fullmatch(text)]
        amounts = [column for column, text in enumerate(texts) if _SUM.fullmatch(text)]
        if not whom or not amounts:
            continue
        if len(whom) > 1 or len(amounts) > 1:
            why = Text("the header names two columns for the same.")
            raise place.error(why, row.number, letter((whom if len(whom) > 1 else amounts)[1] + 1))
        return position + 1, _Columns(whom[0], amounts[0])
    row_number = rows[0].number if rows else 0
    raise place.error(
        Text("a header with a column for the number or account and one for the sum is expected."), row_number
    )


def _table(rows: Sequence[Row], kind: SheetKind, columns: _Columns, place: Place) -> list[Row]:
    """Return the rows of the table: to the end, or, of a letter, to the first empty row with only text after it."""
    if kind is SheetKind.REGISTER:
        return list(rows)
    for position, (before, row) in enumerate(pairwise(rows), 1):
        if row.number > before.number + 1:
            for later in rows[position:]:
                if _at(later, columns.amount) is not None:
                    raise place.error(
                        Text("there is a sum after an empty row."), later.number, letter(columns.amount + 1)
                    )
            return list(rows[:position])
    return list(rows)


def _at(row: Row, column: int) -> Value:
    return row.cells[column] if column < len(row.cells) else None


def _line(row: Row, columns: _Columns, kind: SheetKind, place: Place) -> SheetLine:
    for position, cell in enumerate(row.cells, 1):
        if isinstance(cell, str) and _TOTAL.match(cell):
            raise place.error(Text("a row of totals is no line: take it out."), row.number, letter(position))
    named = _named(_at(row, columns.whom), kind)
    if isinstance(named, Text):
        raise place.error(named, row.number, letter(columns.whom + 1))
    amount = _amount(_at(row, columns.amount))
    if isinstance(amount, Text):
        raise place.error(amount, row.number, letter(columns.amount + 1))
    return SheetLine(row.number, named, amount)


def _named(cell: Value, kind: SheetKind) -> str | Text:
    """Read an invoice, number or account: as a text, or as the whole number that sheets make of a phone number."""
    if cell is None:
        return Text("the cell is empty.")
    if isinstance(cell, float):
        if not cell.is_integer() or abs(cell) >= 2**53:
            return Text("this is no whole number.")
        cell = int(cell)
    named = normal_reference(str(cell))
    if named is None:
        return Text("this is no invoice, number or account.")
    if kind is SheetKind.REGISTER and INVOICE.fullmatch(named):
        return Text("a register names numbers or accounts; invoices need a letter.")
    return named


def _amount(cell: Value) -> Tiyn | Text:
    """Read a sum: a text as accountants write it, or a number with at most two decimals."""
    if cell is None:
        return Text("the cell is empty.")
    if isinstance(cell, str):
        read = parse_money(cell)
        if read is None:
            return Text("this is no sum in tenge with at most two decimals.")
        return read if read <= MAX_MONEY else Text("the sum is larger than a payment can be.")
    exact = Decimal(repr(cell)) * 100
    if not exact.is_finite() or exact != exact.to_integral_value():
        return Text("this is no sum in tenge with at most two decimals.")
    if exact <= 0:
        return Text("a sum is more than zero.")
    return Tiyn(int(exact)) if exact <= MAX_MONEY else Text("the sum is larger than a payment can be.")
