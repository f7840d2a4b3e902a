"""What a debtor reads and types."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from telco.kernel.i18n import Language
from telco.subscribers.model import Accession
from tests.sms.handsets import Handsets


async def live(handsets: Handsets, who: Accession, *days: date) -> list[str]:
    """Let days come; returns what the debtor was told on them."""
    await handsets.outbox.drain()
    await handsets.database.fetch("delete from sms.outbound where recipient = $1", who.msisdn)
    for day in days:
        moment = handsets.calendar.start_of_day(day) + timedelta(hours=10)
        handsets.clock.advance(moment - handsets.clock.now())
        await handsets.invoicing.run()
        await handsets.collection.run()
        await handsets.outbox.drain()
    return await handsets.sent(who)


@pytest.mark.clause("PSC-3.1.4", "PSC-3.1.4-1", "PSC-3.1.5.1")
@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            Language.EN,
            [
                "Invoice KC-2026-0000001 is issued: pay 8,990 KZT by 02.05.2026.",
                "Invoice KC-2026-0000001: pay 8,990 KZT by 02.05.2026.",
                "Invoice KC-2026-0000001 is overdue: 8,990 KZT. Pay it.",
                "Notice of overdue debt: invoice KC-2026-0000001, 8,990 KZT. If you neither pay nor object by"
                " 15.05.2026, the debt counts as acknowledged.\nTo object, send OBJECT.",
                "Outgoing services are stopped: invoice KC-2026-0000001 is unpaid.",
            ],
        ),
        (
            Language.RU,
            [
                "Выставлен счёт KC-2026-0000001: оплатите 8 990 ₸ до 02.05.2026.",
                "Счёт KC-2026-0000001: оплатите 8 990 ₸ до 02.05.2026.",
                "Счёт KC-2026-0000001 просрочен: 8 990 ₸. Оплатите его.",
                "Уведомление о просроченном долге: счёт KC-2026-0000001, 8 990 ₸. Если до 15.05.2026 вы не оплатите и"
                " не возразите, долг считается признанным.\nЧтобы возразить, отправьте ВОЗРАЖАЮ.",
                "Исходящие услуги остановлены: не оплачен счёт KC-2026-0000001.",
            ],
        ),
        (
            Language.KK,
            [
                "KC-2026-0000001 шоты жазылды: 8 990 ₸ сомасын 02.05.2026 дейін төлеңіз.",
                "KC-2026-0000001 шоты: 8 990 ₸ сомасын 02.05.2026 дейін төлеңіз.",
                "KC-2026-0000001 шотының мерзімі өтті: 8 990 ₸. Төлеңіз.",
                "Мерзімі өткен қарыз туралы хабарлама: KC-2026-0000001 шоты, 8 990 ₸. 15.05.2026 дейін төлемесеңіз"
                " немесе қарсылық білдірмесеңіз, қарыз мойындалды деп саналады.\n"
                "Қарсылық білдіру үшін ҚАРСЫМЫН деп жіберіңіз.",
                "Шығыс қызметтері тоқтатылды: KC-2026-0000001 шоты төленбеген.",
            ],
        ),
    ],
)
async def test_what_a_debtor_is_told_in_his_language(handsets: Handsets, language: Language, texts: list[str]) -> None:
    who = await handsets.accede("kcell-status", language, amount="0")
    days = (date(2026, 4, 2), date(2026, 4, 29), date(2026, 5, 3), date(2026, 5, 6), date(2026, 5, 12))
    assert await live(handsets, who, *days) == texts


@pytest.mark.clause("PSC-3.1.4-1", "PSC-1.1.30")
@pytest.mark.parametrize("word", ["OBJECT", "возражаю", "қарсымын"])
async def test_a_debtor_objects_by_sms(handsets: Handsets, word: str) -> None:
    who = await handsets.accede("kcell-status", Language.EN, amount="0")
    assert await handsets.sms(who, word) == "You have no unpaid invoice to object to."
    await live(handsets, who, date(2026, 4, 2), date(2026, 4, 29), date(2026, 5, 3), date(2026, 5, 6))
    assert "Object to 1 unpaid invoices?" in await handsets.sms(who, word)
    assert await handsets.sms(who, "yes") == "Your objection is registered: KC-2026-0000001."
    await live(handsets, who, date(2026, 5, 12), date(2026, 5, 16))
    [debt] = await handsets.collection.register.of_account(who.account)
    assert debt.acknowledged_at is None
    assert await handsets.sms(who, f"{word} yes") == "Your objection is registered: KC-2026-0000001."  # once
    details = await handsets.collection.register.details(debt.debt_id)
    assert [(objection.channel, objection.in_time) for objection in details.objections] == [("sms", True)]


@pytest.mark.clause("PSC-3.1.4-1", "PSC-1.1.17")
async def test_an_invoice_is_objected_to_before_it_is_due(handsets: Handsets) -> None:
    """Issued on 2 April and due on 2 May; objected to on 10 April, it is reminded of and never acknowledged."""
    who = await handsets.accede("kcell-status", Language.EN, amount="0")
    await live(handsets, who, date(2026, 4, 2), date(2026, 4, 10))
    assert "Object to 1 unpaid invoices?" in await handsets.sms(who, "OBJECT")
    assert await handsets.sms(who, "yes") == "Your objection is registered: KC-2026-0000001."
    told = await live(
        handsets, who, date(2026, 4, 11), date(2026, 4, 29), date(2026, 5, 3), date(2026, 5, 6), date(2026, 5, 16)
    )
    [debt] = await handsets.collection.register.of_account(who.account)
    assert (debt.state, debt.due_on, debt.acknowledged_at) == ("open", date(2026, 5, 2), None)
    assert "KC-2026-0000001" in told[0]
