"""Documents: issued once under a number without gaps, never changed, rendered when they are asked for.

A document is written in one transaction with its number, its canonical text and the text's hash. Whatever is killed
leaves both or neither. What is wrong in a document is put right where it came from, and a new document refers to the
old one.

Contract: PSC-4.5, PSC-1.1.12
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeVar

import structlog

from telco.billing.documents import canonical, esf, rules, store
from telco.billing.documents.drafts import Drafts, RefundFacts, einvoice_of
from telco.billing.documents.errors import (
    DocumentCorrectedError,
    DocumentDamagedError,
    DocumentNotCorrectableError,
    DocumentPeriodError,
    DocumentUnchangedError,
    DocumentUnknownError,
    FormatUnknownError,
)
from telco.billing.documents.model import (
    BuyerKind,
    Document,
    DocumentId,
    Draft,
    Earlier,
    Format,
    Issued,
    Kind,
    Period,
    Reference,
    Rendered,
    Supply,
)
from telco.billing.documents.pdf.layouts import to_pdf
from telco.billing.documents.store import Q
from telco.billing.invoicing import credit_notes
from telco.billing.invoicing.model import CreditNoteId, InvoiceId
from telco.db import audit, outbox
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.i18n import Language, Translator
from telco.kernel.ids import AccountId, AccountRef, ContractId

SYSTEM = "system:documents"
ISSUED = "documents.issued"
"""The event of what a company has to be given."""

log = structlog.get_logger(__name__)

T = TypeVar("T")

Make = Callable[[Connection, str], Awaitable[Draft]]
"""Makes the draft of a source."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which documents; None where it does not matter."""

    account: AccountRef | None = None
    contract_id: ContractId | None = None
    iin_bin: str | None = None
    kind: Kind | None = None
    number: str | None = None


class Documents:
    """Use cases of documents."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, translator: Translator, drafts: Drafts
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._translator = translator
        self._drafts = drafts
        self._rendering = asyncio.Semaphore(1)

    # Issue

    async def issue_invoice(self, invoice_id: InvoiceId, *, actor: str = SYSTEM) -> Issued:
        """Issue the document of an invoice, once; the same again is answered with it.

        Raises:
            InvoiceUnknownError, RequisitesMissingError
        """
        return await self.issue_of(rules.source_of(Kind.INVOICE, invoice_id), actor=actor)

    async def issue_act(self, invoice_id: InvoiceId, *, actor: str = SYSTEM) -> Issued:
        """Issue the act of the services that a company's invoice is of, once.

        Raises:
            InvoiceUnknownError, RequisitesMissingError, NothingSuppliedError, ActForCompanyError

        Contract: PSC-4.5
        """
        return await self.issue_of(rules.source_of(Kind.ACT, invoice_id), actor=actor)

    async def issue_of(self, source: str, *, actor: str = SYSTEM) -> Issued:
        """Issue the document of a source, once.

        A source is ``invoice:42``, ``credit_note:7``, ``act:42`` of an invoice, ``act:2:417:2026-03-01`` of a month and
        ``einvoice:2:417:2026-03-01`` of that act.

        Raises:
            InvoiceUnknownError, CreditNoteUnknownError, RequisitesMissingError, NothingSuppliedError,
            ActForCompanyError
        """
        return await self._issue(source, self._draft_of, actor)

    async def _draft_of(self, connection: Connection, source: str) -> Draft:
        """Make the draft of what a source names."""
        match source.split(":"):
            case [Kind.INVOICE, invoice_id]:
                return await self._drafts.invoice(connection, InvoiceId(int(invoice_id)), source)
            case [Kind.ACT, invoice_id]:
                return await self._drafts.act(connection, InvoiceId(int(invoice_id)), source, self._today())
            case [Kind.ACT, shard, account_id, month]:
                account = AccountRef(int(shard), AccountId(int(account_id)))
                return await self._drafts.act_of_month(
                    connection, account, date.fromisoformat(month), source, self._today()
                )
            case [Kind.EINVOICE, shard, account_id, month]:
                account = AccountRef(int(shard), AccountId(int(account_id)))
                of_act = rules.source_of_month(Kind.ACT, account, date.fromisoformat(month))
                act = await self._latest(connection, of_act)
                said, _ = await self._read(connection, act.document_id)
                return einvoice_of(act, said, source, self._today())
            case [Kind.CREDIT_NOTE, credit_note_id]:
                note_id = CreditNoteId(int(credit_note_id))
                lowered = await self._lowered(connection, note_id)
                return await self._drafts.credit_note(connection, note_id, source, lowered)
        raise ValueError(f"{source} names nothing that a document is made of")

    async def _lowered(self, connection: Connection, credit_note_id: CreditNoteId) -> Reference:
        """The document that a credit note lowers: of its invoice, or what corrects that by now."""
        note = await credit_notes.read(connection, credit_note_id)
        issued = await self._latest(connection, rules.source_of(Kind.INVOICE, note.invoice_id))
        return Reference(int(issued.document_id), issued.kind, issued.number, issued.issued_on, note.reason)

    async def _latest(self, connection: Connection, source: str) -> Issued:
        """The document of a source, issued when it was not, or what corrects it by now."""
        return await self._newest(connection, await self._issue_in(connection, source, self._draft_of, SYSTEM))

    async def _newest(self, connection: Connection, issued: Issued) -> Issued:
        """A document, or what corrects it by now."""
        while issued.corrected_by is not None:
            row = await connection.fetchrow(Q.document, issued.corrected_by)
            assert row is not None
            issued = store.issued_of(row)
        return issued

    async def issue_statement(self, account: AccountRef, period: Period, *, actor: str, request_id: str) -> Issued:
        """Issue an itemised statement; the same request again is answered with the same document.

        Raises:
            DocumentPeriodError, AccountOwnerUnknownError, RequisitesMissingError, DocumentTooLongError

        Contract: PSC-1.1.12
        """
        self._check(period)
        return await self._issue_read(
            f"statement:{request_id}",
            lambda c, s: self._drafts.statement(c, account, period, s, self._today()),
            actor,
        )

    async def issue_reconciliation(self, account: AccountRef, period: Period, *, actor: str, request_id: str) -> Issued:
        """Issue a reconciliation act; the same request again is answered with the same document.

        Raises:
            DocumentPeriodError, AccountOwnerUnknownError, RequisitesMissingError, DocumentTooLongError
        """
        self._check(period)
        return await self._issue_read(
            f"reconciliation:{request_id}",
            lambda c, s: self._drafts.reconciliation(c, account, period, s, self._today()),
            actor,
        )

    async def issue_refund_order(self, connection: Connection, facts: RefundFacts, *, actor: str) -> Issued:
        """Issue a refund order in the transaction that decides the refund: both or neither, once per `facts.source`.

        Raises:
            AccountOwnerUnknownError, RequisitesMissingError

        Contract: PSC-6.4, PSC-7.7
        """
        return await self._issue_in(
            connection, facts.source, lambda c, _: self._drafts.refund_order(c, facts, self._today()), actor
        )

    async def correct(self, document_id: DocumentId, *, reason: str, actor: str) -> Issued:
        """Issue a new document in place of one with a mistake, made anew of what was put right meanwhile.

        The e-invoice of an act's services is corrected with the act: both or neither.

        Raises:
            DocumentUnknownError
            DocumentCorrectedError: it has a correction, which is what may be corrected.
            DocumentNotCorrectableError: a refund order.
            DocumentUnchangedError: the new one would say the same.
        """

        async def made(connection: Connection) -> tuple[Document, Draft, str]:
            wrong = await self._correctable(connection, document_id)
            return *await self._corrected(connection, wrong, reason), await self._origin(connection, wrong)

        old, draft, origin = await self._snapshot(made)
        if _says_the_same(old, draft):
            raise DocumentUnchangedError(number=old.number)
        einvoice = rules.einvoice_of_act(origin)

        async def body(connection: Connection) -> Issued:
            for source in (einvoice, origin):  # in this order, as who issues an e-invoice
                if source is not None:
                    await store.lock_source(connection, source)
            wrong = await self._correctable(connection, document_id)
            issued = await self._replace(connection, wrong, draft, reason, actor)
            if einvoice is not None:
                await self._correct_einvoice(connection, einvoice, reason, actor)
            return issued

        return await self._database.transact("documents.correct", body)

    async def _correct_einvoice(self, connection: Connection, source: str, reason: str, actor: str) -> None:
        """Correct the e-invoice of an act with it, where there is one and it would say something else now.

        Contract: PSC-4.5
        """
        row = await connection.fetchrow(Q.document_by_source, source)
        if row is None:
            return  # it will be made of what is right
        wrong = await self._newest(connection, store.issued_of(row))
        old, draft = await self._corrected(connection, wrong, reason)
        if not _says_the_same(old, draft):
            await self._replace(connection, wrong, draft, reason, actor)

    async def _corrected(self, connection: Connection, wrong: Issued, reason: str) -> tuple[Document, Draft]:
        """Read a document and make the draft of its correction."""
        old, _ = await self._read(connection, wrong.document_id)
        draft = replace(
            await self._again(connection, wrong, old),
            source=f"correction:{wrong.document_id}",
            issued_on=self._today(),
            number=None,
            corrects=Reference(int(wrong.document_id), old.kind, old.number, old.issued_on, reason),
        )
        return old, draft

    async def _replace(self, connection: Connection, wrong: Issued, draft: Draft, reason: str, actor: str) -> Issued:
        """Write the correction of a document, whose source the caller has locked."""
        issued = await self._write(connection, draft, actor)
        await audit.record(
            connection,
            at=self._clock.now(),
            actor=actor,
            action="documents.correct",
            subject=f"document:{wrong.document_id}",
            ground=reason,
            details={"number": wrong.number, "corrected_by": issued.number},
        )
        return issued

    async def _correctable(self, connection: Connection, document_id: DocumentId) -> Issued:
        row = await connection.fetchrow(Q.document, document_id)
        if row is None:
            raise DocumentUnknownError(document_id=document_id)
        wrong = store.issued_of(row)
        if wrong.corrected_by is not None:
            raise DocumentCorrectedError(number=wrong.number)
        return wrong

    async def _again(self, connection: Connection, wrong: Issued, old: Document) -> Draft:
        """Make the draft of an issued document anew, of the same invoice, act or account and period."""
        source, today = await self._origin(connection, wrong), self._today()
        match old.kind:
            case Kind.INVOICE | Kind.ACT | Kind.EINVOICE:
                return await self._draft_of(connection, source)
            case Kind.STATEMENT if old.period is not None:
                return await self._drafts.statement(connection, wrong.account, old.period, source, today)
            case Kind.RECONCILIATION if old.period is not None:
                return await self._drafts.reconciliation(connection, wrong.account, old.period, source, today)
        raise DocumentNotCorrectableError(kind=old.kind)

    async def _origin(self, connection: Connection, issued: Issued) -> str:
        """Follow corrections back to what the first document was made of."""
        while issued.corrects is not None:
            row = await connection.fetchrow(Q.document, issued.corrects)
            assert row is not None
            issued = store.issued_of(row)
        return issued.source

    async def _issue(self, source: str, make: Make, actor: str) -> Issued:
        return await self._database.transact(
            "documents.issue", lambda connection: self._issue_in(connection, source, make, actor)
        )

    async def _issue_read(self, source: str, make: Make, actor: str) -> Issued:
        """Issue a document of sums that other commands change: they are read in one snapshot, then it is written."""
        row = await self._database.fetchrow(Q.document_by_source, source)
        if row is not None:
            return store.issued_of(row)
        draft = await self._snapshot(lambda connection: make(connection, source))

        async def made(_connection: Connection, _source: str) -> Draft:
            return draft

        return await self._issue(source, made, actor)

    async def _snapshot(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """Let every statement of `read` see the database as it is at the first."""
        async with (
            self._database.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await read(connection)

    async def _issue_in(self, connection: Connection, source: str, make: Make, actor: str) -> Issued:
        await store.lock_source(connection, source)
        row = await connection.fetchrow(Q.document_by_source, source)
        if row is not None:
            return store.issued_of(row)
        return await self._write(connection, await make(connection, source), actor)

    async def _write(self, connection: Connection, draft: Draft, actor: str) -> Issued:
        """Number a draft and write it; a company's is queued for the state's system, and leaves by e-mail, as well."""
        now = self._clock.now()
        number, place = draft.number, None
        if number is None:
            series, year = rules.SERIES[draft.kind], draft.issued_on.year
            last = await connection.fetchval(Q.next_number, series, year)
            number, place = rules.number_of(series, year, last), (series, year, last)
        document = draft.numbered(number)
        text = canonical.to_canonical(document)
        document_id = await store.insert_document(
            connection, draft, number, place, text, canonical.digest(text), at=now, actor=actor
        )
        if goes_to_the_state(document):
            await connection.execute(Q.queue_einvoice, document_id, now)
        if document.kind in rules.GIVEN and document.buyer.kind is BuyerKind.COMPANY:
            await outbox.emit(connection, ISSUED, f"document:{document_id}", {"document_id": document_id}, at=now)
        row = await connection.fetchrow(Q.document, document_id)
        assert row is not None
        return store.issued_of(row)

    def _check(self, period: Period) -> None:
        most = rules.MAX_STATEMENT_DAYS
        length = period.end - period.start
        if not timedelta(0) < length <= timedelta(days=most) or period.start > self._today():
            raise DocumentPeriodError(days=most)

    def _today(self) -> date:
        return self._calendar.today(self._clock.now())

    # Read

    async def get(self, document_id: DocumentId) -> Issued:
        """Read a document's place in the register.

        Raises:
            DocumentUnknownError
        """
        row = await self._database.fetchrow(Q.document, document_id)
        if row is None:
            raise DocumentUnknownError(document_id=document_id)
        return store.issued_of(row)

    async def search(self, search: Search, before: DocumentId | None, limit: int) -> list[Issued]:
        """List documents, the newest first, from before an id."""
        shard, account_id = (None, None) if search.account is None else search.account
        rows = await self._database.fetch(
            Q.search_documents,
            shard,
            account_id,
            search.contract_id,
            search.iin_bin,
            search.kind,
            search.number,
            before,
            limit,
        )
        return [store.issued_of(row) for row in rows]

    async def document(self, document_id: DocumentId) -> tuple[Document, str]:
        """Read a document and its SHA-256 in hexadecimal, which is compared with what is there.

        Raises:
            DocumentUnknownError, DocumentDamagedError
        """
        async with self._database.acquire() as connection:
            return await self._read(connection, document_id)

    async def _read(self, connection: Connection, document_id: DocumentId) -> tuple[Document, str]:
        row = await connection.fetchrow(Q.document_data, document_id)
        if row is None:
            raise DocumentUnknownError(document_id=document_id)
        if canonical.digest(row["data"]) != row["sha256"]:
            log.error("document_damaged", document_id=document_id)
            raise DocumentDamagedError(document_id=document_id)
        return canonical.from_canonical(row["data"]), row["sha256"].hex()

    async def earlier(self, document: Document) -> Earlier:
        """Read what the state's system has of the document that this one corrects or lowers."""
        async with self._database.acquire() as connection:
            return await store.earlier(connection, document)

    # Render

    async def render(self, document_id: DocumentId, language: Language, format: Format = Format.PDF) -> Rendered:  # noqa: A002
        """Render a document; the same document, language and format give the same bytes.

        The XML of a correction or credit note names what the state's system has registered by then.

        Raises:
            DocumentUnknownError, DocumentDamagedError
            FormatUnknownError: e-invoice XML of what does not go to the state's system.
        """
        document, sha256 = await self.document(document_id)
        match format:
            case Format.PDF:
                async with self._rendering:  # thousands of lines take a second: one at a time, beside the loop
                    content = await asyncio.to_thread(to_pdf, document, language, self._translator, sha256)
                return Rendered(content, "application/pdf", f"{document.number}.{language}.pdf")
            case Format.XML:
                if document.kind not in esf.FORMS:
                    raise FormatUnknownError(number=document.number, format=format)
                content = esf.to_file(document, (await self.earlier(document)).related)
                return Rendered(content, "application/xml", f"{document.number}.xml")
            case Format.JSON:
                content = canonical.to_canonical(document).encode()
                return Rendered(content, "application/json", f"{document.number}.json")


def goes_to_the_state(document: Document) -> bool:
    """Tell whether a document goes to the state's e-invoice system: of services to companies, and what lowers one.

    Contract: PSC-4.5
    """
    if document.kind not in esf.FORMS or document.buyer.kind is not BuyerKind.COMPANY:
        return False
    if not isinstance(document.content, Supply):
        return False
    gross = rules.only_supplies(document.content).gross
    return gross < 0 if document.kind is Kind.CREDIT_NOTE else gross > 0


def _says_the_same(old: Document, draft: Draft) -> bool:
    new = draft.numbered(old.number)
    return replace(new, issued_on=old.issued_on, corrects=None) == replace(old, corrects=None)
