"""Registers and letters as files that anybody may have sent: read strictly, or refused with the place and why."""

from __future__ import annotations

import contextlib
import random
import time
import tracemalloc
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from telco.billing.company.errors import SheetFileError
from telco.billing.company.model import SheetKind
from telco.billing.company.sheet_file import MAX_BYTES
from telco.billing.company.sheet_lines import read_lines
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Tiyn, tenge
from tests.billing.company import files
from tests.billing.company.files import HEADER, xls, xlsx

A, B = "77011234567", "77021234567"
REGISTER, LETTER = SheetKind.REGISTER, SheetKind.LETTER


def lines(raw: bytes, kind: SheetKind = REGISTER) -> list[tuple[int, str, Tiyn]]:
    return [(line.row, line.named, line.amount) for line in read_lines(raw, "register", kind)[1]]


def refusal(raw: bytes, kind: SheetKind = REGISTER) -> tuple[str, int, str]:
    """What is wrong, in which row and column."""
    with pytest.raises(SheetFileError) as refused:
        read_lines(raw, "register.x", kind)
    assert refused.value.file == "register.x"
    return refused.value.why.msgid, refused.value.row, refused.value.column


def csv(*rows: str, encoding: str = "utf-8") -> bytes:
    return "\n".join(["Номер;Сумма", *rows]).encode(encoding)


EXPECTED = [(2, A, tenge("1250.50")), (3, "2:417", tenge(3000)), (4, B, Tiyn(1))]


@pytest.mark.clause("PSC-3.2.4-2")
@pytest.mark.parametrize(
    "raw",
    [
        xlsx([HEADER, (A, 1250.5), ("2:417", 3000), (B, 0.01)]),
        xlsx([HEADER, (77011234567, "1 250,50"), ("2:417", "3000"), (77021234567.0, "0,01")]),  # as sheets make of them
        xlsx([("№", "ФИО", *HEADER), (1, "А", "8 701 123 45 67", 1250.5), (2, "Б", "2:417", 3000), (3, None, B, 0.01)]),
        xls([HEADER, (77011234567.0, 1250.5), ("2:417", 3000.0), (B, 0.01)]),
        csv(f"{A};1250,50", "2:417;3000", "+7 (702) 123-45-67;0.01"),
        csv(f"{A};1250,50", "2:417;3000", f"{B};0.01", encoding="cp1251"),
        'Нөмір,Сомасы\n77011234567,"1250,50"\n2:417,3000\n77021234567,0.01\n'.encode("utf-8-sig"),
    ],
)
def test_a_register_is_read_in_every_form(raw: bytes) -> None:
    assert lines(raw) == EXPECTED


@pytest.mark.clause("PSC-3.2.4-3")
@pytest.mark.parametrize("write", [xlsx, xls])
def test_a_letter_may_have_text_around_its_table(write: object) -> None:
    rows = [
        ("Сопроводительное письмо", None),
        ("к платежному поручению № 417 от 01.03.2026", None),
        ("Счет, номер или лицевой счет", "Сумма"),
        ("КС-2026-0000001", 1250.5),
        ("2:417", 3000.0),
        (None, None),
        ("Директор", None),
    ]
    found = lines(write(rows), LETTER)  # type: ignore[operator]
    assert found == [(4, "KC-2026-0000001", tenge("1250.50")), (5, "2:417", tenge(3000))]


def _hide_row(sheet: Worksheet) -> None:
    sheet.row_dimensions[3].hidden = True


def _hide_column(sheet: Worksheet) -> None:
    sheet.column_dimensions["B"].hidden = True


def _merge(sheet: Worksheet) -> None:
    sheet.merge_cells("A2:A3")


def _second_sheet(sheet: Worksheet) -> None:
    assert sheet.parent is not None
    sheet.parent.create_sheet("Ещё")["A1"] = "x"


FORMULA = "there is a formula; write the value."
HEADER_WANTED = "a header with a column for the number or account and one for the sum is expected."
ONE_SHEET = "one sheet with something in it is expected, there are {count}."
NO_INVOICES = "a register names numbers or accounts; invoices need a letter."
DAMAGED = "the file is damaged or not what it says it is ({kind})."
TWICE = "{named} is there twice, first in row {row}."
UNPACKS = "the archive unpacks to more than {limit} bytes."
OF_866 = "Номер;Сумма\n77011234567;5".encode("cp866")
NOON = datetime(2026, 3, 1, 12, 0)  # noqa: DTZ001  (a cell of a sheet has no zone)
DATE = "there is a date or time; format the column as text."
NOT_SUM = "this is no sum in tenge with at most two decimals."
TOTALS = "a row of totals is no line: take it out."


@pytest.mark.clause("PSC-3.2.4-2", "PSC-3.2.4-4")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (xlsx([HEADER, (A, "=1+1")]), (FORMULA, 2, "B")),
        (xlsx([HEADER, ("=A1", 5)]), (FORMULA, 2, "A")),
        (xlsx([HEADER, (A, 5), ("Итого", "=SUM(B2:B2)")]), (FORMULA, 3, "B")),
        (xls([HEADER, (A, 5.0)], files.formula(3, 2)), (FORMULA, 3, "B")),
        (csv(f"{A};=1+1"), (FORMULA, 2, "B")),
        (csv("=cmd|' /C calc'!A0;5"), (FORMULA, 2, "A")),
        (csv(f"{A};-5"), (NOT_SUM, 2, "B")),
        (xlsx([HEADER, (A, 5), (B, 6)], _merge), ("cells are merged.", 2, "A")),
        (xls([HEADER, (A, 5.0)], files.merged(2, 3, 1, 1)), ("cells are merged.", 2, "A")),
        (xlsx([HEADER, (A, 5), (B, 6)], _hide_row), ("the row is hidden.", 3, "")),
        (xls([HEADER, (A, 5.0)], hidden_row=2), ("the row is hidden.", 2, "")),
        (xlsx([HEADER, (A, 5)], _hide_column), ("a column is hidden.", 0, "B")),
        (xlsx([HEADER, (date(2026, 3, 1), 5)]), (DATE, 2, "A")),
        (xlsx([HEADER, (A, NOON)]), (DATE, 2, "B")),
        (xlsx([HEADER, (A, True)]), ("there is neither a number nor a text.", 2, "B")),
        (xlsx([HEADER, (77011234567.5, 5)]), ("this is no whole number.", 2, "A")),
        (xlsx([HEADER, ("7,70112E+10", 5)]), ("this is no invoice, number or account.", 2, "A")),
        (xlsx([HEADER, ("KC-2026-0000001", 5)]), (NO_INVOICES, 2, "A")),
        (xlsx([HEADER, (A, 1250.505)]), (NOT_SUM, 2, "B")),
        (xlsx([HEADER, (A, "1,250")]), (NOT_SUM, 2, "B")),
        (xlsx([HEADER, (A, -5)]), ("a sum is more than zero.", 2, "B")),
        (xlsx([HEADER, (A, 0)]), ("a sum is more than zero.", 2, "B")),
        (xlsx([HEADER, (A, 1e15)]), ("the sum is larger than a payment can be.", 2, "B")),
        (xlsx([HEADER, (A, None)]), ("the cell is empty.", 2, "B")),
        (xlsx([HEADER, (None, 5)]), ("the cell is empty.", 2, "A")),
        (xlsx([HEADER, (A, 5), ("Итого:", 5)]), (TOTALS, 3, "A")),
        (xlsx([HEADER, (A, 5), (None, 5, "барлығы")]), (TOTALS, 3, "C")),
        (xlsx([HEADER, (A, 5), (B, 6), ("8(701)1234567", 7)]), (TWICE, 4, "A")),
        (xlsx([HEADER]), ("there is no line under the header.", 0, "")),
        (xlsx([(A, 5)]), (HEADER_WANTED, 1, "")),
        (xlsx([(*HEADER, "Сумма"), (A, 5, 6)]), ("the header names two columns for the same.", 1, "C")),
        (xlsx([HEADER, (A, 5)], _second_sheet), (ONE_SHEET, 0, "")),
        (xls([HEADER, (A, 5.0)], files.encrypted()), ("the file is encrypted; send it without a password.", 0, "")),
        (csv(f'{A};"5'), ("a quoted cell has no end.", 2, "")),
        (csv(f"{A};5", encoding="utf-16"), ("this is neither .xlsx, .xls nor .csv.", 0, "")),
        (b"\x98" * 10, ("the file is neither UTF-8 nor Windows-1251.", 0, "")),
        (OF_866, (HEADER_WANTED, 1, "")),
        (b"", (HEADER_WANTED, 0, "")),
        (csv(f"{A};5", *[f"{B};1"] * 20_000), (TWICE, 4, "A")),
        (csv(*[";" for _ in range(20_101)]), ("there are more than {limit} rows.", 20_101, "")),
        (csv(";" * 40), ("there are more than {limit} columns.", 2, "")),
        (csv(f"{A}{'1' * 400};5"), ("the cell is longer than {limit} characters.", 2, "A")),
        (b"x" * (MAX_BYTES + 1), ("the file is larger than {limit} bytes.", 0, "")),
    ],
)  # fmt: skip
def test_what_is_not_as_it_looks_is_refused_with_its_place(raw: bytes, expected: tuple[str, int, str]) -> None:
    assert refusal(raw) == expected


SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
GOOD = xlsx([HEADER, (A, 5)])
ENTITY = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>"
SOME = random.Random(1)
BULKY = b"".join(SOME.randbytes(500) * 20 for _ in range(1_700))
"""17 MB that are packed about fifteen times."""


def far(sheet: bytes) -> bytes:
    """The second row moves to the last of a sheet."""
    for name in (b'<row r="2"', b'"A2"', b'"B2"'):
        sheet = sheet.replace(name, name.replace(b"2", b"1048576"))
    return sheet


def wide(sheet: bytes) -> bytes:
    return sheet.replace(b'"B2"', b'"XFD2"')


def lying(sheet: bytes) -> bytes:
    return sheet.replace(b'<dimension ref="A1:B2"', b'<dimension ref="A1:XFD1048576"')


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (files.repacked(GOOD, {"xl/media/bomb": b"\0" * 40_000_000}), "the archive is packed more than {limit} times."),
        (files.repacked(GOOD, {f"xl/b{n}": BULKY for n in range(3)}), UNPACKS),
        (files.repacked(GOOD, {f"x/{n}": b"" for n in range(200)}), "the archive has more than {limit} entries."),
        (files.repacked(GOOD, {"xl/vbaProject.bin": b"x"}), "the file has macros; save it as .xlsx."),
        (files.repacked(GOOD, {SHEET: ENTITY + b"<worksheet>&a;</worksheet>"}), DAMAGED),
        (files.repacked(GOOD, {STRINGS: ENTITY + b"<sst>&a;</sst>"}), DAMAGED),
        (files.repacked(GOOD, {SHEET: far}), "there are more than {limit} rows."),
        (files.repacked(GOOD, {SHEET: wide}), "there are more than {limit} columns."),
        (files.repacked(GOOD, {SHEET: b"<worksheet"}), DAMAGED),
        (GOOD[: len(GOOD) // 2], DAMAGED),
        (xls([HEADER, (A, 5.0)])[:2000], DAMAGED),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 5000, DAMAGED),
    ],
)  # fmt: skip
def test_bombs_and_damaged_files_are_refused_before_they_unfold(raw: bytes, why: str) -> None:
    tracemalloc.start()
    started = time.process_time()
    assert refusal(raw)[0] == why
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64_000_000
    assert time.process_time() - started < 10


def test_a_dimension_that_lies_costs_nothing() -> None:
    assert lines(files.repacked(GOOD, {SHEET: lying})) == [(2, A, tenge(5))]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([GOOD, xls([HEADER, (A, 5.0)])]), st.integers(0, 6000), st.binary(min_size=1, max_size=8))
def test_a_changed_byte_is_read_or_refused_and_never_raises_otherwise(raw: bytes, at: int, noise: bytes) -> None:
    at %= len(raw)
    with contextlib.suppress(SheetFileError):
        read_lines(raw[:at] + noise + raw[at + len(noise) :], "x", REGISTER)


def test_a_refusal_names_only_the_places_that_are_known(translator: Translator) -> None:
    def said(raw: bytes, language: Language) -> str:
        with pytest.raises(SheetFileError) as refused:
            read_lines(raw, "r.csv", REGISTER)
        return translator.render(Text(refused.value.message, **refused.value.fields), language)

    assert said(b"PK\x03\x04", Language.RU).startswith("r.csv: файл повреждён")
    row = csv(f"{A};1000", f"{B};1,250")
    assert said(row, Language.RU).startswith("r.csv, строка 3, столбец B: это не сумма")
    assert said(row, Language.KK).startswith("r.csv, 3-жол, B бағаны: ")
