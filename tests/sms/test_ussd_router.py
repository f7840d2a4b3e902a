"""The USSD face: direct dial equals the menu, pages fit, dialogues time out, nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telco.db.embedded import EmbeddedRedis
from telco.kernel.clock import ManualClock
from telco.kernel.i18n import Text, Translator
from telco.kernel.msisdn import Msisdn
from telco.sms.command import Answer, Context, command
from telco.sms.menu import Menu
from telco.sms.model import UssdOp, UssdReply, UssdRequest
from telco.sms.pages import fits
from telco.sms.router import SmsRouter
from telco.sms.shared import Faces
from telco.sms.ussd import LateAnswer, UssdRouter
from telco.subscribers.model import Scope
from tests.sms.sample import AIGUL, STRANGER, TITLES, Desk, begin, go_on, inbound, subscriber

ROOT = "Start\n1 What time\n2 Things"
THINGS = "Things\n1 Buy\n2 Code\n3 Two\n4 Empty\n5 Fail\n6 List\n7 Join\n8 Busy\n0 Назад"


@pytest.fixture
async def desk(redis_url: str, clock: ManualClock, translator: Translator) -> AsyncIterator[Desk]:
    desk = Desk(redis_url, clock, translator)
    yield desk
    await desk.dialogues.close()


async def never_late(msisdn: Msisdn, text: str) -> None:
    raise AssertionError("nothing is late here")


async def send(desk: Desk, request: UssdRequest) -> UssdReply:
    reply = await UssdRouter(desk.faces, late=never_late).handle(request)
    assert reply is not None
    assert fits(reply.text)
    return reply


async def dial(desk: Desk, *texts: str, session: str = "s1", source: Msisdn = AIGUL) -> UssdReply:
    """Dial the first text, answer with the others, and return the last page."""
    reply = await send(desk, begin(texts[0], session, source))
    for text in texts[1:]:
        assert reply.more, f"the dialogue had ended before {text!r}: {reply.text}"
        reply = await send(desk, go_on(text, session, source))
    return reply


async def test_the_menu(desk: Desk) -> None:
    assert await dial(desk, "*111#") == UssdReply(ROOT, more=True)
    assert await dial(desk, "*111#", "2") == UssdReply(THINGS, more=True)
    assert await dial(desk, "*111#", "1") == UssdReply("It is 06:00\nfor everybody", more=False)


@pytest.mark.parametrize(
    ("dialled", "typed"),
    [
        ("*111*2#", ["2"]),
        ("*111*1#", ["1"]),
        ("*111*2*1#", ["2", "1"]),
        ("*111*2*1*1#", ["2", "1", "1"]),
        ("*111*2*2*1234#", ["2", "2", "1234"]),
        ("*111*2*3*5*6#", ["2", "3", "5", "6"]),
        ("*111*2*1*1*1#", ["2", "1", "1", "1"]),
        ("*111*2*1*1*2#", ["2", "1", "1", "2"]),
        ("*111*2*2*bad#", ["2", "2", "bad"]),
        ("*111*8#", ["8"]),
        ("*166#", ["2"]),
        ("*121#", ["1"]),
        ("*130*44#", ["2", "2", "44"]),
    ],
)
async def test_direct_dial_equals_the_menu_path(desk: Desk, dialled: str, typed: list[str]) -> None:
    by_menu = await dial(desk, "*111#", *typed, session="menu")
    assert await dial(desk, dialled, session="direct") == by_menu
    half = await dial(desk, "*111*" + "*".join(typed[:1]) + "#", *typed[1:], session="half") if len(typed) > 1 else None
    assert half in (None, by_menu)


async def test_a_question_by_menu(desk: Desk) -> None:
    assert await dial(desk, "*111*2*1*1#") == UssdReply("Buy lamp?\n1 Да 2 Нет\n0 Назад", more=True)
    assert await dial(desk, "*111*2*1*1#", "1", session="s2") == UssdReply("Bought lamp", more=False)
    assert len(desk.shelf.done) == 1
    assert (await dial(desk, "*111*2*1*1#", "2", session="s3")).text == "Отменено, ничего не изменилось."
    assert (await dial(desk, "*111*2*1*1#", "да", session="s4")).text == "Bought lamp"
    asked_again = await dial(desk, "*111*2*1*1#", "7", session="s5")
    assert asked_again == UssdReply("Введите цифру из списка.\nBuy lamp?\n1 Да 2 Нет\n0 Назад", more=True)


async def test_unknown_input_gets_a_hint_and_the_same_page(desk: Desk) -> None:
    assert (await dial(desk, "*111#", "7")).text == f"Введите цифру из списка.\n{ROOT}"
    assert (await dial(desk, "*111#", "2", "привет")).text == (
        "Введите цифру из списка.\nThings\n1 Buy\n2 Code\n3 Two\n4 Empty\n5 Fail\n0 Назад 9 Ещё"
    )
    assert (await dial(desk, "*111*2*1#", "9", "5")).text.startswith("Такого нет в списке.\n")
    assert (await dial(desk, "*111*2*2#", "нет цифр")).text == (
        "The thing нет цифр cannot be had.\nEnter the code\n0 Назад"
    )
    assert (await dial(desk, "*111*2*1#", "5")).text.startswith("Такого нет в списке.\nWhat?\n1 Lamp")


async def test_zero_leads_back(desk: Desk) -> None:
    assert (await dial(desk, "*111#", "2", "0")).text == ROOT
    assert (await dial(desk, "*111*2*2#", "0")).text == THINGS
    assert (await dial(desk, "*111*2*3*5#", "0")).text == "First?\n0 Назад"
    assert (await dial(desk, "*111*2*1*1#", "0")).text.startswith("What?\n1 Lamp")
    assert await dial(desk, "*111#", "0") == UssdReply("До свидания!", more=False)


async def test_nine_shows_more(desk: Desk) -> None:
    first = await dial(desk, "*111*2*6#")
    assert first == UssdReply("1. Строка номер 1 из списка\n2. Строка номер 2 из списка\n0 Назад 9 Ещё", more=True)
    second = await dial(desk, "*111*2*6#", "9", session="s2")
    assert second.text.startswith("3. Строка")
    assert second.more
    last = await dial(desk, "*111*2*6#", "9", "9", session="s3")
    assert last == UssdReply("5. Строка номер 5 из списка\n0 Назад", more=True)
    assert (await dial(desk, "*111*2*6#", "9", "0", session="s4")) == first
    assert (await dial(desk, "*111*2*6#", "0", session="s5")).text == THINGS
    assert (await dial(desk, "*111*2*6#", "2", session="s6")).text == "Enter the code\n0 Назад"


async def test_what_is_answered_from_a_command_page_leads_on(desk: Desk) -> None:
    reply = await dial(desk, "*111*2*6#", "2*1234")
    assert reply == UssdReply("Code 1234", more=False)


async def test_a_code_typed_into_a_dialogue_starts_over(desk: Desk) -> None:
    assert (await dial(desk, "*111*2#", "*121#")).text == "It is 06:00\nfor everybody"
    assert (await dial(desk, "*111*2#", "*999#")).text.startswith("Такого кода нет. Меню: *111#\nThings")


@pytest.mark.parametrize("text", ["*999#", "hello", "", "#", "*", "*111", "**#", "*111**#", "*111*#"])
async def test_odd_codes_are_answered(desk: Desk, text: str) -> None:
    reply = await dial(desk, text)
    assert reply.text
    assert reply.more == ("Start" in reply.text)


async def test_a_lost_dialogue_says_so(desk: Desk, redis_url: str) -> None:
    await dial(desk, "*111#")
    with redis.Redis.from_url(redis_url) as client:
        [key] = client.keys("telco:ussd:*")
        assert 170 < client.ttl(key) <= 180
        client.delete(key)
    assert await send(desk, go_on("2")) == UssdReply("Сеанс завершён. Наберите *111# снова.", more=False)


async def test_hanging_up_forgets_the_dialogue(desk: Desk, redis_url: str) -> None:
    await dial(desk, "*111#")
    ended = UssdRequest("s1", AIGUL, "", UssdOp.END, "link")
    assert await UssdRouter(desk.faces, late=never_late).handle(ended) is None
    with redis.Redis.from_url(redis_url) as client:
        assert client.keys("telco:ussd:*") == []


async def test_a_repeated_begin_acts_once(desk: Desk) -> None:
    for _ in range(3):
        assert (await dial(desk, "*111*2*1*1*1#")).text == "Bought lamp"
    assert len(desk.shelf.done) == 1
    await dial(desk, "*111*2*1*1*1#", session="another")
    assert len(desk.shelf.done) == 2


async def test_every_dialogue_acts_for_itself(desk: Desk) -> None:
    for _ in range(2):  # the same session number again, as gateways reuse them
        await dial(desk, "*111#", "2", "1", "1", "1")
    assert len(desk.shelf.done) == 2


async def test_a_stranger(desk: Desk) -> None:
    reply = await dial(desk, "*111#", source=STRANGER)
    assert reply == UssdReply(
        "Нөмір тіркелмеген. Тіркелу: *110#\nНомер не зарегистрирован. Регистрация: *110#", more=False
    )
    assert (await dial(desk, "*111*2*7#", source=STRANGER)).text.startswith("Welcome")
    assert (await dial(desk, "*111*2*1*1*1#", source=STRANGER)) == reply


async def test_a_suspended_number(desk: Desk) -> None:
    desk.known[AIGUL] = subscriber(barred=frozenset({Scope.FULL}))
    refused = "Обслуживание вашего номера приостановлено.\nСправка: 9090, бесплатно."
    assert await dial(desk, "*111*2*2*12#") == UssdReply(refused, more=False)
    assert (await dial(desk, "*111*1#")).text.startswith("It is")


async def test_a_defect_is_answered_with_an_id(desk: Desk) -> None:
    assert (await dial(desk, "*111*2*5#")).text.startswith("У нас произошла ошибка.")


async def test_without_the_database_the_service_is_busy(desk: Desk) -> None:
    assert await dial(desk, "*111*2*8#") == UssdReply("Сервис занят. Повторите позже.", more=False)
    desk.lost = True
    reply = await dial(desk, "*111*1#")
    assert reply == UssdReply("Сервис бос емес. Кейінірек қайталаңыз.\nСервис занят. Повторите позже.", more=False)


async def test_without_redis_direct_dial_works_and_menus_say_so(
    tmp_path: Path, clock: ManualClock, translator: Translator
) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    desk = Desk(server.url, clock, translator)
    await dial(desk, "*111#")
    server.stop()
    sorry = UssdReply("Меню временно не работает. Наберите код целиком.", more=False)
    assert await send(desk, go_on("1")) == sorry
    assert await dial(desk, "*111#") == sorry
    assert (await dial(desk, "*111*1#")).text.startswith("It is")
    assert await dial(desk, "*111*2*2*1234#") == UssdReply("Code 1234", more=False)
    assert await dial(desk, "*111*2*2*1234#") == UssdReply("Code 1234", more=False)
    assert len(desk.shelf.done) == 1  # a repetition within the minute
    first_page = await dial(desk, "*111*2*6#")
    assert first_page.text.startswith("1. Строка")
    assert not first_page.more
    ended = UssdRequest("s1", AIGUL, "", UssdOp.END, "link")
    assert await UssdRouter(desk.faces, late=never_late).handle(ended) is None
    await desk.dialogues.close()


def slow_router(desk: Desk, late: LateAnswer) -> tuple[UssdRouter, asyncio.Event]:
    """A router whose only command waits for an event, and the event."""
    release = asyncio.Event()

    @command("sample.slow", Text("Slow"), path="1", keywords=("slow",))
    async def slow(ctx: Context) -> Answer:
        await release.wait()
        return Answer("Done at last")

    fields = {name: getattr(desk.faces, name) for name in Faces.__dataclass_fields__}
    return UssdRouter(Faces(**{**fields, "menu": Menu([slow], TITLES)}), late=late, answer_within_s=0.01), release


async def test_what_takes_long_is_answered_by_sms(desk: Desk) -> None:
    sent: list[tuple[Msisdn, str]] = []

    async def late(msisdn: Msisdn, text: str) -> None:
        sent.append((msisdn, text))

    router, release = slow_router(desk, late)
    reply = await router.handle(begin("*111*1#"))
    assert reply == UssdReply("Запрос выполняется. Ответ придёт по SMS.", more=False)
    assert sent == []
    release.set()
    await router.stop()
    assert sent == [(AIGUL, "Done at last")]


async def test_a_late_answer_that_cannot_be_sent_is_not_lost_in_silence(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    async def late(_: Msisdn, __: str) -> None:
        raise ConnectionResetError

    router, release = slow_router(desk, late)
    await router.handle(begin("*111*1#"))
    release.set()
    await router.stop()
    assert "ussd_late_answer_lost" in capsys.readouterr().out


HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "x" * 10_000,
            "*111*" + "9" * 10_000 + "#",
            "*" * 5_000,
            "'; drop table subscribers.subscription; --",
            "\x00\x1b\x07",
            "\u202eتطوير\u202c",
            "😀" * 500,
            "{0.__class__}",
            "%s%n",
            "\ud800",
            "0",
            "9",
            "1",
            "2",
            "*111#",
            "*111*2*1*1*1#",
            "buy 1",
            "да",
            "code",
        ]
    ),
    st.lists(st.sampled_from("0123456789*#"), max_size=30).map("".join),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(HOSTILE, min_size=1, max_size=6))
async def test_any_text_is_answered_and_every_page_fits(desk: Desk, texts: list[str]) -> None:
    reply: Any = await send(desk, begin(texts[0], "h"))
    for text in texts[1:]:
        reply = await send(desk, go_on(text, "h"))
        assert reply.text
    for text in texts:
        answer = await SmsRouter(desk.faces).handle(inbound(text))
        assert answer is not None
        assert answer.text
