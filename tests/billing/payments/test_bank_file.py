"""The bank's file format: read strictly, in its three encodings, refused with the line that is wrong."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.payments import bank_file
from telco.billing.payments.bank_file import parse_bank_file
from telco.billing.payments.errors import BankFileError
from telco.kernel.money import tenge
from tests.billing.payments import bank
from tests.billing.payments.conftest import OTHER_ACCOUNT, OUR_ACCOUNT

PLAIN = bank.text(bank.document("за 87012223344"))


@pytest.mark.parametrize(("declared", "codec"), [("Windows", "cp1251"), ("DOS", "cp866"), ("Windows", "utf-8-sig")])
def test_a_file_in_each_encoding(declared: str, codec: str) -> None:
    raw = bank.text(bank.document("за 87012223344"), bank.document("II", "0.01"), encoding=declared).encode(codec)
    file = parse_bank_file(raw)
    assert file.account == OUR_ACCOUNT
    first, second = file.documents
    assert (first.number, first.amount, first.purpose) == ("1", tenge(1000), "за 87012223344")
    assert (first.document_date, first.received_on) == (date(2026, 3, 1), date(2026, 3, 1))
    assert (first.payer_account, first.payer_id, first.line) == (OTHER_ACCOUNT, bank.PERSON, 12)
    assert second.amount == 1


LOCAL = f"""1CClientBankExchange
{{header}}
ДатаНачала=01.03.2026
РасчСчет={OUR_ACCOUNT}
СекцияРасчСчет
РасчСчет={OUR_ACCOUNT}
НачальныйОстаток=0.00
КонецРасчСчет
СекцияДокумент=Выписка
НомерДокумента=NT-475719
ДатаДокумента=28.02.2026
ВидДокумента=ПлатежноеПоручение
{{came}}
ПлательщикНаименование=Серик
ПлательщикБИН_ИИН={bank.PERSON}
ПлательщикИИК={OTHER_ACCOUNT}
ПлательщикКБЕ=19
ПолучательИИК={OUR_ACCOUNT}
ДатаОперации=01.03.2026
НазначениеПлатежа=за 87012223344
КонецДокумента
СекцияДокумент=Выписка
НомерДокумента=7
ДатаДокумента=01.03.2026
{{went}}
ПлательщикИИК={OUR_ACCOUNT}
ПолучательИИК={OTHER_ACCOUNT}
ДатаОперации=02.03.2026
НазначениеПлатежа=Возврат
КонецДокумента
КонецФайла
"""
"""As banks of Kazakhstan write it."""


@pytest.mark.parametrize("codec", ["cp1251", "utf-8"])
@pytest.mark.parametrize("capitals", [False, True])
@pytest.mark.parametrize(
    ("header", "came", "went"),
    [
        ("ВерсияФормата=1.01\nКодировка=Windows", "СуммаПриход=1000.50", "СуммаРасход=4000.00"),
        ("ВерсияФормата=2.0\nОтправитель=Банк", "СуммаПриход=1000.5\nСумма=1000.5", "СуммаРасход=4000\nСумма=4000"),
        ("Кодировка=windows-1251\nВерсияФормата=2.00", "СуммаДоход=1000.50\nСуммаРасход=0.00", "СуммаРасход=4000"),
    ],
)
def test_the_dialect_of_banks_of_kazakhstan(header: str, came: str, went: str, capitals: bool, codec: str) -> None:
    text = LOCAL.format(header=header, came=came, went=went)
    for name in ("СекцияРасчСчет", "КонецРасчСчет", "СекцияДокумент", "КонецДокумента") if capitals else ():
        text = text.replace(name, name.upper())
    file = parse_bank_file(text.encode(codec))
    first, second = file.documents
    assert (first.number, first.amount, first.payer_id) == ("NT-475719", 1000_50, bank.PERSON)
    assert (first.document_date, first.received_on, first.debited_on) == (date(2026, 2, 28), date(2026, 3, 1), None)
    assert (second.amount, second.received_on, second.debited_on) == (tenge(4000), None, date(2026, 3, 2))


def test_sums_that_differ_refuse_the_file() -> None:
    text = LOCAL.format(header="ВерсияФормата=2.00", came="СуммаПриход=1000.50\nСумма=1000.00", went="СуммаРасход=1")
    with pytest.raises(BankFileError, match="Сумма"):
        parse_bank_file(text.encode("cp1251"))


def test_a_purpose_in_several_lines_is_one() -> None:
    fields = bank.document("за", **{"НазначениеПлатежа1": "номер", "НазначениеПлатежа2": "87012223344"})
    assert parse_bank_file(bank.bank_file(fields)).documents[0].purpose == "за номер 87012223344"


ACCOUNT_SECTION = f"СекцияРасчСчет\r\nДатаНачала=01.03.2026\r\nРасчСчет={OUR_ACCOUNT}\r\nКонецРасчСчет\r\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("1CClientBankExchange", "2CClientBankExchange", 1, "format"),
        ("ВерсияФормата=1.03", "ВерсияФормата=3.00", 2, "version"),
        ("Кодировка=Windows", "Кодировка=DOS", 3, "encoding"),
        ("Сумма=1000.00", "Сумма=-1000.00", 12, "Сумма"),
        ("Сумма=1000.00", "Сумма=0.00", 12, "Сумма"),
        ("Сумма=1000.00", "Сумма=1000,00", 12, "Сумма"),
        ("Сумма=1000.00", "Сумма=99999999999.00", 12, "Сумма"),
        ("Сумма=1000.00", "Сумма==1+1", 12, "Сумма"),
        ("Дата=01.03.2026", "Дата=30.02.2026", 12, "Дата"),
        ("ДатаПоступило=01.03.2026", "ДатаПоступило=2026-03-01", 12, "ДатаПоступило"),
        (f"ПолучательСчет={OUR_ACCOUNT}", "ПолучательСчет=123", 12, "ПолучательСчет"),
        ("Номер=1", "Номер=", 12, "Номер"),
        ("Номер=1", "Номер=1\r\nНомер=2", 14, "twice"),
        ("Номер=1", "no key here", 13, "key and a value"),
        ("Номер=1", "Номер=1\x00", 13, "control"),
        ("Номер=1", "Номер=" + "1" * 3000, 13, "longer"),
        ("КонецДокумента\r\n", "", 22, "key and a value"),
        ("КонецФайла\r\n", "", 23, "cut off"),
        (ACCOUNT_SECTION, "", 8, "СекцияРасчСчет"),
        (PLAIN[PLAIN.index(ACCOUNT_SECTION) : PLAIN.index("КонецФайла")], "", 8, "СекцияРасчСчет"),
        ("КонецФайла\r\n", "КонецФайла\r\nСекцияДокумент=x\r\n", 24, "after the end"),
        ("СекцияДокумент=Платежное поручение", "СекцияЧегоТо=x", 12, "section"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, line: int, why: str) -> None:
    assert old in PLAIN
    with pytest.raises(BankFileError) as refused:
        parse_bank_file(PLAIN.replace(old, new, 1).encode("cp1251"))
    assert refused.value.line == line
    assert why in str(refused.value)


def test_a_byte_that_the_encoding_has_not_is_found() -> None:
    raw = PLAIN.encode("cp1251").replace("за ".encode("cp1251"), b"\x98 ")
    with pytest.raises(BankFileError, match="cp1251"):
        parse_bank_file(raw)


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(BankFileError, match="larger"):
        parse_bank_file(b"x" * (bank_file.MAX_BYTES + 1))


def test_too_many_documents_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_file, "MAX_DOCUMENTS", 2)
    assert len(parse_bank_file(bank.bank_file(*[bank.document("x")] * 2)).documents) == 2
    with pytest.raises(BankFileError, match="more than 2 documents"):
        parse_bank_file(bank.bank_file(*[bank.document("x")] * 3))


@given(st.binary(max_size=400))
def test_no_bytes_break_the_parser(raw: bytes) -> None:
    for content in (raw, PLAIN.encode("cp1251")[:300] + raw, "Кодировка=DOS\n".encode("cp866") + raw):
        with pytest.raises(BankFileError):
            parse_bank_file(content)


@given(st.data())
def test_a_file_with_a_spoilt_place_is_read_or_refused(data: st.DataObject) -> None:
    raw = PLAIN.encode("cp1251")
    at = data.draw(st.integers(0, len(raw)))
    spoilt = raw[:at] + data.draw(st.binary(max_size=20)) + raw[at + data.draw(st.integers(0, 20)) :]
    try:
        file = parse_bank_file(spoilt)
    except BankFileError:
        return
    assert all(document.amount > 0 for document in file.documents)
