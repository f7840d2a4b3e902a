"""The auditor of money in: all that came is in personal accounts or on the work list, and nothing is there twice.

Contract: PSC-3.2.4-4
"""

from __future__ import annotations

from typing import NamedTuple

from telco.db import queries
from telco.db.pool import Database
from telco.kernel.money import Tiyn

MAX_FINDINGS = 100
"""Findings of one check that are worth listing."""
CHECKS = ("unseen_documents", "parts_differ", "decided_without_payment", "books_differ")

_Q = queries.load("telco.billing.payments", "audit.sql")


class Finding(NamedTuple):
    """Something in the registry that is not right."""

    check: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.subject} {self.detail}"


class MoneyIn(NamedTuple):
    """Where the money is that the bank says came: the others add up to the first."""

    received: Tiyn
    allocated: Tiyn
    returned: Tiyn
    """Refunds that came back."""
    on_the_list: Tiyn
    closed: Tiyn


async def audit_payments(database: Database, limit: int = MAX_FINDINGS) -> list[Finding]:
    """Check the registry of payments against the bank's documents, the work list and the ledger, at one moment."""
    return (await money_in(database, limit))[1]


async def money_in(database: Database, limit: int = MAX_FINDINGS) -> tuple[MoneyIn, list[Finding]]:
    """Return where the money of the bank is, with everything that is wrong, at one moment. Contract: PSC-3.2.4-4"""
    found: list[Finding] = []
    async with (
        database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in CHECKS:
            rows = await connection.fetch(getattr(_Q, check), limit)
            found += [Finding(check, row["subject"], row["detail"]) for row in rows]
        row = await connection.fetchrow(_Q.totals)
    assert row is not None
    totals = MoneyIn(*(Tiyn(row[name]) for name in MoneyIn._fields))
    if totals.received != sum(totals[1:]):
        found.append(Finding("money_in", "bank", f"does not add up: {totals}"))
    return totals, found
