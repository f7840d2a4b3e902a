"""What passes between the SMS transport and those who answer: messages, dialogues, and how they are sent.

The transport knows numbers, texts and links; it decides nothing about subscribers. A handler gets an `Inbound` that is
already stored, and returns the rendered answer; the transport stores the answer together with the mark that the inbound
is processed, and sends it once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from telco.kernel.msisdn import Msisdn


class OutboundKind(StrEnum):
    """Why a message is sent; also its rank: replies go before notices, notices before bulk."""

    REPLY = "reply"
    NOTICE = "notice"
    BULK = "bulk"


RANK: dict[OutboundKind, int] = {OutboundKind.REPLY: 0, OutboundKind.NOTICE: 1, OutboundKind.BULK: 2}
"""The order in which waiting messages leave; also the `rank` column of sms.outbound."""


class OutboundState(StrEnum):
    """Where one submit_sm stands.

    QUEUED waits for a link. SENDING is committed before its bytes go out. ACCEPTED has the SMSC's message id. The
    rest are final; UNKNOWN means that the bytes may have gone out and no answer came: it is never sent again.
    """

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class InboundState(StrEnum):
    """Where one received message stands; every state but STORED is final."""

    STORED = "stored"
    PROCESSED = "processed"
    LIMITED = "limited"  # over its sender's limit: kept, not served
    IGNORED = "ignored"  # binary data or a sender that is not a number: nothing to serve
    FAILED = "failed"  # the handler failed on it repeatedly


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message that no inbound asked for; the second with the same `dedupe_key` is not sent."""

    to: Msisdn
    text: str
    sender: str
    kind: OutboundKind
    dedupe_key: str | None
    valid_for: timedelta
    not_before: datetime | None = None
    """When it is to leave, from which it is valid, and never at night; None for at once, at any hour."""
    about: str | None = None
    """What it says something about; while it waits it can be withdrawn by this, with all others about the same."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A whole message from a handset, stored; `message_id` is stable across restarts, so it can key idempotency."""

    message_id: int
    source: Msisdn
    destination: str
    text: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """The rendered answer to an `Inbound`, of any length. It leaves from the number that was written to."""

    text: str
    valid_for: timedelta | None = None
    """How long the answer is worth delivering; None takes the service's default for replies."""


class UssdOp(IntEnum):
    """What the user did in a USSD dialogue, in any vendor's dialect."""

    BEGIN = 1
    CONTINUE = 2
    END = 3


@dataclass(frozen=True, slots=True)
class UssdRequest:
    """One step of a USSD dialogue. `session_id` is the same for all steps of a dialogue and unique among live ones."""

    session_id: str
    msisdn: Msisdn
    text: str
    service_op: UssdOp
    link: str


@dataclass(frozen=True, slots=True)
class UssdReply:
    """A page of a dialogue; `more` keeps the dialogue open for the user's next answer."""

    text: str
    more: bool


SmsHandler = Callable[[Inbound], Awaitable[Reply | None]]
"""Answers a stored message; None means that nothing is to be sent.

It may be called again with the same `message_id` after a crash, so its effects are keyed by it.
"""

UssdHandler = Callable[[UssdRequest], Awaitable[UssdReply | None]]
"""Answers a step of a dialogue; None (to an END) sends nothing."""
