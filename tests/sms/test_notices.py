"""What subscribers are told without asking: each thing once, in their language."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from telco.db import outbox
from telco.db.outbox import OutboxEvent
from telco.db.pool import Connection
from telco.kernel.i18n import Language
from telco.kernel.money import MICRO, tenge
from telco.kernel.units import GIGABYTE, MEGABYTE, Unit
from telco.ledger.model import Charge, sum_charge
from telco.sms.notices import UNTRUE, WRITERS
from telco.subscribers.model import Accession, Channel, Ground, Origin, Scope, by_system
from tests.sms.handsets import Handsets
from tests.subscribers.conftest import CLERK, company

ISSUED = "billing.invoice_issued"
DATA = Charge(Unit.BYTES, 0, ("data.any",), MEGABYTE, 2 * MICRO)


async def told(handsets: Handsets, who: Accession) -> list[str]:
    """What was told since the last time."""
    await handsets.outbox.drain()
    texts = await handsets.sent(who)
    await handsets.database.fetch("delete from sms.outbound where recipient = $1", who.msisdn)
    return texts


async def newcomer(
    handsets: Handsets, plan: str = "kcell-start", language: Language = Language.RU, **more: str
) -> Accession:
    who = await handsets.accede(plan, language, **more)
    await told(handsets, who)
    return who


async def use(handsets: Handsets, who: Accession, op_id: str, megabytes: int) -> None:
    await handsets.spend(who, op_id, DATA._replace(quantity=megabytes * MEGABYTE), "data.any")


# 8,990 from 2 March; due 30 calendar days after the period's end: 2 April + 30 = 2 May


async def at(handsets: Handsets, day: date, hours: float) -> None:
    handsets.clock.advance(handsets.calendar.start_of_day(day) + timedelta(hours=hours) - handsets.clock.now())


async def invoiced(handsets: Handsets, who: Accession, hours: float = 12) -> list[str]:
    """What is told of the invoice of March, which is issued on 2 April."""
    await told(handsets, who)
    await at(handsets, date(2026, 4, 2), hours)
    await handsets.invoicing.run()
    return [text for text in await told(handsets, who) if "KC-2026-" in text]


@pytest.mark.clause("PSC-3.2.4", "PSC-4.3.2")
@pytest.mark.parametrize(
    ("language", "text"),
    [
        (Language.KK, "KC-2026-0000001 шоты жазылды: 8 990 ₸ сомасын 02.05.2026 дейін төлеңіз."),
        (Language.RU, "Выставлен счёт KC-2026-0000001: оплатите 8 990 ₸ до 02.05.2026."),
        (Language.EN, "Invoice KC-2026-0000001 is issued: pay 8,990 KZT by 02.05.2026."),
    ],
)
async def test_an_invoice_is_told_once_when_it_is_issued(handsets: Handsets, language: Language, text: str) -> None:
    who = await handsets.accede("kcell-status", language, amount="0")
    await told(handsets, who)
    await at(handsets, date(2026, 4, 2), 12)
    await handsets.invoicing.run()
    await handsets.outbox.drain()
    assert await handsets.sent(who) == [text]
    event = await handsets.database.fetchrow("select * from kernel.outbox where topic = $1", ISSUED)
    assert event is not None
    again = [OutboxEvent(number, ISSUED, event["key"], event["payload"], event["created_at"], 0) for number in (98, 99)]
    await handsets.database.transact("test", lambda conn: handsets.notices.on_events(conn, again))
    assert await handsets.sent(who) == [text]


@pytest.mark.clause("PSC-3.1.5.9", "PSC-3.2.4")
async def test_an_invoice_is_not_told_to_who_has_got_the_number_since(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    heir = await handsets.pass_on(await handsets.subscribers.get(who.msisdn))
    assert heir.msisdn == who.msisdn
    assert await invoiced(handsets, who) == []
    [event] = await handsets.database.fetch("select payload from kernel.outbox where topic = $1", ISSUED)
    assert event["payload"]["subscriber_id"] == heir.subscriber_id


@pytest.mark.clause("PSC-1.1.12", "PSC-3.2.4")
async def test_an_invoice_is_told_to_a_number_that_spends_from_another_account_of_its_contract(
    handsets: Handsets,
) -> None:
    who = await handsets.accede("kcell-status", amount="0")
    second = await handsets.subscribers.contracts.open_account(who.subscriber_id, "second", CLERK)
    await handsets.subscribers.contracts.use_account(who.subscriber_id, second.account, CLERK)
    assert await invoiced(handsets, who) == ["Выставлен счёт KC-2026-0000001: оплатите 8 990 ₸ до 02.05.2026."]


@pytest.mark.clause("PSC-4.3.2")
@pytest.mark.parametrize(
    ("advance", "told_of"),
    [
        ("5000", ["Выставлен счёт KC-2026-0000001: оплатите 3 990 ₸ до 02.05.2026."]),
        ("8989.99", ["Выставлен счёт KC-2026-0000001: оплатите 0,01 ₸ до 02.05.2026."]),
        ("8990", []),
    ],
)
async def test_what_the_advance_paid_is_not_asked_for(handsets: Handsets, advance: str, told_of: list[str]) -> None:
    who = await handsets.accede("kcell-status", amount=advance)
    assert await invoiced(handsets, who) == told_of


@pytest.mark.clause("PSC-4.5")
async def test_a_company_is_given_its_invoice_and_not_told_by_sms(handsets: Handsets) -> None:
    who = await handsets.accede("kcell-business", amount="0", party=company())
    assert await invoiced(handsets, who) == []


@pytest.mark.clause("PSC-3.2.3")
@pytest.mark.parametrize(
    ("language", "at_80", "used_up"),
    [
        (
            Language.RU,
            "Интернет: израсходовано 80%, осталось 2,4 ГБ.",
            "Интернет: израсходовано. Далее действует цена вашего тарифа.",
        ),
        (
            Language.KK,
            "Интернет: 80% жұмсалды, қалғаны 2,4 ГБ.",
            "Интернет: таусылды. Енді тариф бағасы бойынша есептеледі.",
        ),
        (Language.EN, "Data: 80% used, 2.4 GB left.", "Data: used up. From now on the price of your plan applies."),
    ],
)
async def test_an_included_volume_at_80_percent_and_used_up(
    handsets: Handsets, language: Language, at_80: str, used_up: str
) -> None:
    who = await newcomer(handsets, language=language)  # 12 GB
    await use(handsets, who, "1", 9_599)
    assert await told(handsets, who) == []
    await use(handsets, who, "2", 1)  # 9.6 of 12 GB
    assert await told(handsets, who) == [at_80]
    await use(handsets, who, "3", 100)
    assert await told(handsets, who) == []
    await use(handsets, who, "4", 2_300)
    assert await told(handsets, who) == [used_up]
    await use(handsets, who, "5", 100)
    assert await told(handsets, who) == []


@pytest.mark.clause("FUP-2", "PSC-3.2.3")
async def test_the_full_speed_of_an_unlimited_plan_is_used_up(handsets: Handsets) -> None:
    who = await newcomer(handsets, "kcell-unlim", amount="9000")
    charge = Charge(Unit.BYTES, 60 * GIGABYTE, ("data.fairuse",), MEGABYTE, 0)
    await handsets.spend(who, "all", charge, "data.any")
    assert await told(handsets, who) == [
        "Интернет на полной скорости: израсходовано. Скорость снижена до следующего периода."
    ]


async def test_a_low_balance_is_told_once_until_the_next_top_up(handsets: Handsets) -> None:
    who = await newcomer(handsets, "kcell-free", amount="500")
    await handsets.database.transact("test", lambda conn: handsets.ledger.set_low_mark(conn, who.account, tenge(100)))
    await handsets.spend(who, "1", sum_charge(tenge("401")), "voice.mobile")
    assert await told(handsets, who) == ["На балансе мало средств: 99 ₸. Пополните вовремя."]
    await handsets.spend(who, "2", sum_charge(tenge("10")), "voice.mobile")
    assert await told(handsets, who) == []
    [code] = await handsets.card_codes("500")
    await handsets.sms(who, f"карта {code}")
    await handsets.spend(who, "3", sum_charge(tenge("500")), "voice.mobile")
    assert await told(handsets, who) == ["На балансе мало средств: 89 ₸. Пополните вовремя."]


@pytest.mark.clause("PSC-1.1.2", "PSC-3.2.4")
async def test_a_fee_that_was_taken(handsets: Handsets) -> None:
    who = await newcomer(handsets, amount="10000")
    handsets.later(days=31)  # 2 April
    await handsets.fees.run()
    assert await told(handsets, who) == ["Kcell Старт: списана плата 2 990 ₸.\nСледующее списание: 02.05"]
    await handsets.fees.run()
    assert await told(handsets, who) == []


@pytest.mark.clause("PSC-3.1.5.1", "PSC-3.2.5")
async def test_a_fee_that_was_not_taken_is_told_once_and_tried_again(handsets: Handsets) -> None:
    who = await newcomer(handsets, amount="3000", language=Language.KK)
    handsets.later(days=31)
    await handsets.fees.run()
    unpaid = "Kcell Старт: 2 990 ₸ ақыға қаражат жетпейді. Балансты толтырыңыз."
    assert await told(handsets, who) == [unpaid]
    handsets.later(days=1)
    await handsets.fees.run()
    assert await told(handsets, who) == []
    [code] = await handsets.card_codes("3000")
    await handsets.page(who, f"*111*4*{code}#")
    texts = await told(handsets, who)
    assert "Баланс толтырылды: +3 000 ₸.\nБаланс: 3 010 ₸" in texts
    assert any(text.startswith("Kcell Старт: ақысы 2 990 ₸ алынды.") for text in texts)


@pytest.mark.clause("PSC-1.1.10")
async def test_a_card_is_told_of_once(handsets: Handsets) -> None:
    """By SMS the answer says it; by USSD a message remains of it."""
    who = await newcomer(handsets, "kcell-free", amount="0")
    first, second = await handsets.card_codes("1000", "500")
    await handsets.sms(who, f"карта {first}")
    assert await told(handsets, who) == []
    await handsets.page(who, f"*111*4*{second}#")
    assert await told(handsets, who) == ["Баланс пополнен на 500 ₸.\nБаланс: 1 500 ₸"]


async def test_the_same_event_again_tells_nothing(handsets: Handsets) -> None:
    who = await newcomer(handsets)
    await use(handsets, who, "1", 9_600)
    events: list[OutboxEvent] = []

    async def keep(event: OutboxEvent) -> None:
        events.append(event)

    handsets.outbox.subscribe("ledger.threshold", keep)
    await handsets.outbox.drain()
    await handsets.database.transact("test", lambda conn: handsets.notices.on_events(conn, events * 3))
    assert len(await handsets.sent(who)) == 1


async def test_a_welcome_with_number_plan_and_menu(handsets: Handsets) -> None:
    who = await handsets.accede("activ-simple", Language.KK)
    assert await told(handsets, who) == [
        f"Қош келдіңіз! Нөміріңіз: +{who.msisdn}. Тариф: activ Қарапайым.\nМәзір: *111#\nАнықтама: 3030, тегін."
    ]


@pytest.mark.clause("PSC-3.1.5")
async def test_suspensions_and_their_end(handsets: Handsets) -> None:
    who = await newcomer(handsets)
    suspend = handsets.subscribers.suspend
    stolen = await suspend(who.subscriber_id, Ground.LOST_DEVICE, by_system("test", "lost"), reason="lost")
    harm = await suspend(who.subscriber_id, Ground.NETWORK_HARM, CLERK, reason="harm", scopes=[Scope.DATA])
    assert await told(handsets, who) == [
        "Обслуживание вашего номера приостановлено.\nСправка: 9090, бесплатно.",
        "Часть ваших услуг ограничена.\nСправка: 9090, бесплатно.",
    ]
    await handsets.subscribers.resume(stolen.suspension_id, CLERK, reason="found")
    assert await told(handsets, who) == []  # the other one still holds
    await handsets.subscribers.resume(harm.suspension_id, CLERK, reason="over")
    assert await told(handsets, who) == ["Ваши услуги снова доступны."]


@pytest.mark.clause("PSC-3.1.11")
async def test_what_others_switch_is_told_what_oneself_switches_is_not(handsets: Handsets) -> None:
    who = await newcomer(handsets, amount="10000")
    await handsets.sms(who, "подключить 7 да")
    assert await told(handsets, who) == []
    office = Origin("staff:aigul", Channel.HELPDESK, "asked by phone")
    await handsets.subscribers.switch_service_on(who.subscriber_id, "russia-calls", office, "call-1")
    assert await told(handsets, who) == ["Подключено: Звонки в Россию."]
    await handsets.subscribers.switch_service_off(who.subscriber_id, "russia-calls", office)
    assert await told(handsets, who) == ["Отключено: Звонки в Россию."]


@pytest.mark.clause("PSC-3.1.2", "PSC-3.2.5")
@pytest.mark.parametrize(
    ("language", "country", "warning"),
    [
        (Language.RU, "Турция", "может возникнуть долг, его нужно оплатить полностью"),
        (Language.KK, "Түркия", "қарыз пайда болуы мүмкін, оны толық төлеу қажет"),
    ],
)
async def test_the_roaming_warning(handsets: Handsets, language: Language, country: str, warning: str) -> None:
    who = await newcomer(handsets, language=language)
    payload: dict[str, object] = {"msisdn": who.msisdn, "country": "TR", "zone": "travel", "controlled": False}

    async def arrive(conn: Connection) -> None:
        await outbox.emit(conn, "charging.roaming_entered", f"msisdn:{who.msisdn}", payload, at=handsets.clock.now())

    await handsets.database.transact("test", arrive)
    [text] = await told(handsets, who)
    assert country in text
    assert warning in text


async def test_an_event_about_nobody_tells_nobody(handsets: Handsets) -> None:
    events = [
        OutboxEvent(number, topic, "x", {"msisdn": "77019999999"}, handsets.clock.now(), 0)
        for number, topic in enumerate(WRITERS.keys() - UNTRUE.keys())
    ]
    await handsets.database.transact("test", lambda conn: handsets.notices.on_events(conn, events))
    assert await handsets.database.fetchval("select count(*) from sms.outbound") == 0


async def test_every_number_that_spends_from_an_account_is_told(handsets: Handsets) -> None:
    first = await newcomer(handsets)
    party = (await handsets.subscribers.people.party(first.party_id, CLERK)).data
    second = await handsets.accede(
        "kcell-free", Language.KK, "0", party=party, contract_id=first.contract_id, account=first.account
    )
    await told(handsets, first)
    await told(handsets, second)
    await use(handsets, first, "1", 9_600)
    assert await told(handsets, first) == ["Интернет: израсходовано 80%, осталось 2,4 ГБ."]
    assert await told(handsets, second) == ["Интернет: 80% жұмсалды, қалғаны 2,4 ГБ."]
