"""The auditor: recomputes every bucket and hold from the journal. It shares no code with what writes them."""

from __future__ import annotations

from typing import NamedTuple

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.ids import AccountId, AccountRef

MAX_FINDINGS = 100
"""Findings of one check that are worth listing."""

_CHECKS = queries.load("telco.ledger", "audit.sql")


class Finding(NamedTuple):
    """Something in the books that is not right."""

    check: str
    account: AccountRef
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: account {self.account}: {self.detail}"


async def audit(database: Database, limit: int = MAX_FINDINGS) -> list[Finding]:
    """Check all accounts, as they were at one moment, and return what is wrong with them.

    Money that comes from nowhere, a hold that nobody owns, a balance the journal does not explain, a cost that is not
    the price: each is a finding.
    """
    found: list[Finding] = []
    async with (
        database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in _CHECKS.names():
            for row in await connection.fetch(getattr(_CHECKS, check), limit):
                account = AccountRef(row["shard"], AccountId(row["account_id"]))
                found.append(Finding(check, account, row["detail"]))
    return found
