"""Refunds at the bank: the file of orders, and the statements by which the bank answers."""

from __future__ import annotations

from typing import Any

import pytest

from telco.billing.payments.bank_file import parse_bank_file
from telco.billing.payments.errors import BankFileError
from telco.billing.refunds.bank import RefundBank
from telco.billing.refunds.errors import NoOrdersError, PayerAccountError, RefundFileUnknownError
from telco.billing.refunds.model import AnswerKind, Refund, RefundFileId, RefundState
from telco.billing.refunds.orders_file import purpose
from telco.kernel.money import json_money, tenge
from tests.billing.payments.bank import bank_file, document
from tests.billing.refunds.conftest import ANNA, OURS, THEIRS, Office


def debited(refund: Refund, **changes: str | None) -> dict[str, str]:
    """The bank's word that it debited our order."""
    fields: dict[str, Any] = {
        "Дата": "02.03.2026",
        "ПлательщикСчет": OURS,
        "ПолучательСчет": THEIRS,
        "ДатаПоступило": None,
        "ДатаСписано": "02.03.2026",
    }
    return document(purpose(refund), json_money(refund.amount or 0), str(refund.refund_id), **fields | changes)


def came_back(refund: Refund, **changes: str | None) -> dict[str, str]:
    """A transfer that the payee's bank sent back."""
    fields: dict[str, Any] = {"Дата": "02.03.2026", "ДатаПоступило": "02.03.2026"}
    text = f"Возврат: {purpose(refund)}. Счет получателя закрыт"
    return document(text, json_money(refund.amount or 0), "900", **fields | changes)


async def answer(office: Office, *documents: dict[str, str]) -> list[AnswerKind]:
    taken = await office.bank.take_answer(bank_file(*documents), "kl.txt", actor=ANNA)
    return [line.kind for line in taken.lines]


@pytest.mark.clause("PSC-6.4")
async def test_the_file_is_what_the_bank_reads(office: Office) -> None:
    one, other = await office.world.subscriber(money="749.50"), await office.world.subscriber(money="20")
    first, second = await office.ordered(one), await office.ordered(other)
    made = await office.bank.make_file(OURS, actor=ANNA, request_id="f")
    # what the client's program writes has no section of turnovers, what the bank's writes has: both are read alike
    header, begin, orders = made.content.partition("СекцияДокумент".encode("cp1251"))
    section = "СекцияРасчСчет\r\nКонецРасчСчет\r\n".encode("cp1251")
    read = parse_bank_file(header + section + begin + orders)
    assert read.account == OURS
    assert [(d.number, d.amount, d.payer_account, d.receiver_account) for d in read.documents] == [
        (str(first.refund_id), tenge("749.50"), OURS, THEIRS),
        (str(second.refund_id), tenge(20), OURS, THEIRS),
    ]
    text = made.content.decode("cp1251")
    assert "Кодировка=Windows\r\n" in text
    assert "Получатель=Айгул Серіккызы\r\n" in text  # Windows-1251 has і, and no ү and қ
    assert f"ПолучательБИН_ИИН={first.iin_bin}\r\n" in text
    assert f"по заявлению {first.reference}. Без НДС\r\n" in text
    assert read.documents[0].debited_on is None


async def test_the_file_wants_an_account_of_ours_and_orders(office: Office) -> None:
    with pytest.raises(PayerAccountError):
        await office.bank.make_file(THEIRS, actor=ANNA, request_id="f")
    with pytest.raises(NoOrdersError):
        await office.bank.make_file(OURS, actor=ANNA, request_id="f")
    with pytest.raises(RefundFileUnknownError):
        await office.bank.file(RefundFileId(1))


@pytest.mark.clause("PSC-6.4", "PSC-7.7")
async def test_the_banks_statement_confirms_once(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    refund = await office.filed(one)
    assert await answer(office, debited(refund)) == [AnswerKind.PAID]
    paid = await office.refunds.get(refund.refund_id)
    assert (paid.state, paid.paid_on, paid.payout_ref) == (RefundState.PAID, await office.today(), str(paid.refund_id))
    raw = bank_file(debited(refund))
    assert (await office.bank.take_answer(raw, "kl.txt", actor=ANNA)).replayed  # the file twice
    other = document("зарплата", number="77", ПлательщикСчет=OURS, ПолучательСчет=THEIRS, ДатаСписано="02.03.2026")
    assert await answer(office, other, debited(refund)) == [AnswerKind.KNOWN]  # the line in another file
    assert await office.books("cash.bank") == tenge(1000)


async def test_a_returned_transfer_is_put_back_once(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    await office.end(one)
    refund = await office.filed(one)
    assert await answer(office, debited(refund), came_back(refund)) == [AnswerKind.PAID, AnswerKind.RETURNED]
    assert await office.state(refund) is RefundState.RETURNED
    assert await office.world.main(one) == tenge(1000)
    assert (await office.books("cash.bank"), await office.books("payable.refund")) == (0, 0)
    assert await answer(office, came_back(refund, Номер="901")) == [AnswerKind.KNOWN]
    assert await office.world.main(one) == tenge(1000)


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"Сумма": "999.99"}, [AnswerKind.DIFFERS]),
        ({"ПолучательСчет": "KZ98765KZT0987654321"}, [AnswerKind.DIFFERS]),
        ({"Дата": "03.03.2026"}, []),  # an order of another day with the same number is another program's
        ({"Номер": "99"}, []),
        ({"Номер": "A-1"}, []),
        ({"ДатаСписано": None}, []),  # not executed yet
    ],
)
async def test_what_is_not_exactly_our_order_confirms_nothing(
    office: Office, changes: dict[str, str | None], kinds: list[AnswerKind]
) -> None:
    refund = await office.filed(await office.world.subscriber(money="1000"))
    assert await answer(office, debited(refund, **changes)) == kinds
    assert await office.state(refund) is RefundState.ORDERED


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"Сумма": "999.99"}, [AnswerKind.DIFFERS]),
        ({"НазначениеПлатежа": "Возврат RF-0000099"}, [AnswerKind.UNKNOWN]),
        ({"НазначениеПлатежа": "Возврат"}, []),
        ({"ДатаПоступило": None}, []),
    ],
)
async def test_what_is_not_exactly_our_transfer_returns_nothing(
    office: Office, changes: dict[str, str | None], kinds: list[AnswerKind]
) -> None:
    refund = await office.filed(await office.world.subscriber(money="1000"))
    assert await answer(office, came_back(refund, **changes)) == kinds
    assert await office.state(refund) is RefundState.ORDERED


async def test_nobody_was_paid_what_was_not_ordered(office: Office) -> None:
    """A returned transfer of a refund that has no order at the bank changes nothing."""
    one = await office.world.subscriber(money="1000")
    refund = await office.apply(one)
    assert await answer(office, came_back(refund, Сумма="1000.00")) == [AnswerKind.DIFFERS]
    assert await office.state(refund) is RefundState.APPLIED


async def test_a_statement_that_cannot_be_read_changes_nothing(office: Office) -> None:
    refund = await office.filed(await office.world.subscriber(money="1000"))
    raw = bank_file(debited(refund))
    for broken in (
        raw[:-20],
        b"",
        raw.replace("ДатаСписано=02.03.2026".encode("cp1251"), "ДатаСписано=x".encode("cp1251")),
    ):
        with pytest.raises(BankFileError):
            await office.bank.take_answer(broken, "kl.txt", actor=ANNA)
    with pytest.raises(PayerAccountError):
        await office.bank.take_answer(bank_file(account=THEIRS), "kl.txt", actor=ANNA)
    assert await office.state(refund) is RefundState.ORDERED


async def test_a_statement_cut_off_half_way_is_taken_up_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the first of two lines: the same file finishes the second and repeats nothing."""
    first = await office.filed(await office.world.subscriber(money="10"))
    second = await office.filed(await office.world.subscriber(money="20"))
    whole, calls = RefundBank._take, 0

    async def dying(self: RefundBank, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return await whole(self, *arguments)

    monkeypatch.setattr(RefundBank, "_take", dying)
    with pytest.raises(KeyboardInterrupt):
        await answer(office, debited(first), debited(second))
    monkeypatch.undo()
    assert await answer(office, debited(first), debited(second)) == [AnswerKind.KNOWN, AnswerKind.PAID]
    assert await office.books("cash.bank") == tenge(30)
