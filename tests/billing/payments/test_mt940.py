"""Statements MT940: the same documents as the other form, balances that add up, refusals with their line."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telco.billing.payments.errors import BankFileError, WorkItemNoMoneyError
from telco.billing.payments.model import ItemState
from telco.billing.payments.mt940 import is_mt940, parse_mt940
from telco.kernel.money import tenge
from tests.billing.payments.bank import PERSON
from tests.billing.payments.conftest import OTHER_ACCOUNT, OUR_ACCOUNT, Desk

NUMBER = "77012223344"
CAME = f":61:2603010302C1000,50NTRF417//B-1\r\n:86:{OTHER_ACCOUNT} ИИН {PERSON} за {NUMBER}"
WENT = f":61:260301D200,NTRF418//B-2\r\n:86:{OTHER_ACCOUNT} возврат"
TAKEN_BACK = f":61:260301RC100,00NTRFNONREF//B-3\r\n:86:{OTHER_ACCOUNT} ИИН {PERSON} ошибочно за {NUMBER}"
CAME_BACK = f":61:260301RD50,NTRF420//B-4\r\n:86:{OTHER_ACCOUNT} ИИН {PERSON} возврат за {NUMBER}"


def statement(*entries: str, closing: str = "C0,", opening: str = "C0,", account: str = OUR_ACCOUNT) -> str:
    """A message; balances are a mark and a sum."""
    first = f":60F:{opening[0]}260228KZT{opening[1:]}"
    last = f":62F:{closing[0]}260301KZT{closing[1:]}"
    return "\r\n".join([":20:ST-1", f":25:{account}", ":28C:61/1", first, *entries, last, "-", ""])


# 100.00 + 1,000.50 - 200.00 - 100.00 + 50.00 = 850.50
WHOLE = statement(CAME, WENT, TAKEN_BACK, CAME_BACK, opening="C100,", closing="C850,50")


@pytest.mark.clause("PSC-4.1")
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1251"])
def test_every_mark_is_read(codec: str) -> None:
    raw = WHOLE.encode(codec)
    assert is_mt940(raw)
    file = parse_mt940(raw)
    assert file.account == OUR_ACCOUNT
    came, went, taken_back, came_back = file.documents
    assert (came.number, came.amount, came.line) == ("417", tenge("1000.50"), 5)
    assert (came.document_date, came.received_on) == (date(2026, 3, 1), date(2026, 3, 2))
    assert (came.payer_account, came.payer_id, came.receiver_account) == (OTHER_ACCOUNT, PERSON, OUR_ACCOUNT)
    assert came.purpose.endswith(f"за {NUMBER}")
    assert (went.payer_account, went.receiver_account) == (OUR_ACCOUNT, OTHER_ACCOUNT)
    assert (went.received_on, went.debited_on) == (None, date(2026, 3, 1))
    assert (taken_back.reversal, taken_back.received_on, taken_back.number) == (True, None, "B-3")
    assert (came_back.reversal, came_back.amount, came_back.payer_id) == (False, tenge(50), "")


def test_several_messages_in_their_envelopes_are_one_file() -> None:
    first = "{1:F01BANKKZKXAXXX0000000000}{2:I940}{4:\r\n" + statement(CAME, closing="C1000,50").replace(
        "-\r\n", "-}\r\n"
    )
    second = statement(WENT, opening="C1000,50", closing="C800,5").replace(":60F:", ":60M:")
    assert [document.number for document in parse_mt940((first + second).encode()).documents] == ["417", "418"]
    for spoilt in (
        second.replace("C260228KZT1000,50", "C260228KZT1000,51"),
        second.replace(OUR_ACCOUNT, OTHER_ACCOUNT),
    ):
        with pytest.raises(BankFileError):
            parse_mt940((first + spoilt).encode())


def test_a_text_goes_on_in_lines_and_subfields() -> None:
    text = f"ИИН {PERSON} за услуги связи по договору от первого марта 770122"
    text = text.ljust(65, "x")
    broken = f":61:260301C5,NTRF1\r\n:86:{text}\r\n23344 и\r\nдругое"
    [document] = parse_mt940(statement(broken, closing="C5,").encode()).documents
    assert document.purpose == f"{text}23344 и другое"
    pieces = f"166?00X?20за {NUMBER[:5]}?21{NUMBER[5:]}?31{OTHER_ACCOUNT}?32ИИН {PERSON} Аскар?33ов"
    fields = f":61:260301C5,NTRF1\r\n:86:{pieces}"
    [document] = parse_mt940(statement(fields, closing="C5,").encode()).documents
    assert (document.purpose, document.payer_account) == (f"за {NUMBER}", OTHER_ACCOUNT)
    assert (document.payer_id, document.payer_name) == (PERSON, f"ИИН {PERSON} Аскаров")


def test_digits_of_other_scripts_are_no_number() -> None:
    other = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    text = f"{'166'.translate(other)}?20ИИН {PERSON.translate(other)} за {NUMBER}"
    [document] = parse_mt940(statement(f":61:260301C5,NTRF1\r\n:86:{text}", closing="C5,").encode()).documents
    assert (document.payer_id, document.purpose) == ("", text)


@pytest.mark.parametrize(("entry", "booked"), [("2512310102", date(2026, 1, 2)), ("2601011231", date(2025, 12, 31))])
def test_the_day_of_booking_is_the_nearest(entry: str, booked: date) -> None:
    [document] = parse_mt940(statement(f":61:{entry}C5,NTRF1", closing="C5,").encode()).documents
    assert document.received_on == booked


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        (":20:ST-1", ":20:" + "x" * 17, 1, "tag 20"),
        (f":25:{OUR_ACCOUNT}", ":25:123", 2, "tag 25"),
        (f":25:{OUR_ACCOUNT}\r\n", "", 2, "25 is expected"),
        (":28C:61/1", ":28C:x", 3, "tag 28C"),
        (":60F:C260228KZT100,", ":60F:C260228USD100,", 4, "tag 60F"),
        (":60F:C260228KZT100,", ":60F:C260230KZT100,", 4, "tag 60F"),
        (":60F:C260228KZT100,", ":60M:C260228KZT100,", 4, "does not open"),
        ("C1000,50NTRF", "C1000.50NTRF", 5, "tag 61"),
        ("C1000,50NTRF", "C1000,505NTRF", 5, "tag 61"),
        ("C1000,50NTRF", "EC1000,50NTRF", 5, "tag 61"),
        ("C1000,50NTRF", "C0,NTRF", 5, "tag 61"),
        ("NTRFNONREF//B-3", "NTRFNONREF", 9, "tag 61"),
        (":61:2603010302", ":61:2602300302", 5, "tag 61"),
        (":61:2603010302", ":61:2603010230", 5, "tag 61"),
        ("за " + NUMBER + "\r\n", "за " + NUMBER + "\r\n:86:again\r\n", 7, "tag 86"),
        (":20:ST-1\r\n", ":20:ST-1\r\nmore\r\n", 2, "a tag is expected"),
        ("KZT850,50", "KZT850,51", 13, "add up"),
        (":62F:C", ":62F:D", 13, "add up"),
        (":62F:C260301KZT850,50\r\n", "", 12, "no tag 62F"),
        ("-\r\n", "", 14, "cut off"),
        ("-\r\n", ":20:ST-2\r\n", 14, "no end"),
        ("ошибочно", "ошиб\x00очно", 10, "control"),
        ("ошибочно", "x" * 3000, 10, "longer"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, line: int, why: str) -> None:
    assert old in WHOLE
    with pytest.raises(BankFileError) as refused:
        parse_mt940(WHOLE.replace(old, new, 1).encode())
    assert (refused.value.line, why in str(refused.value)) == (line, True), str(refused.value)


def test_an_entry_that_is_there_twice_is_refused() -> None:
    raw = statement(CAME, WENT, CAME, closing="C1801,").encode()
    with pytest.raises(BankFileError, match="same entry as in line 5") as refused:
        parse_mt940(raw)
    assert refused.value.line == 9


@given(st.data())
def test_a_spoilt_statement_is_read_or_refused(data: st.DataObject) -> None:
    raw = WHOLE.encode("cp1251")
    at = data.draw(st.integers(0, len(raw)))
    spoilt = raw[:at] + data.draw(st.binary(max_size=20)) + raw[at + data.draw(st.integers(0, 20)) :]
    try:
        file = parse_mt940(spoilt)
    except BankFileError:
        return
    assert all(document.amount > 0 for document in file.documents)


@pytest.mark.clause("PSC-4.1", "PSC-3.2.4-4")
async def test_what_came_is_credited_once_and_reversals_wait_for_people(desk: Desk) -> None:
    subscriber = await desk.world.subscriber(number=NUMBER)
    taken = await desk.transfers.take(WHOLE.encode("cp1251"), "mt940.sta", actor="staff:accountant")
    assert (taken.documents, taken.outgoing, taken.credited, taken.work_list) == (4, 2, 1, 1)
    assert await desk.world.main(subscriber) == tenge("1000.50")
    items = await desk.work_list.items(ItemState.OPEN, None, 0, 10)
    assert sorted((item.reason, item.amount) for item in items) == [("payer_unknown", 5000), ("reversed", 10000)]
    again = await desk.transfers.take(WHOLE.encode("cp1251"), "mt940.sta", actor="staff:accountant")
    assert (again.file_id, again.replayed) == (taken.file_id, True)
    other = await desk.transfers.take(WHOLE.encode("utf-8"), "the same in another charset", actor="staff:accountant")
    assert (other.replayed, other.repeated, other.credited) == (False, 2, 0)
    assert len(await desk.work_list.items(ItemState.OPEN, None, 0, 10)) == 2
    assert await desk.world.main(subscriber) == tenge("1000.50")
    [reversed_item] = [item for item in items if item.reason == "reversed"]
    with pytest.raises(WorkItemNoMoneyError):
        await desk.work_list.allocate(reversed_item.item_id, NUMBER, actor="staff:accountant", reason="r")
