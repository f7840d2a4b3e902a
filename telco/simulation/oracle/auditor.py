"""The auditor of a simulated day: what is wrong tonight, and the figures for the report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from telco.audits import audit_all
from telco.billing.bonus.audit import recompute as recompute_bonuses
from telco.catalog.catalogue import Catalogue
from telco.catalog.model import FeeAnchor, Interval, Plan, Renewal, ServiceOffer
from telco.db import queries
from telco.db.pool import Connection, Database
from telco.kernel.calendar import Calendar, add_months
from telco.simulation.model import Finding

MOST_FINDINGS: Final = 20
"""Of one check on one day."""
QUARTER: Final = 3
"""Months after which everything is recomputed."""
_CHECKS: Final = queries.load("telco.simulation.oracle", "checks.sql")
_STATE: Final = queries.load("telco.simulation.oracle", "state.sql")
_NOTES: Final = queries.load("telco.simulation.oracle", "notes.sql")
_SPANS: Final[Mapping[Interval, str]] = {
    Interval.DAY: "1 day",
    Interval.WEEK: "7 days",
    Interval.DAYS_28: "28 days",
    Interval.DAYS_30: "30 days",
    Interval.MONTH: "1 month",
}
"""Intervals as PostgreSQL counts them."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is wrong in a part of a day, and figures for the report."""

    findings: list[Finding]
    figures: dict[str, Any]


async def make_notes(connection: Connection, start: datetime, day: date) -> None:
    """Make the tables of the oracle's notes, in a database that has none."""
    await connection.execute(_NOTES.make)
    if await connection.fetchval("select count(*) from simulation.today") == 0:
        await connection.execute(_NOTES.begin, day, start)


async def begin_day(connection: Connection, day: date, now: datetime, catalogue: Catalogue) -> None:
    """Note which day is looked at, before its two parts are, at the same time or one after the other.

    The same again, as after a stop, changes nothing.
    """
    await connection.execute(_NOTES.begin, day, now)
    await connection.execute(_NOTES.summarize)
    await _set_terms(connection, catalogue)


async def audit_operations(connection: Connection, day: date) -> Part:
    """Ask everything about a day's operations, in a transaction that also notes what tomorrow's questions need."""
    await connection.execute("set local enable_seqscan = off")  # the day's operations are found by time, not by reading
    await connection.execute(_NOTES.today_op)
    await connection.execute("set local enable_seqscan = on")
    await connection.execute("analyze today_op (shard, account_id, op_id, kind, contra, contra_code)")
    for note in (_NOTES.note_periods, _NOTES.supersede):
        await connection.execute(note)
    findings = await _ask(connection, day, _CHECKS)
    operations = await connection.fetchval("select count(*) from today_op")
    moved = await connection.fetch(_NOTES.moved)
    await connection.execute("truncate simulation.bucket")
    await connection.execute(_NOTES.note_buckets)
    return Part(findings, {"operations": operations, "moved": {row["account"]: row["moved"] for row in moved}})


async def audit_state(connection: Connection, day: date) -> tuple[Part, str]:
    """Ask everything about the state in which a day leaves the service, and put all balances into a digest."""
    findings = await _ask(connection, day, _STATE)
    row = await connection.fetchrow(_NOTES.figures)
    assert row is not None
    figures = {
        **dict(row),
        "suspended": {row["ground"]: row["numbers"] for row in await connection.fetch(_NOTES.suspended)},
        "debts": {row["age"]: row["debt"] for row in await connection.fetch(_NOTES.debts_by_age)},
    }
    return Part(findings, figures), await connection.fetchval(_NOTES.digest)


async def _ask(connection: Connection, day: date, checks: queries.Queries) -> list[Finding]:
    findings = []
    for check in checks.names():
        rows = await connection.fetch(f"{getattr(checks, check)} limit {MOST_FINDINGS}")
        findings += [Finding(day, check, row["detail"]) for row in rows]
    return findings


async def audit_everything(
    database: Database, day: date, now: datetime, calendar: Calendar, catalogue: Catalogue
) -> list[Finding]:
    """Recompute everything from the first operation on, as `telco audit` does, and last months' bonuses one by one."""
    months = [add_months(day.replace(day=1), -back) for back in range(1, QUARTER + 1)]
    async with asyncio.TaskGroup() as at_once:
        bonuses = [at_once.create_task(recompute_bonuses(database, catalogue, calendar, month)) for month in months]
        audits = await audit_all(database, now, calendar)
    return [
        Finding(day, one.check if one.check.startswith(f"{one.part}.") else f"{one.part}.{one.check}", one.text)
        for one in audits
    ] + [Finding(day, one.check, str(one)) for month in bonuses for one in month.result()]


async def _set_terms(connection: Connection, catalogue: Catalogue) -> None:
    """Note what every published plan and service with a fee costs, and how often."""
    if await connection.fetchval("select obj_description('simulation.term'::regclass)") == str(catalogue.edition):
        return
    plans = [plan for versions in catalogue.plan_versions.values() for plan in versions if _repeats(plan)]
    offers = [offer for versions in catalogue.service_versions.values() for offer in versions if offer.fee_interval]
    rows = [*map(_plan_term, plans), *map(_service_term, offers)]
    await connection.execute(_NOTES.set_terms, *map(list, zip(*rows, strict=True)))
    await connection.execute(f"comment on table simulation.term is '{int(catalogue.edition)}'")


def _repeats(plan: Plan) -> bool:
    return plan.fee > 0 or any(allowance.renew is Renewal.INTERVAL for allowance in plan.allowances)


def _plan_term(plan: Plan) -> tuple[object, ...]:
    name, calendar = f"{plan.code}.{plan.version}", plan.fee_anchor is FeeAnchor.CALENDAR
    return "plan", name, _SPANS[plan.fee_interval], calendar, plan.proration, plan.fee, plan.joining_price


def _service_term(offer: ServiceOffer) -> tuple[object, ...]:
    assert offer.fee_interval is not None
    return "service", f"{offer.code}.{offer.version}", _SPANS[offer.fee_interval], False, False, offer.price, 0


def is_last_of_quarter(day: date) -> bool:
    """Tell whether a quarter ends with a day."""
    tomorrow = day + timedelta(days=1)
    return tomorrow.day == 1 and tomorrow.month % QUARTER == 1
