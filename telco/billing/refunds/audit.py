"""The auditor of money back: deadlines kept, books equal to orders, nothing left where nothing may be.

Contract: PSC-5.3, PSC-6.4, PSC-6.5, PSC-7.7
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from telco.db import queries
from telco.db.pool import Database

MAX_FINDINGS = 100
"""Findings of one check that are worth listing."""

_CHECKS = queries.load("telco.billing.refunds", "audit.sql")


class Finding(NamedTuple):
    """Something that is not right."""

    check: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"refunds.{self.check}: {self.subject}: {self.detail}"


async def audit(database: Database, today: date, limit: int = MAX_FINDINGS) -> list[Finding]:
    """Check every refund, ended account and compensation as they are at one moment; `today` is Kazakhstan's."""
    found: list[Finding] = []
    async with (
        database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in _CHECKS.names():
            rows = await connection.fetch(getattr(_CHECKS, check), today, limit)
            found += [Finding(check, row["subject"], row["detail"]) for row in rows]
    return found
