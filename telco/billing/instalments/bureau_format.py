"""Files for credit bureaus: what they may hold, and how a bureau wants it written, which is data (TOML).

Contract: PSC-3.2.12
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from telco.billing.instalments.errors import BureauFormatError
from telco.billing.instalments.model import AgreementState
from telco.kernel.money import Tiyn, json_money

FieldName = Literal[
    "iin_bin",
    "full_name",
    "number",
    "signed_on",
    "consent_version",
    "consent_on",
    "currency",
    "price",
    "financed",
    "months",
    "open_rest",
    "next_due_on",
    "next_amount",
    "overdue",
    "overdue_since",
    "state",
    "closed_on",
]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class BureauRecord:
    """What a bureau is told of one agreement."""

    iin_bin: str
    full_name: str
    number: str
    signed_on: date
    consent_version: str
    consent_on: date
    price: Tiyn
    financed: Tiyn
    months: int
    open_rest: Tiyn
    next_due_on: date | None
    next_amount: Tiyn | None
    overdue: Tiyn
    overdue_since: date | None
    state: AgreementState
    closed_on: date | None
    currency: str = "KZT"


MONEY_FIELDS = frozenset({"price", "financed", "open_rest", "next_amount", "overdue"})


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Data):
    name: Annotated[str, Field(min_length=1, max_length=60)]
    field: FieldName


class BureauFormat(_Data):
    """How one bureau wants its files."""

    bureau: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    file_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.{}-]{1,100}$")]
    encoding: Literal["utf-8", "windows-1251"]
    delimiter: Literal[";", ",", "|", "\t"]
    line_end: Literal["\r\n", "\n"]
    date_format: Annotated[str, Field(min_length=2, max_length=20)]
    header: bool
    states: Mapping[AgreementState, Annotated[str, Field(min_length=1, max_length=20)]]
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=60)]

    @model_validator(mode="after")
    def _whole(self) -> BureauFormat:
        if missing := sorted(set(AgreementState) - set(self.states)):
            raise ValueError(f"states: {', '.join(missing)} is missing")
        if not {"iin_bin", "number"} <= {column.field for column in self.columns}:
            raise ValueError("columns: iin_bin and number have to be among them")
        try:
            self.name_on(date(2026, 1, 31))
        except (KeyError, IndexError, ValueError):
            raise ValueError("file_name: only {bureau} and {day} may stand in braces") from None
        return self

    def name_on(self, day: date) -> str:
        return self.file_name.format(bureau=self.bureau, day=day.strftime("%Y%m%d"))

    def write(self, records: Iterable[BureauRecord]) -> bytes:
        """Write a file; letters that the encoding has not become question marks."""
        text = io.StringIO(newline="")
        rows = csv.writer(text, delimiter=self.delimiter, lineterminator=self.line_end)
        if self.header:
            rows.writerow([column.name for column in self.columns])
        for record in records:
            rows.writerow([self._cell(record, column.field) for column in self.columns])
        return text.getvalue().encode(self.encoding, errors="replace")

    def _cell(self, record: BureauRecord, name: FieldName) -> str:
        value = getattr(record, name)
        if value is None:
            return ""
        if name == "state":
            return self.states[record.state]
        if name in MONEY_FIELDS:
            return json_money(value)
        if isinstance(value, date):
            return value.strftime(self.date_format)
        written = str(value)
        return f"'{written}" if written.startswith(_FORMULA) else written


def parse_format(content: bytes) -> BureauFormat:
    """Read a format.

    Raises:
        BureauFormatError: it is not TOML, or a field is wrong; the sentence names the field and why.
    """
    try:
        return BureauFormat.model_validate(tomllib.loads(content.decode()))
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'format'}: {one['msg']}" for one in error.errors()
        )
        raise BureauFormatError(why=found) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BureauFormatError(why=f"not TOML: {error}") from None


def default_format() -> BureauFormat:
    """The format that comes with the service."""
    return parse_format(files(__package__).joinpath("bureau.toml").read_bytes())
