"""Sheets for tests: .xlsx by the library, hostile ones by hand, and .xls, which nothing in our environment writes."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Sequence

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

Cell = str | float | None
HEADER = ("Номер телефона / лицевой счет", "Сумма")


def xlsx(rows: Sequence[Sequence[object]], change: Callable[[Worksheet], None] | None = None) -> bytes:
    """A workbook with one sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "Реестр"
    for row in rows:
        sheet.append(list(row))
    if change is not None:
        change(sheet)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def repacked(raw: bytes, changes: dict[str, bytes | Callable[[bytes], bytes]]) -> bytes:
    """The same archive with some entries replaced, changed or added."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            change = changes.get(name)
            content = old.read(name)
            new.writestr(name, content if change is None else change if isinstance(change, bytes) else change(content))
        for name, change in changes.items():
            if name not in old.namelist() and isinstance(change, bytes):
                new.writestr(name, change)
    return stream.getvalue()


# .xls: BIFF8 records in an OLE compound file


def _record(code: int, body: bytes) -> bytes:
    return struct.pack("<HH", code, len(body)) + body


def _text(value: str) -> bytes:
    return struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")


def _short_text(value: str) -> bytes:
    return struct.pack("<BB", len(value), 1) + value.encode("utf-16-le")


def xls(rows: Sequence[Sequence[Cell]], extra: bytes = b"", hidden_row: int | None = None) -> bytes:
    """A workbook of Excel 97 with one sheet; `extra` are further records of the sheet."""
    font = struct.pack("<HHHHHBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, 0, 0) + _short_text("Arial")
    globals_ = [
        _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6)),
        _record(0x0042, struct.pack("<H", 1200)),
        *[_record(0x0031, font)] * 5,
        *[
            _record(0x00E0, struct.pack("<HHHBBBBIIH", 0, 0, 0xFFF5 if n < 15 else 1, 0x20, 0, 0, 0, 0, 0, 0x20C0))
            for n in range(16)
        ],
    ]
    bound = struct.pack("<IBB", 0, 0, 0) + _short_text("Реестр")
    offset = sum(map(len, globals_)) + 4 + len(bound) + 4
    globals_.append(_record(0x0085, struct.pack("<I", offset) + bound[4:]))
    globals_.append(_record(0x000A, b""))
    sheet = [_record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6))]
    if hidden_row is not None:
        sheet.append(_record(0x0208, struct.pack("<HHHHHHI", hidden_row - 1, 0, 2, 255, 0, 0, 0x120)))
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            head = struct.pack("<HHH", number, column, 15)
            if isinstance(value, str):
                sheet.append(_record(0x0204, head + _text(value)))
            elif value is not None:
                sheet.append(_record(0x0203, head + struct.pack("<d", value)))
    stream = b"".join([*globals_, *sheet, extra, _record(0x000A, b"")])
    return _compound(stream)


def formula(row: int, column: int) -> bytes:
    """A record FORMULA: =1+1, which gave 2."""
    tokens = b"\x1e\x01\x00\x1e\x01\x00\x03"
    body = struct.pack("<HHHdHIH", row - 1, column - 1, 15, 2.0, 0, 0, len(tokens)) + tokens
    return _record(0x0006, body)


def merged(first_row: int, last_row: int, first_column: int, last_column: int) -> bytes:
    return _record(0x00E5, struct.pack("<HHHHH", 1, first_row - 1, last_row - 1, first_column - 1, last_column - 1))


def encrypted() -> bytes:
    return _record(0x002F, struct.pack("<HHH", 1, 1, 1) + b"\0" * 48)


def _compound(stream: bytes) -> bytes:
    """An OLE file with the one stream "Workbook", long enough not to be a short one."""
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512
    fat_sectors = -(-(sectors + 2) // 128) + (1 if (sectors + 2) % 128 > 120 else 0)
    chain = [*range(1, sectors), 0xFFFFFFFE, 0xFFFFFFFE, *[0xFFFFFFFD] * fat_sectors]
    fat = struct.pack(f"<{len(chain)}I", *chain).ljust(512 * fat_sectors, b"\xff")
    difat = [sectors + 1 + n for n in range(fat_sectors)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + b"\0" * 10
    header += struct.pack("<IIIIIIII", fat_sectors, sectors, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack(f"<{len(difat)}I", *difat)
    header = header.ljust(512, b"\xff")

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        raw = name.encode("utf-16-le")
        return (
            raw.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(raw) + 2 if name else 0, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
            + b"\0" * 36
            + struct.pack("<III", start, size, 0)
        )

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry("Workbook", 2, 0xFFFFFFFF, 0, len(stream))
    directory += entry("", 0, 0xFFFFFFFF, 0, 0) * 2
    return header + stream + directory + fat
