"""What subscribers type about their account: what is due, payments, the credit limit, statements by e-mail."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta

import pytest
from pypdf import PdfReader

from telco.billing.invoicing.model import LimitState
from telco.billing.statements import NoEmailError, StatementPeriodError
from telco.email.model import Sent
from telco.email.rules import masked
from telco.email.service import Email
from telco.email.settings import EmailSettings
from telco.kernel.i18n import Language
from telco.kernel.money import MICRO, tenge
from telco.kernel.units import MEGABYTE, Unit
from telco.ledger.model import Charge, credit, reverse, sum_charge
from telco.subscribers.model import Accession, ChangeTime, Ground, by_system
from tests.billing.documents.conftest import seller
from tests.email.conftest import Post, post, settings
from tests.sms.handsets import Handsets
from tests.subscribers.conftest import SELF, person

__all__ = ["post"]  # a fixture


async def to_day(handsets: Handsets, day: date) -> None:
    """Come to noon of a day, with what is due by then done."""
    handsets.clock.advance(handsets.calendar.start_of_day(day) + timedelta(hours=12) - handsets.clock.now())
    await handsets.fees.run()
    await handsets.invoicing.run()


# What is due


@pytest.mark.clause("PSC-3.2.4", "PSC-4.3.1", "PSC-1.1.2")
@pytest.mark.parametrize(
    ("language", "text", "answer"),
    [
        # 5,000 less the fee of 2,990 leaves 2,010 of the 2,990 that are due on 2 April
        (Language.RU, "к оплате", "Kcell Старт: 2 990 ₸ 02.04\nНе хватает 980 ₸: пополните баланс."),
        (Language.KK, "төлеуге", "Kcell Старт: 2 990 ₸, 02.04\n980 ₸ жетпейді: балансты толтырыңыз."),
        (Language.EN, "due", "Kcell Start: 2,990 KZT on 02.04\n980 KZT is missing: top up."),
    ],
)
async def test_the_next_fee_and_whether_the_balance_pays_it(
    handsets: Handsets, language: Language, text: str, answer: str
) -> None:
    who = await handsets.accede("kcell-start", language)
    assert await handsets.sms(who, text) == answer
    assert (await handsets.page(who, "*111*6*1#")).startswith(answer.split("\n", maxsplit=1)[0])
    assert (await handsets.page(who, "*111#", "6", "1")).startswith(answer.split("\n", maxsplit=1)[0])


async def test_the_balance_pays_to_the_tiyn(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="5979.99")
    assert (await handsets.sms(who, "к оплате")).endswith("Не хватает 0,01 ₸: пополните баланс.")
    await handsets.pay(who.account, "0.01", "p1")
    assert (await handsets.sms(who, "к оплате")).endswith("Денег на балансе хватит.")


async def test_services_and_a_waiting_plan_are_fees_too(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="20000")
    await handsets.subscribers.switch_service_on(who.subscriber_id, "russia-calls", SELF, "r1")
    quote = await handsets.subscribers.quote_plan(who.subscriber_id, "kcell-unlim", ChangeTime.NEXT_PERIOD, SELF)
    await handsets.subscribers.change_plan(quote, SELF)
    assert await handsets.sms(who, "долг") == (
        "Звонки в Россию: 290 ₸ 01.04\nKcell Безлимит: 6 990 ₸ 02.04\nДенег на балансе хватит."
    )


async def test_a_fee_that_waits_for_money(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="100")
    assert await handsets.sms(who, "к оплате") == (
        "Kcell Старт: 2 990 ₸, ещё не оплачено\nНе хватает 2 890 ₸: пополните баланс."
    )


@pytest.mark.clause("PSC-1.1.22")
async def test_the_last_days_of_a_promotion_tell_the_fee_of_what_follows(handsets: Handsets) -> None:
    who = await handsets.accede("activ-spring", amount="10000")
    await to_day(handsets, date(2026, 4, 2))
    assert (await handsets.sms(who, "к оплате")).startswith("activ Весна: 1 990 ₸ 02.05")
    await to_day(handsets, date(2026, 5, 2))
    assert (await handsets.sms(who, "к оплате")).startswith("activ Неделя: 890 ₸ 02.06")


async def test_no_fees(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-free")
    assert await handsets.sms(who, "к оплате") == "Предстоящих списаний нет."


@pytest.mark.clause("PSC-1.1.17", "PSC-4.3.2")
async def test_what_is_owed_in_credit_settlement(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")  # 8,990 from 2 March
    assert await handsets.sms(who, "к оплате") == "Всего к оплате: 8 990 ₸.\nЕщё не в счёте: 8 990 ₸"
    await to_day(handsets, date(2026, 4, 2))  # the invoice of March; April's fee is not on it
    # due 30 calendar days after the period's end: 2 April + 30 = 2 May
    assert await handsets.sms(who, "к оплате") == (
        "Всего к оплате: 17 980 ₸.\nПо счёту: 8 990 ₸\nОплатить до 02.05 включительно.\nЕщё не в счёте: 8 990 ₸"
    )
    await to_day(handsets, date(2026, 5, 3))
    answer = await handsets.sms(who, "к оплате")
    assert "Просрочено: 8 990 ₸. Оплатите сразу." in answer
    assert (
        await handsets.page(who, "*111*6*1#")
        == "Всего к оплате: 26 970 ₸.\nПросрочено: 8 990 ₸. Оплатите сразу.\n0 Назад 9 Ещё"
    )


async def test_an_advance_is_told(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    await to_day(handsets, date(2026, 4, 2))
    [code] = await handsets.card_codes("20000")
    await handsets.sms(who, f"карта {code}")  # 20,000 - 2 x 8,990 = 2,020
    assert await handsets.sms(who, "к оплате") == "Платить ничего не нужно.\nАванс: 11 010 ₸"


async def test_what_is_due_is_told_while_everything_is_suspended(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    origin = by_system("test", "unpaid")
    await handsets.subscribers.suspend(who.subscriber_id, Ground.LOST_DEVICE, origin, reason="lost")
    assert (await handsets.sms(who, "к оплате")).startswith("Всего к оплате")
    assert (await handsets.sms(who, "платежи")) == "Платежей ещё не было."


# Payments


@pytest.mark.clause("PSC-4.1", "PSC-3.1.8")
async def test_the_last_payments_whichever_way_they_came(handsets: Handsets) -> None:
    who = await handsets.accede(amount="0")
    assert await handsets.sms(who, "платежи") == "Платежей ещё не было."
    [code] = await handsets.card_codes("1000")
    await handsets.sms(who, f"карта {code}")
    for number, contra in enumerate(("cash.terminal", "cash.bank", "cash.desk"), start=1):
        handsets.later(days=1)
        op = credit(who.account, f"p{number}", tenge(number * 100), contra=contra)
        assert (await handsets.ledger.submit(op)).status == 0
    handsets.later(days=1)
    assert (await handsets.ledger.submit(reverse(who.account, "r1", target="p2"))).status == 0
    assert (await handsets.ledger.submit(credit(who.account, "g1", 1, contra="bonus.cost"))).status == 0
    await handsets.spend(who, "used", sum_charge(5000), "voice.on_net")
    assert await handsets.sms(who, "ПЛАТЕЖИ") == (
        "06.03 11:00 Исправление платежа: -200 ₸\n05.03 11:00 Касса: 300 ₸\n04.03 11:00 Банковский перевод: 200 ₸\n"
        "03.03 11:00 Терминал: 100 ₸\n02.03 11:00 Карта пополнения: 1 000 ₸"
    )
    assert (await handsets.page(who, "*111*6*2#")).startswith("06.03 Исправление платежа: -200 ₸")


# The credit limit


@pytest.mark.clause("PSC-3.2.6")
async def test_a_higher_limit_is_asked_for_and_a_lower_one_set(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    assert (await handsets.sms(who, "лимит 50 000")).startswith(
        "Запросить кредитный лимит 50 000 ₸?\nСейчас 20 000 ₸, не больше 150 000 ₸."
    )
    assert await handsets.sms(who, "да", message_id=800) == (
        "Вы запросили кредитный лимит 50 000 ₸. Ответ придёт по SMS."
    )
    assert await handsets.sms(who, "да", message_id=800) == (
        "Вы запросили кредитный лимит 50 000 ₸. Ответ придёт по SMS."
    )
    await handsets.outbox.drain()
    told = len(await handsets.sent(who))
    [waiting] = await handsets.limits.in_state(LimitState.REQUESTED, 0, 10)
    assert waiting.limit == tenge(50_000)
    await handsets.limits.grant(waiting.limit_request_id, actor="staff:dana", reason="pays in time")
    await handsets.outbox.drain()
    assert (await handsets.sent(who))[told:] == ["Ваш кредитный лимит: 50 000 ₸."]


@pytest.mark.clause("PSC-3.2.6")
async def test_a_lower_limit_by_ussd(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    assert (await handsets.page(who, "*111*6*4*15000#")).startswith("Запросить кредитный лимит 15 000 ₸?")
    assert await handsets.page(who, "*111*6*4*15000#", "1") == "Ваш кредитный лимит: 15 000 ₸."
    assert (await handsets.ledger.balances(who.account)).credit_limit == tenge(15_000)
    assert await handsets.page(who, "*111#", "6", "4") == "Введите лимит в тенге:\n0 Назад"


@pytest.mark.parametrize("typed", ["50 000,00", "50000.0", "50,000", "50.000", "50,000.00", "50\u00a0000"])
async def test_a_limit_is_read_as_any_language_writes_it(handsets: Handsets, typed: str) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    assert (await handsets.sms(who, f"лимит {typed}")).startswith("Запросить кредитный лимит 50 000 ₸?")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("лимит много", "Напишите лимит в целых тенге, например 30000."),
        ("лимит 10,5", "Напишите лимит в целых тенге, например 30000."),
        ("лимит 50,0000", "Напишите лимит в целых тенге, например 30000."),
        ("лимит 50000,01", "Напишите лимит в целых тенге, например 30000."),
        ("лимит 9999999999", "Напишите лимит в целых тенге, например 30000."),
        ("лимит ٣٠", "Напишите лимит в целых тенге, например 30000."),
    ],
)
async def test_a_limit_that_is_no_sum(handsets: Handsets, typed: str, answer: str) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    assert (await handsets.sms(who, typed)).startswith(answer)


@pytest.mark.clause("PSC-3.2.6")
async def test_a_limit_over_the_ceiling_or_in_prepaid_is_refused(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    assert await handsets.sms(who, "лимит 150001 да") == "Лимит вашего тарифа — не больше 150 000 ₸."
    prepaid = await handsets.accede("kcell-start")
    answer = await handsets.sms(prepaid, "лимит 1000")
    assert "Запросить" not in answer
    assert await handsets.database.fetchval("select count(*) from invoicing.limit_request") == 0


# Statements


async def mails(handsets: Handsets) -> list[tuple[str, str, str]]:
    rows = await handsets.database.fetch("select recipient, subject, body from email.message order by message_id")
    return [tuple(row) for row in rows]


async def sheet(handsets: Handsets) -> list[list[str]]:
    data: bytes = await handsets.database.fetchval("select data from email.attachment order by message_id desc limit 1")
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))


@pytest.mark.clause("PSC-1.1.12", "PSC-1.1.30", "PSC-3.2.7")
async def test_a_statement_goes_to_the_registered_address(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start")
    data = Charge(Unit.BYTES, 3 * MEGABYTE, ("data.any",), MEGABYTE, 2 * MICRO)
    handsets.later(hours=1)
    await handsets.spend(who, "used", data, "data.any")
    question = await handsets.sms(who, "выписка 1")
    assert question.startswith(f"Отправить выписку за 03.2026 на {masked('askar@example.kz')}?")
    assert await mails(handsets) == []
    assert await handsets.sms(who, "да") == "Выписка отправляется на a***@example.kz."
    assert await handsets.sms(who, "выписка 1 да") == "Выписка отправляется на a***@example.kz."
    number = f"+{who.msisdn}"
    assert await mails(handsets) == [  # once a day
        (
            "askar@example.kz",
            f"Выписка 03.2026, {number}",
            f"Во вложении выписка по номеру {number} за 03.2026.\n"
            "Вы запросили её с телефона. Ответы на этот адрес не читаются.\n",
        )
    ]
    assert await sheet(handsets) == [
        ["Время", "Что", "Количество", "Единица", "Сумма, KZT", "Баланс, KZT"],
        ["2026-03-02 11:00:00", "Оплата в офисе", "", "", "5000.00", "5000.00"],
        ["2026-03-02 11:00:00", "Абонплата", "", "", "-2990.00", "2010.00"],
        ["2026-03-02 12:00:00", "Мобильный интернет", "3000000", "B", "0.00", "2010.00"],
    ]


@pytest.mark.clause("PSC-1.1.12")
async def test_a_statement_goes_as_a_document_too_once_the_operator_is_known(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start")
    await handsets.documents.requisites.set(seller(), date(2026, 3, 2), actor="staff:test")
    await handsets.sms(who, "выписка 1 да")
    await handsets.sms(who, "выписка 1 да")
    files = await handsets.database.fetch("select name, content_type, data from email.attachment order by name")
    assert [(row["name"], row["content_type"]) for row in files] == [
        ("STM-2026-0000001.ru.pdf", "application/pdf"),
        (f"statement-{who.msisdn}-2026-03.csv", "text/csv"),
    ]
    text = PdfReader(io.BytesIO(files[0]["data"])).pages[0].extract_text()
    assert "Абонентская плата" in text
    assert "2 990,00" in text.replace("\xa0", " ")


@pytest.mark.parametrize(
    ("language", "word", "yes", "answer"),
    [
        (Language.KK, "үзінді", "иә", "Үзінді a***@example.kz мекенжайына жіберіледі."),
        (Language.EN, "statement", "yes", "The statement is on its way to a***@example.kz."),
    ],
)
async def test_a_statement_in_every_language(
    handsets: Handsets, language: Language, word: str, yes: str, answer: str
) -> None:
    who = await handsets.accede("kcell-start", language)
    assert await handsets.sms(who, f"{word} 1 {yes}") == answer
    await to_day(handsets, date(2026, 4, 2))
    assert await handsets.page(who, "*111*6*5*2#", "1") == answer  # last month
    assert len(await mails(handsets)) == 2


@pytest.mark.clause("PSC-3.2.7")
async def test_who_cannot_be_reached_by_e_mail_is_told(handsets: Handsets, post: Post) -> None:
    who = await handsets.accede("kcell-start")
    await handsets.sms(who, "выписка 1 да")
    post.box.recipient_answers = ["550 5.1.1 no such user"]
    sender = Email(handsets.database, handsets.clock, settings(post.port))
    assert await sender.send_due() == Sent(failed=1)
    await handsets.outbox.drain()
    last = (await handsets.sent(who))[-1]
    assert last.startswith("Наше письмо не доставлено. Проверьте ваш e-mail.")


async def test_a_month_has_its_own_operations_and_no_others(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", amount="20000")
    await to_day(handsets, date(2026, 3, 31))
    handsets.clock.advance(
        handsets.calendar.start_of_day(date(2026, 4, 1)) - timedelta(seconds=1) - handsets.clock.now()
    )
    await handsets.spend(who, "last of March", sum_charge(100), "sms.on_net")
    handsets.clock.advance(timedelta(seconds=1))
    await handsets.spend(who, "first of April", sum_charge(200), "sms.on_net")
    await to_day(handsets, date(2026, 4, 2))
    await handsets.sms(who, "выписка 2 да")
    assert [row[0][:10] for row in (await sheet(handsets))[1:]] == ["2026-03-02", "2026-03-02", "2026-03-31"]
    await handsets.sms(who, "выписка 1 да")
    assert [(row[0][:10], row[4]) for row in (await sheet(handsets))[1:]] == [
        ("2026-04-01", "-2.00"),
        ("2026-04-02", "-2990.00"),
    ]


@pytest.mark.clause("PSC-3.2.7")
async def test_without_an_address_it_is_said_clearly(handsets: Handsets) -> None:
    who = await handsets.accede()
    await forget_email(handsets, who)
    assert await handsets.sms(who, "выписка") == "У вас не указан e-mail: зарегистрируйте его в офисе."
    assert await handsets.sms(who, "выписка 1") == "У вас не указан e-mail: зарегистрируйте его в офисе."
    assert (await handsets.page(who, "*111*6*5#")).startswith("У вас не указан e-mail")
    assert (await handsets.page(who, "*111*6*5*1#")).startswith("У вас не указан e-mail")
    statements = handsets.statements
    found = await handsets.subscribers.get(who.msisdn)
    with pytest.raises(NoEmailError):
        await statements.send(found, date(2026, 3, 1), Language.RU)
    assert await mails(handsets) == []


async def test_without_a_mail_server_it_is_said_and_not_tried_again(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start")
    handsets.statements._email = Email(handsets.database, handsets.clock, EmailSettings())
    answer = "Письма сейчас не отправляются."
    assert await handsets.sms(who, "выписка") == answer
    assert await handsets.sms(who, "выписка 1 да") == answer
    assert await handsets.page(who, "*111*6*5*1#") == answer


async def forget_email(handsets: Handsets, who: Accession) -> None:
    """As of somebody who acceded by a message and has not given an address yet."""
    await handsets.database.fetch("update subscribers.party set email = null where party_id = $1", who.party_id)


async def test_months_are_offered_from_the_accession_on(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start")  # on 2 March
    assert await handsets.page(who, "*111*6*5#") == "За какой месяц?\n1 03.2026\n0 Назад"
    await to_day(handsets, date(2026, 4, 1))
    assert await handsets.page(who, "*111*6*5#") == "За какой месяц?\n1 04.2026\n2 03.2026\n0 Назад"
    found = await handsets.subscribers.get(who.msisdn)
    with pytest.raises(StatementPeriodError):
        await handsets.statements.send(found, date(2026, 2, 1), Language.RU)


async def test_what_cannot_be_asked_for(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-start", party=person(9))
    assert "7" not in await handsets.page(who, "*111*6*5#")
    await handsets.sms(who, "выписка 7 да")
    await handsets.sms(who, "выписка 2019 да")
    assert await mails(handsets) == []
