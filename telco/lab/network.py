"""The simulated network: what happens when a phone's button is pressed.

Service numbers and USSD go to the service over SMPP, through the message centre. Everything that costs money asks the
charging service first, over HTTP. The phone is then told what happened; the network decides nothing about money.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, Protocol
from uuid import uuid4

import structlog

from telco.kernel.clock import Clock
from telco.kernel.i18n import Language
from telco.kernel.msisdn import Msisdn, MsisdnFormatError, parse_msisdn
from telco.lab.accounts import Accounts
from telco.lab.feed import Change, Feed
from telco.lab.handset import (
    Call,
    CallState,
    DataUse,
    Dialogue,
    DialogueState,
    Handset,
    Message,
    MessageState,
    Technology,
)
from telco.lab.service import ServiceClient, ServiceRefusedError, ServiceUnreachableError, Usage
from telco.lab.usage import INSTANT, REFUSED, UNAVAILABLE, Progress, Session
from telco.sms.text import split

USSD_PATIENCE_S: Final = 30.0
"""How long a gateway waits for the service's answer to a step of a dialogue."""
TALK_PACE: Final = 20.0
"""Seconds of talk in a real second, on the page."""
LEAST_DATA_PACE: Final = 15_000_000
"""Bytes in a real second, on the page; more than this for large volumes, so that they end within `DATA_SECONDS`."""
DATA_SECONDS: Final = 6
MAX_TALK_S: Final = 24 * 3600
MAX_DATA_BYTES: Final = 100_000_000_000
MAX_SMS_CHARACTERS: Final = 1_000
MAX_USSD_CHARACTERS: Final = 182
STOP_PATIENCE_S: Final = 0.8
"""How long sessions in progress may take to report their last use when the network stops."""

_GENERATIONS = {Technology.LTE: 4, Technology.UMTS: 3}
_MAX_SERVICE_NUMBER_DIGITS = 6
_KEYS = re.compile(r"[*#][0-9*#+]+")
"""What the keys of a phone can dial."""
_BUSY = "busy"

log = structlog.get_logger(__name__)


class BadRequestError(Exception):
    """What was typed cannot be sent: no number, no text, or too much of it."""

    code = "bad_request"


class PhoneBusyError(Exception):
    """The phone already has a dialogue, a call or a data connection of this kind."""

    code = "phone_busy"


class UnknownPhoneError(Exception):
    """No such phone in the lab."""

    code = "unknown_phone"


class MessageCentre(Protocol):
    """The operator's SMSC as the lab's handsets see it."""

    def switched_on(self, phone: str) -> None:
        """Learn that a phone is on: what waits for it is delivered."""

    async def submit(self, source: str, destination: str, text: str) -> None:
        """Take a message for a service number; it is the service's when this returns."""

    async def begin_ussd(self, source: str, code: str) -> None:
        """Dial a code; the answer comes by `Network.ussd_answered`."""

    async def answer_ussd(self, source: str, text: str) -> None:
        """Answer the page on the screen."""

    async def end_ussd(self, source: str) -> None:
        """Hang up on the dialogue."""


def cost_text(cost: Decimal) -> str:
    """Write tenge as the handset shows them: two decimals."""
    return f"{cost:.2f}"


class Network:
    """Handsets, the message centre they are attached to, and the charging service behind it."""

    def __init__(
        self,
        centre: MessageCentre,
        service: ServiceClient,
        clock: Clock,
        feed: Feed,
        *,
        instant: bool = False,
    ) -> None:
        """Compose a network.

        Args:
            centre: the SMSC, already listening.
            service: client of the service; open while the network is.
            instant: talk and traffic take no time.
        """
        self.feed = feed
        self._centre = centre
        self._service = service
        self._clock = clock
        self.instant = instant
        """May be changed at any time; what runs goes on at its pace."""
        self._handsets: dict[str, Handset] = {}
        self._talks: dict[str, Session] = {}
        self._downloads: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._metered: set[asyncio.Task[None]] = set()
        self._boot = uuid4().hex[:12]
        self._events = 0
        self.accounts = Accounts(service, feed, self._handsets)

    # ---- phones ----

    def attach(self, number: Msisdn, *, owner: str, brand: str, language: Language) -> Handset:
        """Put a phone with a new SIM on the network."""
        handset = Handset(number, owner=owner, brand=brand, language=language, tell=self.feed.publish)
        self._handsets[number] = handset
        self._tell_phones()
        self._centre.switched_on(number)
        self.accounts.refresh(number)
        return handset

    def detach(self, number: str) -> None:
        """Switch a phone off: messages wait for it at the message centre.

        Raises:
            UnknownPhoneError: it is not in the lab.
        """
        self.phone(number)
        del self._handsets[number]
        self._tell_phones()

    def _tell_phones(self) -> None:
        self.feed.publish(Change("", "handsets", list(self._handsets)))

    def phone(self, number: str) -> Handset:
        """Return a phone.

        Raises:
            UnknownPhoneError: it is not in the lab.
        """
        try:
            return self._handsets[number]
        except KeyError:
            raise UnknownPhoneError(number) from None

    @property
    def phones(self) -> list[Handset]:
        return list(self._handsets.values())

    async def stop(self) -> None:
        """End calls and data connections as their owners would, then everything else."""
        for session in (*self._talks.values(), *self._downloads.values()):
            session.stop()
        await self.accounts.stop()
        if self._metered:
            await asyncio.wait(self._metered, timeout=STOP_PATIENCE_S)
        await cancel_all(self._tasks | self._metered)

    # ---- short messages ----

    def send_sms(self, number: str, to: str, text: str) -> Message:
        """Send a message from a phone: to a service number over SMPP, to a subscriber after it was charged.

        Raises:
            BadRequestError: no number, or no text, or too much.
        """
        phone = self.phone(number)
        peer = _peer(to)
        if not 1 <= len(text) <= MAX_SMS_CHARACTERS:
            raise BadRequestError(text[:20])
        message = phone.write(peer, text, self._clock.now())
        self._spawn(self._carry_sms(phone, message))
        return message

    async def _carry_sms(self, phone: Handset, message: Message) -> None:
        if is_service_number(message.peer):
            await self._submit_sms(phone, message)
        else:
            await self._charge_sms(phone, message)
        self.accounts.refresh(phone.number)

    async def _submit_sms(self, phone: Handset, message: Message) -> None:
        """Hand a message for a service number to the service."""
        try:
            await self._centre.submit(phone.number, message.peer, message.text)
        except (OSError, TimeoutError) as error:
            log.warning("lab_sms_not_accepted", source=phone.number, error=str(error))
            phone.settle(message, MessageState.FAILED, reason=UNAVAILABLE)
        else:
            phone.settle(message, MessageState.SENT)

    async def _charge_sms(self, phone: Handset, message: Message) -> None:
        """Charge a message between subscribers, then deliver it. Refused is not delivered, and the sender is told."""
        parts = len(split(message.text).parts)
        usage = Usage(self._request_id("sms"), phone.number, "sms", other=message.peer, requested=parts)
        try:
            grant = await self._service.event(usage)
        except ServiceUnreachableError:
            phone.settle(message, MessageState.FAILED, reason=UNAVAILABLE)
            return
        except ServiceRefusedError as refused:
            log.warning("lab_sms_refused", status=refused.status, code=refused.code)
            phone.settle(message, MessageState.FAILED, reason=REFUSED)
            return
        if not grant.given:
            phone.settle(message, MessageState.FAILED, reason=grant.result)
            return
        phone.settle(message, MessageState.SENT, cost=cost_text(grant.cost))
        if other := self._handsets.get(message.peer):
            other.receive(phone.number, message.text, self._clock.now())

    def sms_delivered(self, source: str, destination: str, text: str) -> bool:
        """Take a message of the service's for a phone; False when the phone is not in the lab."""
        phone = self._handsets.get(destination)
        if phone is None:
            return False
        phone.receive(source, text, self._clock.now())
        self.accounts.refresh(phone.number)
        return True

    # ---- USSD ----

    def dial(self, number: str, code: str) -> None:
        """Dial a USSD code.

        Raises:
            BadRequestError: not a code.
            PhoneBusyError: a dialogue is on the screen.
        """
        phone = self.phone(number)
        code = code.strip()
        if _KEYS.fullmatch(code) is None or len(code) > MAX_USSD_CHARACTERS:
            raise BadRequestError(code[:20])
        if phone.dialogue is not None and phone.dialogue.state is not DialogueState.CLOSED:
            raise PhoneBusyError(number)
        phone.show(Dialogue(code, "", DialogueState.WAITING))
        self._spawn(self._step(phone, self._centre.begin_ussd(number, code)))

    def answer(self, number: str, text: str) -> None:
        """Answer the page on the phone's screen.

        Raises:
            BadRequestError: no text, or too long.
            PhoneBusyError: no page waits for an answer.
        """
        phone = self.phone(number)
        if not 1 <= len(text) <= MAX_USSD_CHARACTERS:
            raise BadRequestError(text[:20])
        if phone.dialogue is None or phone.dialogue.state is not DialogueState.OPEN:
            raise PhoneBusyError(number)
        phone.show(replace(phone.dialogue, text="", state=DialogueState.WAITING))
        self._spawn(self._step(phone, self._centre.answer_ussd(number, text)))

    def close_dialogue(self, number: str) -> None:
        """Clear the screen; a live dialogue ends."""
        phone = self.phone(number)
        dialogue = phone.dialogue
        phone.show(None)
        if dialogue is not None and dialogue.state is not DialogueState.CLOSED:
            self._spawn(self._quietly(self._centre.end_ussd(number)))

    async def _step(self, phone: Handset, sending: Coroutine[Any, Any, None]) -> None:
        """Send one step of a dialogue and watch that it is answered in time."""
        waiting = phone.dialogue
        try:
            await sending
        except (OSError, TimeoutError):
            self._fail_dialogue(phone, waiting, UNAVAILABLE)
            return
        await asyncio.sleep(USSD_PATIENCE_S)
        self._fail_dialogue(phone, waiting, "no_answer")

    @staticmethod
    def _fail_dialogue(phone: Handset, waiting: Dialogue | None, reason: str) -> None:
        if waiting is not None and phone.dialogue is waiting:
            phone.show(replace(waiting, state=DialogueState.CLOSED, reason=reason))

    @staticmethod
    async def _quietly(sending: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            await sending

    def ussd_answered(self, number: str, text: str, *, more: bool) -> None:
        """Show the service's page; `more` asks for an answer."""
        phone = self._handsets.get(number)
        if phone is None or phone.dialogue is None:
            return  # the owner has hung up
        state = DialogueState.OPEN if more else DialogueState.CLOSED
        phone.show(replace(phone.dialogue, text=text, state=state))
        self.accounts.refresh(phone.number)

    # ---- calls ----

    def call(self, number: str, to: str, seconds: int) -> None:
        """Call somebody and talk for `seconds` of simulated time.

        Raises:
            BadRequestError: no number, or an absurd length.
            PhoneBusyError: the phone is in a call.
        """
        phone = self.phone(number)
        peer = _peer(to)
        if not 1 <= seconds <= MAX_TALK_S or peer == number:
            raise BadRequestError(to[:20])
        if _in_call(phone):
            raise PhoneBusyError(number)
        phone.ring(Call(peer, True, CallState.DIALLING, self._clock.now()))
        self._spawn(self._talk(phone, self._handsets.get(peer), seconds), self._metered)

    async def _talk(self, caller: Handset, callee: Handset | None, seconds: int) -> None:
        call = caller.call
        assert call is not None
        if callee is not None and _in_call(callee):
            caller.ring(replace(call, state=CallState.ENDED, reason=_BUSY))
            return
        answering = Call(caller.number, False, CallState.TALKING, self._clock.now())

        def show(progress: Progress) -> None:
            caller.ring(replace(call, state=CallState.TALKING, seconds=progress.used, cost=cost_text(progress.cost)))
            if callee is not None:
                callee.ring(replace(answering, seconds=progress.used))

        usage = Usage(self._request_id("voice"), caller.number, "voice", other=call.peer)
        session = Session(self._service, usage, wanted=seconds, pace=INSTANT if self.instant else TALK_PACE, show=show)
        self._talks[caller.number] = session
        if callee is not None:
            self._talks[callee.number] = session
        try:
            ended = await session.run()
        finally:
            for party in (caller, callee):
                if party is not None:
                    self._talks.pop(party.number, None)
        used, cost = ended.progress.used, cost_text(ended.progress.cost)
        reason = None if ended.reason == "stopped" else ended.reason
        caller.ring(
            replace(call, state=CallState.ENDED, seconds=used, cost=cost if ended.begun else None, reason=reason)
        )
        if callee is not None and ended.begun:
            callee.ring(replace(answering, state=CallState.ENDED, seconds=used))
        self.accounts.refresh(caller.number)

    def hang_up(self, number: str) -> None:
        """End the phone's call, or clear the one that ended."""
        phone = self.phone(number)
        if session := self._talks.get(number):
            session.stop()
        elif phone.call is not None and phone.call.state is CallState.ENDED:
            phone.ring(None)

    # ---- data ----

    def use_data(self, number: str, size_bytes: int, technology: Technology) -> None:
        """Transfer `size_bytes` over a data connection.

        Raises:
            BadRequestError: an absurd size.
            PhoneBusyError: the phone already transfers something.
        """
        phone = self.phone(number)
        if not 1 <= size_bytes <= MAX_DATA_BYTES:
            raise BadRequestError(str(size_bytes))
        if phone.data is not None and phone.data.running:
            raise PhoneBusyError(number)
        phone.meter(DataUse(technology, size_bytes, 0, running=True))
        self._spawn(self._transfer(phone, size_bytes, technology), self._metered)

    async def _transfer(self, phone: Handset, size_bytes: int, technology: Technology) -> None:
        data = DataUse(technology, size_bytes, 0, running=True)

        def show(progress: Progress) -> None:
            phone.meter(replace(data, used_bytes=progress.used, cost=cost_text(progress.cost)))

        usage = Usage(self._request_id("data"), phone.number, "data", access=_GENERATIONS[technology])
        pace = INSTANT if self.instant else max(LEAST_DATA_PACE, size_bytes / DATA_SECONDS)
        session = Session(self._service, usage, wanted=size_bytes, pace=pace, show=show)
        self._downloads[phone.number] = session
        try:
            ended = await session.run()
        finally:
            self._downloads.pop(phone.number, None)
        used, cost = ended.progress.used, cost_text(ended.progress.cost)
        phone.meter(replace(data, used_bytes=used, running=False, cost=cost, reason=ended.reason))
        self.accounts.refresh(phone.number)

    def stop_data(self, number: str) -> None:
        """Cut the phone's data connection."""
        self.phone(number)
        if session := self._downloads.get(number):
            session.stop()

    # ---- inside ----

    def _request_id(self, kind: str) -> str:
        """Name a charging request: unique over restarts of the lab."""
        self._events += 1
        return f"lab-{self._boot}-{kind}-{self._events}"

    def _spawn(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]] | None = None) -> None:
        kept = self._tasks if tasks is None else tasks
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        kept.add(task)
        task.add_done_callback(kept.discard)

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("lab_failure")


def is_service_number(number: str) -> bool:
    """Tell a service number (short code) from a subscriber's."""
    return number.isdigit() and len(number) <= _MAX_SERVICE_NUMBER_DIGITS


def _peer(typed: str) -> str:
    """Read who is meant: a service number as it is, anything else in E.164.

    Raises:
        BadRequestError: neither.
    """
    digits = typed.strip().replace(" ", "")
    if digits.isascii() and is_service_number(digits):
        return digits
    try:
        return parse_msisdn(typed)
    except MsisdnFormatError as error:
        raise BadRequestError(typed[:20]) from error


def _in_call(phone: Handset) -> bool:
    return phone.call is not None and phone.call.state is not CallState.ENDED


async def cancel_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
