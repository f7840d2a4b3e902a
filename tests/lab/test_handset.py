"""A phone tells everything that changes on it, and keeps no more than a phone would."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn
from telco.lab.feed import Change
from telco.lab.handset import MAX_MESSAGES, Dialogue, DialogueState, Handset, MessageState

AT = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


@pytest.fixture
def told() -> list[Change]:
    return []


@pytest.fixture
def phone(told: list[Change]) -> Handset:
    return Handset(Msisdn("77011234567"), owner="Айгерім", brand="kcell", language=Language.KK, tell=told.append)


def test_a_written_message_is_settled_once_the_network_answered(phone: Handset, told: list[Change]) -> None:
    message = phone.write("77017654321", "сәлем", AT)
    assert message.state is MessageState.SENDING
    phone.settle(message, MessageState.SENT, cost="15.00")
    assert [(kept.state, kept.cost) for kept in phone.messages] == [(MessageState.SENT, "15.00")]
    assert [change.part for change in told] == ["message", "message"]
    assert told[-1].value == {
        "message_id": 1,
        "peer": "77017654321",
        "text": "сәлем",
        "at": "2026-03-02T06:00:00Z",
        "state": "sent",
        "cost": "15.00",
        "reason": None,
    }


def test_a_full_phone_drops_its_oldest_message(phone: Handset) -> None:
    for number in range(MAX_MESSAGES + 1):
        phone.receive("111", str(number), AT)
    assert len(phone.messages) == MAX_MESSAGES
    assert phone.messages[0].text == "1"


def test_settling_a_dropped_message_does_not_bring_it_back(phone: Handset) -> None:
    written = phone.write("111", "first", AT)
    for number in range(MAX_MESSAGES):
        phone.receive("111", str(number), AT)
    phone.settle(written, MessageState.SENT)
    assert written.message_id not in {message.message_id for message in phone.messages}
    assert len(phone.messages) == MAX_MESSAGES


def test_the_same_account_is_not_told_twice(phone: Handset, told: list[Change]) -> None:
    phone.show_account({"main": "10.00"})
    phone.show_account({"main": "10.00"})
    phone.show_account({"main": "9.00"})
    assert [change.value for change in told] == [{"main": "10.00"}, {"main": "9.00"}]


def test_a_snapshot_is_json_of_everything(phone: Handset) -> None:
    phone.show(Dialogue("*111#", "1 Теңгерім", DialogueState.OPEN))
    snapshot = phone.snapshot()
    assert snapshot["dialogue"] == {"dialled": "*111#", "text": "1 Теңгерім", "state": "open", "reason": None}
    assert snapshot["language"] == "kk"
    assert snapshot["messages"] == []
    assert {"call", "data", "account", "owner", "brand", "number"} <= snapshot.keys()
