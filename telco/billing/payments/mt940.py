"""Bank statements of the form MT940, read strictly into the same documents as ``1CClientBankExchange``.

A file is one message or several of one account: tags 20, 25, 28C, 60F, then 61 with its 86 for each entry, 62F. What
does not add up from the opening to the closing balance is refused with its line, and nothing of the file is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from telco.billing.payments.bank_file import MAX_BYTES, MAX_DOCUMENTS, MAX_LINE, MAX_PURPOSE
from telco.billing.payments.errors import BankFileError
from telco.billing.payments.model import BankDocument, BankFile, BankForm
from telco.kernel.i18n import Text
from telco.kernel.money import Tiyn
from telco.ledger.model import MAX_MONEY

FULL_LINE = 65
"""Characters after which a bank breaks a line wherever it is, also within a word."""
MAX_INFO_LINES = 20

_TAG = re.compile(r":(\d{2}[A-Z]?):(.*)", re.ASCII)
_OURS = re.compile(r"(?:[A-Z0-9]{8,11}/)?(KZ\d{2}[0-9A-Z]{16})(?:KZT)?", re.ASCII)
_STATEMENT = re.compile(r"\d{1,5}(?:/\d{1,5})?", re.ASCII)
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})(\d{1,12}),(\d{0,2})", re.ASCII)
_ENTRY = re.compile(
    r"(?P<day>\d{6})(?P<entry>\d{4})?(?P<mark>R?[CD])[A-Z]?(?P<whole>\d{1,12}),(?P<part>\d{0,2})"
    r"[NFS][A-Z0-9]{3}(?P<ours>[^/\s](?:[^/]|/(?!/)){0,15})(?://(?P<bank>\S.{0,15}))?",
    re.ASCII,
)
_IBAN = re.compile(r"(?<![0-9A-Z])KZ\d{2}[0-9A-Z]{16}(?![0-9A-Z])", re.ASCII)
_PAYER_ID = re.compile(r"(?:ИИН|БИН|ЖСН|БСН|IIN|BIN|IDN)[\W_]{0,3}([0-9]{12})(?!\d)", re.IGNORECASE)
_SUBFIELDS = re.compile(r"\d{3}\?", re.ASCII)
_SUBFIELD = re.compile(r"\?(\d{2})", re.ASCII)
_PURPOSE = {*range(20, 30), *range(60, 64)}
_SKIPPED = {"21", "64", "65"}
_NO_REFERENCE = "NONREF"


@dataclass(frozen=True, slots=True)
class _Field:
    line: int
    tag: str
    lines: tuple[str, ...]

    @property
    def value(self) -> str:
        return self.lines[0]


def is_mt940(raw: bytes) -> bool:
    """Tell by its beginning whether a file is meant to be of this form."""
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:4].startswith((b":20:", b"{1:"))


def parse_mt940(raw: bytes) -> BankFile:
    """Read a statement, in UTF-8 or Windows-1251.

    Money that came is C, ours that came back is RD: both are documents to credit, the second one for people, as nobody
    else knows whose it is. Ours that went is D. What the bank took back is RC: people see it, and nothing is credited.

    Raises:
        BankFileError: with the line and what is wrong in it.

    Contract: PSC-4.1
    """
    if len(raw) > MAX_BYTES:
        raise BankFileError(line=1, why=Text("the file is larger than {limit} bytes.", limit=MAX_BYTES))
    account, closing = "", None
    documents: list[BankDocument] = []
    seen: dict[tuple[object, ...], int] = {}
    for message in _messages(raw):
        ours, closing, entries = _message(message, closing)
        if account not in ("", ours):
            raise _wrong(message[1])
        account = ours
        for document in entries:
            same = (document.reversal, replace(document, line=0))
            if same in seen:
                why = Text("this is the same entry as in line {other}: nothing tells them apart.", other=seen[same])
                raise BankFileError(line=document.line, why=why)
            seen[same] = document.line
            documents.append(document)
        if len(documents) > MAX_DOCUMENTS:
            why = Text("there are more than {limit} documents.", limit=MAX_DOCUMENTS)
            raise BankFileError(line=documents[MAX_DOCUMENTS].line, why=why)
    if not account:
        raise BankFileError(line=1, why=Text("this is not a file of the format {format}.", format="MT940"))
    return BankFile(BankForm.MT940, account, tuple(documents))


def _lines(raw: bytes) -> Iterator[tuple[int, str]]:
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            text = raw.decode("cp1251")
        except UnicodeDecodeError as error:
            place = raw[: error.start].count(b"\n") + 1
            raise BankFileError(line=place, why=Text("there is a byte that is not {codec}.", codec="cp1251")) from None
    for number, given in enumerate(text.split("\n"), 1):
        line = given.rstrip()
        if len(line) > MAX_LINE:
            raise BankFileError(line=number, why=Text("the line is longer than {limit} characters.", limit=MAX_LINE))
        if any(not character.isprintable() and character != "\xa0" for character in line):
            raise BankFileError(line=number, why=Text("there is a control character."))
        yield number, line


def _messages(raw: bytes) -> Iterator[list[_Field]]:
    """Split a file into messages: each begins with tag 20 and ends with a line of its own, ``-``."""
    fields: list[_Field] = []
    number = 1
    for number, line in _lines(raw):
        found = _TAG.fullmatch(line)
        if line in ("-", "-}") or line.startswith("-}{"):
            if fields:
                yield fields
            fields = []
        elif found is not None:
            if found[1] == "20" and fields:
                raise BankFileError(line=number, why=Text("the statement before has no end."))
            fields.append(_Field(number, found[1], (found[2].strip(),)))
        elif line and not fields and line.startswith("{"):
            continue  # the envelope
        elif line:
            _continue(fields, number, line)
    if fields:
        raise BankFileError(line=number, why=Text("the file is cut off: its last line is missing."))


def _continue(fields: list[_Field], number: int, line: str) -> None:
    """Add a line to the field that it continues: only two have more than one."""
    most = {"86": MAX_INFO_LINES, "61": 2}.get(fields[-1].tag, 1) if fields else 0
    if not fields or len(fields[-1].lines) >= most:
        raise BankFileError(line=number, why=Text("a tag is expected here."))
    fields[-1] = replace(fields[-1], lines=(*fields[-1].lines, line))


def _message(fields: list[_Field], before: int | None) -> tuple[str, int, list[BankDocument]]:
    """Read a message: our account, the closing balance, the entries; `before` is how the message before closed."""
    rest = iter([field for field in fields if field.tag not in _SKIPPED])
    last = fields[-1]
    reference = _expect(rest, last, "20")
    if not 1 <= len(reference.value) <= 16:
        raise _wrong(reference)
    named = _expect(rest, last, "25")
    account = _OURS.fullmatch(named.value)
    statement = _expect(rest, last, "28C", "28")
    opening = _expect(rest, last, "60F", "60M")
    balance = _balance(opening)
    if account is None or _STATEMENT.fullmatch(statement.value) is None:
        raise _wrong(named if account is None else statement)
    if opening.tag == "60M" and balance != before:
        raise BankFileError(line=opening.line, why=Text("it does not open as the statement before closed."))
    documents: list[BankDocument] = []
    for field in rest:
        if field.tag == "61":
            document, signed = _entry(field, account[1])
            balance += signed
            documents.append(document)
            informed = False
        elif field.tag == "86" and documents and not informed:
            documents[-1] = _informed(documents[-1], field, account[1])
            informed = True
        elif field.tag in ("62F", "62M"):
            if balance != _balance(field):
                raise BankFileError(line=field.line, why=Text("the entries do not add up to the closing balance."))
            _end(rest)
            return account[1], balance, documents
        else:
            raise _wrong(field)
    raise BankFileError(line=last.line, why=Text("the statement has no tag {tag}.", tag="62F"))


def _expect(rest: Iterator[_Field], last: _Field, *tags: str) -> _Field:
    field = next(rest, None)
    if field is None or field.tag not in tags:
        raise BankFileError(line=(field or last).line, why=Text("the tag {tag} is expected here.", tag=tags[0]))
    return field


def _end(rest: Iterator[_Field]) -> None:
    """After the closing balance only a note to the whole statement may stand."""
    for number, field in enumerate(rest):
        if field.tag != "86" or number:
            raise _wrong(field)


def _balance(field: _Field) -> int:
    found = _BALANCE.fullmatch(field.value)
    if found is None or found[3] != "KZT":
        raise _wrong(field)
    _day(found[2], field)
    return _tiyn(found[4], found[5]) * (1 if found[1] == "C" else -1)


def _entry(field: _Field, account: str) -> tuple[BankDocument, int]:
    """Read an entry and what it adds to the balance."""
    found = _ENTRY.fullmatch(field.value)
    if found is None:
        raise _wrong(field)
    amount, mark = _tiyn(found["whole"], found["part"]), found["mark"]
    number = found["ours"].strip()
    if number == _NO_REFERENCE:
        number = (found["bank"] or "").strip()
    if not number or not 0 < amount <= MAX_MONEY:
        raise _wrong(field)
    day = _day(found["day"], field)
    booked = _booked(day, found["entry"], field)
    comes = mark in ("C", "RD")
    document = BankDocument(
        line=field.line,
        number=number,
        document_date=day,
        received_on=booked if comes else None,
        amount=Tiyn(amount),
        payer_account=account if mark == "D" else "",
        payer_name="",
        payer_id="",
        receiver_account="" if mark == "D" else account,
        purpose="" if mark != "RD" else "RD",
        debited_on=booked if mark == "D" else None,
        reversal=mark == "RC",
    )
    return document, amount if comes else -amount


def _informed(document: BankDocument, field: _Field, account: str) -> BankDocument:
    """Add what tag 86 says: the other side's account, IIN or BIN, name, the purpose. What is in doubt stays empty."""
    text = _joined(field.lines)
    name, purpose = "", text
    if _SUBFIELDS.match(text):
        _, *pieces = _SUBFIELD.split(text)
        parts = list(zip(map(int, pieces[::2]), pieces[1::2], strict=True))
        purpose = "".join(piece for number, piece in parts if number in _PURPOSE)
        name = "".join(piece for number, piece in parts if number in (32, 33))
        text = " ".join(piece for _, piece in parts)
    other = _only({found for found in _IBAN.findall(text) if found != account})
    payer_id = _only(set(_PAYER_ID.findall(text)))
    if document.purpose == "RD":  # ours that came back: the text is about whom it was for, so nobody is credited by it
        payer_id = ""
    ours_went = document.payer_account == account
    return replace(
        document,
        payer_account=account if ours_went else other,
        receiver_account=other if ours_went else account,
        payer_id=payer_id,
        payer_name=name.strip()[:200],
        purpose=purpose.strip()[:MAX_PURPOSE],
    )


def _joined(lines: tuple[str, ...]) -> str:
    """Put a text together: a full line was broken anywhere, another one between words."""
    text = ""
    for line in lines:
        text += line if len(line) >= FULL_LINE else f"{line} "
    return text.strip()


def _only(found: set[str]) -> str:
    return found.pop() if len(found) == 1 else ""


def _tiyn(whole: str, part: str) -> int:
    return int(whole) * 100 + int(part.ljust(2, "0"))


def _day(digits: str, field: _Field) -> date:
    try:
        return date(2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        raise _wrong(field) from None


def _booked(day: date, digits: str | None, field: _Field) -> date:
    """Read the day of booking, which has no year: the one nearest to the value date."""
    if digits is None:
        return day
    candidates = []
    for year in (day.year - 1, day.year, day.year + 1):
        try:
            candidates.append(date(year, int(digits[:2]), int(digits[2:])))
        except ValueError:
            continue
    if not candidates:
        raise _wrong(field)
    return min(candidates, key=lambda candidate: abs((candidate - day).days))


def _wrong(field: _Field) -> BankFileError:
    return BankFileError(line=field.line, why=Text("the tag {tag} is wrong or out of its place.", tag=field.tag))
