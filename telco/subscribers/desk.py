"""Where every command of this feature is carried out: one transaction, filed as an application, audited when manual."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

from telco.catalog.catalogue import Catalogue
from telco.db import audit, outbox
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.ids import PartyId, SubscriberId
from telco.ledger.service import Ledger
from telco.subscribers import store, store_records
from telco.subscribers.errors import GroundRequiredError
from telco.subscribers.model import ApplicationState, Origin, Terms

T = TypeVar("T")

OUTCOME_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Filing:
    """What the register of applications keeps of a command (PSC-1.1.7).

    `applicant` is the number (or, before there is one, the IIN or BIN) that asks; `body` what it asks for.
    """

    kind: str
    applicant: str
    body: str
    origin: Origin
    subscriber_id: SubscriberId | None = None


@dataclass(slots=True)
class Work:
    """A command at work: its transaction, its moment, and what is to be filed of it."""

    conn: Connection
    now: datetime
    today: date
    origin: Origin
    subscriber_id: SubscriberId | None = None
    party_id: PartyId | None = None
    outcome: str = "done"
    details: dict[str, object] = field(default_factory=dict)

    async def terms(self) -> Terms:
        """Read the figures in force today."""
        return await store.terms(self.conn, self.today)

    async def emit(self, topic: str, subscriber_id: SubscriberId, payload: dict[str, object]) -> None:
        """Record an event of a subscriber in this transaction."""
        await outbox.emit(
            self.conn,
            f"subscribers.{topic}",
            f"subscriber:{subscriber_id}",
            {"subscriber_id": subscriber_id, **payload},
            at=self.now,
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """What every use case works with."""

    db: Database
    clock: Clock
    calendar: Calendar
    catalogue: Callable[[], Catalogue]
    """The catalogue in memory now."""
    ledger: Ledger

    def work(self, conn: Connection, origin: Origin) -> Work:
        """Begin work in a transaction that somebody else began."""
        now = self.clock.now()
        return Work(conn, now, self.calendar.today(now), origin)

    async def carry_out(self, name: str, filing: Filing, body: Callable[[Work], Awaitable[T]]) -> T:
        """Run `body` in one transaction that also files the application and the audit row.

        What a job or another feature does is filed by nobody; a refusal is filed on its own and raised.

        Raises:
            GroundRequiredError: an employee gave no ground.

        Contract: PSC-1.1.7, PSC-1.1.21
        """
        origin = filing.origin
        if origin.manual and not origin.ground.strip():
            raise GroundRequiredError()

        async def command(conn: Connection) -> T:
            work = self.work(conn, origin)
            work.subscriber_id = filing.subscriber_id
            result = await body(work)
            if not origin.automatic:
                await _file(work, filing, ApplicationState.DONE, work.outcome)
            if origin.manual:
                await _audit(work, name)
            return result

        try:
            return await self.db.transact(f"subscribers.{name}", command)
        except DomainError as error:
            if not origin.automatic and error.status < 500:
                await self._file_refusal(filing, error)
            raise

    async def _file_refusal(self, filing: Filing, error: DomainError) -> None:
        async def file(conn: Connection) -> None:
            work = self.work(conn, filing.origin)
            work.subscriber_id = filing.subscriber_id
            await _file(work, filing, ApplicationState.REFUSED, f"{error.code}: {error}")

        await self.db.transact("subscribers.file_refusal", file)

    async def look(self, action: str, subject: str, origin: Origin, body: Callable[[Connection], Awaitable[T]]) -> T:
        """Read personal data in one transaction with the audit row that says who looked and why.

        Raises:
            GroundRequiredError: no ground was given.

        Contract: PSC-1.1.21
        """
        if not origin.ground.strip():
            raise GroundRequiredError()

        async def read(conn: Connection) -> T:
            result = await body(conn)
            await audit.record(
                conn,
                at=self.clock.now(),
                actor=origin.author,
                action=f"subscribers.{action}",
                subject=subject,
                ground=origin.ground,
            )
            return result

        return await self.db.transact(f"subscribers.{action}", read)


def _printable(text: str) -> str:
    """Text as it can be stored and shown: a refusal is filed even when what was asked for holds odd characters."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


async def _file(work: Work, filing: Filing, state: ApplicationState, outcome: str) -> None:
    await store_records.add_application(
        work.conn,
        subscriber_id=work.subscriber_id,
        party_id=work.party_id,
        applicant=_printable(filing.applicant),
        kind=filing.kind,
        channel=filing.origin.channel,
        author=filing.origin.author,
        body=_printable(filing.body),
        now=work.now,
        state=state,
        outcome=_printable(outcome[:OUTCOME_LENGTH]),
        decided_by=filing.origin.author,
    )


async def _audit(work: Work, name: str) -> None:
    subject = f"party:{work.party_id}" if work.subscriber_id is None else f"subscriber:{work.subscriber_id}"
    await audit.record(
        work.conn,
        at=work.now,
        actor=work.origin.author,
        action=f"subscribers.{name}",
        subject=subject,
        ground=work.origin.ground,
        details=work.details,
    )
