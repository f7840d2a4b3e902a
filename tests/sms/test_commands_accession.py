"""Becoming a subscriber by SMS or USSD: the number of a starter pack accedes to the published contract."""

from __future__ import annotations

import pytest

from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn
from telco.sms.model import Inbound, UssdOp, UssdRequest
from telco.subscribers.model import SimKind
from tests.sms.handsets import Handsets
from tests.subscribers.conftest import CLERK, iccid, iin

PACK = Msisdn("77018887766")
NOT_REGISTERED = "Нөмір тіркелмеген. Тіркелу: *110#\nНомер не зарегистрирован. Регистрация: *110#"


class Phone:
    """A telephone with the starter pack in it."""

    def __init__(self, handsets: Handsets, number: Msisdn = PACK) -> None:
        self._network = handsets
        self._number = number
        self._count = 10_000

    async def sms(self, text: str, message_id: int | None = None) -> str:
        self._count += 1
        inbound = Inbound(message_id or self._count, self._number, "111", text, self._network.clock.now())
        reply = await self._network.faces.answer_sms(inbound)
        assert reply is not None
        return reply.text

    async def dial(self, *texts: str) -> str:
        self._count += 1
        page = ""
        for step, text in enumerate(texts):
            op = UssdOp.CONTINUE if step else UssdOp.BEGIN
            reply = await self._network.faces.answer_ussd(
                UssdRequest(f"p{self._count}", self._number, text, op, "link")
            )
            assert reply is not None
            page = reply.text
        return page


@pytest.fixture
async def phone(handsets: Handsets) -> Phone:
    """A telephone with a starter pack that nobody has acceded with yet."""
    await handsets.subscribers.numbers.add([PACK], "ordinary", CLERK)
    await handsets.subscribers.sims.add(iccid(900), "401029999999999", SimKind.SIM, CLERK, PACK)
    return Phone(handsets)


@pytest.mark.clause("PSC-2.3", "PSC-1.1.30", "PSC-3.2.2", "PSC-3.1.13")
async def test_accession_by_ussd_in_the_language_that_was_chosen(handsets: Handsets, phone: Phone) -> None:
    assert await phone.dial("*111#") == NOT_REGISTERED
    steps = ["*110#"]
    assert await phone.dial(*steps) == "Тіл:\n1 Қазақша\n2 Русский\n3 English\n0 Артқа"
    for typed, page in (
        ("2", "Бренд:\n1 activ\n2 kcell\n0 Назад"),
        ("2", "Тариф:\n1 Kcell Старт\n2 Kcell Свободный\n3 Kcell Безлимит\n0 Назад"),
        ("2", "Ваш ИИН, 12 цифр:\n0 Назад"),
        (iin(7), "Ваши фамилия и имя:\n0 Назад"),
        (
            "Әлиева Айгүл",
            "Әлиева Айгүл, Kcell Свободный, 0 ₸.\nПринимаете договор?\n1 Да 2 Нет\n0 Назад",
        ),
    ):
        steps.append(typed)
        assert await phone.dial(*steps) == page
    assert await handsets.subscribers.find(PACK) is None
    assert await phone.dial(*steps, "1") == "Добро пожаловать! Ваш тариф: Kcell Свободный."
    subscriber = await handsets.subscribers.get(PACK)
    assert (subscriber.language, subscriber.plan_code) == (Language.RU, "kcell-free")
    assert await phone.sms("баланс") == "Баланс: 0 ₸"


@pytest.mark.clause("PSC-2.3", "PSC-1.1.30")
async def test_accession_in_one_message_happens_once(handsets: Handsets, phone: Phone) -> None:
    text = f"REG 1 activ 1 {iin(8)} Серік Болатұлы ИӘ"
    assert await phone.sms(text, message_id=77) == "Қош келдіңіз! Тарифіңіз: activ Қарапайым."
    assert await phone.sms(text, message_id=77) == "Сіз абонентсіз."
    assert await handsets.database.fetchval("select count(*) from subscribers.subscription") == 1


async def test_accession_by_messages_one_after_the_other(handsets: Handsets, phone: Phone) -> None:
    assert await phone.sms("регистрация") == ("Тіл:\n1 Қазақша\n2 Русский\n3 English\nЯзык:")
    assert await phone.sms("3") == "Brand:\n1 activ\n2 kcell"
    assert (await phone.sms("activ")).startswith("Choose a plan:\n1 activ Simple")
    assert await phone.sms("1") == "Your IIN, 12 digits:"
    assert (await phone.sms("123456789012")).endswith("Your IIN, 12 digits:")
    assert await phone.sms(iin(9)) == "Your family name and first name:"
    assert (await phone.sms("Smith")).endswith("Your family name and first name:")
    assert (await phone.sms("Smith John")).startswith("Smith John, activ Simple, 0 KZT.\nDo you accept")
    assert await phone.sms("no") == "Cancelled: nothing has changed."
    assert await phone.sms("yes") == NOT_REGISTERED
    assert await handsets.subscribers.find(PACK) is None


async def test_a_number_without_a_starter_pack_cannot_accede(handsets: Handsets) -> None:
    phone = Phone(handsets, Msisdn("77020000001"))
    answer = await phone.sms(f"REG 2 activ 1 {iin(10)} Иванов Иван да")
    assert answer.startswith("Номер 77020000001 выдать нельзя")


async def test_hostile_names_are_refused_or_kept_as_they_are(handsets: Handsets, phone: Phone) -> None:
    for name in ("Robert'); drop table subscribers.party;--", "{0.__class__} {x}", "\u202eИван \u202eИванов"):
        answer = await phone.sms(f"REG 2 activ 1 {iin(11)} {name}")
        assert "договор" in answer or answer.endswith("Ваши фамилия и имя:")
    assert await handsets.database.fetchval("select count(*) from subscribers.party") == 0
