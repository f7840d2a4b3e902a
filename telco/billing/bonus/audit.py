"""The auditor of bonuses: compares what the programme keeps with the journal, and recomputes months from operations.

It shares no SQL and no arithmetic with what writes them but the catalogue's rules themselves.

Contract: PSC-3.1.9, PSC-6.5
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import NamedTuple

from telco.catalog.bonus import OPERATOR_ACCOUNTS, BonusProgramme, Earning
from telco.catalog.catalogue import Catalogue
from telco.db import queries
from telco.db.pool import Database, Record
from telco.kernel.calendar import Calendar, add_months
from telco.kernel.ids import AccountId, AccountRef
from telco.ledger.audit import MAX_FINDINGS, Finding

_CHECKS = queries.load("telco.billing.bonus", "audit.sql")
_RECOMPUTE = queries.load("telco.billing.bonus", "recompute.sql")
LATE = timedelta(hours=30)
"""A day that is over this long was to be read."""


class _Key(NamedTuple):
    member_id: int
    account: AccountRef
    rule: str


async def audit(database: Database, limit: int = MAX_FINDINGS) -> list[Finding]:
    """Check every member's months, credits, gifts and buckets, as they were at one moment."""
    found: list[Finding] = []
    async with (
        database.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for check in _CHECKS.names():
            for row in await connection.fetch(getattr(_CHECKS, check), limit):
                found.append(Finding(check, _account(row), row["detail"]))
    return found


async def missed_days(database: Database, calendar: Calendar, now: datetime, since: date) -> list[Finding]:
    """Find days since `since` that were over and not read in time."""
    today = calendar.today(now - LATE)
    rows = await database.fetch(_RECOMPUTE.days_missing, since, today, MAX_FINDINGS)
    return [
        Finding("bonus_day", AccountRef(row["shard"], AccountId(0)), f"{row['day']} was not read for bonuses")
        for row in rows
    ]


async def recompute(database: Database, catalogue: Catalogue, calendar: Calendar, month: date) -> list[Finding]:
    """Recompute what a calendar month earned from its operations one by one, as far as the days were read.

    What reversals and give-backs of later days took from it is part of it.
    """
    start, end = calendar.start_of_day(month), calendar.start_of_day(add_months(month, 1))
    later = end + timedelta(days=400)
    expected: dict[_Key, int] = defaultdict(int)
    for row in await database.fetch(_RECOMPUTE.charged, start, later):
        earned_at = row["target_at"] or row["at"]
        if row["of_day"] is not None:
            earned_at = min(earned_at, calendar.start_of_day(row["of_day"] + timedelta(days=1)) - timedelta.resolution)
        if not start <= earned_at < end or earned_at < row["joined_at"]:
            continue
        earned = _earned(catalogue, calendar, row, earned_at)
        if earned is not None:
            rule, e4 = earned
            expected[_Key(row["member_id"], _account(row), rule)] += e4
    kept = {
        _Key(row["member_id"], _account(row), row["rule"]): row["earned_e4"]
        for row in await database.fetch(_RECOMPUTE.month_earned, month)
    }
    differing = sorted(key for key in {*expected, *kept} if expected.get(key, 0) != kept.get(key, 0))
    return [
        Finding(
            "bonus_recomputed",
            key.account,
            f"{month} member {key.member_id}: {key.rule} is {kept.get(key, 0)}, not {expected.get(key, 0)}",
        )
        for key in differing[:MAX_FINDINGS]
    ]


def _earned(catalogue: Catalogue, calendar: Calendar, row: Record, earned_at: datetime) -> tuple[str, int] | None:
    programme = catalogue.bonus_at(earned_at)
    if programme is None:
        return None
    contra: str = row["contra"]
    cash = contra.startswith("cash.")
    wanted = Earning.TOP_UP if cash else _earning(contra)
    day = calendar.today(earned_at)
    rule = next((rule for rule in programme.earn if wanted in rule.on), None)
    if rule is None:
        return None
    points = _points(programme, rule.code, row["tenure_from"], day)
    return (rule.code, (-row["paid"] if cash else row["paid"]) * points) if points else None


def _earning(contra: str) -> Earning | None:
    return next((earning for earning, account in OPERATOR_ACCOUNTS.items() if account == contra), None)


def _points(programme: BonusProgramme, code: str, tenure_from: date, day: date) -> int:
    rule = next(rule for rule in programme.earn if rule.code == code)
    points = 0
    for tier in rule.tiers:
        if add_months(tenure_from, tier.months) <= day:
            points = tier.basis_points
    return points


def _account(row: Record) -> AccountRef:
    return AccountRef(row["shard"], AccountId(row["account_id"]))
