"""The auditor of device instalments: compares agreements and their parts with the journal.

Contract: PSC-3.2.12
"""

from __future__ import annotations

from datetime import date

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.ids import AccountId, AccountRef
from telco.ledger.audit import MAX_FINDINGS, Finding

_CHECKS = queries.load("telco.billing.instalments", "audit.sql")
_LATE = "instalment_late"
"""Asks for a day besides, so it is a check of its own."""


async def audit(database: Database, limit: int = MAX_FINDINGS) -> list[Finding]:
    """Check every agreement, as it was at one moment."""
    found: list[Finding] = []
    async with (
        database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in (name for name in _CHECKS.names() if name != _LATE):
            for row in await connection.fetch(getattr(_CHECKS, check), limit):
                account = AccountRef(row["shard"], AccountId(row["account_id"]))
                found.append(Finding(check, account, row["detail"]))
    return found


async def missed_parts(database: Database, today: date) -> list[Finding]:
    """Find parts whose day was before `today` and that are not on the account."""
    rows = await database.fetch(_CHECKS.instalment_late, today, MAX_FINDINGS)
    return [Finding(_LATE, AccountRef(row["shard"], AccountId(row["account_id"])), row["detail"]) for row in rows]
