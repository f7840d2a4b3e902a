"""What the lab's bank imitates of a bank of Kazakhstan, as its client sees it in files. Each test is one thing it does.

1. It takes orders in ``1CClientBankExchange``, whole or not at all: accounts, sums, both sides' codes, other fields.
2. An order comes once, by its number and day, and only while there is money for all of a file.
3. What it executes is debited on the day; a transfer to a closed account comes back two days later.
4. A statement of a day has the same in both forms, and MT940 adds up: there the order has no number, only its purpose.

It does not imitate: signatures and channels of a bank's client program, fees, cut-off times, holidays, currencies.
"""

from __future__ import annotations

from datetime import date

import pytest

from telco.billing.payments.model import BankForm
from telco.billing.payments.statements import parse_statement
from telco.kernel.iban import parse_iban
from telco.lab.bank import LabBank, OrdersRefusedError

OURS, THEIRS, CLOSED = "KZ87345KZT1234567890", "KZ86125KZT5004100100", "KZ86125KZT5004100100"
DAY, BACK = date(2026, 3, 2), date(2026, 3, 4)


def orders(*numbers: str, **changes: str) -> bytes:
    lines = ["1CClientBankExchange", "ВерсияФормата=1.03", f"РасчСчет={OURS}"]
    for number in numbers:
        fields = {
            "Номер": number,
            "Дата": "02.03.2026",
            "Сумма": "1000.50",
            "ПлательщикСчет": OURS,
            "ПлательщикБИН_ИИН": "990140000007",
            "ПлательщикКБЕ": "17",
            "ПолучательСчет": THEIRS,
            "Получатель": "Айгул",
            "ПолучательБИН_ИИН": "900101300017",
            "ПолучательКБЕ": "19",
            "КодНазначенияПлатежа": "859",
            "НазначениеПлатежа": "Возврат остатка денег по заявлению RF-0000017. Без НДС",
        }
        lines += ["СекцияДокумент=Платежное поручение", *(f"{k}={v}" for k, v in (fields | changes).items())]
        lines.append("КонецДокумента")
    return "\r\n".join([*lines, "КонецФайла", ""]).encode("cp1251")


@pytest.mark.parametrize(
    "changes",
    [
        {"Номер": ""},
        {"Сумма": "1000,50"},
        {"Сумма": "0.00"},
        {"ПлательщикСчет": THEIRS},
        {"ПолучательСчет": "KZ87125KZT5004100100"},
        {"ПолучательБИН_ИИН": ""},
        {"ПолучательКБЕ": ""},
        {"ПолучательКБЕ": "30"},
        {"ПолучательКБЕ": "17"},  # a company's, of a person
        {"ПолучательБИН_ИИН": "000440000003"},  # a company, with a person's
        {"ПлательщикКБЕ": "27"},  # a resident is none of those
        {"КодНазначенияПлатежа": ""},
        {"КодНазначенияПлатежа": "85"},
    ],
)
def test_a_file_with_a_wrong_order_is_not_taken(changes: dict[str, str]) -> None:
    bank = LabBank(OURS, 1_000_000)
    with pytest.raises(OrdersRefusedError):
        bank.take(orders("1", **changes), DAY)
    with pytest.raises(OrdersRefusedError):
        bank.take(orders("1")[:-3], DAY)
    assert bank.entries == []


def test_an_order_comes_once_and_only_while_there_is_money() -> None:
    bank = LabBank(OURS, 300_150)
    assert bank.take(orders("1", "2"), DAY) == 2
    for again in (orders("2", "3"), orders("3", "3"), orders("3", "4"), orders()):
        with pytest.raises(OrdersRefusedError):
            bank.take(again, DAY)
    assert (len(bank.entries), bank.balance(DAY)) == (2, 100_050)


@pytest.mark.parametrize("form", list(BankForm))
def test_both_forms_tell_what_was_debited_and_what_came_back(form: BankForm) -> None:
    bank = LabBank(OURS, 1_000_000, closed={parse_iban(CLOSED)})
    bank.take(orders("17"), DAY)
    write = bank.exchange if form is BankForm.EXCHANGE else bank.mt940
    first, back = parse_statement(write(DAY)), parse_statement(write(BACK))
    assert (first.form, first.account) == (form, OURS)
    [debit], [credit] = first.documents, back.documents
    assert (debit.amount, debit.debited_on, debit.payer_account, debit.receiver_account) == (100_050, DAY, OURS, CLOSED)
    assert debit.number == ("17" if form is BankForm.EXCHANGE else "B000001")
    assert (credit.amount, credit.received_on, credit.receiver_account) == (100_050, BACK, OURS)
    assert all("RF-0000017. Без НДС" in document.purpose for document in (debit, credit))
    assert parse_statement(write(date(2026, 3, 3))).documents == ()
    assert bank.balance(BACK) == 1_000_000
