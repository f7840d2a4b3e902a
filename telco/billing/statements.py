"""Itemised statements of a personal account for a month, sent by e-mail to the address that the subscriber registered.

Contract: PSC-1.1.12, PSC-1.1.30, PSC-3.2.7
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from telco.billing import entries
from telco.billing.documents.errors import RequisitesMissingError
from telco.billing.documents.model import Period
from telco.billing.documents.service import Documents
from telco.db.pool import Connection, Database
from telco.email.errors import EmailAddressError, EmailOffError
from telco.email.model import Attachment, OutgoingEmail
from telco.email.rules import masked, recipient
from telco.email.service import Email
from telco.kernel.calendar import ZONE, Calendar, add_months
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.i18n import Language, Text, Translator
from telco.kernel.money import Tiyn, json_money
from telco.kernel.units import Unit
from telco.ledger.service import Ledger
from telco.ledger.views import StatementEntry
from telco.subscribers.model import Subscriber, by_system
from telco.subscribers.service import Subscribers

MONTHS = 6
"""How many months back a statement can be asked for, this one included."""
MAX_ENTRIES = 20_000
"""Of one statement: some megabytes."""
MAX_PAPER_ENTRIES = 2_000
"""Of one that goes as a document too: more pages than anybody reads, and a second of work."""
CSV = "text/csv"
_READER = by_system("statements", "statement asked for by the subscriber")
_UNITS = {Unit.BYTES: "B", Unit.SECONDS: "s", Unit.MESSAGES: ""}
_RISKY = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is a formula to a spreadsheet."""


class NoEmailError(DomainError):
    """There is no e-mail address for you: register one in an office."""

    code = "no_email"
    status = 409


class StatementTooLongError(DomainError):
    """This month has more than {most} operations: please ask for the statement in an office."""

    code = "statement_too_long"
    status = 409
    most: int


class StatementPeriodError(DomainError):
    """Statements are given for the last {months} months, and since you joined."""

    code = "statement_period"
    status = 422
    months: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What happened on a personal account in a month, or in the days of it that have passed."""

    subscriber: Subscriber
    first: date
    after: date
    """The first day after it."""
    entries: tuple[StatementEntry, ...]
    """The oldest first."""

    @property
    def month(self) -> str:
        return f"{self.first:%m.%Y}"


class Statements:
    """Use cases of statements by e-mail."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        ledger: Ledger,
        subscribers: Subscribers,
        email: Email,
        translator: Translator,
        documents: Documents | None = None,
    ) -> None:
        """With `documents`, the statement goes as a document too, once the operator's requisites are known."""
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._subscribers = subscribers
        self._email = email
        self._translator = translator
        self._documents = documents

    async def months(self, subscriber: Subscriber) -> list[date]:
        """The months that can be asked for, this one first, each by its first day: none from before the accession."""
        this = self._calendar.today(self._clock.now()).replace(day=1)
        joined = self._calendar.today(await self._subscribers.acceded_at(subscriber.subscriber_id)).replace(day=1)
        return [month for back in range(MONTHS) if (month := add_months(this, -back)) >= joined]

    async def address(self, subscriber: Subscriber) -> str:
        """The registered e-mail address: a statement goes nowhere else, whoever holds the telephone.

        Raises:
            EmailOffError: e-mail is not set up.
            NoEmailError: none is registered, or nothing can be sent to it.

        Contract: PSC-3.2.7, PSC-1.1.15
        """
        if not self._email.enabled:
            raise EmailOffError
        party = await self._subscribers.people.party(subscriber.party_id, _READER)
        try:
            return recipient(party.data.email or "")
        except EmailAddressError:
            raise NoEmailError from None

    async def send(self, subscriber: Subscriber, month: date, language: Language) -> str:
        """Send the statement of a month; returns the address, masked. The same month goes once a day.

        Raises:
            EmailOffError, NoEmailError, StatementPeriodError, StatementTooLongError

        Contract: PSC-1.1.12, PSC-1.1.30
        """
        address = await self.address(subscriber)
        statement = await self.of(subscriber, month)
        today = self._calendar.today(self._clock.now())
        key = f"statement:{subscriber.subscriber_id}:{month:%Y-%m}:{today.isoformat()}"
        files = (*await self._paper(statement, language, key), self._csv(statement, language))
        message = self._message(statement, address, language, files)

        async def body(conn: Connection) -> None:
            await self._email.enqueue(conn, message, dedupe_key=key)

        await self._database.transact("billing.send_statement", body)
        return masked(address)

    async def of(self, subscriber: Subscriber, month: date) -> Statement:
        """Read what happened in a month.

        Raises:
            StatementPeriodError, StatementTooLongError
        """
        if month not in await self.months(subscriber):
            raise StatementPeriodError(months=MONTHS)
        after = min(add_months(month, 1), self._calendar.today(self._clock.now()) + timedelta(days=1))
        found = await self._ledger.statement_between(
            subscriber.account,
            self._calendar.start_of_day(month),
            self._calendar.start_of_day(after),
            MAX_ENTRIES + 1,
        )
        if len(found) > MAX_ENTRIES:
            raise StatementTooLongError(most=MAX_ENTRIES)
        return Statement(subscriber, month, after, tuple(found))

    async def _paper(self, statement: Statement, language: Language, request_id: str) -> Sequence[Attachment]:
        """The statement as a document, in PDF: numbered, the same however often it is asked for in a day."""
        if self._documents is None or len(statement.entries) > MAX_PAPER_ENTRIES:
            return ()
        period = Period(statement.first, statement.after)
        try:
            issued = await self._documents.issue_statement(
                statement.subscriber.account, period, actor="system:statements", request_id=request_id
            )
        except RequisitesMissingError:
            return ()
        paper = await self._documents.render(issued.document_id, language)
        return (Attachment(paper.file_name, paper.media_type, paper.content),)

    def _message(
        self, statement: Statement, address: str, language: Language, files: tuple[Attachment, ...]
    ) -> OutgoingEmail:
        subscriber = statement.subscriber
        say = self._translator.render
        number, month = f"+{subscriber.msisdn}", statement.month
        lines = (
            Text("The statement of the number {number} for {month} is attached.", number=number, month=month),
            Text("You asked for it by your telephone. This address reads no answers."),
        )
        return OutgoingEmail(
            address,
            say(Text("Statement {month}, {number}", month=month, number=number), language),
            "".join(f"{say(line, language)}\n" for line in lines),
            f"subscriber:{subscriber.subscriber_id}",
            files,
        )

    def _csv(self, statement: Statement, language: Language) -> Attachment:
        """A sheet that every program opens: UTF-8 with its mark, semicolons, sums with a point."""
        say = self._translator.render
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
        heads = (Text("Time"), Text("What"), Text("Quantity"), Text("Unit"), Text("Sum, KZT"), Text("Balance, KZT"))
        writer.writerow([say(head, language) for head in heads])
        for entry in statement.entries:
            writer.writerow(_row(entry, say(entries.name(entry), language)))
        name = f"statement-{statement.subscriber.msisdn}-{statement.first:%Y-%m}.csv"
        return Attachment(name, CSV, b"\xef\xbb\xbf" + out.getvalue().encode())


def _row(entry: StatementEntry, what: str) -> Sequence[str]:
    money = sum(line.amount for line in entry.lines if line.unit is Unit.MONEY)
    volume = next((line for line in entry.lines if line.unit is not Unit.MONEY and line.amount < 0), None)
    return (
        f"{entry.at.astimezone(ZONE):%Y-%m-%d %H:%M:%S}",
        _safe(what),
        "" if volume is None else str(-volume.amount),
        "" if volume is None else _UNITS[volume.unit],
        json_money(Tiyn(money)),
        json_money(Tiyn(entry.main_after)),
    )


def _safe(text: str) -> str:
    """Text that a spreadsheet shows as it is."""
    return f"'{text}" if text.startswith(_RISKY) else text
