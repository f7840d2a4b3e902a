"""A credit bureau for demo and tests. It imitates how bureaus take files: by name, once, read strictly.

It keeps the latest record of each agreement, answers the same file with the same receipt, and refuses a file whose
name was used for other contents, whose columns it does not know, or with a wrong IIN/BIN, sum or date.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from datetime import datetime

from telco.billing.instalments.bureau_format import MONEY_FIELDS, BureauFormat
from telco.billing.instalments.errors import BureauUnreachableError
from telco.kernel.iin_bin import IinBinError, parse_bin, parse_iin

_SUM = re.compile(r"[0-9]{1,13}\.[0-9]{2}")
_DATES = frozenset({"signed_on", "consent_on", "next_due_on", "overdue_since", "closed_on"})


class LabCreditBureau:
    """A bureau in memory. `unreachable` makes it refuse everything, as a line that is down does."""

    def __init__(self, written: BureauFormat) -> None:
        self._format = written
        self._receipts: dict[str, tuple[bytes, str]] = {}
        self.records: dict[str, dict[str, str]] = {}
        """The latest of each agreement, by its number, by field."""
        self.unreachable = False

    async def send(self, name: str, content: bytes) -> str:
        """Take a file and return its receipt.

        Raises:
            BureauUnreachableError: the line is down, or the file is not as it has to be.
        """
        if self.unreachable:
            raise BureauUnreachableError(why="the line is down")
        digest = hashlib.sha256(content).digest()
        known = self._receipts.get(name)
        if known is not None:
            if known[0] != digest:
                raise BureauUnreachableError(why=f"{name} was sent before with other contents")
            return known[1]
        rows = self._read(content)
        self.records |= {row["number"]: row for row in rows}
        receipt = f"LAB-{len(self._receipts) + 1:06d}"
        self._receipts[name] = digest, receipt
        return receipt

    def _read(self, content: bytes) -> list[dict[str, str]]:
        text = content.decode(self._format.encoding)
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=self._format.delimiter, strict=True))
        names = [column.name for column in self._format.columns]
        if self._format.header and (not lines or lines.pop(0) != names):
            raise BureauUnreachableError(why="the first line does not name the columns")
        fields = [column.field for column in self._format.columns]
        rows = []
        for number, line in enumerate(lines, 1):
            if len(line) != len(fields):
                raise BureauUnreachableError(why=f"record {number} has {len(line)} cells, not {len(fields)}")
            row = dict(zip(map(str, fields), line, strict=True))
            for field, cell in row.items():
                if not self._right(field, cell):
                    raise BureauUnreachableError(why=f"record {number}: {field} is wrong")
            rows.append(row)
        return rows

    def _right(self, field: str, cell: str) -> bool:
        if field == "iin_bin":
            return _is_identity(cell)
        if field == "state":
            return cell in self._format.states.values()
        if field in MONEY_FIELDS:
            return (not cell and field == "next_amount") or _SUM.fullmatch(cell) is not None
        if field in _DATES and cell:
            try:
                datetime.strptime(cell, self._format.date_format)  # noqa: DTZ007  (a day has no zone)
            except ValueError:
                return False
        return True


def _is_identity(text: str) -> bool:
    for parse in (parse_iin, parse_bin):
        try:
            parse(text)
        except IinBinError:
            continue
        return True
    return False
