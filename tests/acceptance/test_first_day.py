"""A subscriber's first day over the public faces: SMPP from handsets, charging and staff's work over HTTP."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal

import pytest

from telco.kernel.i18n import Language
from telco.lab.handset import CallState, DialogueState, MessageState, Technology
from telco.lab.service import ServiceRefusedError
from telco.lab.user import User
from tests.acceptance.operator import Operator, sheet

pytestmark = pytest.mark.asyncio(loop_scope="session")

MEGABYTE = 1_000_000
ZERO = Decimal("0.00")


async def _main(user: User) -> Decimal:
    return Decimal((await user.account())["main"])


async def _left(user: User) -> dict[str, int]:
    account = await user.account()
    return {bucket["code"]: bucket["left"] for bucket in account["allowances"]}


@pytest.mark.clause("PSC-2.3", "PSC-2.5", "PSC-1.1.18")
@pytest.mark.parametrize(
    ("language", "word", "said"),
    [
        (Language.KK, "теңгерім", "Баланс: 0 ₸"),
        (Language.RU, "БАЛАНС", "Баланс: 0 ₸"),
        (Language.EN, "balance", "Balance: 0 KZT"),
    ],
)
async def test_who_acceded_is_answered_in_his_language(
    operator: Operator, language: Language, word: str, said: str
) -> None:
    user = await operator.new_user(language=language)
    assert said in (await user.dial("*111*1#")).text
    user.put_away()
    assert said in await user.ask("111", word)


@pytest.mark.clause("PSC-1.1.10", "PSC-1.1.2", "PSC-4.1", "PSC-4.3.1")
async def test_a_card_tops_up_once_and_the_waiting_fee_is_taken(operator: Operator) -> None:
    user = await operator.new_user("kcell-start")
    code = await operator.new_card("5000.00")
    assert "5 000 ₸" in (await user.dial(f"*111*4*{code}#")).text
    user.put_away()
    await user.receive(containing="списана плата 2 990 ₸")
    assert await _main(user) == Decimal("2010.00")  # 5000 - 2990
    assert await _left(user) == {"data.any": 12_000 * MEGABYTE, "voice.any": 100 * 60, "sms.any": 50}
    other = await operator.new_user()
    await other.dial(f"*111*4*{code}#")
    assert await _main(other) == ZERO


async def test_five_wrong_codes_block_the_command_not_the_number(operator: Operator) -> None:
    user = await operator.new_user()
    code = await operator.new_card("1000.00")
    for _ in range(5):
        await user.dial("*111*4*00000000000000#")
        user.put_away()
    await user.dial(f"*111*4*{code}#")
    user.put_away()
    assert await _main(user) == ZERO
    assert "0 ₸" in (await user.dial("*111*1#")).text


@pytest.mark.clause("PSC-3.2.5")
async def test_without_money_nothing_goes_out_but_help_emergency_and_free_numbers(operator: Operator) -> None:
    user, other = await operator.new_user(), await operator.new_user()
    message = await user.send(other.number, "Привет")
    assert (message.state, message.reason) == (MessageState.FAILED, "insufficient_funds")
    assert user.number not in {received.peer for received in other.phone.messages}
    call = await user.call(other.number, 60)
    assert (call.state, call.reason, call.seconds) == (CallState.ENDED, "insufficient_funds", 0)
    data = await user.use_data(MEGABYTE)
    assert (data.used_bytes, data.reason) == (0, "insufficient_funds")
    for free in ("3030", "112", "78001234567"):
        call = await user.call(free, 60)
        assert (call.reason, call.seconds, call.cost) == (None, 60, "0.00"), free
    assert "0 ₸" in await user.ask("111", "баланс")


@pytest.mark.clause("PSC-1.1.8")
async def test_a_message_is_charged_then_delivered(operator: Operator) -> None:
    user, other = await operator.new_user(balance="1000.00"), await operator.new_user()
    message = await user.send(other.number, "Привет")
    assert (message.state, message.cost) == (MessageState.SENT, "20.00")  # activ-simple: 20 a message
    assert (await other.receive(user.number)).text == "Привет"
    message = await user.send(other.number, "я" * 71)  # two parts in UCS-2: 67 + 4
    assert message.cost == "40.00"
    assert await _main(user) == Decimal("940.00")  # 1000 - 20 - 40


@pytest.mark.clause("PSC-1.1.8", "PSC-2.12")
async def test_a_call_costs_its_begun_minutes_whatever_was_reserved(operator: Operator) -> None:
    user, other = await operator.new_user(balance="1000.00"), await operator.new_user()
    call = await user.call(other.number, 95)
    assert (call.seconds, call.cost, call.reason) == (95, "32.00", None)  # on-net: 2 begun minutes at 16
    assert await _main(user) == Decimal("968.00")
    call = await user.call("77051234567", 60)
    assert call.cost == "22.00"  # another operator: 1 minute at 22


@pytest.mark.clause("PSC-2.12", "PSC-3.2.5", "PSC-4.3.1")
async def test_data_ends_when_the_money_does_and_goes_on_after_a_top_up(operator: Operator) -> None:
    user = await operator.new_user(balance="500.00")
    data = await user.use_data(100 * MEGABYTE)
    assert data.reason == "funds_used_up"
    assert data.used_bytes == 33 * MEGABYTE  # 500 / 15 = 33.3: whole megabytes
    assert data.cost == "495.00"
    assert await _main(user) == Decimal("5.00")
    await user.dial(f"*111*4*{await operator.new_card('1000.00')}#")
    data = await user.use_data(10 * MEGABYTE)
    assert (data.used_bytes, data.cost, data.reason) == (10 * MEGABYTE, "150.00", None)


@pytest.mark.clause("PSC-1.1.8")
@pytest.mark.parametrize("by_callee", [False, True], ids=["caller", "callee"])
async def test_hanging_up_ends_the_charge(operator: Operator, by_callee: bool) -> None:
    user, other = await operator.new_user(balance="1000.00"), await operator.new_user()
    operator.network.instant = False
    try:
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(user.call(other.number, 3600))
            with operator.network.feed.listen() as listener:
                while user.phone.call is None or user.phone.call.seconds == 0:
                    await listener.next()
            operator.network.hang_up(other.number if by_callee else user.number)
    finally:
        operator.network.instant = True
    call = calling.result()
    assert 0 < call.seconds < 3600
    assert call.reason is None
    cost = Decimal(math.ceil(call.seconds / 60) * 16)  # on-net: 16 a begun minute
    assert (Decimal(call.cost or "0"), await _main(user)) == (cost, Decimal("1000.00") - cost)


@pytest.mark.clause("PSC-1.1.8", "PSC-2.12")
async def test_cutting_a_connection_ends_the_charge(operator: Operator) -> None:
    user = await operator.new_user(balance="1000.00")
    operator.network.instant = False
    try:
        async with asyncio.TaskGroup() as group:
            using = group.create_task(user.use_data(60 * MEGABYTE, Technology.UMTS))
            with operator.network.feed.listen() as listener:
                while user.phone.data is None or user.phone.data.used_bytes == 0:
                    await listener.next()
            operator.network.stop_data(user.number)
    finally:
        operator.network.instant = True
    data = using.result()
    assert (data.reason, data.running) == ("stopped", False)
    cost = Decimal(math.ceil(data.used_bytes / MEGABYTE) * 15)  # 15 a begun megabyte
    assert (Decimal(data.cost or "0"), await _main(user)) == (cost, Decimal("1000.00") - cost)


@pytest.mark.clause("PSC-1.1.5", "PSC-3.1.11")
async def test_a_pack_is_switched_on_by_message_after_a_yes(operator: Operator) -> None:
    user = await operator.new_user(balance="1000.00")
    assert "390 ₸" in await user.ask("111", "ГБ1")
    assert await _main(user) == Decimal("1000.00")  # asked, not yet taken
    await user.ask("111", "да")
    assert await _main(user) == Decimal("610.00")
    assert await _left(user) == {"data.any": 1_000 * MEGABYTE}
    data = await user.use_data(400 * MEGABYTE)
    assert (data.cost, await _left(user)) == ("0.00", {"data.any": 600 * MEGABYTE})
    assert await _main(user) == Decimal("610.00")


@pytest.mark.clause("PSC-1.1.5", "PSC-2.10")
async def test_a_plan_changes_in_the_menu_after_a_yes_and_not_after_a_no(operator: Operator) -> None:
    user = await operator.new_user(balance="2000.00")
    for answer, plan, left in (("2", "activ Простой", "2000.00"), ("1", "activ Неделя", "1110.00")):  # 2000 - 890
        page = await user.dial("*111*2*2*3#")
        page = await user.answer("1")  # now
        while "1 Да" not in page.text:
            page = await user.answer("9")
        await user.answer(answer)
        user.put_away()
        account = await user.account()
        assert (account["plan"]["ru"], account["main"]) == (plan, left)


async def test_a_code_dialled_at_once_is_the_path_through_the_menu(operator: Operator) -> None:
    user = await operator.new_user()
    direct = await user.dial("*111*2*1#")
    user.put_away()
    await user.dial("*111#")
    await user.answer("2")
    assert (await user.answer("1")).text.partition("\n0 ")[0] == direct.text.partition("\n0 ")[0]


async def test_the_last_charges_name_what_was_paid(operator: Operator) -> None:
    user = await operator.new_user(balance="1000.00")
    await user.send("77051234567", "Привет")
    await user.call("77051234567", 10)
    page = await user.dial("*111*6*3#")
    assert "20 ₸" in page.text
    assert "22 ₸" in page.text


@pytest.mark.parametrize(
    "text",
    ["абракадабра", "'; drop table ledger.bucket; --", "\x00\x01\x1b[2J", "👩‍👩‍👧" * 20, "{0}{user}%s", "1" * 500],
    ids=["nonsense", "sql", "control", "emoji", "formats", "long"],
)
async def test_unknown_input_is_answered_and_changes_nothing(operator: Operator, text: str) -> None:
    user = await operator.new_user()
    assert await user.ask("111", text)
    assert await _main(user) == ZERO


async def test_a_dialogue_that_is_hung_up_leaves_the_phone_free(operator: Operator) -> None:
    user = await operator.new_user()
    assert (await user.dial("*111#")).state is DialogueState.OPEN
    user.put_away()
    assert (await user.dial("*111*1#")).state is DialogueState.CLOSED


@pytest.mark.clause("PSC-2.5")
async def test_somebody_elses_number_is_not_given_twice(operator: Operator) -> None:
    user = await operator.new_user()
    signed = sheet(9_999, user.number, "activ-simple", Language.KK)
    card = {"iccid": signed["iccid"], "imsi": "401029999999999", "kind": "sim"}
    await operator.service.command("/v1/sims", card)
    with pytest.raises(ServiceRefusedError) as refused:
        await operator.service.command("/v1/accessions", signed)
    assert (refused.value.status, refused.value.code) == (409, "number_not_free")


async def test_a_flood_from_one_number_is_stopped_and_others_notice_nothing(operator: Operator) -> None:
    flooder, other = await operator.new_user(), await operator.new_user()
    pages = [await flooder.dial("*111*1#") for _ in range(40)]  # 30 at once are allowed
    assert pages[0].reason is None
    assert pages[-1].reason == "unavailable"
    for _ in range(40):  # 20 at once are allowed
        operator.network.send_sms(flooder.number, "111", "баланс")
    assert "0 ₸" in (await other.dial("*111*1#")).text
    assert "0 ₸" in await other.ask("111", "баланс")
    await flooder.quiet()
    answers = [message for message in flooder.phone.messages if "Баланс" in message.text]
    assert 0 < len(answers) <= 20
