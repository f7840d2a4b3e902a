"""Frozen types and states of outgoing e-mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, NewType

EmailId = NewType("EmailId", int)


class EmailState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    """A mail server has taken it; whether it was read nobody knows."""
    FAILED = "failed"
    """Refused for good, or its time was over."""


class Attachment(NamedTuple):
    """A file that goes with a message."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class OutgoingEmail:
    """A message to one reader, in plain text."""

    recipient: str
    subject: str
    body: str
    reference: str
    """What it is about: ``subscriber:42``."""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredEmail:
    """A message as it is kept; `attempts` counts those with the one in hand."""

    email_id: EmailId
    email: OutgoingEmail
    state: EmailState
    attempts: int
    created_at: datetime
    valid_until: datetime
    last_error: str | None


class Stage(StrEnum):
    """How far the conversation with the mail server had come."""

    CONNECTION = "connection"
    """Connecting, TLS, logging in."""
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


class Verdict(StrEnum):
    """What an answer of the mail server means for a message."""

    SENT = "sent"
    LATER = "later"
    """The server cannot take this message now."""
    NO_SERVER = "no_server"
    """The server takes nothing now, or our settings are wrong: no fault of the message."""
    REFUSED = "refused"
    """It will never be taken."""


class Answer(NamedTuple):
    """What became of an attempt, with the server's words."""

    verdict: Verdict
    error: str | None = None


class Sent(NamedTuple):
    """What a round of the sender did."""

    sent: int = 0
    later: int = 0
    failed: int = 0

    def __add__(self, other: object) -> Sent:
        if not isinstance(other, Sent):
            return NotImplemented
        return Sent(self.sent + other.sent, self.later + other.later, self.failed + other.failed)
