"""What subscribers type about plans, services and settings, through the router, on the real service."""

from __future__ import annotations

import pytest

from telco.commands import menu
from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn
from telco.sms.model import OutboundKind
from telco.subscribers.model import CheckStatus, ConsentKind, Ground, by_system
from tests.sms.handsets import Handsets
from tests.subscribers.conftest import company

ASK = "Для подтверждения ответьте ДА в течение 10 минут."


# Plan


@pytest.mark.clause("PSC-2.10")
@pytest.mark.parametrize(
    ("language", "text", "answer"),
    [
        (Language.RU, "тариф", "Kcell Старт\n2 990 ₸ в месяц\nСледующее списание: 02.04"),
        (Language.KK, "тарифім", "Kcell Старт\nайына 2 990 ₸\nКелесі төлем: 02.04"),
        (Language.EN, "my plan", "Kcell Start\n2,990 KZT a month\nNext fee: 02.04"),
    ],
)
async def test_my_plan_its_price_and_next_fee(handsets: Handsets, language: Language, text: str, answer: str) -> None:
    who = await handsets.accede("kcell-start", language)
    assert await handsets.sms(who, text) == answer
    assert await handsets.page(who, "*111*2*1#") == answer


async def test_an_unpaid_plan_says_so(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="10")
    assert await handsets.sms(who, "тариф") == "Kcell Старт\n2 990 ₸ в месяц\nНе оплачен: пополните баланс."


@pytest.mark.clause("PSC-1.1.5", "PSC-1.1.22", "PSC-3.1.11")
async def test_a_plan_change_at_once_by_sms(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-free", amount="3000")
    assert await handsets.sms(who, "тарифы") == "Тариф:\n1 Kcell Старт\n2 Kcell Свободный\n3 Kcell Безлимит"
    assert await handsets.sms(who, "1") == "Когда?\n1 Сейчас, 2 990 ₸"  # no fee runs, so there is no next period
    question = await handsets.sms(who, "1")
    assert question.startswith("Kcell Старт, сейчас: 2 990 ₸.\n2990 ₸/мес: 12 ГБ")
    assert question.endswith(ASK)
    assert await handsets.sms(who, "да", message_id=800) == "Ваш тариф теперь Kcell Старт."
    assert await handsets.sms(who, "да", message_id=800) == "Ваш тариф теперь Kcell Старт."  # processed again
    assert (await handsets.sms(who, "баланс")).startswith("Баланс: 10 ₸\nИнтернет: 12 ГБ")
    assert (await handsets.subscribers.get(who.msisdn)).plan_code == "kcell-start"


async def test_a_plan_change_by_ussd_menu_and_direct(handsets: Handsets) -> None:
    first = await handsets.accede("kcell-free", amount="3000")
    second = await handsets.accede("kcell-free", amount="3000")
    by_menu = await handsets.page(first, "*111#", "2", "2", "1", "1")
    assert by_menu.startswith("Kcell Старт, сейчас: 2 990 ₸.")
    assert await handsets.page(second, "*111*2*2*1*1#") == by_menu
    assert await handsets.page(second, "*166*2*1*1#") == by_menu
    assert await handsets.page(first, "*111#", "2", "2", "1", "1", "1") == "Ваш тариф теперь Kcell Старт."
    assert await handsets.page(second, "*111*2*2*1*1*1#") == "Ваш тариф теперь Kcell Старт."


async def test_a_plan_change_with_the_next_period_can_be_given_up(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="10000")
    assert await handsets.sms(who, "UNLIM") == "Когда?\n1 Сейчас, 6 990 ₸\n2 С 02.04, 6 990 ₸"
    assert (await handsets.sms(who, "2")).startswith("Kcell Безлимит с 02.04: 6 990 ₸.")
    assert await handsets.sms(who, "иә") == "С 02.04 ваш тариф: Kcell Безлимит."
    assert (await handsets.sms(who, "тариф")).endswith("С 02.04: Kcell Безлимит")
    assert await handsets.sms(who, "отменить смену тарифа") == "Смена тарифа отменена. Ваш тариф: Kcell Старт."
    assert await handsets.sms(who, "отменить смену тарифа") == "Смена тарифа не запланирована."


@pytest.mark.parametrize("text", ["тариф безлимит", "plan UNLIM", "безлимит", "тарифы безлимит", "Kcell Безлимит"])
async def test_a_plan_is_known_by_its_names(handsets: Handsets, text: str) -> None:
    who = await handsets.accede("kcell-start", amount="10000")
    assert await handsets.sms(who, text) == "Когда?\n1 Сейчас, 6 990 ₸\n2 С 02.04, 6 990 ₸"


async def test_a_plan_change_refused(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="3000")
    assert await handsets.sms(who, "СТАРТ") == "У вас уже этот тариф."
    assert await handsets.sms(who, "тарифы unlim now yes") == "Недостаточно средств: нужно 6 990 ₸. Пополните баланс."
    assert await handsets.sms(who, "тарифы 8") == (
        "Такого нет в списке.\nТариф:\n1 Kcell Старт\n2 Kcell Свободный\n3 Kcell Безлимит"
    )


async def test_a_quote_that_no_longer_holds_is_not_carried_out(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="20000")
    await handsets.sms(who, "тарифы 3 2")
    await handsets.sms(who, "тарифы 2 1 да")  # meanwhile another plan
    await handsets.sms(who, "тарифы 3 1")
    await handsets.sms(who, "тарифы 1 1 да")
    assert await handsets.sms(who, "да") == "Условия изменились. Посмотрите их ещё раз."


@pytest.mark.clause("PSC-1.1.22", "PSC-1.1.31")
async def test_each_sees_the_plans_that_are_for_him(handsets: Handsets) -> None:
    person = await handsets.accede("activ-simple")
    assert "activ" in await handsets.sms(person, "тарифы")
    assert "Kcell" not in await handsets.sms(person, "тарифы")
    business = await handsets.accede("kcell-business", party=company(), amount="0")
    assert "Старт" not in await handsets.sms(business, "тарифы")


async def test_prices_can_be_asked_for(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-free")
    answer = await handsets.sms(who, "цены 3")
    assert answer.startswith("Kcell Безлимит\n6990 ₸/мес")
    assert await handsets.page(who, "*111*2*4#") == (
        "Тариф:\n1 Kcell Старт\n2 Kcell Свободный\n3 Kcell Безлимит\n4 Kcell Статус\n0 Назад"
    )
    assert "Провайдер Dala Media, 77273000001" in await handsets.sms(who, "об услуге 7")


# Services


@pytest.mark.clause("PSC-3.1.11")
async def test_a_pack_is_bought_after_a_yes_and_charged_once(handsets: Handsets) -> None:
    who = await handsets.accede(amount="1000")
    question = f"Подключить: Дополнительно 1 ГБ?\n1 ГБ на 7 дней, 390 ₸\n{ASK}"
    assert await handsets.sms(who, "подключить 1") == question
    assert await handsets.sms(who, "GB1") == question
    assert await handsets.sms(who, "гб1") == question
    done = "Подключено: Дополнительно 1 ГБ.\nСписано: 390 ₸.\nДействует до 09.03."
    assert await handsets.sms(who, "ДА", message_id=801) == done
    replayed = await handsets.sms(who, "ДА", message_id=801)
    assert replayed.startswith("Подключено: Дополнительно 1 ГБ.")
    assert (await handsets.sms(who, "баланс")).startswith("Баланс: 610 ₸\nИнтернет: 1 ГБ до 09.03")
    assert await handsets.page(who, "*111*3*2*1*1#") == done  # a second pack
    assert (await handsets.sms(who, "баланс")).startswith("Баланс: 220 ₸")
    assert await handsets.sms(who, "GB1 yes") == "Недостаточно средств: нужно 390 ₸. Пополните баланс."


@pytest.mark.clause("PSC-3.2.15", "PSC-3.1.11")
async def test_services_on_listed_and_off(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", Language.KK, amount="10000")
    assert await handsets.sms(who, "қызметтер") == "Қосымша қызметтер қосылмаған."
    assert await handsets.sms(who, "тоқтату") == "Қосымша қызметтер қосылмаған."
    assert (await handsets.sms(who, "қосу 7 иә")).startswith("Күн әуені қосылды.")
    assert (await handsets.page(who, "*444*6*1#")).startswith("Ресейге арзан қоңырау қосылды.")
    assert await handsets.sms(who, "қызметтер") == "Күн әуені: күніне 35 ₸\nРесейге арзан қоңырау: 30 күнге 290 ₸"
    assert await handsets.sms(who, "қосу 7 иә") == "Бұл қызмет қосулы тұр."
    assert await handsets.page(who, "*111*3*3#") == "Нені өшіреміз?\n6 Ресейге арзан қоңырау\n7 Күн әуені\n0 Артқа"
    assert await handsets.page(who, "*111*3*3*6#") == "Ресейге арзан қоңырау өшірілді."
    assert await handsets.sms(who, "стоп әуен") == "Күн әуені өшірілді."
    assert await handsets.sms(who, "қызметтер") == "Қосымша қызметтер қосылмаған."


@pytest.mark.clause("PSC-3.2.15")
@pytest.mark.parametrize("text", ["STOP ALL", "стоп все", "барлығын өшіру", "отключить все", "бәрін тоқтату"])
async def test_all_paid_subscriptions_stop_at_once(handsets: Handsets, text: str) -> None:
    who = await handsets.accede("kcell-start", amount="10000")
    await handsets.sms(who, "подключить 7 да")
    await handsets.sms(who, "подключить 8 да")
    await handsets.sms(who, "подключить 6 да")
    assert await handsets.sms(who, text) == "Отключено: Музыка дня, Викторина."
    assert await handsets.page(who, "*111*3*4#") == "У вас нет платных подписок."
    assert await handsets.sms(who, "услуги") == "Звонки в Россию: 290 ₸ за 30 дней"  # the operator's own stays


@pytest.mark.clause("PSC-3.2.15")
@pytest.mark.parametrize("text", ["STOP", "стоп", "Тоқтату!", "stop please"])
async def test_stop_to_a_services_own_number_ends_it(handsets: Handsets, text: str) -> None:
    who = await handsets.accede("kcell-start", amount="10000")
    assert (await handsets.sms(who, "on", to="6007")).startswith("Подключить: Музыка дня?")
    assert (await handsets.sms(who, "on yes", to="6007")).startswith("Подключено: Музыка дня.")
    await handsets.sms(who, "подключить 8 да")
    assert await handsets.sms(who, text, to="6007") == "Отключено: Музыка дня."
    assert await handsets.sms(who, "услуги") == "Викторина"
    assert "Dala Media" in await handsets.sms(who, "about", to="6007")


async def test_the_list_of_services_is_paged(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="10000")
    first = await handsets.page(who, "*111*3*2#")
    assert first == "Услуга:\n1 Дополнительно 1 ГБ, 390 ₸\n2 Дополнительно 5 ГБ, 1 690 ₸\n0 Назад 9 Ещё"
    assert (await handsets.page(who, "*111*3*2#", "9")).startswith("3 100 SMS, 490 ₸\n4 120 минут, 1 460 ₸\n")
    assert (await handsets.page(who, "*111*3*2#", "9", "8")).startswith("Подключить: Викторина?")


# Settings


async def test_the_language_changes_at_once(handsets: Handsets) -> None:
    who = await handsets.accede(language=Language.RU, amount="100")
    assert await handsets.sms(who, "қазақша") == "Енді хабарламалар қазақ тілінде келеді."
    assert await handsets.sms(who, "гав") == (
        "Хабарламаңыз түсініксіз.\n*111# теріңіз немесе 111 нөміріне КӨМЕК деп жазыңыз. Анықтама: 9090, тегін."
    )
    assert await handsets.page(who, "*111*8*1*3#") == "Messages will now be in English."
    assert await handsets.sms(who, "balance") == "Balance: 100 KZT"
    assert await handsets.sms(who, "язык 4") == (
        "This is not in the list.\nChoose a language:\n1 Қазақша\n2 Русский\n3 English"
    )
    assert await handsets.sms(who, "язык рус") == "Теперь сообщения будут на русском языке."


@pytest.mark.clause("PSC-1.1.5")
async def test_the_pin(handsets: Handsets) -> None:
    who = await handsets.accede()
    assert await handsets.sms(who, "пин 1234") == "PIN: 4–8 цифр, не подряд и не одинаковые."
    assert await handsets.sms(who, "пин 2580") == "PIN установлен. Никому его не сообщайте."
    assert (await handsets.subscribers.check_pin(who.subscriber_id, "2580")).status is CheckStatus.RIGHT
    assert await handsets.page(who, "*111*8*2*9137#") == "PIN установлен. Никому его не сообщайте."
    assert (await handsets.subscribers.check_pin(who.subscriber_id, "9137")).status is CheckStatus.RIGHT


@pytest.mark.clause("PSC-3.1.9")
@pytest.mark.parametrize("text", ["STOP ADS", "стоп реклама", "жарнама стоп", "Стоп SMART"])
async def test_advertising_stops(handsets: Handsets, text: str) -> None:
    who = await handsets.accede()
    assert await handsets.subscribers.consents.has(who.subscriber_id, ConsentKind.MARKETING)
    assert await handsets.sms(who, text) == "Реклама больше не будет приходить."
    assert not await handsets.subscribers.consents.has(who.subscriber_id, ConsentKind.MARKETING)
    assert await handsets.page(who, "*111*8*3#") == "Реклама вам не отправляется."


@pytest.mark.clause("PSC-3.1.5.5")
async def test_a_stolen_number_can_do_nothing_that_costs(handsets: Handsets) -> None:
    who = await handsets.accede(amount="1000")
    thief = by_system("test", "reported stolen")
    await handsets.subscribers.suspend(who.subscriber_id, Ground.LOST_DEVICE, thief, reason="stolen")
    refused = "Обслуживание вашего номера приостановлено.\nСправка: 9090, бесплатно."
    for text in ("подключить 1 да", "trust да", "тарифы 1 1 да", "пин 2580", "перезвони 87015554433"):
        assert await handsets.sms(who, text) == refused
    assert await handsets.sms(who, "баланс") == "Баланс: 1 000 ₸"


# Call me


async def test_call_me_and_its_limits(handsets: Handsets) -> None:
    who = await handsets.accede(amount="0")
    target = Msisdn("77015554433")
    for written, left in (("8 701 555 44 33", 4), ("+7(701)555-44-33", 3), ("7015554433", 2)):
        assert await handsets.sms(who, f"перезвони мне {written}") == (
            f"Запрос отправлен на +77015554433. Осталось сегодня: {left}."
        )
    assert (await handsets.page(who, "*130*87015554433#")).endswith("Осталось сегодня: 1.")
    assert (await handsets.page(who, "*111*7*87015554433#")).endswith("Осталось сегодня: 0.")
    assert await handsets.page(who, "*130*87015554433#") == "Не более 5 запросов в день."
    rows = await handsets.database.fetch("select body, sender from sms.outbound where recipient = $1", target)
    assert [row["body"] for row in rows] == [f"Перезвоните мне, пожалуйста: +{who.msisdn}"] * 5
    assert await handsets.sms(who, f"call me {who.msisdn}") == "Это ваш собственный номер."
    assert await handsets.sms(who, "call me абв") == (
        "Неверный номер. Образец: 8 701 123 45 67.\nКто должен перезвонить? Номер:"
    )


async def test_call_me_speaks_the_readers_language(handsets: Handsets) -> None:
    who = await handsets.accede(language=Language.RU)
    reader = await handsets.accede(language=Language.KK)
    await handsets.sms(who, f"перезвони {reader.msisdn}")
    assert await handsets.sent(reader, OutboundKind.NOTICE) == [f"Маған хабарласыңызшы: +{who.msisdn}"]


# Everything else


@pytest.mark.clause("PSC-3.2.5", "PSC-2.10")
async def test_help_names_the_free_helpdesk_of_the_brand(handsets: Handsets) -> None:
    kcell = await handsets.accede("kcell-free")
    activ = await handsets.accede("activ-simple", Language.KK)
    assert await handsets.sms(kcell, "Помощь!") == (
        "Справка: 9090, бесплатно.\nМеню: *111#\nSMS на 111: БАЛАНС, ТАРИФЫ, ПОДКЛЮЧИТЬ, ОТКЛЮЧИТЬ, КАРТА."
    )
    assert (await handsets.sms(activ, "көмек")).startswith("Анықтама: 3030, тегін.")


async def test_what_help_names_is_understood(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-free")
    for keyword in ("БАЛАНС", "ТАРИФЫ", "ПОДКЛЮЧИТЬ", "ОТКЛЮЧИТЬ", "КАРТА", "ТАРИФТЕР", "ҚОСУ", "ӨШІРУ", "ТОЛТЫРУ"):
        assert "не поняли" not in await handsets.sms(who, keyword)


@pytest.mark.parametrize("language", list(Language))
async def test_every_place_of_the_menu_answers(handsets: Handsets, language: Language) -> None:
    who = await handsets.accede("kcell-start", language, amount="10000")
    for node in menu().walk():
        code = "*".join(("*111", *node.path)) + "#"
        leafed = [code]
        reply = await handsets.dial(who, *leafed)
        while reply.more and " 9 " in reply.text.rpartition("\n")[2] and len(leafed) < 9:
            leafed.append("9")
            reply = await handsets.dial(who, *leafed)
        assert reply.text
        assert len(leafed) < 9, f"{code} has no end"
