"""Whatever is typed, on the real service: an answer that is no defect, and a page that fits."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telco.commands import COMMANDS
from telco.kernel.i18n import Language
from telco.subscribers.model import Accession
from tests.sms.handsets import Handsets

DEFECT = ("Ошибка ", "Қате ", "Error ")
KEYWORDS = sorted({keyword for command in COMMANDS for keyword in (*command.keywords, *command.shortcuts)})
HOSTILE = [
    "'; drop table subscribers.subscription; --",
    "\x00\x01\x1b[2J",
    "\u202eטקסט\u202c \u200b",
    "😀" * 80,
    "%s %n {0} {name} ${x}",
    "9" * 10_000,
    "*" * 300,
    "#",
    "\ud800",
    "-1",
    "1e9",
    "٣",
    "²",
    "да",
    "yes",
    "нет",
]

TAILS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=60),
    st.lists(st.sampled_from(["0", "1", "2", "3", "7", "9", "да", "now", "87011234567"]), max_size=4).map(" ".join),
)
MESSAGES = st.one_of(
    TAILS, st.builds("{} {}".format, st.sampled_from(KEYWORDS), TAILS), st.sampled_from(["UNLIM", "GB1", "music"])
)
DIALS = st.one_of(
    TAILS,
    st.lists(st.sampled_from([*"012345678", "9", "да", "12345678901234", "2580"]), max_size=7).map(
        lambda inputs: f"*{'*'.join(['111', *inputs])}#"
    ),
)


@pytest.fixture
async def who(handsets: Handsets) -> Accession:
    return await handsets.accede("kcell-start", Language.RU, amount="100000")


async def send(handsets: Handsets, who: Accession, text: str) -> None:
    answer = await handsets.sms(who, text)
    assert answer
    assert not any(word in answer for word in DEFECT), answer


async def dial(handsets: Handsets, who: Accession, texts: list[str]) -> None:
    """Go on typing whether or not the dialogue has ended, as hostile handsets do."""
    session = handsets.session()
    for step, text in enumerate(texts):
        reply = await handsets.step(who, session, text, first=step == 0)
        assert reply.text
        assert not any(word in reply.text for word in DEFECT), reply.text


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(MESSAGES, max_size=3), dials=st.lists(DIALS, max_size=4))
async def test_any_text_gets_an_answer_on_both_faces(
    handsets: Handsets, who: Accession, messages: list[str], dials: list[str]
) -> None:
    for text in messages:
        await send(handsets, who, text)
    await dial(handsets, who, dials)


@pytest.mark.parametrize("text", HOSTILE)
async def test_every_command_survives_it(handsets: Handsets, who: Accession, text: str) -> None:
    for command in COMMANDS:
        await send(handsets, who, f"{command.keywords[0]} {text}")
        await dial(handsets, who, [f"*111*{command.path}#", text, text, "1"])
        await dial(handsets, who, [f"*111*{command.path}*{text}#", text])
