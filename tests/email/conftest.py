"""A mail server on a free port, which does as it is told, and the sender before it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from telco.db.pool import Database
from telco.email.service import Email
from telco.email.settings import EmailSettings, Security
from telco.kernel.clock import ManualClock


class MailBox:
    """What the server does and has: answers to give, in turn, and messages taken."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.sender_answers: list[str] = []
        self.recipient_answers: list[str] = []
        self.content_answers: list[str] = []
        self.sessions = 0

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]) -> Any:  # noqa: N802
        session.host_name = hostname
        self.sessions += 1
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.sender_answers:
            return self.sender_answers.pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.recipient_answers and (answer := self.recipient_answers.pop(0)):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.content_answers and (answer := self.content_answers.pop(0)):
            return answer
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        return "250 taken"


class _FreePort(Controller):
    """aiosmtpd connects to its port to see that it listens; a free port is known only then."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # a library's


class Post:
    """A mail server and its address."""

    def __init__(self) -> None:
        self.box = MailBox()
        self._closed = False
        self._controller = _FreePort(self.box, hostname="127.0.0.1", port=0)

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def open(self) -> None:
        self._controller.start()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._controller.stop(no_assert=True)


@pytest.fixture
def post() -> Iterator[Post]:
    post = Post()
    post.open()
    yield post
    post.close()


def settings(port: int) -> EmailSettings:
    return EmailSettings(
        host="127.0.0.1", port=port, security=Security.NONE, sender="no-reply@kcell.example", timeout_s=5
    )


@pytest.fixture
def email(database: Database, clock: ManualClock, post: Post) -> Email:
    return Email(database, clock, settings(post.port))
