"""Outgoing e-mail: stored in the transaction that causes it, sent after its commit, tried again with growing waits.

A message is taken in hand for a while (a lease), sent, and marked, each in a transaction of its own: no network call is
made inside one. After a crash in between, the lease ends and the message is sent again under the same Message-ID.
Several machines may each have a sender; a message is in one hand only.

Contract: PSC-1.1.30
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import structlog
from prometheus_client import Counter

from telco.db import outbox
from telco.db.pool import Connection, Database
from telco.email import rules, store
from telco.email.errors import EmailOffError
from telco.email.model import Answer, EmailId, EmailState, OutgoingEmail, Sent, StoredEmail, Verdict
from telco.email.settings import EmailSettings
from telco.email.smtp import MailServer, NoServerError, Session, SmtpServer
from telco.email.store import Q
from telco.kernel.clock import Clock

BATCH = 10
"""Messages taken in hand at a time."""
LEASE = timedelta(minutes=15)
"""Longer than a batch takes: after it a message whose sender died is taken by another."""
POLL_S = 5.0
KEPT = timedelta(days=30)
"""How long messages are kept once they are done with."""
PURGE_LIMIT = 1_000

_ATTEMPTS = Counter("telco_email_attempts_total", "Attempts to send an e-mail", ["verdict"])

log = structlog.get_logger(__name__)


class Email:
    """Stores and sends messages."""

    def __init__(
        self, database: Database, clock: Clock, settings: EmailSettings, server: MailServer | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._server = server or SmtpServer(settings)
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def enabled(self) -> bool:
        """Whether the operator has set up a server and a sender's address."""
        return self._settings.enabled

    async def enqueue(self, conn: Connection, email: OutgoingEmail, *, dedupe_key: str) -> EmailId | None:
        """Store a message in the caller's transaction; None when one with this key was stored before.

        Raises:
            EmailOffError: no server is set up.
            EmailAddressError, EmailContentError
        """
        if not self.enabled:
            raise EmailOffError
        now = self._clock.now()
        valid_until = now + timedelta(hours=self._settings.valid_hours)
        return await store.add(conn, rules.check(email), dedupe_key=dedupe_key, now=now, valid_until=valid_until)

    async def find(self, dedupe_key: str) -> StoredEmail | None:
        """A message by what caused it, without its files."""
        row = await self._database.fetchrow(Q.by_key, dedupe_key)
        return None if row is None else store.to_email(row)

    # Sending

    async def start(self) -> None:
        """Begin to send, where a server is set up."""
        if self.enabled:
            self._stopping = False
            self._task = asyncio.create_task(self._run(), name="email")

    async def stop(self) -> None:
        """Finish the message in hand and stop; the others are given back."""
        if self._task is not None:
            self._stopping = True
            self._wake.set()
            await self._task
            self._task = None

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self.send_due()
            except Exception:  # the database is gone or full: sending goes on when that is over
                log.exception("email_interrupted")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_S)
            self._wake.clear()

    async def send_due(self) -> Sent:
        """Send what is due now, the oldest first, until nothing is left or the server takes nothing more."""
        done = Sent(failed=await self._expire())
        while not self._stopping:
            batch = await self._database.transact("email.claim", self._claim)
            if not batch:
                break
            served, result = await self._send(batch)
            done += result
            if not served:
                break
        return done

    async def _claim(self, conn: Connection) -> list[StoredEmail]:
        now = self._clock.now()
        return await store.claim(conn, now, now + LEASE, BATCH)

    async def _expire(self) -> int:
        async def body(conn: Connection) -> int:
            rows = await conn.fetch(Q.expire, self._clock.now(), PURGE_LIMIT)
            for row in rows:
                await self._tell_failed(conn, row["message_id"], row["reference"], row["last_error"] or "never tried")
            return len(rows)

        return await self._database.transact("email.expire", body)

    async def _send(self, batch: list[StoredEmail]) -> tuple[bool, Sent]:
        """Send a batch in one conversation; False when the server takes nothing now."""
        done = Sent()
        try:
            async with self._server.session() as session:
                for position, stored in enumerate(batch):
                    if self._stopping:
                        await self._give_back(batch[position:])
                        return False, done
                    answer = await self._hand_over(session, stored)
                    done += await self._mark(stored, answer)
                    if answer.verdict is Verdict.NO_SERVER:
                        await self._give_back(batch[position + 1 :])
                        return False, done
        except NoServerError as error:
            log.error("email_no_server", host=self._settings.host, error=str(error))
            first, *others = batch
            done += await self._mark(first, Answer(Verdict.NO_SERVER, str(error)))
            await self._give_back(others)
            return False, done
        return True, done

    async def _hand_over(self, session: Session, stored: StoredEmail) -> Answer:
        sender = self._settings.sender
        assert sender is not None  # `enabled`
        answer = await session.send(
            sender, stored.email.recipient, rules.mime(stored, sender, self._settings.sender_name)
        )
        _ATTEMPTS.labels(answer.verdict).inc()
        return answer

    async def _mark(self, stored: StoredEmail, answer: Answer) -> Sent:
        now = self._clock.now()

        async def body(conn: Connection) -> Sent:
            held = (stored.email_id, stored.attempts)
            match answer.verdict:
                case Verdict.SENT:
                    await conn.execute(Q.finish, *held, EmailState.SENT, now, None)
                    return Sent(sent=1)
                case Verdict.REFUSED:
                    if await conn.fetchval(Q.finish, *held, EmailState.FAILED, now, answer.error) is not None:
                        await self._tell_failed(conn, stored.email_id, stored.email.reference, answer.error or "")
                    return Sent(failed=1)
                case Verdict.LATER | Verdict.NO_SERVER:
                    await conn.execute(Q.postpone, *held, rules.next_try(now, stored.attempts), answer.error)
                    return Sent(later=1)

        if answer.verdict is not Verdict.SENT:
            to = rules.masked(stored.email.recipient)
            log.warning("email_not_sent", email_id=stored.email_id, to=to, verdict=answer.verdict, error=answer.error)
        return await self._database.transact("email.mark", body)

    async def _give_back(self, batch: list[StoredEmail]) -> None:
        """Let messages go that were not tried; they follow the one that was."""
        if batch:
            ids, attempts = [stored.email_id for stored in batch], [stored.attempts for stored in batch]
            await self._database.fetch(Q.give_back, ids, attempts, rules.next_try(self._clock.now(), 1))

    async def _tell_failed(self, conn: Connection, email_id: int, reference: str, error: str) -> None:
        kind, _, number = reference.partition(":")
        payload: dict[str, object] = {"email_id": email_id, "reference": reference, "error": error}
        if kind == "subscriber" and number.isdecimal():
            payload["subscriber_id"] = int(number)  # who can be told by other means
        await outbox.emit(conn, "email.failed", reference, payload, at=self._clock.now())

    async def purge(self) -> int:
        """Delete a bounded number of messages that were done with long ago, and return how many."""
        status = await self._database.transact(
            "email.purge", lambda conn: conn.execute(Q.purge, self._clock.now() - KEPT, PURGE_LIMIT)
        )
        return int(status.rsplit(" ", 1)[-1])
