"""Bank files of the exchange format ``1CClientBankExchange``, read strictly.

A file is lines of ``key=value``: a header, sections of our account's turnover, a section for each document, an end.
Banks write it in Windows-1251, DOS (866) or UTF-8 and add keys of their own, which are skipped; what is read here is
checked, and the first thing that is wrong refuses the whole file with its line, so that no document is lost unseen.

Two dialects are read alike: version 1.03 as it is published, and what banks of Kazakhstan make of it, versions 1.01 to
2.00. Theirs has ``НомерДокумента``, ``ДатаДокумента``, the sum as ``СуммаПриход`` or ``СуммаРасход`` and the day on
which it was booked as ``ДатаОперации``; some leave the encoding out, some write sections in capitals.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime

from telco.billing.payments import rules
from telco.billing.payments.errors import BankFileError
from telco.billing.payments.model import BankDocument, BankFile, BankForm
from telco.kernel.i18n import Text
from telco.kernel.money import Tiyn
from telco.ledger.model import MAX_MONEY

MAX_BYTES = 8 * 1024 * 1024
MAX_DOCUMENTS = 20_000
MAX_LINE = 2_000
"""Characters of a line."""
MAX_FIELDS = 200
"""Lines of a document."""
MAX_PURPOSE = 1_000

_SIGNATURE = "1CClientBankExchange"
_UNKNOWN = Text("this is neither a file of the format {format} nor a statement MT940.", format=_SIGNATURE)
_DECLARED = "Кодировка="
_VERSION = "ВерсияФормата"
_VERSIONS = frozenset({"1.01", "1.02", "1.03", "2.0", "2.00"})
_DATE = re.compile(r"(\d{2})\.(\d{2})\.(\d{4})", re.ASCII)
_IBAN = re.compile(r"KZ\d{2}[0-9A-Z]{16}", re.ASCII)
_NUMBER = re.compile(r"[\w/.-]{1,30}")
_PERSON_OR_COMPANY = re.compile(r"\d{12}", re.ASCII)
_CODECS = {"windows": "cp1251", "windows-1251": "cp1251", "dos": "cp866"}

_BEGIN_ACCOUNT, _END_ACCOUNT = "СекцияРасчСчет", "КонецРасчСчет"
_BEGIN_DOCUMENT, _END_DOCUMENT = "СекцияДокумент", "КонецДокумента"
_END_FILE = "КонецФайла"

_PAYER_ID = ("ПлательщикБИН_ИИН", "ПлательщикИИН", "ПлательщикБИН", "ПлательщикИНН")
_PAYER_ACCOUNT = ("ПлательщикСчет", "ПлательщикИИК", "ПлательщикРасчСчет")
_PAYER_NAME = ("ПлательщикНаименование", "Плательщик1", "Плательщик")
_RECEIVER_ACCOUNT = ("ПолучательСчет", "ПолучательИИК", "ПолучательРасчСчет")
_DOCUMENT_NUMBER = ("Номер", "НомерДокумента")
_DOCUMENT_DAY = ("Дата", "ДатаДокумента")
_CAME, _WENT = ("СуммаПриход", "СуммаДоход"), ("СуммаРасход",)
_PURPOSE = ("НазначениеПлатежа", *(f"НазначениеПлатежа{n}" for n in range(1, 7)))

Fields = dict[str, str]
Line = tuple[int, str]


def parse_bank_file(raw: bytes) -> BankFile:
    """Read a bank file.

    Raises:
        BankFileError: too large, in an encoding that is not the declared one, cut off, or with a line that cannot mean
            what it should; with the line and what is wrong in it.

    Contract: PSC-4.1
    """
    if len(raw) > MAX_BYTES:
        raise BankFileError(line=1, why=Text("the file is larger than {limit} bytes.", limit=MAX_BYTES))
    lines = _lines(_decode(raw))
    header = _header(lines)
    account = _iban(header, ("РасчСчет",), 1)
    documents: list[BankDocument] = []
    for number, line in lines:
        if _same(line, _END_FILE):
            _nothing_follows(lines)
            return BankFile(BankForm.EXCHANGE, account, tuple(documents))
        key, _, _ = line.partition("=")
        if _same(key, _BEGIN_ACCOUNT):
            _section(lines, number, _END_ACCOUNT)
        elif _same(key, _BEGIN_DOCUMENT):
            if len(documents) == MAX_DOCUMENTS:
                raise BankFileError(
                    line=number, why=Text("there are more than {limit} documents.", limit=MAX_DOCUMENTS)
                )
            documents.append(_document(_section(lines, number, _END_DOCUMENT), number, account))
        else:
            raise BankFileError(line=number, why=Text("a section or the end of the file is expected here."))
    raise BankFileError(line=_last_line(raw), why=Text("the file is cut off: its last line is missing."))


def _last_line(raw: bytes) -> int:
    return raw.count(b"\n") + 1


def _decode(raw: bytes) -> str:
    """Decode by what the bytes are, and hold that against what the file declares."""
    if raw.startswith(b"\xef\xbb\xbf"):
        return _strictly(raw[3:], "utf-8")
    for codec in ("utf-8", "cp1251", "cp866"):
        if _DECLARED.encode(codec) in raw[:4096]:
            text = _strictly(raw, codec)
            declared = text.partition(_DECLARED)[2].partition("\n")[0].strip()
            if codec != "utf-8" and _CODECS.get(declared.lower()) != codec:
                why = Text("the file declares another encoding than it has ({codec}).", codec=codec)
                raise BankFileError(line=_declared_line(text), why=why)
            return text
    for codec in ("utf-8", "cp1251", "cp866"):
        if _VERSION.encode(codec) in raw[:4096]:
            return _strictly(raw, codec)
    raise BankFileError(line=1, why=_UNKNOWN)


def _strictly(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BankFileError(line=line, why=Text("there is a byte that is not {codec}.", codec=codec)) from None


def _declared_line(text: str) -> int:
    return text.partition(_DECLARED)[0].count("\n") + 1


def _lines(text: str) -> Iterator[Line]:
    """Yield the lines that are not empty, by number; control characters have no business in them."""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r").strip()
        if len(line) > MAX_LINE:
            raise BankFileError(line=number, why=Text("the line is longer than {limit} characters.", limit=MAX_LINE))
        if not line.isprintable() and any(_is_control(character) for character in line):
            raise BankFileError(line=number, why=Text("there is a control character."))
        if line:
            yield number, line


def _is_control(character: str) -> bool:
    return character != "\t" and unicodedata.category(character) in ("Cc", "Cs")


def _header(lines: Iterator[Line]) -> Fields:
    """Read up to the first section, which is the account's."""
    number, first = next(lines, (1, ""))
    if first != _SIGNATURE:
        raise BankFileError(line=number, why=_UNKNOWN)
    header: Fields = {}
    for number, line in lines:
        key, separator, value = line.partition("=")
        if _same(key, _BEGIN_ACCOUNT):
            _section(lines, number, _END_ACCOUNT)
            break
        if _same(key, _BEGIN_DOCUMENT) or _same(key, _END_FILE):
            why = Text("the account's section ({section}) is missing before this line.", section=_BEGIN_ACCOUNT)
            raise BankFileError(line=number, why=why)
        if not separator or len(header) == MAX_FIELDS:
            raise BankFileError(line=number, why=Text("a key and a value are expected here."))
        header.setdefault(key, value.strip())  # several accounts may be named; the first is the file's
    if header.get(_VERSION) not in _VERSIONS:
        shown = ", ".join(sorted(_VERSIONS))
        raise BankFileError(line=2, why=Text("only version {version} of the format is taken.", version=shown))
    return header


def _section(lines: Iterator[Line], began: int, end: str) -> Fields:
    """Read the lines of a section; a key stands in it once."""
    fields: Fields = {}
    for number, line in lines:
        if _same(line, end):
            return fields
        key, separator, value = line.partition("=")
        if not separator or _same(key, _BEGIN_ACCOUNT) or _same(key, _BEGIN_DOCUMENT):
            raise BankFileError(line=number, why=Text("a key and a value are expected here."))
        if key in fields:
            raise BankFileError(line=number, why=Text("the field {field} is there twice.", field=_shown(key)))
        if len(fields) == MAX_FIELDS:
            raise BankFileError(line=number, why=Text("the section is too long."))
        fields[key] = value.strip()
    raise BankFileError(line=began, why=Text("the section that begins here has no end."))


def _nothing_follows(lines: Iterator[Line]) -> None:
    for number, _ in lines:
        raise BankFileError(line=number, why=Text("there is something after the end of the file."))


def _same(text: str, name: str) -> bool:
    return text.casefold() == name.casefold()


def _document(fields: Fields, line: int, ours: str) -> BankDocument:
    number = _first(fields, _DOCUMENT_NUMBER)
    if _NUMBER.fullmatch(number) is None:
        raise _wrong(line, _DOCUMENT_NUMBER[0])
    payer_account = _iban(fields, _PAYER_ACCOUNT, line)
    received = _booked(fields, "ДатаПоступило", _CAME)
    debited = _booked(fields, "ДатаСписано", _WENT) if payer_account == ours else ""
    return BankDocument(
        line=line,
        number=number,
        document_date=_day(_first(fields, _DOCUMENT_DAY), _DOCUMENT_DAY[0], line),
        received_on=_day(received, "ДатаПоступило", line) if received else None,
        amount=_amount(fields, line),
        payer_account=payer_account,
        payer_name=_first(fields, _PAYER_NAME)[:200],
        payer_id=_payer_id(fields),
        receiver_account=_iban(fields, _RECEIVER_ACCOUNT, line),
        purpose=" ".join(fields[key] for key in _PURPOSE if fields.get(key))[:MAX_PURPOSE],
        debited_on=_day(debited, "ДатаСписано", line) if debited else None,
    )


def _amount(fields: Fields, line: int) -> Tiyn:
    """Read the sum, which may stand more than once, on either side; a side that is empty may say zero."""
    given = [fields[name] for name in ("Сумма", *_CAME, *_WENT) if _is_there(fields, name)]
    amounts = {rules.parse_sum(text) for text in given}
    amount = amounts.pop() if len(amounts) == 1 else None
    if amount is None or amount > MAX_MONEY:
        raise _wrong(line, "Сумма")
    return amount


def _booked(fields: Fields, published: str, side: tuple[str, ...]) -> str:
    """Return when the bank booked it on a side: in the published dialect, or with a sum on that side."""
    told = any(_is_there(fields, name) for name in side)
    return fields.get(published) or (fields.get("ДатаОперации", "") if told else "")


def _is_there(fields: Fields, name: str) -> bool:
    return fields.get(name, "").strip("0.") != ""


def _first(fields: Fields, names: tuple[str, ...]) -> str:
    return next((fields[name] for name in names if fields.get(name)), "")


def _payer_id(fields: Fields) -> str:
    """Return the payer's twelve digits, or nothing: a payer that is not known is for people to find out."""
    given = _first(fields, _PAYER_ID)
    return given if _PERSON_OR_COMPANY.fullmatch(given) else ""


def _iban(fields: Fields, names: tuple[str, ...], line: int) -> str:
    value = _first(fields, names).replace(" ", "").upper()
    if _IBAN.fullmatch(value) is None:
        raise _wrong(line, names[0])
    return value


def _day(text: str, field: str, line: int) -> date:
    match = _DATE.fullmatch(text)
    try:
        day = datetime.strptime(text, "%d.%m.%Y").date() if match else None  # noqa: DTZ007  (a day, not a moment)
    except ValueError:
        day = None
    if day is None or not 2000 <= day.year <= 2199:
        raise _wrong(line, field)
    return day


def _wrong(line: int, field: str) -> BankFileError:
    return BankFileError(
        line=line, why=Text("the field {field} of the document that begins here is missing or wrong.", field=field)
    )


def _shown(key: str) -> str:
    return key[:40]
