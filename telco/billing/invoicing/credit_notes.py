"""Credit notes: documents that lower an invoice which was too high. The invoice itself stays as it was issued.

A note gives the sum back to the personal account, takes it off what is open of the invoice first, and says of which
lines and of how much VAT it is. All of it is one transaction of whoever decides.
"""

from __future__ import annotations

from telco.billing.errors import TopUpRefusedError
from telco.billing.invoicing import rules, store
from telco.billing.invoicing.errors import CreditNoteUnknownError, CreditTooHighError, InvoiceUnknownError
from telco.billing.invoicing.model import CreditNote, CreditNoteId, InvoiceId
from telco.billing.invoicing.service import Invoicing
from telco.db import outbox, queries
from telco.db.pool import Connection, Database, Record
from telco.kernel.calendar import Calendar
from telco.kernel.clock import Clock
from telco.kernel.ids import AccountRef
from telco.kernel.money import Money, Tiyn
from telco.ledger import model as ledger_model
from telco.ledger.model import Status
from telco.ledger.service import Ledger

CONTRA = "correction.invoice"
"""What is given back by credit notes: it lowers revenue, and is no charge of the period in which it is found."""
_Q = queries.load("telco.billing.invoicing", "credit_notes.sql")


class CreditNotes:
    """Use cases of credit notes."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, ledger: Ledger, invoicing: Invoicing
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._ledger = ledger
        self._invoicing = invoicing

    async def issue(
        self,
        conn: Connection,
        invoice_id: InvoiceId,
        amount: Tiyn | None,
        *,
        source: str,
        reason: str,
        actor: str,
    ) -> CreditNote:
        """Lower an invoice by `amount`, or by what is open of it; the same `source` again changes nothing.

        What is more than is open of the invoice pays the account's other invoices or stays as its advance.

        Raises:
            InvoiceUnknownError
            CreditTooHighError: nothing of it, or less than `amount`, is left to be taken back.

        Contract: PSC-3.1.4-1, PSC-3.1.7
        """
        owner = await conn.fetchrow(_Q.account_of_invoice, invoice_id)
        if owner is None:
            raise InvoiceUnknownError(invoice=str(invoice_id))
        await self._ledger.lock(conn, [store.account_of(owner)])  # before invoicing's account, as every payment does
        invoice = await conn.fetchrow(_Q.lock_invoice, invoice_id)
        assert invoice is not None
        known = await conn.fetchval(_Q.credit_note_by_source, source)
        if known is not None:
            return await read(conn, known)
        lines = [store.line_of(row) for row in await conn.fetch(_Q.lines_left, invoice_id)]
        left = sum(line.amount for line in lines)
        if amount is None:
            amount = Tiyn(invoice["open_tiyn"])
        if not 0 < amount <= left:
            raise CreditTooHighError(amount=Money(amount), left=Money(left))
        account, now, op_id = store.account_of(invoice), self._clock.now(), f"credit_note:{source}"
        taken = rules.credited(lines, amount)
        row = await conn.fetchrow(
            _Q.insert_credit_note,
            source,
            rules.CREDIT_NOTES,
            self._calendar.today(now).year,
            invoice_id,
            *account,
            op_id,
            amount,
            sum(part.vat for part in taken),
            reason,
            now,
            actor,
        )
        assert row is not None
        note_id, number = row["credit_note_id"], row["number"]
        await conn.execute(
            _Q.insert_lines,
            note_id,
            [part.line.line_no for part in taken],
            [part.amount for part in taken],
            [part.vat for part in taken],
        )
        await self.give_back(conn, account, amount, op_id, details={"payment": number})
        await self._invoicing.allocate(conn, account, op_id, amount, now, [(invoice_id, amount)])
        note = await read(conn, note_id)
        await _tell(conn, note, invoice)
        return note

    async def give_back(
        self, conn: Connection, account: AccountRef, amount: Tiyn, op_id: str, *, details: dict[str, object]
    ) -> None:
        """Give back what was charged wrongly and is on no invoice, or was taken off one, once for `op_id`.

        Raises:
            TopUpRefusedError: the ledger has no such account.
        """
        op = ledger_model.credit(account, op_id, amount, contra=CONTRA, details={"label": "credit_note", **details})
        [outcome] = await self._ledger.apply(conn, [op])
        if outcome.status is not Status.OK:
            raise TopUpRefusedError(account=str(account), why=outcome.status.name.lower())

    async def of_invoice(self, invoice_id: InvoiceId) -> list[CreditNote]:
        """The credit notes of an invoice, the oldest first."""
        async with self._database.acquire() as conn:
            rows = await conn.fetch(_Q.credit_notes_of, invoice_id)
            return [await read(conn, CreditNoteId(row["credit_note_id"])) for row in rows]


async def _tell(conn: Connection, note: CreditNote, invoice: Record) -> None:
    payload: dict[str, object] = {
        "credit_note_id": note.credit_note_id,
        "number": note.number,
        "invoice_id": note.invoice_id,
        "invoice_number": invoice["number"],
        "shard": note.account.shard,
        "account_id": note.account.account_id,
        "subscriber_id": invoice["subscription_id"],
        "msisdn": invoice["msisdn"],
        "amount": note.total,
    }
    await outbox.emit(conn, "billing.invoice_lowered", f"account:{note.account}", payload, at=note.issued_at)


async def read(conn: Connection, credit_note_id: CreditNoteId) -> CreditNote:
    """Read a credit note.

    Raises:
        CreditNoteUnknownError
    """
    row = await conn.fetchrow(_Q.credit_note, credit_note_id)
    if row is None:
        raise CreditNoteUnknownError(credit_note_id=credit_note_id)
    return store.credit_note_of(row, await conn.fetch(_Q.credit_note_lines, credit_note_id))
