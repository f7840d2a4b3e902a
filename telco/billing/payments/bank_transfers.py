"""Bank transfers: files of the bank are taken once, each of their documents is credited once or waits for people.

Taking a file and crediting its documents are separate transactions: first everything that came in is recorded, then
each document is finished on its own. A crash between leaves documents pending, and the job goes on with them.

Contract: PSC-4.1
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import structlog

from telco.billing.payments import rules, store, twins
from telco.billing.payments.errors import BankAccountUnknownError, BankFileUnknownError
from telco.billing.payments.model import (
    BANK_ITEM,
    BankDocument,
    BankFile,
    BankFileId,
    BankForm,
    Channel,
    DocumentReason,
    NewPayment,
    NewWorkItem,
    Share,
    Standing,
    TakenFile,
    Target,
)
from telco.billing.payments.service import Payments
from telco.billing.payments.statements import parse_statement
from telco.billing.payments.store import Q
from telco.db.pool import LOST_CONNECTION, Connection, Database, Record
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.iban import parse_iban

AT_ONCE = 500
"""Documents credited within the request that brings a file; the job does the rest."""

Explain = Callable[[Connection, int, BankDocument], Awaitable[str | None]]
"""Says within the document's transaction what money of ours has come back with it, and does what follows; None when it
is none. It is given the document's id, too."""

log = structlog.get_logger(__name__)


class BankTransfers:
    """Use cases of bank files."""

    def __init__(self, database: Database, clock: Clock, calendar: Calendar, payments: Payments) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._payments = payments
        self._explain: Explain | None = None

    def explained_by(self, explain: Explain) -> None:
        """Let another feature say of a document that it is money of ours that came back."""
        self._explain = explain

    async def add_account(self, iban: str, name: str) -> None:
        """Tell of an account of the operator at a bank; the same again changes its name.

        Raises:
            IbanError
        """
        account = parse_iban(iban)
        await self._database.transact(
            "payments.add_bank_account",
            lambda connection: connection.execute(Q.insert_bank_account, account, name, self._clock.now()),
        )

    async def take(self, raw: bytes, file_name: str, *, actor: str) -> TakenFile:
        """Take a bank file; the same file again, or the same document in another or in its other form, changes nothing.

        Raises:
            BankFileError: the file cannot be read; nothing of it was taken.
            BankAccountUnknownError: it is not of an account of ours.

        Contract: PSC-4.1
        """
        file = await asyncio.to_thread(parse_statement, raw)
        accounts = await self._accounts()
        if file.account not in accounts:
            raise BankAccountUnknownError(account=file.account)
        digest = sha256(raw).digest()
        reversals = [document for document in file.documents if document.reversal]
        incoming = [
            document
            for document in file.documents
            if not document.reversal and document.payer_account not in accounts and document.debited_on is None
        ]

        async def body(connection: Connection) -> tuple[BankFileId, bool]:
            now, outgoing = self._clock.now(), len(file.documents) - len(incoming)
            file_id = await connection.fetchval(
                Q.insert_bank_file, digest, file_name, len(file.documents), outgoing, now, actor
            )
            if file_id is None:
                return BankFileId(await connection.fetchval(Q.bank_file_by_digest, digest)), True
            await self._record(connection, BankFileId(file_id), file, incoming, now)
            for document in reversals:
                item = self._item(_key(file.form, document), document, None, DocumentReason.REVERSED)
                await store.open_item(connection, item, now)
            return BankFileId(file_id), False

        file_id, replayed = await self._database.transact("payments.take_bank_file", body)
        await self._process(await self._database.fetch(Q.pending_documents_of_file, AT_ONCE, file_id))
        return await self.file(file_id, replayed=replayed)

    async def _record(
        self,
        connection: Connection,
        file_id: BankFileId,
        file: BankFile,
        incoming: Sequence[BankDocument],
        now: datetime,
    ) -> None:
        """Record documents that are new; of those known already, see whether they tell the same.

        One file of an account at a time, so that both forms at once see each other.
        """
        await store.lock_external(connection, Channel.BANK, file.account, "documents")
        keyed = [(_key(file.form, document), document) for document in incoming]
        like = await self._tell_again(connection, file_id, file, keyed)
        told = {row["document_key"] for row in await connection.fetch(Q.documents_by_key, [key for key, _ in keyed])}
        new = [(key, document) for key, document in keyed if key not in told]
        new_lines = await store.insert_documents(connection, file_id, file.form, new, like)
        known = [(key, document) for key, document in keyed if document.line not in new_lines]
        rows = await connection.fetch(Q.documents_by_key, [key for key, _ in known])
        by_key = {row["document_key"]: row for row in rows}
        for key, document in known:
            row = by_key[key]
            if (row["amount_tiyn"], row["purpose"]) != (document.amount, document.purpose):
                await store.open_item(connection, self._differs(key, document), now)
            elif row["received_on"] is None and document.received_on is not None:
                await self._received(connection, row["document_id"], row["first_key"], document, now)
        await connection.execute(Q.set_repeated, file_id, len(known))

    async def _tell_again(
        self, connection: Connection, file_id: BankFileId, file: BankFile, keyed: Sequence[tuple[str, BankDocument]]
    ) -> dict[str, int]:
        """Keep what the bank's other form told of already, and return what the others look like."""
        if not keyed:
            return {}
        documents = dict(reversed(keyed))  # of the same document twice, the first
        for row in await connection.fetch(Q.documents_by_key, list(documents)):
            del documents[row["document_key"]]
        days = [document.document_date for _, document in keyed]
        around = timedelta(days=2 * twins.MOST_DAYS)
        amounts = list({document.amount for document in documents.values()})
        rows = await connection.fetch(
            Q.untold_documents, file.account, file.form, amounts, min(days) - around, max(days) + around
        )
        same, like = twins.pair(documents, {row["document_id"]: store.document_of(row) for row in rows})
        await store.insert_tellings(connection, file_id, documents, same)
        return like

    async def _received(
        self, connection: Connection, document_id: int, key: str, document: BankDocument, now: datetime
    ) -> None:
        """Go on with a document that an earlier file told of before the bank had credited it."""
        await connection.fetchval(Q.mark_received, document_id, document.received_on)
        item_key = f"{key}:{DocumentReason.NOT_RECEIVED}"
        await connection.execute(Q.close_item_by_key, item_key, now, "system:bank_files", "the bank has credited it")

    async def process_pending(self, limit: int = AT_ONCE) -> int:
        """Finish documents that wait, the oldest first, and return how many; a job calls it."""
        return await self._process(await self._database.fetch(Q.pending_documents, limit))

    async def _process(self, rows: Sequence[Record]) -> int:
        accounts, done = await self._accounts(), 0
        for row in rows:
            try:
                done += await self._finish(row["document_id"], accounts)
            except DomainError as error:  # one document that cannot be credited holds no other up
                log.warning("bank_document_waits", document_id=row["document_id"], error_code=error.code)
            except LOST_CONNECTION:
                raise
            except Exception:  # nor does a defect of ours
                log.exception("bank_document_failed", document_id=row["document_id"])
        return done

    async def _finish(self, document_id: int, accounts: frozenset[str]) -> bool:
        """Credit a document, or know it as ours come back, or list it; False when another process has it."""
        row = await self._database.fetchrow(Q.document, document_id)
        assert row is not None
        key, document = row["document_key"], store.document_of(row)
        decided = await self._decide(document, accounts, doubtful=row["like_id"] is not None)

        async def body(connection: Connection) -> bool:
            if await connection.fetchval(Q.lock_pending, document_id) is None:
                return False
            explained = None if self._explain is None else await self._explain(connection, document_id, document)
            if explained is not None:
                await connection.execute(Q.set_returned, document_id, explained)
                return True
            if isinstance(decided, DocumentReason):
                item = self._item(key, document, document_id, decided)
                if decided is DocumentReason.LOOKS_LIKE:
                    item = await self._doubt(connection, item, row["like_id"])
                await store.open_item(connection, item, self._clock.now())
                await connection.execute(Q.set_document, document_id, "work_list", None)
                return True
            named, target = decided
            shares = (Share(target, document.amount, named),)
            payment = await self._payments.credit(connection, self.payment(key, document, named, shares))
            await connection.execute(Q.set_document, document_id, "credited", payment.payment_id)
            return True

        return await self._database.transact("payments.finish_document", body)

    async def _doubt(self, connection: Connection, item: NewWorkItem, like_id: int) -> NewWorkItem:
        """Name in an item what it looks like: the document, and its payment where it is credited."""
        like = await connection.fetchrow(Q.document, like_id)
        assert like is not None
        names = ("document_id", "number", "state", "payment_id")
        facts = {"looks_like": {**{name: like[name] for name in names}, "document_date": str(like["document_date"])}}
        return replace(item, payment_id=like["payment_id"], facts={**(item.facts or {}), **facts})

    async def _decide(
        self, document: BankDocument, accounts: frozenset[str], *, doubtful: bool
    ) -> DocumentReason | tuple[str, Target]:
        decision = rules.decide_document(document, accounts, doubtful=doubtful)
        if isinstance(decision, DocumentReason):
            return decision
        async with self._database.acquire() as connection:
            least, most = await store.limits(connection, Channel.BANK, self._calendar.today(self._clock.now()))
        if not least <= document.amount <= most:
            return DocumentReason.SUM_LIMITS
        resolved = await self._payments.resolve(decision)
        if isinstance(resolved, Standing):
            return rules.DOCUMENT_REASONS[resolved]
        return decision, resolved

    def payment(
        self,
        key: str,
        document: BankDocument,
        named: str,
        shares: tuple[Share, ...],
        actor: str = "system:bank_files",
    ) -> NewPayment:
        """Make the payment of a document."""
        received = document.received_on or document.document_date
        return NewPayment(
            channel=Channel.BANK,
            source=document.receiver_account,
            external_id=key,
            named=named,
            shares=shares,
            paid_at=self._calendar.start_of_day(received),
            booked_by=actor,
            request_id=f"bank:{key}",
            payer_id=document.payer_id or None,
            payer_name=document.payer_name or None,
            document_number=document.number,
        )

    def _item(self, key: str, document: BankDocument, document_id: int | None, reason: DocumentReason) -> NewWorkItem:
        return NewWorkItem(
            key=f"{key}:{reason}",
            kind=BANK_ITEM,
            reason=reason,
            channel=Channel.BANK,
            source=document.receiver_account,
            external_id=document.number,
            named="",
            amount=document.amount,
            paid_at=self._calendar.start_of_day(document.received_on or document.document_date),
            document_id=document_id,
            facts={
                "document_date": document.document_date.isoformat(),
                "payer_account": document.payer_account,
                "payer_id": document.payer_id,
                "payer_name": document.payer_name,
                "purpose": document.purpose,
            },
        )

    def _differs(self, key: str, document: BankDocument) -> NewWorkItem:
        digest = sha256(f"{document.amount}|{document.purpose}".encode()).hexdigest()[:16]
        return self._item(f"{key}:{digest}", document, None, DocumentReason.DIFFERS)

    async def accounts(self) -> dict[str, str]:
        """Our accounts at banks with their names."""
        return {row["iban"]: row["name"] for row in await self._database.fetch(Q.named_bank_accounts)}

    async def _accounts(self) -> frozenset[str]:
        return frozenset(row["iban"] for row in await self._database.fetch(Q.bank_accounts))

    async def file(self, file_id: BankFileId, *, replayed: bool = False) -> TakenFile:
        """Read a bank file and what became of its documents.

        Raises:
            BankFileUnknownError
        """
        row = await self._database.fetchrow(Q.bank_file, file_id)
        if row is None:
            raise BankFileUnknownError(file_id=file_id)
        return store.taken_file_of(row, replayed=replayed)


def _key(form: BankForm, document: BankDocument) -> str:
    """Name a document as the bank does in this form: whose order to whom, its number and day.

    The sum is left out on purpose, so that the same order with another sum is noticed instead of credited again.
    """
    parts = (
        *([] if form is BankForm.EXCHANGE else [form]),
        document.receiver_account,
        document.payer_account,
        document.payer_id,
        document.number,
        document.document_date.isoformat(),
    )
    return sha256("|".join(parts).encode()).hexdigest()[:40]
