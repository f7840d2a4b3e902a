"""Unpaid invoices as collection follows them: which fall due, and what of each was paid since when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date

from telco.billing.invoicing.errors import InvoiceUnknownError
from telco.billing.invoicing.model import Bill, Change, InvoiceId, Standing
from telco.db import queries
from telco.db.pool import Connection, Record
from telco.kernel.calendar import Calendar
from telco.kernel.ids import AccountId, AccountRef, SubscriberId
from telco.kernel.money import Tiyn

_Q = queries.load("telco.billing.invoicing", "arrears.sql")


class Arrears:
    """Reads of open amounts, each as the caller's transaction sees them."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    async def falling_due(self, conn: Connection, through: date, after: int, limit: int) -> list[Bill]:
        """Read invoices that are unpaid and due on or before a day, by id from beyond `after`."""
        return [_bill_of(row) for row in await conn.fetch(_Q.falling_due, through, after, limit)]

    async def bills(self, conn: Connection, invoice_ids: Collection[int]) -> list[Bill]:
        """Read those of the invoices that are unpaid."""
        return [_bill_of(row) for row in await conn.fetch(_Q.unpaid, list(invoice_ids))]

    async def bills_of(self, conn: Connection, account: AccountRef) -> list[Bill]:
        """Read an account's invoices that are unpaid, whether they are due or not."""
        return [_bill_of(row) for row in await conn.fetch(_Q.unpaid_of_account, *account)]

    async def number(self, conn: Connection, invoice_id: InvoiceId) -> str:
        """Read the number of an invoice.

        Raises:
            InvoiceUnknownError
        """
        number: str | None = await conn.fetchval(_Q.number, invoice_id)
        if number is None:
            raise InvoiceUnknownError(invoice=str(invoice_id))
        return number

    async def standings(self, conn: Connection, invoice_ids: Collection[int]) -> dict[int, Standing]:
        """Read what of invoices is open, with every change by its day in Kazakhstan."""
        ids = list(invoice_ids)
        opens = await conn.fetch(_Q.standings, ids)
        changes: dict[int, list[Change]] = defaultdict(list)
        for row in await conn.fetch(_Q.changes, ids):
            day = self._calendar.today(row["allocated_at"])
            changes[row["invoice_id"]].append(Change(day, Tiyn(row["amount_tiyn"])))
        return {row["invoice_id"]: Standing(Tiyn(row["open_tiyn"]), tuple(changes[row["invoice_id"]])) for row in opens}

    async def invoiced_open(self, conn: Connection, account: AccountRef) -> int:
        """Read what of an account's invoices is open, in tiyn."""
        total: int = await conn.fetchval(_Q.open_total, *account)
        return total

    async def invoiced(self, conn: Connection, accounts: Collection[AccountRef]) -> set[AccountRef]:
        """Which accounts still get invoices, so that what is charged to them late is claimed by those."""
        rows = await conn.fetch(
            _Q.invoiced, [account.shard for account in accounts], [account.account_id for account in accounts]
        )
        return {AccountRef(row["shard"], AccountId(row["account_id"])) for row in rows}


def _bill_of(row: Record) -> Bill:
    return Bill(
        InvoiceId(row["invoice_id"]),
        row["number"],
        AccountRef(row["shard"], AccountId(row["account_id"])),
        SubscriberId(row["subscription_id"]),
        row["due_on"],
        Tiyn(row["total_tiyn"]),
        Tiyn(min(max(row["penalty_tiyn"], 0), row["total_tiyn"])),
    )
