"""A person with a phone of the lab: presses buttons and waits for what comes of it, for the story and the tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from telco.lab.feed import Change, Missed
from telco.lab.handset import Call, CallState, DataUse, Dialogue, DialogueState, Message, MessageState, Technology
from telco.lab.network import Network

PATIENCE_S: Final = 20.0
"""How long a person waits for anything to happen."""


QUIET_S: Final = 0.6
"""Silence after which a person no longer expects a notice."""


class NothingHappenedError(Exception):
    """The phone did not show what was waited for."""


class User:
    """Somebody who uses one phone."""

    def __init__(self, network: Network, number: str, patience_s: float = PATIENCE_S) -> None:
        self.network = network
        self.phone = network.phone(number)
        self._patience_s = patience_s

    @property
    def number(self) -> str:
        return self.phone.number

    async def dial(self, code: str) -> Dialogue:
        """Dial a USSD code and read the page that comes."""
        async with self._watching() as until:
            self.network.dial(self.number, code)
            await until(self._page_shown, f"a page after {code}")
        return self._page()

    async def answer(self, text: str) -> Dialogue:
        """Answer the page on the screen and read the next."""
        async with self._watching() as until:
            self.network.answer(self.number, text)
            await until(self._page_shown, f"a page after {text}")
        return self._page()

    def put_away(self) -> None:
        """Clear the screen."""
        self.network.close_dialogue(self.number)

    async def send(self, to: str, text: str) -> Message:
        """Send a message and wait until the network took or refused it."""
        async with self._watching() as until:
            written = self.network.send_sms(self.number, to, text)
            await until(lambda: self._message(written).state is not MessageState.SENDING, "the message to leave")
        return self._message(written)

    async def ask(self, to: str, text: str, *, containing: str = "") -> str:
        """Send a message to a service number and read the answer, told from notices by what it contains."""
        seen = self._last_id()
        self.network.send_sms(self.number, to, text)
        return (await self.receive(to, containing=containing, after=seen)).text

    async def receive(self, sender: str | None = None, *, containing: str = "", after: int = 0) -> Message:
        """Wait for a message, which may be there already, later than the one numbered `after`."""
        async with self._watching() as until:
            await until(lambda: self._received(sender, after, containing) is not None, f"a message with {containing!r}")
        message = self._received(sender, after, containing)
        assert message is not None
        return message

    async def quiet(self, for_s: float = QUIET_S) -> None:
        """Wait until no message has come for a while: notices follow what they are about."""
        with self.network.feed.listen() as listener, contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(for_s):
                    while not _message_came(await listener.next(), self.number):
                        pass

    async def call(self, to: str, seconds: int) -> Call:
        """Call somebody and talk until it ends."""
        async with self._watching() as until:
            self.network.call(self.number, to, seconds)
            await until(
                lambda: self.phone.call is not None and self.phone.call.state is CallState.ENDED, "the call to end"
            )
        assert self.phone.call is not None
        return self.phone.call

    async def use_data(self, size_bytes: int, technology: Technology = Technology.LTE) -> DataUse:
        """Transfer something and wait until it is over."""
        async with self._watching() as until:
            self.network.use_data(self.number, size_bytes, technology)
            await until(lambda: self.phone.data is not None and not self.phone.data.running, "the transfer to end")
        assert self.phone.data is not None
        return self.phone.data

    async def account(self) -> dict[str, Any]:
        """Read the owner's money as the page shows it."""
        return await self.network.accounts.read(self.number)

    @property
    def last_message_id(self) -> int:
        """The newest message's number, for `receive(after=...)`."""
        return self._last_id()

    # ---- inside ----

    def _page_shown(self) -> bool:
        return self.phone.dialogue is not None and self.phone.dialogue.state is not DialogueState.WAITING

    def _page(self) -> Dialogue:
        assert self.phone.dialogue is not None
        return self.phone.dialogue

    def _message(self, written: Message) -> Message:
        return next(message for message in self.phone.messages if message.message_id == written.message_id)

    def _last_id(self) -> int:
        messages = self.phone.messages
        return messages[-1].message_id if messages else 0

    def _received(self, sender: str | None, after: int, containing: str = "") -> Message | None:
        for message in self.phone.messages:
            received = message.state is MessageState.RECEIVED and message.message_id > after
            if received and sender in (None, message.peer) and containing in message.text:
                return message
        return None

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[Callable[[Callable[[], bool], str], Awaitable[None]]]:
        """Listen from before a button is pressed; what is yielded waits until something has happened."""
        with self.network.feed.listen() as listener:

            async def until(happened: Callable[[], bool], what: str) -> None:
                try:
                    async with asyncio.timeout(self._patience_s):
                        while not happened():
                            await listener.next()
                except TimeoutError:
                    raise NothingHappenedError(f"{self.number} waited in vain for {what}") from None

            yield until


def _message_came(change: Change | Missed, number: str) -> bool:
    return isinstance(change, Change) and change.number == number and change.part == "message"
