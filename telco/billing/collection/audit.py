"""The auditor of collection: no suspension without ground, no deadline missed, no penalty but what is due.

It finds what `telco audit` and the simulation list; the outbox has to be empty, as a payment is heard of through it.

Contract: PSC-3.1.5.1, PSC-3.1.4-1, PSC-5.4, PSC-6.3.3
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

from telco.billing.collection.dunning import ORIGIN
from telco.billing.invoicing.arrears import Arrears
from telco.db import queries
from telco.db.pool import Connection, Database, Record
from telco.kernel.calendar import Calendar
from telco.kernel.ids import AccountId, AccountRef
from telco.ledger.audit import MAX_FINDINGS, Finding
from telco.subscribers.accounts import OpenSuspension, suspended_by
from telco.subscribers.model import Ground

PAGE = 2_000
_Q = queries.load("telco.billing.collection", "audit.sql")
_OWN = (
    "step_missed",
    "end_missed",
    "case_left_open",
    "handover_kept",
    "penalty_differs",
    "penalty_too_high",
    "handed_over_disputed",
)


async def audit(
    database: Database, now: datetime, calendar: Calendar | None = None, limit: int = MAX_FINDINGS
) -> list[Finding]:
    """Check every debt as it was at one moment, and return what is wrong."""
    calendar = calendar or Calendar()
    today, arrears = calendar.today(now), Arrears(calendar)
    found: list[Finding] = []
    async with (
        database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in _OWN:
            rows = await connection.fetch(getattr(_Q, check), today, limit)
            found += [_finding(f"collection.{check}", row, row["detail"]) for row in rows]
        found += [finding async for finding in _suspended_without_ground(connection, arrears)]
        found += [finding async for finding in _unknown_debts(connection, arrears, today)]
    return found


async def _suspended_without_ground(connection: Connection, arrears: Arrears) -> AsyncIterator[Finding]:
    """Each suspension that collection made names an invoice that is not paid. Contract: PSC-3.1.5.1"""
    after = 0
    while page := await suspended_by(connection, Ground.MONEY, ORIGIN.author, after, PAGE):
        rows = await connection.fetch(_Q.debts_by_number, [suspension.reference for suspension in page])
        debts = {row["number"]: row for row in rows}
        invoices = [row["invoice_id"] for row in rows if row["invoice_id"] is not None]
        standings = await arrears.standings(connection, invoices)
        for suspension in page:
            why = _why_groundless(suspension, debts)
            debt = debts.get(suspension.reference)
            if why is None and debt is not None and debt["invoice_id"] is not None:
                why = "is paid" if standings[debt["invoice_id"]].open == 0 else None
            if why is not None:
                detail = f"number {suspension.subscriber_id} is suspended and {suspension.reference} {why}"
                yield Finding("collection.suspended_without_ground", suspension.account, detail)
        after = page[-1].suspension_id


def _why_groundless(suspension: OpenSuspension, debts: dict[str, Record]) -> str | None:
    debt = debts.get(suspension.reference)
    if debt is None:
        return "is no open debt"
    return None if debt["suspended"] else "is not noted as suspended"


async def _unknown_debts(connection: Connection, arrears: Arrears, today: date) -> AsyncIterator[Finding]:
    """Each invoice that is unpaid since yesterday at least is followed."""
    after = 0
    while page := await arrears.falling_due(connection, today - timedelta(days=2), after, PAGE):
        rows = await connection.fetch(_Q.known_invoices, [bill.invoice_id for bill in page])
        known = {row["invoice_id"]: row["state"] for row in rows}
        for bill in page:
            if known.get(bill.invoice_id) not in ("open", "withdrawn"):
                yield Finding("collection.not_followed", bill.account, f"invoice {bill.number} is overdue")
        after = page[-1].invoice_id


def _finding(check: str, row: Record, detail: str) -> Finding:
    return Finding(check, AccountRef(row["shard"], AccountId(row["account_id"])), detail)
