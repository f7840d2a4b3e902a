"""Refunds at the bank: the file of orders, and the statements by which the bank answers."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import asyncpg
import pytest

from telco.billing.documents.errors import RequisitesMissingError
from telco.billing.payments.audit import money_in
from telco.billing.payments.bank_file import parse_bank_file
from telco.billing.payments.errors import BankFileError
from telco.billing.payments.model import ItemState, TakenFile, WorkItem
from telco.billing.refunds.bank import RefundBank
from telco.billing.refunds.errors import NoOrdersError, PayerAccountError, RefundFileUnknownError
from telco.billing.refunds.model import AnswerKind, Payee, PayoutWay, Refund, RefundFileId, RefundState
from telco.billing.refunds.orders_file import purpose
from telco.kernel.money import json_money, tenge
from tests.billing.payments.bank import bank_file, document
from tests.billing.payments.test_mt940 import statement
from tests.billing.refunds.conftest import ANNA, OURS, PURPOSE_CODE, THEIRS, Office


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
    for of_ours in (
        "Плательщик=АО «Коктем»",
        "ПлательщикБИН_ИИН=990140000007",
        "ПлательщикКБЕ=17",
        "ПлательщикБИК=HSBKKZKX",
        f"КодНазначенияПлатежа={PURPOSE_CODE}",
    ):
        assert text.count(f"{of_ours}\r\n") == 2, of_ours  # in each order


@pytest.mark.clause("PSC-6.4")
async def test_an_order_has_the_payees_code_as_stated_or_as_the_number_tells(office: Office) -> None:
    person = await office.ordered(await office.world.subscriber(money="20"))
    stated = await office.ordered(
        await office.world.subscriber(money="20"), payee=Payee(PayoutWay.BANK, THEIRS, kbe="29")
    )
    assert (person.payee.kbe, stated.payee.kbe) == (None, "29")
    made = await office.bank.make_file(OURS, actor=ANNA, request_id="f")
    assert re.findall("ПолучательКБЕ=(.*)\r\n", made.content.decode("cp1251")) == ["19", "29"]


@pytest.mark.clause("PSC-6.4")
async def test_an_account_at_another_bank_is_not_given_the_banks_code(office: Office) -> None:
    elsewhere = "KZ73722C000022222222"
    await office.ways_in.transfers.add_account(elsewhere, "reserve")
    await office.ordered(await office.world.subscriber(money="20"))
    made = await office.bank.make_file(elsewhere, actor=ANNA, request_id="f")
    text = made.content.decode("cp1251")
    assert "Плательщик=АО «Коктем»\r\n" in text
    assert "ПлательщикБИК" not in text
    assert "ПлательщикБанк1" not in text


@pytest.mark.clause("PSC-6.4")
async def test_no_file_is_made_while_it_is_not_known_who_pays(office: Office) -> None:
    await office.ordered(await office.world.subscriber(money="20"))
    await office.world.database.fetch("delete from documents.requisites")
    with pytest.raises(RequisitesMissingError):
        await office.bank.make_file(OURS, actor=ANNA, request_id="f")


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
        ({"ПолучательСчет": "KZ83765KZT0987654321"}, [AnswerKind.DIFFERS]),
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


# A statement in the other form


def went_out(refund: Refund, text: str | None = None, reference: str = "NONREF//B-1", amount: str | None = None) -> str:
    """MT940: the bank debited our order, of value a day after its file."""
    told = f"{THEIRS} {purpose(refund)}" if text is None else text
    return f":61:2603030303D{amount or comma(refund)}NTRF{reference}\r\n:86:{told}"


def came_in(refund: Refund, mark: str = "RD", reference: str = "NONREF//B-2") -> str:
    return f":61:2603030303{mark}{comma(refund)}NTRF{reference}\r\n:86:{THEIRS} Возврат: {purpose(refund)}"


def comma(refund: Refund) -> str:
    return json_money(refund.amount or 0).replace(".", ",")


async def told(office: Office, *entries: str, opening: str = "C0,", closing: str = "C0,") -> list[AnswerKind]:
    raw = statement(*entries, opening=opening, closing=closing).encode()
    return [line.kind for line in (await office.bank.take_answer(raw, "st.sta", actor=ANNA)).lines]


@pytest.mark.clause("PSC-6.4", "PSC-7.7")
async def test_a_statement_of_the_other_form_confirms_and_returns_once(office: Office) -> None:
    refund = await office.filed(await office.world.subscriber(money="1000"))
    office.pass_days(1)
    assert await told(office, went_out(refund), opening="C1000,") == [AnswerKind.PAID]
    paid = await office.refunds.get(refund.refund_id)
    assert (paid.state, paid.paid_on, paid.payout_ref) == (RefundState.PAID, await office.today(), "B-1")
    assert await answer(office, debited(refund)) == [AnswerKind.KNOWN]  # by the first form, too
    both = (went_out(refund), came_in(refund))
    assert await told(office, *both) == [AnswerKind.KNOWN, AnswerKind.RETURNED]
    assert await told(office, went_out(refund), came_in(refund, "C")) == [AnswerKind.KNOWN, AnswerKind.KNOWN]
    assert await answer(office, came_back(refund)) == [AnswerKind.KNOWN]
    assert (await office.books("cash.bank"), await office.books("payable.refund")) == (0, 0)


@pytest.mark.parametrize(
    ("text", "reference", "amount", "kinds"),
    [
        ("{theirs} оплата", "{number}", None, [AnswerKind.PAID]),  # number, sum and payee
        ("{theirs} оплата", "{number}", "999,00", []),
        ("оплата", "{number}", None, []),  # a number that any program may give
        ("{reference}", "NONREF//B-1", None, [AnswerKind.PAID]),  # the payee is not told
        ("KZ83765KZT0987654321 {reference}", "NONREF//B-1", None, [AnswerKind.DIFFERS]),
        ("{reference}", "NONREF//B-1", "999,00", [AnswerKind.DIFFERS]),
        ("RF-0000099", "NONREF//B-1", None, []),
    ],
)
async def test_what_the_other_form_names_enough(
    office: Office, text: str, reference: str, amount: str | None, kinds: list[AnswerKind]
) -> None:
    refund = await office.filed(await office.world.subscriber(money="1000"))
    office.pass_days(1)
    text = text.format(theirs=THEIRS, reference=refund.reference)
    entry = went_out(refund, text, reference.format(number=refund.refund_id), amount)
    assert await told(office, entry, opening=f"C{amount or '1000,00'}") == kinds
    assert (await office.state(refund) is RefundState.PAID) == (kinds == [AnswerKind.PAID])


async def test_an_order_debited_before_it_was_made_or_tomorrow_is_looked_at(office: Office) -> None:
    refund = await office.filed(await office.world.subscriber(money="1000"))
    for day in ("01.03.2026", "03.03.2026"):
        assert await answer(office, debited(refund, ДатаСписано=day)) == [AnswerKind.DIFFERS]
    assert await office.state(refund) is RefundState.ORDERED


# A returned refund in a file that the payments take


async def take(office: Office, raw: bytes) -> TakenFile:
    return await office.ways_in.transfers.take(raw, "kl.txt", actor=ANNA)


async def waiting(office: Office) -> list[WorkItem]:
    return await office.ways_in.work_list.items(ItemState.OPEN, None, 0, 10)


@pytest.mark.clause("PSC-4.1", "PSC-6.4")
@pytest.mark.parametrize("form", ["1c", "mt940"])
@pytest.mark.parametrize("payments_first", [True, False])
async def test_a_returned_refund_is_recognised_once_whichever_file_brings_it(
    office: Office, form: str, *, payments_first: bool
) -> None:
    one = await office.world.subscriber(money="1000")
    refund = await office.filed(one)
    await answer(office, debited(refund))
    office.pass_days(1)
    raw = bank_file(came_back(refund))
    if form == "mt940":
        raw = statement(came_in(refund), closing="C1000,").encode()
    if payments_first:
        assert (await take(office, raw)).returned == 1
        assert (await office.bank.take_answer(raw, "a", actor=ANNA)).lines[0].kind is AnswerKind.KNOWN
    else:
        assert (await office.bank.take_answer(raw, "a", actor=ANNA)).lines[0].kind is AnswerKind.RETURNED
        assert (await take(office, raw)).returned == 1
    other = bank_file(came_back(refund)) if form == "mt940" else statement(came_in(refund), closing="C1000,").encode()
    assert (await take(office, other)).repeated == 1  # the other form tells of it as well
    assert await office.world.main(one) == tenge(1000)
    assert await waiting(office) == []
    money, found = await money_in(office.world.database)
    assert (money.received, money.returned, found) == (tenge(1000), tenge(1000), [])
    assert (await office.books("cash.bank"), await office.books("payable.refund")) == (0, 0)


async def test_a_refund_comes_back_once_from_many_files_at_once(office: Office) -> None:
    one = await office.world.subscriber(money="1000")
    refund = await office.filed(one)
    files = [bank_file(came_back(refund, Номер=str(number))) for number in range(4)]
    taken = await asyncio.gather(*(take(office, raw) for raw in files), answer(office, came_back(refund)))
    assert sum(file.returned for file in taken if isinstance(file, TakenFile)) == 1
    assert len(await waiting(office)) == 3  # three other transfers that name it
    assert await office.world.main(one) == tenge(1000)


@pytest.mark.parametrize("how", ["other_sum", "by_hand", "not_at_the_bank", "in_cash", "unknown"])
async def test_what_only_names_a_refund_is_for_people(office: Office, how: str) -> None:
    one = await office.world.subscriber(money="1000")
    if how == "in_cash":
        refund = await office.ordered(one, payee=Payee(PayoutWay.CASH))
    else:
        refund = await (office.ordered(one) if how == "not_at_the_bank" else office.filed(one))
    if how == "by_hand":
        refund = await office.payouts.give_back(refund.refund_id, reason="refused by the bank", actor=ANNA)
    changes = {"other_sum": {"Сумма": "999.00"}, "unknown": {"НазначениеПлатежа": "RF-0000099"}}.get(how, {})
    raw = bank_file(came_back(refund, **changes))
    kinds = [line.kind for line in (await office.bank.take_answer(raw, "a", actor=ANNA)).lines]
    assert kinds == [{"by_hand": AnswerKind.KNOWN, "unknown": AnswerKind.UNKNOWN}.get(how, AnswerKind.DIFFERS)]
    assert (await take(office, raw)).work_list == 1
    assert len(await waiting(office)) == 1
    assert await office.state(refund) is refund.state


async def test_a_kill_while_a_refund_comes_back_leaves_nothing_half(office: Office) -> None:
    """The connection dies when the document is marked: the refund is as before, and the job finishes both."""
    one = await office.world.subscriber(money="1000")
    refund = await office.filed(one)
    database = office.world.database
    await database.fetch(
        """
        create function payments.die() returns trigger language plpgsql as $$ begin
            perform pg_terminate_backend(pg_backend_pid()); return null;
        end $$
        """
    )
    await database.fetch(
        """
        create trigger die after update on payments.bank_document for each row when (new.state = 'returned')
        execute function payments.die()
        """
    )
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await take(office, bank_file(came_back(refund)))
    assert (await office.state(refund), await office.world.main(one)) == (RefundState.ORDERED, 0)
    await database.fetch("drop trigger die on payments.bank_document")
    assert await office.ways_in.transfers.process_pending() == 1
    assert (await office.state(refund), await office.world.main(one)) == (RefundState.RETURNED, tenge(1000))
