"""What the phones say when something is typed wrongly, when they are busy, and when nobody answers."""

from __future__ import annotations

import pytest

from telco.kernel.i18n import Language
from telco.lab.handset import CallState, DialogueState, MessageState, Technology
from telco.lab.network import MAX_DATA_BYTES, BadRequestError, Network, PhoneBusyError, UnknownPhoneError
from telco.lab.user import User
from tests.lab.conftest import AIGERIM, DMITRY


@pytest.fixture
def aigerim(network: Network) -> User:
    return User(network, AIGERIM)


async def test_without_charging_no_message_is_delivered_and_the_sender_is_told(aigerim: User) -> None:
    message = await aigerim.send(DMITRY, "сәлем")
    assert (message.state, message.reason, message.cost) == (MessageState.FAILED, "unavailable", None)
    assert aigerim.network.phone(DMITRY).messages == []


async def test_without_charging_no_call_begins(aigerim: User) -> None:
    call = await aigerim.call(DMITRY, 60)
    assert (call.state, call.reason, call.seconds, call.cost) == (CallState.ENDED, "unavailable", 0, None)
    assert aigerim.network.phone(DMITRY).call is None
    aigerim.network.hang_up(AIGERIM)
    assert aigerim.phone.call is None


async def test_without_charging_no_data_flow(aigerim: User) -> None:
    data = await aigerim.use_data(1_000_000)
    assert (data.used_bytes, data.reason) == (0, "unavailable")


async def test_without_a_link_a_code_is_answered_at_once(aigerim: User) -> None:
    page = await aigerim.dial("*111#")
    assert (page.state, page.reason, page.text) == (DialogueState.CLOSED, "unavailable", "")
    aigerim.put_away()
    assert aigerim.phone.dialogue is None


async def test_a_callee_in_a_call_is_busy(network: Network) -> None:
    network.call(DMITRY, "77070000000", 60)
    call = await User(network, AIGERIM).call(DMITRY, 60)
    assert (call.state, call.reason) == (CallState.ENDED, "busy")


async def test_a_phone_does_one_call_one_dialogue_one_transfer_at_a_time(network: Network) -> None:
    network.call(AIGERIM, DMITRY, 60)
    network.dial(AIGERIM, "*111#")
    network.use_data(AIGERIM, 1, Technology.UMTS)
    with pytest.raises(PhoneBusyError):
        network.call(AIGERIM, DMITRY, 60)
    with pytest.raises(PhoneBusyError):
        network.dial(AIGERIM, "*111#")
    with pytest.raises(PhoneBusyError):
        network.answer(AIGERIM, "1")  # the network's turn, not the owner's
    with pytest.raises(PhoneBusyError):
        network.use_data(AIGERIM, 1, Technology.UMTS)


@pytest.mark.parametrize(
    ("to", "text"),
    [("", "hello"), ("abc", "hello"), ("1234567", "hello"), ("\x00", "hello"), (DMITRY, ""), (DMITRY, "x" * 1001)],
)
async def test_a_message_needs_a_number_and_a_text(network: Network, to: str, text: str) -> None:
    with pytest.raises(BadRequestError):
        network.send_sms(AIGERIM, to, text)


@pytest.mark.parametrize("typed", ["87750000002", "+7 775 000-00-02", "7750000002", "77750000002"])
async def test_a_number_may_be_typed_as_people_do(network: Network, typed: str) -> None:
    assert network.send_sms(AIGERIM, typed, "hello").peer == DMITRY


@pytest.mark.parametrize("code", ["", "111", "*", "*" + "1" * 182, "*ы1#", "*1 1#", "*１#"])
async def test_a_code_is_dialled_with_the_keys_of_a_phone(network: Network, code: str) -> None:
    with pytest.raises(BadRequestError):
        network.dial(AIGERIM, code)


async def test_absurd_amounts_are_refused(network: Network) -> None:
    for seconds in (0, -1, 24 * 3600 + 1):
        with pytest.raises(BadRequestError):
            network.call(AIGERIM, DMITRY, seconds)
    for size in (0, MAX_DATA_BYTES + 1):
        with pytest.raises(BadRequestError):
            network.use_data(AIGERIM, size, Technology.LTE)
    with pytest.raises(BadRequestError):
        network.call(AIGERIM, AIGERIM, 60)


async def test_a_phone_that_is_not_here_is_unknown(network: Network) -> None:
    with pytest.raises(UnknownPhoneError):
        network.dial("77019999999", "*111#")
    assert not network.sms_delivered("111", "77019999999", "text")
    network.ussd_answered("77019999999", "text", more=False)


async def test_a_phone_that_is_switched_off_gets_its_messages_when_it_is_on(network: Network) -> None:
    network.detach(DMITRY)
    assert [phone.number for phone in network.phones] == [AIGERIM]
    assert not network.sms_delivered("111", DMITRY, "later")
    network.attach(DMITRY, owner="Дмитрий", brand="activ", language=Language.RU)
    assert network.sms_delivered("111", DMITRY, "now")
