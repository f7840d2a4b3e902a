"""The auditor of invoices: recomputes what each account owes from the journal, with SQL of its own (`audit.sql`).

It shares no code with what closes periods and pays invoices.
"""

from __future__ import annotations

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.ids import AccountId, AccountRef
from telco.ledger.audit import MAX_FINDINGS, Finding

_CHECKS = queries.load("telco.billing.invoicing", "audit.sql")


async def audit(database: Database, limit: int = MAX_FINDINGS) -> list[Finding]:
    """Check all invoices, as they were at one moment, and return what is wrong with them.

    A charge on no invoice or on two, a period skipped or closed twice, a number left out, an open amount that its
    payments do not explain, an account whose invoices, charges and advance are not its balance: each is a finding.
    """
    found: list[Finding] = []
    async with (
        database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in _CHECKS.names():
            for row in await connection.fetch(getattr(_CHECKS, check), limit, timeout=600):
                account = AccountRef(row["shard"], AccountId(row["account_id"]))
                found.append(Finding(f"invoicing.{check}", account, row["detail"]))
    return found
