"""The SMS face: keywords, arguments, questions; every message is answered, and acts once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from telco.billing.invoicing.errors import LimitCeilingError
from telco.db.embedded import EmbeddedRedis
from telco.db.pool import DatabaseUnavailableError
from telco.kernel.clock import ManualClock
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Money
from telco.sms.command import Answer, Codes
from telco.sms.keywords import KeywordClashError
from telco.sms.menu import Menu, MenuError
from telco.sms.refusals import explain
from telco.sms.router import SmsRouter
from telco.subscribers.errors import NotEnoughMoneyError
from telco.subscribers.model import Scope
from tests.sms import sample
from tests.sms.sample import AIGUL, STRANGER, Desk, inbound, subscriber


@pytest.fixture
async def desk(redis_url: str, clock: ManualClock, translator: Translator) -> AsyncIterator[Desk]:
    desk = Desk(redis_url, clock, translator)
    yield desk
    await desk.dialogues.close()


async def say(desk: Desk, text: str, **more: object) -> str:
    reply = await SmsRouter(desk.faces).handle(inbound(text, **more))  # type: ignore[arg-type]
    assert reply is not None
    return reply.text


@pytest.mark.parametrize("text", ["time", "TIME", " Время? ", "vremia", "УАҚЫТ", "уакыт", "time, please"])
async def test_a_keyword_in_any_language_and_spelling(desk: Desk, text: str) -> None:
    assert await say(desk, text) == "It is 06:00\nfor everybody"


@pytest.mark.parametrize("text", ["code 12 34", "CODE: 12-34", "code=1234", "Code\n1234"])
async def test_an_argument_follows_the_keyword(desk: Desk, text: str) -> None:
    assert await say(desk, text) == "Code 1234"


async def test_two_arguments(desk: Desk) -> None:
    assert await say(desk, "two 12 34 56") == "12+3456"


async def test_a_missing_argument_is_asked_for(desk: Desk) -> None:
    assert await say(desk, "code") == "Enter the code"
    assert await say(desk, "what?") == "The thing what? cannot be had.\nEnter the code"
    assert await say(desk, "55") == "Code 55"
    assert "Мы не поняли" in await say(desk, "56")  # the question has been answered


async def test_arguments_are_asked_for_one_after_the_other(desk: Desk) -> None:
    assert await say(desk, "two") == "First?"
    assert await say(desk, "1") == "Second?"
    assert await say(desk, "2") == "1+2"


async def test_a_choice_by_number_name_or_alone(desk: Desk) -> None:
    question = "Buy lamp?\nДля подтверждения ответьте ДА в течение 10 минут."
    assert await say(desk, "buy 1") == question
    assert await say(desk, "buy Лампа") == question
    assert await say(desk, "ЛАМПА") == question
    assert await say(desk, "lamp please") == question
    assert await say(desk, "buy") == f"What?\n1 Lamp\n2 {'Long ' * 20}"
    assert (await say(desk, "buy 7")).startswith("Такого нет в списке.\nWhat?")
    assert desk.shelf.done == {}


@pytest.mark.parametrize("yes", ["ДА", "да!", "иә", "ИЯ", "yes"])
async def test_a_question_is_answered_once(desk: Desk, yes: str) -> None:
    await say(desk, "buy 1")
    assert await say(desk, yes, message_id=700) == "Bought lamp"
    assert desk.shelf.done == {"sms:700": "lamp 100"}
    assert (await say(desk, yes)).startswith("Подтверждать нечего.")
    assert list(desk.shelf.done) == ["sms:700"]


async def test_a_message_processed_again_is_answered_as_before_and_acts_once(desk: Desk) -> None:
    first = await say(desk, "buy 1", message_id=1)
    assert await say(desk, "buy 1", message_id=1) == first
    answered = [await say(desk, "да", message_id=2) for _ in range(3)]
    assert answered == ["Bought lamp"] * 3
    assert desk.shelf.done == {"sms:2": "lamp 100"}
    await say(desk, "code", message_id=3)
    assert [await say(desk, "77", message_id=4) for _ in range(2)] == ["Code 77"] * 2
    await say(desk, "buy", message_id=5)
    asked = await say(desk, "1", message_id=6)
    assert await say(desk, "1", message_id=6) == asked


async def test_no_cancels(desk: Desk) -> None:
    await say(desk, "buy 1")
    assert await say(desk, "нет") == "Отменено, ничего не изменилось."
    assert (await say(desk, "да")).startswith("Подтверждать нечего.")
    assert desk.shelf.done == {}


async def test_a_yes_in_the_same_message_confirms(desk: Desk) -> None:
    assert await say(desk, "buy 1 да") == "Bought lamp"
    assert await say(desk, "lamp YES") == "Bought lamp"
    assert len(desk.shelf.done) == 2


async def test_a_question_that_is_refused_asks_for_no_yes(desk: Desk) -> None:
    assert await say(desk, "buy 2") == "The thing long cannot be had."
    assert (await say(desk, "да")).startswith("Подтверждать нечего.")


async def test_nothing_to_choose_from(desk: Desk) -> None:
    assert await say(desk, "empty") == "There is nothing."


async def test_a_defect_is_answered_with_an_id(desk: Desk) -> None:
    assert (await say(desk, "fail")).startswith("У нас произошла ошибка. Попробуйте позже. Ошибка ")


async def test_the_unknown_is_answered_helpfully(desk: Desk) -> None:
    expected = "Мы не поняли ваше сообщение.\nНаберите *111# или отправьте ПОМОЩЬ на 111. Справка: 9090, бесплатно."
    assert await say(desk, "гав") == expected
    assert await say(desk, "") == expected
    assert await say(desk, "'; drop table subscribers.subscription; --") == expected


async def test_a_stranger_is_told_in_two_languages(desk: Desk) -> None:
    text = await say(desk, "time", source=STRANGER)
    assert text == "Нөмір тіркелмеген. Тіркелу: *110#\nНомер не зарегистрирован. Регистрация: *110#"
    assert await say(desk, "гав", source=STRANGER) == text
    assert "Welcome 77010000000" in await say(desk, "join", source=STRANGER)


@pytest.mark.clause("PSC-3.1.5")
async def test_a_fully_suspended_number_keeps_only_what_is_always_open(desk: Desk) -> None:
    desk.known[AIGUL] = subscriber(barred=frozenset({Scope.FULL}))
    assert await say(desk, "buy 1 yes") == ("Обслуживание вашего номера приостановлено.\nСправка: 9090, бесплатно.")
    assert await say(desk, "time") == "It is 06:00\nfor everybody"
    assert desk.shelf.done == {}


async def test_a_suspension_between_question_and_answer_counts(desk: Desk) -> None:
    await say(desk, "buy 1")
    desk.known[AIGUL] = subscriber(barred=frozenset({Scope.FULL}))
    assert "приостановлено" in await say(desk, "да")
    assert desk.shelf.done == {}


@pytest.mark.clause("PSC-3.2.5")
async def test_without_money_commands_still_work(desk: Desk) -> None:
    desk.known[AIGUL] = subscriber(barred=frozenset({Scope.OUTGOING, Scope.DATA}))  # the ground is money
    assert await say(desk, "buy 1 yes") == "Bought lamp"


async def test_without_redis_commands_work_in_one_message(
    tmp_path: Path, clock: ManualClock, translator: Translator
) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    desk = Desk(server.url, clock, translator)
    await say(desk, "buy 1")
    server.stop()
    assert await say(desk, "time") == "It is 06:00\nfor everybody"
    assert await say(desk, "buy 1") == "Buy lamp?\nНапишите одним сообщением: BUY 1 YES"
    assert await say(desk, "buy 1 да") == "Bought lamp"
    assert await say(desk, "code") == "Enter the code\nНапишите одним сообщением: CODE 1234"
    assert (await say(desk, "да")).startswith("Подтверждать нечего.")
    await desk.dialogues.close()


async def test_without_the_database_the_message_is_tried_again_later(desk: Desk) -> None:
    with pytest.raises(DatabaseUnavailableError):
        await say(desk, "busy")
    desk.lost = True
    with pytest.raises(ConnectionResetError):
        await say(desk, "time")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            LimitCeilingError(limit=Money(30_000_50), ceiling=Money(20_000_00)),
            {
                Language.KK: "Бұл тарифтің несие лимиті ең көбі 20 000 ₸; сұралғаны 30 000,50 ₸.",
                Language.RU: "Кредитный лимит этого тарифа не больше 20 000 ₸; запрошено 30 000,50 ₸.",
                Language.EN: "The credit limit of this plan is at most 20,000 KZT; 30,000.50 KZT was asked for.",
            },
        ),
        (
            NotEnoughMoneyError(price=Money(1_250_50), balance=Money(0)),
            {
                Language.KK: "Қаражат жеткіліксіз: 1 250,50 ₸ қажет. Балансты толтырыңыз.",
                Language.RU: "Недостаточно средств: нужно 1 250,50 ₸. Пополните баланс.",
                Language.EN: "Not enough money: 1,250.50 KZT is needed. Top up.",
            },
        ),
    ],
)
async def test_a_refusal_writes_money_as_its_reader_does(
    desk: Desk, error: DomainError, said: dict[Language, str]
) -> None:
    runner = SmsRouter(desk.faces)._runner
    assert {language: runner.lines(Answer(*explain(error)), language) for language in said} == {
        language: [sentence] for language, sentence in said.items()
    }


def test_a_menu_refuses_what_would_not_work() -> None:
    with pytest.raises(MenuError, match="has no title"):
        Menu([sample.buy], {"": Text("Menu")})
    with pytest.raises(MenuError, match="two commands"):
        Menu([sample.tell_time, replace(sample.tell_time, path="5")], {"": Text("Menu")})
    with pytest.raises(MenuError, match="is taken"):
        Menu([sample.tell_time, replace(sample.tell_time, name="x")], {"": Text("Menu")})
    with pytest.raises(MenuError, match="digits 1 to 8"):
        Menu([replace(sample.tell_time, path="9")], {"": Text("Menu")})
    with pytest.raises(KeywordClashError):
        Menu([sample.tell_time, replace(sample.tell_time, name="x", path="5")], {"": Text("Menu")})


def test_codes_are_configuration() -> None:
    codes = Codes(root="222", aliases={"555": "1"})
    assert (codes.path_of("222"), codes.path_of("555"), codes.path_of("111")) == ("", "1", None)
