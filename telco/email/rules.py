"""The rules of outgoing e-mail as pure functions: what may be sent, what an answer means, when it is tried again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from telco.email.errors import EmailAddressError, EmailContentError
from telco.email.model import Attachment, OutgoingEmail, Stage, StoredEmail, Verdict

MAX_SUBJECT = 200
MAX_BODY = 20_000
MAX_NAME = 100
MAX_ATTACHMENTS = 10
MAX_ATTACHED_BYTES = 10_000_000
"""Of all attachments together: what most mailboxes take once it is encoded."""
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=4)
_DOUBLINGS = 10

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_CONTENT_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")

_SETTINGS = frozenset({421, 454, 530, 534, 535, 538})
"""Answers about the server or our login, at whatever stage they come (RFC 5321, RFC 4954)."""
_TOO_LARGE = 552


def recipient(address: str) -> str:
    """Return an address as servers everywhere take it: a name in ASCII, a domain in its ASCII form.

    Raises:
        EmailAddressError: anything else, control characters and further addresses among it.
    """
    local, at, domain = address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise EmailAddressError from None
    written = f"{local}@{ascii_domain}"
    if not at or len(local) > 64 or len(written) > 254:
        raise EmailAddressError
    if _LOCAL.fullmatch(local) is None or _DOMAIN.fullmatch(ascii_domain) is None:
        raise EmailAddressError
    return written


def masked(address: str) -> str:
    """Write an address so that its owner knows it again and nobody else learns it: a***@example.kz."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"


def check(email: OutgoingEmail) -> OutgoingEmail:
    """Return a message that can be sent, with its recipient as `recipient` writes it.

    A line break in a header begins another header, so none gets that far; what a header cannot carry is refused here,
    before it is stored.

    Raises:
        EmailAddressError, EmailContentError
    """
    if not 0 < len(email.subject) <= MAX_SUBJECT or not email.subject.isprintable():
        raise EmailContentError(why=f"its subject is 1 to {MAX_SUBJECT} printable characters")
    if not 0 < len(email.body) <= MAX_BODY or "\0" in email.body:
        raise EmailContentError(why=f"its text is 1 to {MAX_BODY} characters")
    if not email.reference.isprintable():
        raise EmailContentError(why="its reference is printable")
    _check_attachments(email.attachments)
    return OutgoingEmail(recipient(email.recipient), email.subject, email.body, email.reference, email.attachments)


def _check_attachments(attachments: Sequence[Attachment]) -> None:
    if len(attachments) > MAX_ATTACHMENTS:
        raise EmailContentError(why=f"it has more than {MAX_ATTACHMENTS} attachments")
    if sum(len(attachment.data) for attachment in attachments) > MAX_ATTACHED_BYTES:
        raise EmailContentError(why=f"its attachments are larger than {MAX_ATTACHED_BYTES // 1_000_000} MB")
    for name, content_type, _ in attachments:
        if not 0 < len(name) <= MAX_NAME or not name.isprintable() or set(name) & set('/\\"'):
            raise EmailContentError(why=f"an attachment's name is 1 to {MAX_NAME} characters, without a path")
        if _CONTENT_TYPE.fullmatch(content_type) is None:
            raise EmailContentError(why="an attachment's type is like application/pdf")


def mime(stored: StoredEmail, sender: str, sender_name: str) -> bytes:
    """Write a message as it is sent.

    Its Message-ID is made from our number: a reader's server that gets it twice, because an answer was lost, can tell.
    """
    email = stored.email
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(sender_name, addr_spec=sender)
    message["To"] = Address(addr_spec=email.recipient)
    message["Subject"] = email.subject
    message["Date"] = format_datetime(stored.created_at)
    message["Message-ID"] = f"<telco.{stored.email_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(email.body, cte="base64")
    for name, content_type, data in email.attachments:
        main, _, sub = content_type.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return message.as_bytes()


def verdict(stage: Stage, code: int) -> Verdict:
    """Say what a mail server's refusal means: by its code and by how far the message had come (RFC 5321, 4.2.1).

    A refused login or sender is our settings' fault: every message waits, and the log says so. Of the message itself
    4xx means later and 5xx never.
    """
    if stage is Stage.CONNECTION or code in _SETTINGS:
        return Verdict.NO_SERVER
    if stage is Stage.SENDER and code != _TOO_LARGE:
        return Verdict.NO_SERVER
    return Verdict.REFUSED if 500 <= code < 600 else Verdict.LATER


def next_try(now: datetime, attempts: int) -> datetime:
    """When a message that was tried `attempts` times is tried again: after 1, 2, 4 ... minutes, at most 4 hours."""
    doublings = min(max(attempts - 1, 0), _DOUBLINGS)
    return now + min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
