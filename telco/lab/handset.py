"""A phone: its number, its messages, the USSD dialogue on its screen, its call and its data connection.

The handset is only what its owner sees. It decides nothing about money: the network tells it what happened, and every
change is told on to the lab's feed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic_core import to_jsonable_python

from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn
from telco.lab.feed import Change

MAX_MESSAGES: Final = 200
"""Messages a phone keeps; the oldest go first."""


class MessageState(StrEnum):
    """Where a short message is."""

    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class Message:
    """A short message on the phone. `cost` is in tenge with two decimals, `reason` the code of a refusal."""

    message_id: int
    peer: str
    text: str
    at: datetime
    state: MessageState
    cost: str | None = None
    reason: str | None = None


class DialogueState(StrEnum):
    """Whose turn it is in a USSD dialogue."""

    WAITING = "waiting"
    """The network's: the phone shows that it is connecting."""
    OPEN = "open"
    """The owner's: the text asks for an answer."""
    CLOSED = "closed"
    """Nobody's: the text is the last one."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """The USSD dialogue on the screen. `reason` is the code of a failure that ended it without a text."""

    dialled: str
    text: str
    state: DialogueState
    reason: str | None = None


class CallState(StrEnum):
    """Where a call is."""

    DIALLING = "dialling"
    TALKING = "talking"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Call:
    """A call in progress or just ended. Duration in seconds of simulated talk; `cost` in tenge, for the caller only."""

    peer: str
    outgoing: bool
    state: CallState
    started_at: datetime
    seconds: int = 0
    cost: str | None = None
    reason: str | None = None


class Technology(StrEnum):
    """Access technology of a data connection."""

    LTE = "4G"
    UMTS = "3G"


@dataclass(frozen=True, slots=True)
class DataUse:
    """A data connection in use or just ended, sizes in bytes, `cost` in tenge."""

    technology: Technology
    wanted_bytes: int
    used_bytes: int
    running: bool
    cost: str | None = None
    reason: str | None = None


class Handset:
    """One phone with its SIM."""

    def __init__(
        self, number: Msisdn, *, owner: str, brand: str, language: Language, tell: Callable[[Change], None]
    ) -> None:
        self.number = number
        self.owner = owner
        self.brand = brand
        self.language = language
        self.dialogue: Dialogue | None = None
        self.call: Call | None = None
        self.data: DataUse | None = None
        self.account: dict[str, Any] | None = None
        self._messages: OrderedDict[int, Message] = OrderedDict()
        self._last_message_id = 0
        self._tell = tell

    @property
    def messages(self) -> list[Message]:
        """The phone's messages, oldest first."""
        return list(self._messages.values())

    def receive(self, sender: str, text: str, at: datetime) -> Message:
        """A message arrived."""
        return self._keep(sender, text, at, MessageState.RECEIVED)

    def write(self, to: str, text: str, at: datetime) -> Message:
        """The owner pressed send; `settle` says later how it went."""
        return self._keep(to, text, at, MessageState.SENDING)

    def settle(
        self, message: Message, state: MessageState, *, cost: str | None = None, reason: str | None = None
    ) -> Message:
        """Note how a written message went."""
        settled = replace(message, state=state, cost=cost, reason=reason)
        if message.message_id in self._messages:
            self._messages[message.message_id] = settled
        self._changed("message", settled)
        return settled

    def _keep(self, peer: str, text: str, at: datetime, state: MessageState) -> Message:
        self._last_message_id += 1
        message = Message(self._last_message_id, peer, text, at, state)
        self._messages[message.message_id] = message
        while len(self._messages) > MAX_MESSAGES:
            self._messages.popitem(last=False)
        self._changed("message", message)
        return message

    def show(self, dialogue: Dialogue | None) -> None:
        """Put a USSD dialogue on the screen, or clear it."""
        self.dialogue = dialogue
        self._changed("dialogue", dialogue)

    def ring(self, call: Call | None) -> None:
        """Show the call's new state."""
        self.call = call
        self._changed("call", call)

    def meter(self, data: DataUse) -> None:
        """Show what the data connection has used."""
        self.data = data
        self._changed("data", data)

    def show_account(self, account: dict[str, Any]) -> None:
        """Show the owner's money, when it differs from what is shown."""
        if account != self.account:
            self.account = account
            self._changed("account", account)

    def snapshot(self) -> dict[str, Any]:
        """Everything on the phone, as JSON."""
        snapshot: dict[str, Any] = to_jsonable_python(
            {
                "number": self.number,
                "owner": self.owner,
                "brand": self.brand,
                "language": self.language,
                "messages": self.messages,
                "dialogue": self.dialogue,
                "call": self.call,
                "data": self.data,
                "account": self.account,
            }
        )
        return snapshot

    def _changed(self, part: str, value: object) -> None:
        self._tell(Change(self.number, part, to_jsonable_python(value)))
