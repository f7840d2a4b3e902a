"""USSD over SMPP: a gateway's dialect into steps of a dialogue, and pages back over the same link.

Nothing is stored: a dialogue lives for seconds and its user is looking at the screen. What a dialogue remembers is the
handler's business.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import structlog

from telco.kernel.msisdn import Msisdn
from telco.sms import metrics
from telco.sms.limits import SenderLimits
from telco.sms.model import UssdHandler, UssdOp, UssdReply, UssdRequest
from telco.sms.receiver import sender_of
from telco.sms.settings import SmsSettings, UssdDialect
from telco.sms.smpp.codec import number
from telco.sms.smpp.pdu import Message, Status, Tag
from telco.sms.smpp.session import Answer, Session
from telco.sms.text import USSD_OCTETS, alphabet_of, decode, encode, fit

log = structlog.get_logger(__name__)


class UssdToken(NamedTuple):
    """Marks a page on its way, for the SMSC's answer to it."""

    session_id: str


class UssdGate:
    """Answers the USSD requests of all links."""

    def __init__(self, settings: SmsSettings, limits: SenderLimits, handler: UssdHandler) -> None:
        self._settings = settings
        self._limits = limits
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = True

    def speaks(self, message: Message) -> bool:
        """Whether a deliver_sm is a step of a dialogue."""
        return Tag.USSD_SERVICE_OP in message.tlvs or message.service_type == self._settings.ussd.service_type

    def take(self, session: Session, sequence: int, message: Message) -> None:
        """Take a step; it is acknowledged when its sender is within the limit, and answered in time or not at all."""
        if not self._accepting or len(self._tasks) >= self._settings.max_dialogues:
            metrics.USSD.labels("throttled").inc()
            session.respond(sequence, Status.RTHROTTLED)
            return
        task = asyncio.get_running_loop().create_task(self._serve(session, sequence, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def answered(self, token: UssdToken, answer: Answer) -> None:
        """Learn whether the gateway took a page; one that it did not take is not shown again."""
        if answer.status != Status.ROK:
            metrics.USSD.labels("not_shown").inc()
            log.info("ussd_page_refused", session_id=token.session_id, status=answer.status)

    async def drain(self) -> None:
        """Refuse new steps and finish those begun."""
        self._accepting = False
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, session: Session, sequence: int, message: Message) -> None:
        request = read_request(message, self._settings, session.name)
        if request is None:
            metrics.USSD.labels("unreadable").inc()
            session.respond(sequence, Status.RX_P_APPN)
            return
        if not (await self._limits.allow([request.msisdn]))[0]:
            metrics.USSD.labels("limited").inc()
            session.respond(sequence, Status.RX_R_APPN)
            return
        session.respond(sequence, Status.ROK)
        if request.service_op is None:
            return
        reply = await self._ask(request.request(request.service_op))
        if reply is not None:
            page = write_reply(message, reply, self._settings.ussd)
            session.send(page, UssdToken(request.session_id))
            metrics.USSD.labels("answered").inc()

    async def _ask(self, request: UssdRequest) -> UssdReply | None:
        try:
            async with asyncio.timeout(self._settings.ussd_answer_s):
                return await self._handler(request)
        except TimeoutError:
            metrics.USSD.labels("late").inc()
            log.warning("ussd_handler_late", session_id=request.session_id)
        except Exception:
            metrics.USSD.labels("failed").inc()
            log.exception("ussd_handler_failed", session_id=request.session_id)
        return None


class _Step(NamedTuple):
    """What a deliver_sm says of a dialogue; `service_op` None is a confirmation that needs no answer."""

    session_id: str
    msisdn: Msisdn
    text: str
    service_op: UssdOp | None
    link: str

    def request(self, service_op: UssdOp) -> UssdRequest:
        return UssdRequest(self.session_id, self.msisdn, self.text, service_op, self.link)


def read_request(message: Message, settings: SmsSettings, link: str) -> _Step | None:
    """Read a step in the gateway's dialect; None when it is not text from a number or its operation is unknown."""
    dialect = settings.ussd
    msisdn, known = sender_of(message.source)
    text = decode(message.body, alphabet_of(message.data_coding, settings.default_alphabet))
    if not known or text is None:
        return None
    tag = message.tlvs.get(dialect.session_tag)
    dialogue, over = "", False
    if tag is not None:
        value = int.from_bytes(tag, "big")
        dialogue = str(value >> 1 if dialect.session_has_end_bit else value)
        over = dialect.session_has_end_bit and bool(value & 1)
    code = number(message.tlvs, Tag.USSD_SERVICE_OP)
    session_id = f"{link}:{msisdn}:{dialogue}"
    if code in dialect.confirm:
        return _Step(session_id, Msisdn(msisdn), text, UssdOp.END if over else None, link)
    service_op = _operation(code, text, over, dialect)
    return None if service_op is None else _Step(session_id, Msisdn(msisdn), text, service_op, link)


def _operation(code: int | None, text: str, over: bool, dialect: UssdDialect) -> UssdOp | None:
    if code is None:  # a gateway that names only the service type: a dialled code begins
        return UssdOp.BEGIN if text.startswith("*") else UssdOp.CONTINUE
    if code in dialect.begin:
        return UssdOp.BEGIN
    if code in dialect.end or (over and code in dialect.proceed):
        return UssdOp.END
    return UssdOp.CONTINUE if code in dialect.proceed else None


def write_reply(request: Message, reply: UssdReply, dialect: UssdDialect) -> Message:
    """Write a page to the user of `request`; what does not fit a USSD string is cut."""
    coding, text = fit(reply.text, USSD_OCTETS)
    if len(text) < len(reply.text):
        log.warning("ussd_page_cut", characters=len(reply.text), shown=len(text))
    tlvs: dict[int, bytes] = {Tag.USSD_SERVICE_OP: bytes((dialect.ask if reply.more else dialect.finish,))}
    session = request.tlvs.get(dialect.session_tag)
    if session is not None:
        if dialect.session_has_end_bit and session:
            session = session[:-1] + bytes((session[-1] & 0xFE | (not reply.more),))
        tlvs[dialect.session_tag] = session
    return Message(
        request.destination,
        request.source,
        encode(text, coding),
        int(coding),
        service_type=dialect.service_type,
        tlvs=tlvs,
    )
