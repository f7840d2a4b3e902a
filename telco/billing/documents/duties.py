"""What companies have to be given in writing, and by when: kept from the moment an invoice is issued until it is done.

Contract: PSC-4.5
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import structlog
from prometheus_client import Gauge

from telco.billing.documents import rules, store
from telco.billing.documents.errors import NothingSuppliedError
from telco.billing.documents.model import Duty, DutyState, Kind
from telco.billing.documents.service import Documents
from telco.billing.documents.store import Q
from telco.billing.invoicing.model import InvoiceId
from telco.billing.invoicing.service import Invoicing
from telco.db.outbox import OutboxEvent
from telco.db.pool import LOST_CONNECTION, Connection, Database, Record
from telco.kernel.calendar import Calendar, add_months
from telco.kernel.clock import Clock
from telco.kernel.errors import DomainError
from telco.kernel.ids import AccountId, AccountRef
from telco.subscribers.addressees import addressee, company_accounts
from telco.subscribers.model import PartyKind

BATCH = 100
ACCOUNTS = 1_000
"""Accounts looked at together for what they used in a month."""
LEASE = timedelta(minutes=5)
"""How long a machine that took a duty and died keeps others from it."""
_LATE = Gauge("telco_document_duties_late", "Documents that companies should have been given and were not")

log = structlog.get_logger(__name__)


class CompanyDuties:
    """Use cases of what has to be issued."""

    def __init__(
        self, database: Database, clock: Clock, calendar: Calendar, documents: Documents, invoicing: Invoicing
    ) -> None:
        self._database = database
        self._clock = clock
        self._calendar = calendar
        self._documents = documents
        self._invoicing = invoicing

    async def on_invoice_issued(self, event: OutboxEvent) -> None:
        """Note that a company has to be given its invoice and act; the same event again changes nothing.

        Contract: PSC-4.5
        """
        account = AccountRef(event.payload["shard"], AccountId(event.payload["account_id"]))
        async with self._database.acquire() as connection:
            owner = await addressee(connection, account)
        if owner is None or owner.party.kind is not PartyKind.COMPANY:
            return
        invoice = await self._invoicing.invoice(InvoiceId(event.payload["invoice_id"]))
        sources = [rules.source_of(kind, invoice.invoice_id) for kind in (Kind.INVOICE, Kind.ACT)]
        await self._open(sources, invoice.period_end)

    async def on_invoice_lowered(self, event: OutboxEvent) -> None:
        """Note that a credit note has to be given; the same event again changes nothing. Contract: PSC-3.1.4-1"""
        source = rules.source_of(Kind.CREDIT_NOTE, event.payload["credit_note_id"])
        await self._open([source], self._calendar.today(event.created_at) + timedelta(days=1))

    async def _open(self, sources: Sequence[str], supplied_until: date) -> None:
        due_on, now = rules.duty_due_on(supplied_until), self._clock.now()
        await self._change(Q.open_duties, list(sources), due_on, now)

    async def note_months(self) -> None:
        """Note the acts and e-invoices of companies in prepaid settlement for each month that is over.

        What was used in March, until the 31st, is stated by 20 April. Where an account was invoiced in a part of the
        month, that part is on its invoices and their acts; a month without services has neither. Killed, it begins the
        month again.

        Contract: PSC-4.5, PSC-4.3.1
        """
        now = self._clock.now()
        this_month = self._calendar.today(now).replace(day=1)
        newest = await self._database.fetchval(Q.last_act_month)
        month = add_months(this_month, -1) if newest is None else add_months(newest, 1)
        while month < this_month:
            await self._note_month(month)
            await self._change(Q.note_act_month, month, now)
            month = add_months(month, 1)

    async def _note_month(self, month: date) -> None:
        following, after = add_months(month, 1), None
        since, until = self._calendar.start_of_day(month), self._calendar.start_of_day(following)
        while True:
            async with self._database.acquire() as connection:
                accounts = await company_accounts(connection, after, since, ACCOUNTS)
                prepaid = await self._invoicing.not_invoiced(connection, accounts, since, until)
            kinds = (Kind.ACT, Kind.EINVOICE)
            sources = [rules.source_of_month(kind, account, month) for account in prepaid for kind in kinds]
            await self._open(sources, following)
            if len(accounts) < ACCOUNTS:
                return
            after = accounts[-1]

    async def run(self) -> dict[str, object]:
        """Issue what is to be issued, what is due first at first; tell what was done, what failed and what is late.

        Contract: PSC-4.5
        """
        await self.note_months()
        done = failed = 0
        while claimed := await self._claim():
            for row in claimed:
                if await self._do(row):
                    done += 1
                else:
                    failed += 1
        return {"done": done, "failed": failed, **await self._count()}

    async def _claim(self) -> list[Record]:
        now = self._clock.now()

        async def body(connection: Connection) -> list[Record]:
            return await connection.fetch(Q.claim_duties, now, now + LEASE, BATCH)

        return await self._database.transact("documents.claim_duties", body)

    async def _do(self, row: Record) -> bool:
        """Fulfil a duty; what is in the way is noted, holds no other up, and it is tried again."""
        duty_id, source = row["duty_id"], row["source"]
        try:
            issued = await self._documents.issue_of(source)
        except NothingSuppliedError:
            await self._change(Q.drop_duty, duty_id)
            return True
        except DomainError as error:
            log.warning("document_duty_failed", duty_id=duty_id, source=source, code=error.code)
            trouble = f"{error.code}: {error}"
        except LOST_CONNECTION:
            raise
        except Exception as error:  # a defect of ours
            log.exception("document_duty_failed", duty_id=duty_id, source=source)
            trouble = f"{type(error).__name__}: {error}"
        else:
            await self._change(Q.do_duty, duty_id, issued.document_id, self._calendar.today(self._clock.now()))
            return True
        await self._change(Q.postpone_duty, duty_id, trouble[:500], rules.next_try(row["attempts"], self._clock.now()))
        return False

    async def _change(self, query: str, *arguments: object) -> None:
        async def body(connection: Connection) -> None:
            await connection.execute(query, *arguments)

        await self._database.transact("documents.change_duties", body)

    async def _count(self) -> dict[str, object]:
        today = self._calendar.today(self._clock.now())
        row = await self._database.fetchrow(Q.late_duties, today)
        assert row is not None
        _LATE.set(row["late"])
        if row["late"]:
            log.error("document_duties_late", late=row["late"])
        return {"open": row["open"], "late": row["late"]}

    async def list(self, state: DutyState, after: int, limit: int) -> list[Duty]:
        """List duties in a state in the order in which they arose, from beyond an id."""
        today = self._calendar.today(self._clock.now())
        return [store.duty_of(row) for row in await self._database.fetch(Q.duties, state, today, after, limit)]
