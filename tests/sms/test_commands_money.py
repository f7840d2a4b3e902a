"""What subscribers type about money, through the router, on the real ledger: balance, cards, trust payment, charges."""

from __future__ import annotations

import asyncio

import pytest

from telco.kernel.i18n import Language
from telco.kernel.money import MICRO, tenge
from telco.kernel.units import GIGABYTE, MEGABYTE, Unit
from telco.ledger.model import Charge, sum_charge
from telco.subscribers.model import Ground, by_system
from tests.sms.handsets import Handsets

# Balance


@pytest.mark.clause("PSC-1.1.12", "PSC-2.7")
@pytest.mark.parametrize(
    ("language", "text", "answer"),
    [
        (
            Language.RU,
            "Баланс",
            # 5,000 less the fee of 2,990; the month that began on 2 March ends with 1 April
            "Баланс: 2 010 ₸\nИнтернет: 12 ГБ до 01.04\nМинуты по Казахстану: 100 мин до 01.04\n"
            "SMS по Казахстану: 50 SMS до 01.04",
        ),
        (
            Language.KK,
            "теңгерім",
            "Баланс: 2 010 ₸\nИнтернет: 12 ГБ, 01.04 дейін\nҚазақстан бойынша минуттар: 100 мин, 01.04 дейін\n"
            "Қазақстан бойынша SMS: 50 SMS, 01.04 дейін",
        ),
        (
            Language.EN,
            "balance",
            "Balance: 2,010 KZT\nData: 12 GB until 01.04\nMinutes in Kazakhstan: 100 min until 01.04\n"
            "SMS in Kazakhstan: 50 SMS until 01.04",
        ),
    ],
)
async def test_balance_and_what_is_left(handsets: Handsets, language: Language, text: str, answer: str) -> None:
    who = await handsets.accede("kcell-start", language)
    assert await handsets.sms(who, text) == answer


async def test_balance_by_ussd_is_leafed_through(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start")
    first = "Баланс: 2 010 ₸\nИнтернет: 12 ГБ до 01.04\n0 Назад 9 Ещё"
    assert await handsets.page(who, "*121#") == first
    assert await handsets.page(who, "*111*1#") == first
    assert await handsets.page(who, "*111#", "1") == first
    assert await handsets.page(who, "*121#", "9") == "Минуты по Казахстану: 100 мин до 01.04\n0 Назад 9 Ещё"
    assert await handsets.page(who, "*121#", "9", "9") == "SMS по Казахстану: 50 SMS до 01.04\n0 Назад"


async def test_what_is_left_is_rounded_down(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start")
    used = Charge(Unit.BYTES, 10 * GIGABYTE + 51 * MEGABYTE, ("data.any",), MEGABYTE, 2 * MICRO)
    await handsets.spend(who, "used", used, "data.any")
    assert "Интернет: 1,9 ГБ до 01.04" in await handsets.sms(who, "баланс")  # 12 - 10.051 = 1.949
    await handsets.spend(who, "more", Charge(Unit.BYTES, 1_948_000_001, ("data.any",), MEGABYTE, 2 * MICRO), "data.any")
    assert "Интернет: 999 КБ до 01.04" in await handsets.sms(who, "баланс")  # 999,999 B


async def test_used_up_volumes_are_not_listed(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start")
    await handsets.spend(who, "sms", Charge(Unit.MESSAGES, 50, ("sms.any",), 1, 1500 * MICRO), "sms.mobile")
    assert "SMS" not in await handsets.sms(who, "баланс")


@pytest.mark.clause("PSC-3.2.5")
async def test_without_money_the_balance_is_still_told(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="100")
    assert await handsets.sms(who, "баланс") == "Баланс: 100 ₸\nТариф не оплачен: пополните баланс."
    await handsets.subscribers.suspend(
        who.subscriber_id, Ground.MONEY, by_system("test", "no money"), reason="no money"
    )
    assert (await handsets.sms(who, "баланс")).startswith("Баланс: 100 ₸")
    assert (await handsets.page(who, "*121#")).startswith("Баланс: 100 ₸")
    assert (await handsets.sms(who, "помощь")).startswith("Справка: 9090, бесплатно.")
    [code] = await handsets.card_codes("500")
    assert (await handsets.sms(who, f"карта {code}")).startswith("Баланс пополнен на 500 ₸.")


async def test_credit_shows_what_is_left_of_the_limit(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    # The fee of 8,990 is owed at once; the limit of 20,000 leaves 11,010.
    answer = await handsets.sms(who, "баланс")
    assert answer.startswith("Баланс: -8 990 ₸\nОстаток кредитного лимита: 11 010 ₸\n")


# Payment cards


@pytest.mark.clause("PSC-1.1.10", "PSC-4.1")
async def test_a_card_tops_up_once(handsets: Handsets) -> None:
    who = await handsets.accede(amount="0")
    code, other = await handsets.card_codes("1000", "500")
    written = f"{code[:4]} {code[4:8]}-{code[8:]}"
    assert await handsets.sms(who, f"КАРТА {written}", message_id=900) == "Баланс пополнен на 1 000 ₸.\nБаланс: 1 000 ₸"
    assert await handsets.sms(who, f"КАРТА {written}", message_id=900) == "Баланс пополнен на 1 000 ₸.\nБаланс: 1 000 ₸"
    assert await handsets.sms(who, f"карта {code}") == "Эта карта уже использована."
    assert await handsets.page(who, f"*111*4*{other}#") == "Баланс пополнен на 500 ₸.\nБаланс: 1 500 ₸"
    assert await handsets.sms(who, "баланс") == "Баланс: 1 500 ₸"


async def test_a_card_by_dialogue(handsets: Handsets) -> None:
    who = await handsets.accede(amount="0", language=Language.KK)
    first, second = await handsets.card_codes("1000", "500")
    assert await handsets.page(who, "*111#", "4") == "Картаның 14 санын енгізіңіз:\n0 Артқа"
    assert await handsets.page(who, "*111#", "4", "12") == (
        "Төлем картасының коды 14 саннан тұрады.\nКартаның 14 санын енгізіңіз:\n0 Артқа"
    )
    assert await handsets.page(who, "*111#", "4", first) == "Баланс толтырылды: +1 000 ₸.\nБаланс: 1 000 ₸"
    assert await handsets.sms(who, "толтыру") == "Картаның 14 санын енгізіңіз:"
    assert (await handsets.sms(who, second)).startswith("Баланс толтырылды: +500 ₸.")


@pytest.mark.clause("PSC-3.1.5.4", "PSC-1.1.10")
async def test_five_wrong_codes_an_hour_close_the_command_not_the_number(handsets: Handsets) -> None:
    who = await handsets.accede(amount="0")
    [code] = await handsets.card_codes("1000")
    for left in (4, 3, 2, 1, 0):
        assert await handsets.sms(who, "карта 00000000000000") == f"Неверный код карты. Осталось попыток: {left}."
    # The first wrong code was at 11:00, so the command opens at 12:00.
    closed = "Слишком много неверных кодов. Карты можно активировать с 12:00."
    assert await handsets.sms(who, f"карта {code}") == closed
    assert await handsets.page(who, f"*111*4*{code}#") == closed
    assert await handsets.sms(who, "баланс") == "Баланс: 0 ₸"  # everything else works
    handsets.later(hours=1, seconds=1)
    assert (await handsets.sms(who, f"карта {code}")).startswith("Баланс пополнен")


# Trust payment


@pytest.mark.clause("PSC-3.1.6")
async def test_trust_payment_is_given_on_a_yes_and_repaid_by_the_next_top_up(handsets: Handsets) -> None:
    who = await handsets.accede(amount="50")
    handsets.later(days=31)
    question = "Доверительный платёж 500 ₸ на 3 дн., плата 75 ₸.\nПлата спишется вместе с долгом при пополнении."
    assert (await handsets.sms(who, "доверие")).startswith(question)
    assert await handsets.sms(who, "баланс") == "Баланс: 50 ₸"  # nothing was given yet
    # 2 April at 11:00 plus three days
    assert await handsets.sms(who, "да", message_id=950) == "Доверительный платёж зачислен: 500 ₸, до 05.04 11:00."
    assert await handsets.sms(who, "да", message_id=950) == "Доверительный платёж зачислен: 500 ₸, до 05.04 11:00."
    assert await handsets.sms(who, "баланс") == "Баланс: 50 ₸\nДоверительный платёж: 500 ₸"
    assert await handsets.page(who, "*111*5*1#") == "Сначала погасите прежний доверительный платёж: пополните баланс."
    await handsets.spend(who, "call", sum_charge(tenge("250")), "voice.mobile")  # 50 of the balance, 200 of the trust
    [code] = await handsets.card_codes("1000")
    # 200 consumed and the price of 75 are taken: 1,000 - 275 = 725
    assert await handsets.sms(who, f"карта {code}") == (
        "Баланс пополнен на 1 000 ₸.\nДоверительный платёж погашен: 275 ₸.\nБаланс: 725 ₸"
    )


@pytest.mark.clause("PSC-3.1.6")
@pytest.mark.parametrize(
    ("language", "asked", "choices", "detail"),
    [
        (Language.KK, "Сенім төлемі: 500 ₸, 3 күнге, ақысы 75 ₸.", "1 Иә 2 Жоқ", "Ақысы келесі толтыруда"),
        (Language.RU, "Доверительный платёж 500 ₸ на 3 дн., плата 75 ₸.", "1 Да 2 Нет", "Плата спишется вместе"),
        (Language.EN, "Trust payment 500 KZT for 3 days, fee 75 KZT.", "1 Yes 2 No", "The fee is taken"),
    ],
)
async def test_the_trust_payments_question_shows_its_choices_on_its_first_page(
    handsets: Handsets, language: Language, asked: str, choices: str, detail: str
) -> None:
    who = await handsets.accede(language=language, amount="50")
    handsets.later(days=31)
    first = await handsets.page(who, "*111*5#")
    assert first.startswith(f"{asked}\n{choices}\n")
    assert detail in first or detail in await handsets.page(who, "*111*5#", "9")


@pytest.mark.clause("PSC-3.1.6")
async def test_trust_payment_refused(handsets: Handsets) -> None:
    new = await handsets.accede(amount="50")
    assert await handsets.sms(new, "trust yes") == "Доверительный платёж доступен через 30 дн. после подключения."
    rich = await handsets.accede(amount="101")
    handsets.later(days=31)
    assert await handsets.sms(rich, "trust yes") == "Доверительный платёж доступен при балансе не более 100 ₸."
    assert await handsets.page(new, "*111*5*2#") == "Отменено, ничего не изменилось."


# Last charges


async def test_the_last_five_charges(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="10000")
    for number in range(1, 5):
        handsets.later(hours=1)
        await handsets.spend(who, f"sms-{number}", sum_charge(tenge(number)), "sms.mobile")
    handsets.later(hours=1)
    await handsets.spend(
        who, "data", Charge(Unit.BYTES, 350 * MEGABYTE, ("data.any",), MEGABYTE, 2 * MICRO), "data.any"
    )
    assert await handsets.sms(who, "списания") == (
        "02.03 16:00 Мобильный интернет: 350 МБ\n"
        "02.03 15:00 SMS другому оператору: 4 ₸\n"
        "02.03 14:00 SMS другому оператору: 3 ₸\n"
        "02.03 13:00 SMS другому оператору: 2 ₸\n"
        "02.03 12:00 SMS другому оператору: 1 ₸"
    )
    page = await handsets.page(who, "*111*6*3#")
    assert page == "02.03 Мобильный интернет: 350 МБ\n02.03 SMS другому оператору: 4 ₸\n0 Назад 9 Ещё"


async def test_no_charges_yet(handsets: Handsets) -> None:
    who = await handsets.accede(amount="0")
    assert await handsets.sms(who, "charges") == "Списаний пока не было."


async def test_many_at_once_get_each_his_own_balance(handsets: Handsets) -> None:
    who = [await handsets.accede(amount=str(n)) for n in (1, 2, 3)]
    texts = await asyncio.gather(*(handsets.sms(who[n % 3], "balance") for n in range(300)))
    assert texts == [f"Баланс: {n % 3 + 1} ₸" for n in range(300)]
