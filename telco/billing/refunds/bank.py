"""Refunds at the bank: orders leave in a file, and the bank's statement tells which were paid and which came back.

Contract: PSC-6.4, PSC-7.7
"""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from hashlib import sha256

from telco.billing.documents.model import Seller
from telco.billing.documents.requisites import Requisites
from telco.billing.payments.bank_transfers import BankTransfers
from telco.billing.payments.model import BankDocument, BankFile, BankForm
from telco.billing.payments.statements import parse_statement
from telco.billing.payments.twins import MOST_DAYS, refund_reference
from telco.billing.refunds import store
from telco.billing.refunds.errors import NoOrdersError, PaidOnError, PayerAccountError, RefundFileUnknownError
from telco.billing.refunds.model import (
    AnswerKind,
    AnswerLine,
    BankAnswer,
    Payer,
    Refund,
    RefundFile,
    RefundFileId,
    RefundId,
    RefundState,
)
from telco.billing.refunds.orders_file import payment_orders
from telco.billing.refunds.payouts import Payouts
from telco.billing.refunds.service import Refunds
from telco.billing.refunds.store import Q
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.iban import same_bank
from telco.kernel.money import Tiyn

MOST_ORDERS = 5_000
"""Orders of one file."""
SYSTEM = "system:bank_files"
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


class RefundBank:
    """Use cases of files to and from the bank."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        calendar: Calendar,
        refunds: Refunds,
        payouts: Payouts,
        transfers: BankTransfers,
        requisites: Requisites,
        purpose_code: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._refunds = refunds
        self._payouts = payouts
        self._transfers = transfers
        self._requisites = requisites
        self._purpose_code = purpose_code

    # To the bank

    async def make_file(self, iban: str, *, actor: str, request_id: str) -> RefundFile:
        """Put every order that waits into one file for the bank; the same request again gets the same file.

        An order is in one file only. A file that was lost on its way is read again, never made again.

        Raises:
            PayerAccountError: not an account of ours.
            NoOrdersError: none waits.
            RequisitesMissingError: who pays is not known yet.
        """
        if iban not in await self._transfers.accounts():
            raise PayerAccountError(iban=iban)

        async def body(connection: Connection) -> RefundFile:
            await store.lock_request(connection, request_id)
            row = await connection.fetchrow(Q.file_by_request, request_id)
            if row is not None:
                return store.file_of(row)
            orders = [store.refund_of(row) for row in await connection.fetch(Q.lock_unfiled, MOST_ORDERS)]
            orders = [order for order in orders if order.file_id is None]
            if not orders:
                raise NoOrdersError
            now = self._clock.now()
            local = self._calendar.local(now)
            payer = _payer(iban, await self._requisites.on(connection, local.date()))
            row = await connection.fetchrow(
                Q.insert_file,
                request_id,
                iban,
                local.date(),
                now,
                actor,
                len(orders),
                sum(order.amount or 0 for order in orders),
                payment_orders(payer, orders, local, self._purpose_code),
            )
            assert row is not None
            made = store.file_of(row)
            await connection.execute(Q.set_file, made.file_id, [order.refund_id for order in orders])
            for order in orders:
                await self._refunds.keep(connection, order, "filed", actor=actor, ground=f"file {made.file_id}")
            return made

        return await self._database.transact("refunds.make_file", body)

    async def file(self, file_id: RefundFileId) -> RefundFile:
        """Read a file as it was given to the bank.

        Raises:
            RefundFileUnknownError
        """
        row = await self._database.fetchrow(Q.file, file_id)
        if row is None:
            raise RefundFileUnknownError(file_id=file_id)
        return store.file_of(row)

    # From the bank

    async def take_answer(self, raw: bytes, file_name: str, *, actor: str) -> BankAnswer:
        """Go through a bank's statement: our orders that it debited are paid, those that came back are returned.

        A statement tells of much else, which is left alone. Each line is a step of its own and is done once, so the
        same file again, another file with the same lines, or one that was cut off half-way all end right.

        Raises:
            BankFileError: the file cannot be read; nothing of it was taken.
            PayerAccountError: it is not of an account of ours.
        """
        file = await asyncio.to_thread(parse_statement, raw)
        if file.account not in await self._transfers.accounts():
            raise PayerAccountError(iban=file.account)
        digest = sha256(raw).digest()
        known = await self._database.fetchval(Q.answer_by_digest, digest)
        if known is not None:
            return BankAnswer(tuple(_line(line) for line in known["lines"]), replayed=True)
        lines: list[AnswerLine] = []
        for document in file.documents:
            line = await self._take(document, file, actor)
            if line is not None:
                lines.append(line)

        async def body(connection: Connection) -> None:
            result = {"lines": [[line.kind, line.document, line.amount, line.refund_id] for line in lines]}
            await connection.execute(Q.insert_answer, digest, file_name, self._clock.now(), actor, result)

        await self._database.transact("refunds.take_answer", body)
        return BankAnswer(tuple(lines), replayed=False)

    async def _take(self, document: BankDocument, file: BankFile, actor: str) -> AnswerLine | None:
        if document.payer_account == file.account:
            return await self._debited(document, file.form, actor) if document.debited_on is not None else None
        if document.receiver_account == file.account and document.received_on is not None:
            return await self._came_back(document, actor)
        return None

    async def _debited(self, document: BankDocument, form: BankForm, actor: str) -> AnswerLine | None:
        """One of our orders was paid. Orders that other programs gave to the bank are not ours."""
        refund = await self._ordered(document, form)
        if refund is None:
            return None
        if refund.amount != document.amount or document.receiver_account not in ("", refund.payee.iban):
            return _said(AnswerKind.DIFFERS, document, refund)
        if refund.state is not RefundState.ORDERED:
            return _said(AnswerKind.KNOWN, document, refund)
        assert document.debited_on is not None
        try:
            await self._payouts.confirm(
                refund.refund_id, paid_on=document.debited_on, document=document.number, actor=actor
            )
        except PaidOnError:  # a day on which it cannot have been: somebody has to look
            return _said(AnswerKind.DIFFERS, document, refund)
        return _said(AnswerKind.PAID, document, refund)

    async def _ordered(self, document: BankDocument, form: BankForm) -> Refund | None:
        """Find the refund whose order a debit is.

        The exchange format has the order's number and day. A statement MT940 has the day of value, and only sometimes
        the number: there it is the purpose that names the refund, or the number with exactly its sum and payee.
        """
        named, first = None, document.document_date
        if form is BankForm.MT940:
            named, first = refund_reference(document.purpose), first - timedelta(days=MOST_DAYS)
        number = int(document.number) if _NUMBER.fullmatch(document.number) else None
        asked = number if named is None else named
        row = await self._database.fetchrow(
            Q.refund_of_order, asked, document.payer_account, first, document.document_date
        )
        if row is None:
            return None
        refund = store.refund_of(row)
        exact = (refund.amount, refund.payee.iban) == (document.amount, document.receiver_account)
        return refund if form is BankForm.EXCHANGE or named is not None or exact else None

    async def _came_back(self, document: BankDocument, actor: str) -> AnswerLine | None:
        """Money came in whose purpose names one of our refunds: the transfer was returned."""
        if refund_reference(document.purpose) is None:
            return None

        async def body(connection: Connection) -> AnswerLine:
            kind, refund = await self._return(connection, document, None, actor)
            return AnswerLine(kind, document.number, document.amount, None if refund is None else refund.refund_id)

        return await self._database.transact("refunds.came_back", body)

    async def explain(self, connection: Connection, document_id: int, document: BankDocument) -> str | None:
        """Say which refund came back with a document of the payments', and return it, unless that was done.

        A refund comes back once: by this document, or by the one that an answer of the bank told of. Whatever else
        names it is other money, and for people.

        Contract: PSC-6.4, PSC-7.7
        """
        if document.received_on is None or refund_reference(document.purpose) is None:
            return None
        kind, refund = await self._return(connection, document, document_id, SYSTEM)
        if refund is None or kind not in (AnswerKind.RETURNED, AnswerKind.KNOWN):
            return None
        if kind is AnswerKind.KNOWN:
            if refund.return_told_on is None or refund.return_document_id is not None:
                return None
            await connection.execute(Q.set_return_told, refund.refund_id, document.received_on, document_id)
        return f"refund {refund.reference}"

    async def _return(
        self, connection: Connection, document: BankDocument, document_id: int | None, actor: str
    ) -> tuple[AnswerKind, Refund | None]:
        """Return the refund that a document names, when the money is exactly its and was at the bank."""
        row = await connection.fetchrow(Q.lock_refund, refund_reference(document.purpose))
        if row is None:
            return AnswerKind.UNKNOWN, None
        refund = store.refund_of(row)
        if refund.amount != document.amount or refund.file_id is None:
            return AnswerKind.DIFFERS, refund
        if refund.state is RefundState.RETURNED:
            return AnswerKind.KNOWN, refund
        reason = f"returned by the bank, document {document.number} of {document.document_date.isoformat()}"
        returned = await self._payouts.return_to_account(connection, refund, reason=reason, actor=actor)
        await connection.execute(Q.set_return_told, refund.refund_id, document.received_on, document_id)
        return AnswerKind.RETURNED, returned


def _payer(iban: str, seller: Seller) -> Payer:
    at_its_bank = same_bank(iban, seller.bank.iban)
    return Payer(
        iban,
        seller.name.ru,
        seller.bin,
        seller.bank.kbe,
        seller.bank.name.ru if at_its_bank else "",
        seller.bank.bik if at_its_bank else "",
    )


def _said(kind: AnswerKind, document: BankDocument, refund: Refund) -> AnswerLine:
    return AnswerLine(kind, document.number, document.amount, refund.refund_id)


def _line(stored: list[object]) -> AnswerLine:
    kind, document, amount, refund_id = stored
    return AnswerLine(
        AnswerKind(str(kind)),
        str(document),
        Tiyn(int(str(amount))),
        None if refund_id is None else RefundId(int(str(refund_id))),
    )
