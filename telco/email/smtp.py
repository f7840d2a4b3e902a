"""The mail server, by SMTP: translates between messages and the server's answers, decides nothing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import aiosmtplib

from telco.email import rules
from telco.email.model import Answer, Stage, Verdict
from telco.email.settings import EmailSettings, Security

MAX_ERROR = 300
"""Characters of a server's words that are kept."""


class Session(Protocol):
    """An open conversation with a mail server."""

    async def send(self, sender: str, recipient: str, message: bytes) -> Answer: ...


class NoServerError(Exception):
    """No conversation came about."""


class MailServer(Protocol):
    """Where mail is handed over."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Begin a conversation.

        Raises:
            NoServerError: unreachable, without TLS, or it refuses our login.
        """


class SmtpServer:
    """A mail server that is spoken to by SMTP."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        given = self._settings
        client = aiosmtplib.SMTP(
            hostname=given.host,
            port=given.port,
            username=given.username,
            password=given.password.get_secret_value() if given.password else None,
            timeout=given.timeout_s,
            use_tls=given.security is Security.TLS,
            start_tls=given.security is Security.STARTTLS,
        )
        try:
            await client.connect()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            raise NoServerError(words(error)) from error
        try:
            yield _SmtpSession(client)
        finally:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                await client.quit()
            client.close()


class _SmtpSession:
    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client

    async def send(self, sender: str, recipient: str, message: bytes) -> Answer:
        """Hand one message over; after a lost connection nobody knows whether it was taken, so it counts as not."""
        try:
            await self._client.sendmail(sender, [recipient], message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            refused = error.recipients[0]
            return Answer(rules.verdict(Stage.RECIPIENT, refused.code), words(refused))
        except aiosmtplib.SMTPSenderRefused as error:
            return Answer(rules.verdict(Stage.SENDER, error.code), words(error))
        except aiosmtplib.SMTPResponseException as error:
            return Answer(rules.verdict(Stage.CONTENT, error.code), words(error))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return Answer(Verdict.NO_SERVER, words(error))
        return Answer(Verdict.SENT)


def words(error: BaseException) -> str:
    """What is kept of a failure: the server's code and words, on one line."""
    code = getattr(error, "code", None)
    said = getattr(error, "message", None) or str(error) or type(error).__name__
    text = f"{code} {said}" if code is not None else f"{type(error).__name__}: {said}"
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_ERROR]
